// SPDX-License-Identifier: GPL-2.0-or-later
//! The page's tables, panels and verdicts, of any requests in any modes.

use bench_report::{Spread, Target};

use super::measure::Figures;
use crate::chart::{Panel, Scale};
use crate::page::{shown, Table};
use crate::results::{self, Case, Mode};
use crate::verdict::Verdict;

type Results<C, M> = results::Results<C, M, Figures>;

/// Requests of a kind.
pub trait Requests: Case {
    /// Bytes that each carries.
    fn bytes(self) -> usize;

    /// Whether what counts is how long one takes; else how many there are.
    fn is_latency(self) -> bool;
}

/// What is to be reached of the rival's requests a second, with many in
/// flight.
const RATIO: Target = Target::AtLeast(0.9);
/// What may be added to the latency of one at a time, in µs.
const ADDED: Target = Target::AtMost(15.0);

fn many<C: Requests, M>(results: &Results<C, M>) -> impl Iterator<Item = C> + '_ {
    results
        .cases
        .iter()
        .copied()
        .filter(|case| !case.is_latency())
}

fn single<C: Requests, M>(results: &Results<C, M>) -> impl Iterator<Item = C> + '_ {
    results
        .cases
        .iter()
        .copied()
        .filter(|case| case.is_latency())
}

/// Of the rival's requests a second.
fn ratio<C: Requests, M: Mode>(results: &Results<C, M>, case: C, mode: M) -> Option<Spread> {
    results.ratio(case, mode, Figures::rate)
}

/// What is added to the rival's latency, in µs.
fn added<C: Requests, M: Mode>(results: &Results<C, M>, case: C, mode: M) -> Option<Spread> {
    results.pairs(case, mode, |ours, rival| {
        Some(ours.latency()? - rival.latency()?)
    })
}

/// Throughput, latency and processor time.
pub fn tables<C: Requests, M: Mode>(results: &Results<C, M>) -> String {
    if results.cases.is_empty() {
        return "Not measured in this run.\n".into();
    }
    format!(
        "### Thousands of requests a second\n\n{}\n### Median latency, µs\n\n{}\n\
         ### Processor time for a request, µs: front-end + back-end\n\n{}",
        throughput(results),
        latency(results),
        cpu(results)
    )
}

/// A table whose rows have a value of the rival, then one of each other mode
/// with `compared` beside it.
fn beside_rival<C: Requests, M: Mode>(results: &Results<C, M>, compared: &str) -> Table {
    let ours = results
        .ours()
        .flat_map(|mode| [mode.to_string(), compared.into()]);
    Table::new(
        [String::new(), M::RIVAL.to_string()]
            .into_iter()
            .chain(ours),
    )
}

fn throughput<C: Requests, M: Mode>(results: &Results<C, M>) -> Table {
    let mut table = beside_rival(results, "ratio");
    for case in many(results) {
        let rate = |mode| {
            let rate = results
                .spread(case, mode, Figures::rate)
                .map(|rate| rate.scaled(1e-3));
            let is_small = rate.is_some_and(|rate| rate.median < 1.0);
            shown(rate, if is_small { 3 } else { 1 })
        };
        let ours = results
            .ours()
            .flat_map(|mode| [rate(mode), shown(ratio(results, case, mode), 2)]);
        table.row([case.to_string(), rate(M::RIVAL)].into_iter().chain(ours));
    }
    table
}

fn latency<C: Requests, M: Mode>(results: &Results<C, M>) -> Table {
    let mut table = beside_rival(results, "added");
    for case in single(results) {
        let latency = |mode| shown(results.spread(case, mode, Figures::latency), 1);
        let ours = results
            .ours()
            .flat_map(|mode| [latency(mode), shown(added(results, case, mode), 1)]);
        table.row(
            [case.to_string(), latency(M::RIVAL)]
                .into_iter()
                .chain(ours),
        );
    }
    table
}

/// A table whose rows have a value of each mode.
fn of_modes<C: Requests, M: Mode>(
    results: &Results<C, M>,
    cases: impl Iterator<Item = C>,
    value: impl Fn(C, M) -> String,
) -> Table {
    let modes = results.modes().map(|mode| mode.to_string());
    let mut table = Table::new([String::new()].into_iter().chain(modes));
    for case in cases {
        let values = results.modes().map(|mode| value(case, mode));
        table.row([case.to_string()].into_iter().chain(values));
    }
    table
}

