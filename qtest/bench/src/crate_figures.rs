// SPDX-License-Identifier: GPL-2.0-or-later
//! A crate's own bench, for its figures to be on the same page.

use std::path::Path;
use std::process::Command;

use annex_qtest::files;
use anyhow::{ensure, Context, Result};
use bench_report::Figure;

use crate::bench::Size;
use crate::page::Table;
use crate::verdict::Verdict;

/// Runs bench `name` of rust/`package`.
pub fn measure(package: &str, name: &str, size: Size) -> Result<Vec<Figure>> {
    println!("the crate {package} by itself ...");
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("figures.csv");
    let mut cargo = Command::new("cargo");
    cargo.args([
        "bench",
        "--quiet",
        "--locked",
        "--package",
        package,
        "--bench",
        name,
    ]);
    if size != Size::Full {
        // What is built for tests will do.
        cargo.args(["--profile", "dev"]);
    }
    cargo.arg("--").arg("--table").arg(&table);
    if size != Size::Full {
        cargo.arg("--smoke");
    }
    let status = cargo
        .current_dir(files::top())
        .status()
        .context("running cargo")?;
    ensure!(
        status.success(),
        "the bench of rust/{package} ended with {status}"
    );
    read(&table)
}

fn read(table: &Path) -> Result<Vec<Figure>> {
    let figures = Figure::read(table).with_context(|| table.display().to_string())?;
    ensure!(!figures.is_empty(), "{}: no figures", table.display());
    Ok(figures)
}

/// The figures as a page's table; `rival` is what ours are beside.
pub fn table(figures: &[Figure], rival: &str) -> String {
    if figures.is_empty() {
        return "Not measured in this run.\n".into();
    }
    let mut table = Table::new(["", "ours", "spread", rival, "ratio"]);
    for figure in figures {
        let Figure {
            name, unit, value, ..
        } = figure;
        let shown = |value: Option<f64>, digits: usize, unit: &str| match value {
            Some(value) => format!("{value:.digits$}{unit}"),
            None => "–".into(),
        };
        let unit = format!(" {unit}");
        table.row([
            name.clone(),
            shown(Some(*value), 2, &unit),
            shown(figure.spread_percent, 0, " %"),
            shown(figure.plain, 2, &unit),
            shown(figure.ratio, 2, ""),
        ]);
    }
    table.to_string()
}

/// Whether `package` reached its targets.
pub fn verdicts<'a>(figures: &'a [Figure], package: &'a str) -> impl Iterator<Item = Verdict> + 'a {
    figures.iter().filter_map(move |figure| {
        let of = match figure.ratio {
            Some(_) => "of the rival's".into(),
            None => figure.unit.clone(),
        };
        let what = format!("{package}, {}, {of}", figure.name);
        Some(Verdict::new(what, figure.target?, Some(figure.judged()), 2))
    })
}
