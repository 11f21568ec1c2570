// SPDX-License-Identifier: GPL-2.0-or-later
//! The page's tables, of any ways.

use std::fmt::Write;

use annex_bench::{shown, Spread};

use crate::results::Results;
use crate::row::Row;
use crate::ways::Way;

/// What is to be reached of the first way's requests a second, with many in
/// flight.
pub const RATIO: f64 = 0.9;
/// What may be added to the latency of one at a time, in µs.
const ADDED: f64 = 15.0;

/// Throughput, latency and processor time.
pub fn tables<R: Row, W: Way>(results: &Results<R, W>) -> String {
    [throughput(results), latency(results), cpu(results)].join("\n")
}

/// The first line of a table whose rows have a value of the first way, then
/// one of each other with `compared` beside it.
fn head<W: Way>(compared: &str) -> String {
    let ours: String = W::ours()
        .map(|way| format!(" {way} | {compared} |"))
        .collect();
    format!(
        "| | {} |{ours}\n|---|---|{}\n",
        W::first(),
        "---|".repeat(2 * (W::ALL.len() - 1))
    )
}

/// A row: the case, and a cell for each value.
fn row(table: &mut String, case: impl Row, cells: impl IntoIterator<Item = String>) {
    let _ = write!(table, "| {case} |");
    for cell in cells {
        let _ = write!(table, " {cell} |");
    }
    table.push('\n');
}

fn throughput<R: Row, W: Way>(results: &Results<R, W>) -> String {
    let mut table = format!(
        "### Thousands of requests a second\n\n{}",
        head::<W>("ratio")
    );
    for case in results.many() {
        let rate = |way| {
            let thousands = results.rate(case, way).map(|rate| rate.scaled(1e-3));
            shown(
                thousands,
                if thousands.is_some_and(|rate| rate.median < 1.0) {
                    3
                } else {
                    1
                },
            )
        };
        let ours = W::ours().map(|way| [rate(way), shown(results.ratio(case, way), 2)]);
        row(
            &mut table,
            case,
            [rate(W::first())].into_iter().chain(ours.flatten()),
        );
    }
    table
}

fn latency<R: Row, W: Way>(results: &Results<R, W>) -> String {
    let mut table = format!("### Median latency, µs\n\n{}", head::<W>("added"));
    for case in results.single() {
        let latency = |way| shown(results.latency(case, way), 1);
        let ours = W::ours().map(|way| [latency(way), shown(results.added(case, way), 1)]);
        row(
            &mut table,
            case,
            [latency(W::first())].into_iter().chain(ours.flatten()),
        );
    }
    table
}

/// The title, and the first line of a table whose rows have a value of each
/// way.
fn plain_head<W: Way>(title: &str) -> String {
    let ways: String = W::ALL.iter().map(|way| format!(" {way} |")).collect();
    format!(
        "### {title}\n\n| |{ways}\n|---|{}\n",
        "---|".repeat(W::ALL.len())
    )
}

/// Throughput in bytes.
pub fn megabytes<R: Row, W: Way>(results: &Results<R, W>) -> String {
    let mut table = plain_head::<W>("MB a second");
    for case in results.many() {
        let megabytes = |rate: Spread| rate.scaled(case.bytes() as f64 / 1e6);
        let cell = |&way: &W| shown(results.rate(case, way).map(megabytes), 0);
        row(&mut table, case, W::ALL.iter().map(cell));
    }
    table
}

fn cpu<R: Row, W: Way>(results: &Results<R, W>) -> String {
    let title = "Processor time for a request, µs: front-end + back-end";
    let mut table = plain_head::<W>(title);
    for case in results.cases.iter().copied() {
        let cell = |way| {
            let both = results
                .front_cpu(case, way)
                .zip(results.back_cpu(case, way));
            both.map_or("–".into(), |(front, back)| {
                format!("{:.2} + {:.2}", front.median, back.median)
            })
        };
        row(&mut table, case, W::ALL.iter().copied().map(cell));
    }
    table
}

/// What the project set out to reach, and whether it did.
pub fn verdicts<R: Row, W: Way>(results: &Results<R, W>, place: &str) -> String {
    let mut list = String::new();
    let first = W::first();
    for way in W::ours() {
        let found = results.many().map(|case| (case, results.ratio(case, way)));
        let what = format!("{place}, {way}, at least {RATIO} of {first}");
        list.push_str(&verdict(&what, found, |ratio| ratio >= RATIO, 2));
        let found = results
            .single()
            .map(|case| (case, results.added(case, way)));
        let what = format!("{place}, {way}, at most {ADDED} µs more than {first}");
        list.push_str(&verdict(&what, found, |added| added <= ADDED, 1));
    }
    list
}

/// A line, and one more for each case that falls short.
fn verdict<R: Row>(
    what: &str,
    found: impl Iterator<Item = (R, Option<Spread>)>,
    met: impl Fn(f64) -> bool,
    digits: usize,
) -> String {
    let found: Vec<_> = found
        .filter_map(|(case, spread)| Some((case, spread?.median)))
        .collect();
    let short: Vec<_> = found.iter().filter(|(_, median)| !met(*median)).collect();
    let mut lines = match (found.len(), short.len()) {
        (0, _) => format!("- not measured: {what}\n"),
        (all, 0) => format!("- met: {what}: all {all} cases\n"),
        (all, short) => format!("- NOT MET: {what}: {short} of {all} cases fall short\n"),
    };
    for (case, median) in short {
        let _ = writeln!(lines, "  - {case}: {median:.digits$}");
    }
    lines
}

/// A case in a line, for who watches.
pub fn line<R: Row, W: Way>(results: &Results<R, W>, case: R) -> String {
    let compared: Vec<_> = W::ours()
        .map(|way| match case.is_latency() {
            true => format!("{way} adds {} µs", shown(results.added(case, way), 1)),
            false => format!("{way} {}", shown(results.ratio(case, way), 2)),
        })
        .collect();
    format!("{case}: {}", compared.join(", "))
}