fn cpu<C: Requests, M: Mode>(results: &Results<C, M>) -> Table {
    of_modes(results, results.cases.iter().copied(), |case, mode| {
        let front = results.spread(case, mode, Figures::front_cpu);
        let back = results.spread(case, mode, Figures::back_cpu);
        let both = front.zip(back);
        both.map_or("–".into(), |(front, back)| {
            format!("{:.2} + {:.2}", front.median, back.median)
        })
    })
}

/// Throughput in bytes.
pub fn megabytes<C: Requests, M: Mode>(results: &Results<C, M>) -> String {
    if results.cases.is_empty() {
        return String::new();
    }
    let table = of_modes(results, many(results), |case, mode| {
        let rate = results.spread(case, mode, Figures::rate);
        shown(rate.map(|rate| rate.scaled(case.bytes() as f64 / 1e6)), 0)
    });
    format!("\n### MB a second\n\n{table}")
}

/// What the project set out to reach, and whether it did.
pub fn verdicts<C: Requests, M: Mode>(results: &Results<C, M>, place: &str) -> Vec<Verdict> {
    let of_mode = |mode| {
        let named = |case: C, spread: Option<Spread>| Some((case.to_string(), spread?.median));
        let ratios = many(results).filter_map(|case| named(case, ratio(results, case, mode)));
        let what = format!("{place}, {mode}, requests a second of {}'s", M::RIVAL);
        let throughput = Verdict::on_all(what, RATIO, ratios, 2);
        let latencies = single(results).filter_map(|case| named(case, added(results, case, mode)));
        let what = format!("{place}, {mode}, µs more than {}", M::RIVAL);
        [throughput, Verdict::on_all(what, ADDED, latencies, 1)]
    };
    results.ours().flat_map(of_mode).collect()
}

/// A case in a line, for who watches.
pub fn line<C: Requests, M: Mode>(results: &Results<C, M>, case: C) -> String {
    let compared: Vec<_> = results
        .ours()
        .map(|mode| match case.is_latency() {
            true => format!("{mode} adds {} µs", shown(added(results, case, mode), 1)),
            false => format!("{mode} {}", shown(ratio(results, case, mode), 2)),
        })
        .collect();
    format!("{case}: {}", compared.join(", "))
}

/// A row of a panel.
type Row = (String, Vec<Option<Spread>>);

/// Rows of throughput, of the rival's.
pub fn ratio_rows<C: Requests, M: Mode>(results: &Results<C, M>) -> Vec<Row> {
    rows(many(results), |case, mode: M| match mode == M::RIVAL {
        true => None,
        false => ratio(results, case, mode),
    })
}

/// Rows of latencies.
pub fn latency_rows<C: Requests, M: Mode>(results: &Results<C, M>) -> Vec<Row> {
    rows(single(results), |case, mode: M| {
        results.spread(case, mode, Figures::latency)
    })
}

fn rows<C: Requests, M: Mode>(
    cases: impl Iterator<Item = C>,
    value: impl Fn(C, M) -> Option<Spread>,
) -> Vec<Row> {
    let row = |case: C| {
        let values = M::VARIANTS.iter().map(|&mode| value(case, mode));
        (case.to_string(), values.collect())
    };
    cases.map(row).collect()
}

/// A panel for each. `without` is the rival in words.
pub fn panels<M: Mode>(ratios: Vec<Row>, latencies: Vec<Row>, without: &str) -> Vec<Panel> {
    vec![
        Panel {
            title: format!("Requests a second, of those {without}: more is better"),
            axis: "ratio of two runs beside each other (log scale)".into(),
            scale: Scale::Log,
            marks: vec![(1.0, M::RIVAL.to_string())],
            rows: ratios,
        },
        Panel {
            title: "How long a request takes, one at a time: less is better".into(),
            axis: "median of a run, µs".into(),
            scale: Scale::Linear,
            marks: vec![],
            rows: latencies,
        },
    ]
}
