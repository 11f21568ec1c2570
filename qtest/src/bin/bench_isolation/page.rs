// SPDX-License-Identifier: GPL-2.0-or-later
//! The page in docs/bench.

use std::fmt::Write;

use annex_qtest::bench::crates::{self, Figure};
use annex_qtest::bench::{shown, Machine, Spread};

use crate::cases::{Case, Mode};
use crate::results::Results;

/// What is to be reached of direct's requests a second, with many in flight.
pub const RATIO: f64 = 0.9;
/// What may be added to the latency of one at a time, in µs.
const ADDED: f64 = 15.0;

const OURS: [Mode; 2] = [Mode::Isolated, Mode::Relayed];

const METHOD: &str = "\
## Outside of a guest: isolated and direct

A vhost-user front-end drives a virtio-blk queue of qemu-storage-daemon, with event indexes and
indirect descriptors, in three ways:

- direct: ring and buffers are in one memfd that the back-end has mapped, as with
  `memory-isolation=off`
- isolated: buffers are in anonymous memory; the thread that makes the requests lends them with
  rust/isolated-memory, so that what is added is copying, cleaning and checking
- relayed: the same, in a thread of its own, that driver and back-end kick and call as they do
  QEMU's main loop or iothread: what `memory-isolation=on` amounts to without a guest. Neither
  side polls

The back-end's exports are null-co, which touches no buffer at all, and a file in RAM (a memfd,
in QEMU's default cache and aio modes). One thread drives all queues; the back-end has one for
them, and for the file in RAM its thread pool. 4 KiB are at random places, 1 MiB in order.
Processor time is that of all threads of the front-end + the back-end.

";

/// The whole page.
pub fn text(results: &Results, figures: &[Figure], machine: &Machine, smoke: bool) -> String {
    let runs = results.samples.iter().map(|sample| sample.run).max().unwrap_or(0);
    let Machine { hardware, kernel, qemu, accel: _, date } = machine;
    let mut text = format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n\
         # Memory isolation: the numbers\n\n\
         Made by `make bench-isolation` on {date}. Don't edit: run it again.\n\n\
         ![Isolated throughput of direct, and latency](isolation.svg)\n\n\
         - Machine: {hardware}; Linux {kernel}\n\
         - qemu-storage-daemon of {qemu}\n\
         - {runs} runs of each case; the ways take turns, each first as often as the others;\n  \
           medians, with the lowest and highest run. A ratio, or a difference, is of two runs\n  \
           beside each other\n\
         - Every run is in [isolation.csv](isolation.csv)\n\n{METHOD}"
    );
    let _ = write!(
        text,
        "{}\n{}\n{}\n\
         ## The copy engine: beside memcpy\n\n\
         `cargo bench -p isolated-memory`, in the same run. Requests (ns) are whole ones, lent,\n\
         answered, reaped and cleaned, beside the copying alone.\n\n{}\n## Targets\n\n{}",
        throughput(results),
        latency(results),
        cpu(results),
        crates::table(figures, "memcpy"),
        verdicts(results, figures, smoke)
    );
    text
}

fn many() -> impl Iterator<Item = Case> {
    Case::all().filter(|case| !case.shape.is_latency())
}

fn single() -> impl Iterator<Item = Case> {
    Case::all().filter(|case| case.shape.is_latency())
}

/// A row of a table: the case, and a cell for each value.
fn row(table: &mut String, case: Case, cells: impl IntoIterator<Item = String>) {
    let _ = write!(table, "| {case} |");
    for cell in cells {
        let _ = write!(table, " {cell} |");
    }
    table.push('\n');
}

fn throughput(results: &Results) -> String {
    let mut table = String::from(
        "### Thousands of requests a second\n\n\
         | | direct | isolated | ratio | relayed | ratio |\n|---|---|---|---|---|---|\n",
    );
    for case in many() {
        let rate = |mode| shown(results.rate(case, mode).map(thousands), 1);
        let ours = OURS.map(|mode| [rate(mode), shown(results.ratio(case, mode), 2)]);
        row(&mut table, case, [rate(Mode::Direct)].into_iter().chain(ours.into_iter().flatten()));
    }
    table
}

fn thousands(Spread { min, median, max }: Spread) -> Spread {
    Spread { min: min / 1e3, median: median / 1e3, max: max / 1e3 }
}

fn latency(results: &Results) -> String {
    let mut table = String::from(
        "### Median latency, µs\n\n\
         | | direct | isolated | added | relayed | added |\n|---|---|---|---|---|---|\n",
    );
    for case in single() {
        let latency = |mode| shown(results.latency(case, mode), 1);
        let ours = OURS.map(|mode| [latency(mode), shown(results.added(case, mode), 1)]);
        let cells = [latency(Mode::Direct)].into_iter().chain(ours.into_iter().flatten());
        row(&mut table, case, cells);
    }
    table
}

fn cpu(results: &Results) -> String {
    let mut table = String::from(
        "### Processor time for a request, µs: front-end + back-end\n\n\
         | | direct | isolated | relayed |\n|---|---|---|---|\n",
    );
    for case in Case::all() {
        let median = |spread: Option<Spread>| spread.map_or(f64::NAN, |spread| spread.median);
        let cell = |mode| {
            let front = median(results.front_cpu(case, mode));
            let back = median(results.back_cpu(case, mode));
            format!("{front:.2} + {back:.2}")
        };
        row(&mut table, case, Mode::ALL.map(cell));
    }
    table
}

/// What the project set out to reach, and whether it did.
pub fn verdicts(results: &Results, figures: &[Figure], smoke: bool) -> String {
    if smoke {
        return "A run at smoke size says nothing of the targets.\n".into();
    }
    let mut list = String::new();
    for mode in OURS {
        for case in many() {
            let found = results.ratio(case, mode).map(|ratio| ratio.median);
            let what = format!("{case}, {mode}, of direct's, at least {RATIO}");
            verdict(&mut list, &what, found, found >= Some(RATIO), 2);
        }
    }
    for mode in OURS {
        for case in single() {
            let found = results.added(case, mode).map(|added| added.median);
            let what = format!("{case}, {mode}, µs added, at most {ADDED}");
            verdict(&mut list, &what, found, found <= Some(ADDED), 1);
        }
    }
    list.push_str(&crates::verdicts(figures, "isolated-memory"));
    list
}

fn verdict(list: &mut String, what: &str, found: Option<f64>, met: bool, digits: usize) {
    let _ = match found {
        Some(found) if met => writeln!(list, "- met: {what}: {found:.digits$}"),
        Some(found) => writeln!(list, "- NOT MET: {what}: {found:.digits$}"),
        None => writeln!(list, "- not measured: {what}"),
    };
}

/// A case in a line, for who watches.
pub fn line(results: &Results, case: Case) -> String {
    if case.shape.is_latency() {
        let [isolated, relayed] = OURS.map(|mode| shown(results.added(case, mode), 1));
        return format!("{case}: isolated adds {isolated} µs, relayed {relayed} µs");
    }
    let [isolated, relayed] = OURS.map(|mode| shown(results.ratio(case, mode), 2));
    format!("{case}: isolated {isolated} of direct's, relayed {relayed}")
}
