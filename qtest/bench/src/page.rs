// SPDX-License-Identifier: GPL-2.0-or-later
//! What pages are made of.

use std::fmt;

use bench_report::Spread;

use crate::about::About;
use crate::bench::Bench;

/// The head of a bench's page: title, charts, where it was measured and what
/// `notes` say of how.
pub fn head<B: Bench>(bench: &B, title: &str, target: &str, notes: &[String]) -> String {
    let About {
        date,
        machine,
        load,
        remarks,
        ..
    } = bench.about();
    let load = load.map_or(String::new(), |load| {
        format!("; load average {load} before")
    });
    let file = B::FILE;
    let mut page = format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n\
         # {title}\n\n\
         Drawn from the data of the run of `make {target}` on {date}. Don't edit: `scripts/bench\n\
         {} --draw` makes page and charts of [the runs]({file}.csv) and [the rest]({file}.json).\n",
        target.trim_start_matches("bench-")
    );
    for (suffix, chart) in bench.charts() {
        page += &format!("\n![{}]({file}{suffix}.svg)\n", chart.title);
    }
    page += &format!(
        "\n- Machine: {}; Linux {}{load}\n- {}; accelerator {}\n",
        machine.hardware, machine.kernel, machine.qemu, machine.accel
    );
    for note in notes.iter().chain(remarks) {
        page += &format!("- {note}\n");
    }
    page + "\n"
}

/// A table of a page.
pub struct Table(String);

impl Table {
    /// One with these columns.
    pub fn new<T: fmt::Display>(columns: impl IntoIterator<Item = T>) -> Self {
        let mut table = Self(String::new());
        let columns = table.row(columns);
        table.row(vec!["---"; columns]);
        table
    }

    /// Adds a row; how many cells it has.
    pub fn row<T: fmt::Display>(&mut self, cells: impl IntoIterator<Item = T>) -> usize {
        let mut count = 0;
        self.0.push('|');
        for cell in cells {
            self.0 += &format!(" {cell} |");
            count += 1;
        }
        self.0.push('\n');
        count
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// "median (lowest–highest)".
pub fn shown(spread: Option<Spread>, digits: usize) -> String {
    match spread {
        Some(Spread { min, median, max }) => {
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        }
        None => "–".into(),
    }
}
