// SPDX-License-Identifier: GPL-2.0-or-later
//! The page, and the chart.

use bench_report::Target;

use crate::chart::{Chart, Panel, Scale};
use crate::page::{head, shown, Table};
use crate::verdict::Verdict;

use super::cases::{Case, Figures, Mode};
use super::Rtc;

type Results = crate::results::Results<Case, Mode, Figures>;

const ROUND_TRIPS: &str = "\
## Round trips over the wire

A driver in the bench's process, vhost-user's front-end as well, makes a request, kicks
the daemon and sleeps until it is called: no QEMU and no guest in between. *Bare* is what
is left if there is nothing to do: another process that sleeps in a read of one eventfd
and then writes another, with the same sleep on this side.

";

const STREAM: &str = "\
## Requests in a second

";

const ALARMS: &str = "\
## Lateness of alarms

From an alarm's time, 2 ms ahead, until the driver has its notification. *Bare* is a
timerfd in the driver's own process. At load, READs are asked for without a pause in
both.

";

const TOGETHER: &str = "\
## READ_CROSS: a reading and the counter

How far pairs of a clock's reading and the TSC lie off the straight line through all
pairs of a run, in ns. *Bare* is what a driver without READ_CROSS can do: READ, with the
counter read before and after it, and the middle of the two.

";

const IN_GUEST: &str = "\
## The time in a guest

How long a guest (Linux under TCG, shared memory) takes to ask for the time: by
`RTC_RD_TIME`, as hwclock does, of the daemon's clock and of QEMU's mc146818rtc, which
is *bare* here and knows whole seconds only; and by `clock_gettime()` of a PTP clock,
which has nanoseconds. The daemon is a process of its own, mc146818rtc a part of QEMU.

";

/// The whole page but the verdicts.
pub fn text(bench: &Rtc) -> String {
    let results = &bench.results;
    let notes = [
        format!(
            "{} runs of each case after one that doesn't count; daemon and bare take turns, each\n  \
             first as often as second; medians, with the lowest and highest run. A ratio is of two\n  \
             runs beside each other",
            results.runs()
        ),
        "Of the daemon's clocks, the monotonic one".into(),
    ];
    let mut text = head(bench, "virtio-rtc: the numbers", "bench-rtc", &notes);
    let has = |cases: &[Case]| results.cases.iter().any(|case| cases.contains(case));
    let sections: [(&str, &[Case], Unit); 5] = [
        (ROUND_TRIPS, &[Case::Read, Case::Cross], Unit::Micros),
        (STREAM, &[Case::Stream], Unit::Rate),
        (ALARMS, &[Case::Alarm, Case::AlarmAtLoad], Unit::Micros),
        (TOGETHER, &[Case::Together], Unit::Nanos),
        (IN_GUEST, &[Case::GuestRtc, Case::GuestPtp], Unit::Micros),
    ];
    for (title, cases, unit) in sections {
        if has(cases) {
            text += &format!("{title}{}\n", table(results, cases, unit));
        }
    }
    text
}

/// What a table's figures are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Micros,
    Nanos,
    Rate,
}

fn table(results: &Results, cases: &[Case], unit: Unit) -> Table {
    if unit == Unit::Rate {
        let mut table = Table::new(["", "daemon, per second", "bare, per second"]);
        for &case in cases {
            table.row([
                case.to_string(),
                shown(results.spread(case, Mode::Daemon, Figures::rate), 0),
                shown(results.spread(case, Mode::Bare, Figures::rate), 0),
            ]);
        }
        return table;
    }
    let per = if unit == Unit::Micros { 1e3 } else { 1.0 };
    let name = if unit == Unit::Micros { "µs" } else { "ns" };
    let mut table = Table::new([
        "".into(),
        format!("daemon, median, {name}"),
        "99 %".into(),
        format!("bare, median, {name}"),
        "99 %".into(),
        "ratio of medians".into(),
    ]);
    let median = |figures: &Figures| Some(figures.median / per);
    let centile = |figures: &Figures| Some(figures.centile99 / per);
    for &case in cases.iter().filter(|case| results.cases.contains(case)) {
        table.row([
            format!("{case} (bare: {})", case.bare()),
            shown(results.spread(case, Mode::Daemon, median), 1),
            shown(results.spread(case, Mode::Daemon, centile), 1),
            shown(results.spread(case, Mode::Bare, median), 1),
            shown(results.spread(case, Mode::Bare, centile), 1),
            shown(results.ratio(case, Mode::Daemon, median), 2),
        ]);
    }
    table
}

/// A case's result as progress shows it.
pub fn line(results: &Results, case: Case) -> String {
    let of = |mode| shown(results.spread(case, mode, Figures::median_us), 2);
    let ratio = shown(results.ratio(case, Mode::Daemon, Figures::median_us), 2);
    format!(
        "{case}: daemon {} µs, bare {} µs, ratio {ratio}",
        of(Mode::Daemon),
        of(Mode::Bare)
    )
}

/// Medians, of all but the stream, which has none.
pub fn chart(results: &Results) -> Chart {
    let modes = [Mode::Bare, Mode::Daemon];
    let rows = |value: &dyn Fn(Case, Mode) -> _| {
        let cases = results.cases.iter().filter(|case| **case != Case::Stream);
        let row = |&case: &Case| {
            (
                case.to_string(),
                modes.map(|mode| value(case, mode)).to_vec(),
            )
        };
        cases.map(row).collect()
    };
    Chart {
        title: "The daemon beside the least that could take its place".into(),
        modes: modes.map(|mode| mode.to_string()).to_vec(),
        across: 2,
        panels: vec![
            Panel {
                title: "Median: less is better".into(),
                axis: "µs (log scale)".into(),
                scale: Scale::Log,
                marks: vec![],
                rows: rows(&|case, mode| results.spread(case, mode, Figures::median_us)),
            },
            Panel {
                title: "99th centile: less is better".into(),
                axis: "µs (log scale)".into(),
                scale: Scale::Log,
                marks: vec![],
                rows: rows(&|case, mode| results.spread(case, mode, Figures::centile99_us)),
            },
        ],
    }
}

/// What the daemon is to reach.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let ratio = results.ratio(Case::Read, Mode::Daemon, Figures::median_us);
    let spread = results.spread(Case::Together, Mode::Daemon, |figures| {
        Some(figures.centile99)
    });
    vec![
        Verdict::new(
            "READ's round trip, of two eventfds'".into(),
            Target::AtMost(1.3),
            ratio.map(|ratio| ratio.median),
            2,
        ),
        Verdict::new(
            "READ_CROSS's spread, 99th centile, ns".into(),
            Target::AtMost(100.0),
            spread.map(|spread| spread.median),
            0,
        ),
    ]
}
