// SPDX-License-Identifier: GPL-2.0-or-later
//! The page, and the chart.

use bench_report::Target;

use crate::chart::{Chart, Panel, Scale};
use crate::page::{head, shown, Table};
use crate::results::Mode as _;
use crate::verdict::Verdict;

use super::cases::{Case, Figures, Mode, Work};
use super::Pcid;

type Results = crate::results::Results<Case, Mode, Figures>;

const TIMES: &str = "\
## Times

guest/mmload.c in Linux. *Pipes*: two processes hand a byte to and fro. *Calls*: system
calls that do next to nothing; with pti each switches page tables twice. *Spawns*: fork,
exec, exit, wait. *Reads*: 32 MiB of memory, each read on another page, in one process.

";

const COUNTS: &str = "\
## Why

Of each one: walks of page tables, flushes of the TLB or of a part of it, and switches after
which the new context's entries were still there.

";

/// The whole page but the verdicts.
pub fn text(bench: &Pcid) -> String {
    let results = &bench.results;
    let notes = [
        "Guests have 256 MiB, and go on from two snapshots, without PCIDs and with; the one\n  \
         that is measured is the only one that runs"
            .into(),
        format!(
            "{} runs of each case after one that doesn't count; modes take turns, none always\n  \
             first; medians, with the lowest and highest run. A ratio is of the speeds of two runs\n  \
             beside each other",
            results.runs()
        ),
        "An unpatched QEMU of the same version, if ANNEX_BASE_QEMU named one, loads the snapshot\n  \
         without PCIDs"
            .into(),
    ];
    [
        head(bench, "PCID: the numbers", "bench-pcid", &notes),
        format!("{TIMES}{}\n", times(results)),
        format!("{COUNTS}{}\n", counts(results)),
    ]
    .concat()
}

fn times(results: &Results) -> Table {
    let mut columns = vec![String::new(), format!("{}, µs", Mode::RIVAL)];
    columns.extend(results.ours().map(|mode| format!("speed, {mode}")));
    let mut table = Table::new(columns);
    for &case in &results.cases {
        let mut row = vec![
            case.to_string(),
            shown(results.spread(case, Mode::RIVAL, Figures::micros), 2),
        ];
        row.extend(
            results
                .ours()
                .map(|mode| shown(speed(results, case, mode), 2)),
        );
        table.row(row);
    }
    table
}

/// How many times as fast as without PCIDs.
fn speed(results: &Results, case: Case, mode: Mode) -> Option<bench_report::Spread> {
    results.ratio(case, mode, Figures::rate)
}

fn counts(results: &Results) -> Table {
    let mut table = Table::new(["", "mode", "misses", "flushes", "contexts found"]);
    for &case in &results.cases {
        for mode in results.modes() {
            let each = |value: fn(&Figures) -> Option<f64>| {
                let spread = results.spread(case, mode, value);
                spread.map_or("–".into(), |spread| format!("{:.3}", spread.median))
            };
            table.row([
                case.to_string(),
                mode.to_string(),
                each(Figures::misses_each),
                each(Figures::flushes_each),
                each(Figures::found_each),
            ]);
        }
    }
    table
}

/// A case's result as progress shows it.
pub fn line(results: &Results, case: Case) -> String {
    let micros = shown(results.spread(case, Mode::RIVAL, Figures::micros), 2);
    let mut line = format!("{case}: {micros} µs without PCIDs; speeds");
    for mode in results.ours() {
        line += &format!(", {mode} {}", shown(speed(results, case, mode), 2));
    }
    line
}

/// Speeds.
pub fn chart(results: &Results) -> Chart {
    let modes: Vec<_> = results.modes().collect();
    let panel = |work: Work| {
        let cases = results.cases.iter().filter(|case| case.work == work);
        let row = |&case: &Case| {
            let of = |&mode: &Mode| {
                (mode != Mode::RIVAL)
                    .then(|| speed(results, case, mode))
                    .flatten()
            };
            (case.to_string(), modes.iter().map(of).collect())
        };
        Panel {
            title: format!("{work}: more is better"),
            axis: "speed, of that without PCIDs".into(),
            scale: Scale::Linear,
            marks: vec![(1.0, Mode::RIVAL.to_string())],
            rows: cases.map(row).collect(),
        }
    };
    let works = [Work::Pipes, Work::Calls, Work::Spawns, Work::Reads];
    let is_there = |work: &Work| results.cases.iter().any(|case| case.work == *work);
    Chart {
        title: "Speed with PCIDs, by what is remembered".into(),
        modes: modes.iter().map(Mode::to_string).collect(),
        across: 2,
        panels: works.into_iter().filter(is_there).map(panel).collect(),
    }
}

/// What remembering is to reach.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let is_gain = |case: &Case| case.work == Work::Pipes && case.machine.pti;
    let of = |wanted: bool, modes: &[Mode]| -> Vec<(String, f64)> {
        let cases = results.cases.iter().filter(|case| is_gain(case) == wanted);
        let all = cases.flat_map(|&case| modes.iter().map(move |&mode| (case, mode)));
        all.filter_map(|(case, mode)| {
            Some((
                format!("{case}, {mode}"),
                speed(results, case, mode)?.median,
            ))
        })
        .collect()
    };
    let all = [Mode::Forgets, Mode::Two, Mode::Four, Mode::Eight];
    vec![
        Verdict::on_all(
            "pipes with pti and 8 contexts, of the speed without PCIDs".into(),
            Target::AtLeast(1.3),
            of(true, &[Mode::Eight]),
            2,
        ),
        Verdict::on_all(
            "an unpatched QEMU, of the speed without PCIDs".into(),
            Target::AtMost(1.03),
            [of(true, &[Mode::Unpatched]), of(false, &[Mode::Unpatched])].concat(),
            2,
        ),
        Verdict::on_all(
            "everything else, of the speed without PCIDs".into(),
            Target::AtLeast(0.97),
            of(false, &all),
            2,
        ),
    ]
}
