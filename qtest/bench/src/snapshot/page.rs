// SPDX-License-Identifier: GPL-2.0-or-later
//! The page, and the chart.

use bench_report::{Spread, Target};
use strum::VariantArray;

use super::bare_loop::{self, FAULTS};
use super::cache::Cache;
use super::cases::{Case, Doing, Figures, Mode};
use super::{far, Snapshot, THREADS};
use crate::bench::Bench;
use crate::chart::{Chart, Panel, Scale};
use crate::crate_figures;
use crate::page::{head, shown, Table};
use crate::results::Case as _;
use crate::verdict::Verdict;

type Results = crate::results::Results<Case, Mode, Figures>;

/// A figure of a load, and what it is.
type Of = fn(&Figures) -> Option<f64>;

const TO_RUN: Of = |figures| Some(figures.to_run);
const TO_LIFE: Of = |figures| Some(figures.to_life);
const TO_LOADED: Of = |figures| figures.to_loaded;
const RESIDENT: Of = |figures| Some(figures.resident);
const MEDIAN: Of = |figures| figures.fault_median;
const P99: Of = |figures| figures.fault_p99;

const MAPPED: &str = "\
Mapped: RAM is the snapshot, copy on write, which \"annex-snapshot hold\" keeps in memory; how
  long that takes is left out. Several \"of\" a guest are loaded from one file at the same time:
  times are the last one's, and what is resident is what all have in memory together, what they
  share once, with all of a held snapshot; of a file on a disk, what the page cache has of it
  isn't counted. \"Detached\": mapped-ram-detach is given when the guest has shown life, and all
  is loaded when all RAM is the VM's own";

const FAULT: &str = "\
## Demand faults

From the fault's being read to its page's being in place, in µs. The bare loop is one
thread that touches pages at random and one that reads the fault, preads 4 KiB of a warm
file and places them, with nothing else going on; it ran once in each round.

";

const CRATE: &str = "\
## The loader's crate: beside a bare loop and an eager load

`cargo bench -p mapped-ram`, in the same run: no QEMU. Faults (µs) are as who waits sees
them, or the thread that answers; whole loads are beside threads that read the file straight
into memory.

";

/// The whole page but the verdicts.
pub fn text(bench: &Snapshot) -> String {
    let results = &bench.results;
    let mut notes = vec![
        "Guests have 2 vCPUs. They tick every 5 ms, and before each tick full ones read 64 random\n  \
         pages of their data"
            .into(),
        format!(
            "{} runs of each case, modes taking turns; medians, with the lowest and highest run.\n  \
             A share is of two runs beside each other",
            results.runs()
        ),
        "RAM is full of incompressible data but in the mostly empty guest, which has just booted"
            .into(),
        format!(
            "Multifd has {THREADS} channels, on demand {THREADS} background threads and 1 fault \
             thread.\n  \
             \"As later QEMU\" is this project's own code doing what QEMU's later releases do: \
             one\n  thread that goes from page to page, beside 1 fault thread"
        ),
        "Without a background faults are watched for a second. With direct-io nothing is read\n  \
         through the page cache"
            .into(),
        "\"A tenth read\": the guest reads and compares a tenth of its pages in random order, always\n  \
         the same; instead of showing life it is done then, and no load is awaited. The working\n  \
         set is what the same guest touched in a load before, without a background"
            .into(),
        "Warm: the file is in the page cache. Cold: dropped from it with posix_fadvise(2);\n  \
         what caches lie below this kernel isn't known"
            .into(),
        "Times count from the command migrate-incoming. The VM runs at the event RESUME; the\n  \
         guest shows life when its counter goes on; all is loaded at the status completed"
            .into(),
    ];
    if results.modes().any(|mode| mode == Mode::Mapped) {
        notes.push(MAPPED.into());
    }
    if results.cases.iter().any(|case| case.cache == Cache::Far) {
        notes.push(format!(
            "Far: the file is on an NBD server whose answers take {} ms longer, and is shown by a\n  \
             FUSE export of qemu-storage-daemon; nothing of it is here",
            far::DELAY.as_millis()
        ));
    }
    [
        head(
            bench,
            "Fast snapshot load: the numbers",
            "bench-snapshot",
            &notes,
        ),
        format!("## Times and memory\n\n{}\n", times(results)),
        format!("{FAULT}{}\n", faults(bench)),
        format!(
            "{CRATE}{}\n",
            crate_figures::table(&bench.about().figures, "rival")
        ),
    ]
    .concat()
}

/// Every case's times, with the share of the rival's.
fn times(results: &Results) -> Table {
    let share = "of multifd's";
    let mut table = Table::new([
        "guest",
        "cache",
        "mode",
        "VM runs, s",
        share,
        "shows life, s",
        share,
        "all loaded, s",
        share,
        "resident, MiB",
    ]);
    for &case in &results.cases {
        for &mode in Mode::VARIANTS {
            if results.spread(case, mode, TO_RUN).is_none() {
                continue;
            }
            let value = |figure: Of, digits| shown(results.spread(case, mode, figure), digits);
            let share = |figure: Of| match results.ratio(case, mode, figure) {
                Some(ratio) => format!("{:.1} %", ratio.median * 100.0),
                None => "–".into(),
            };
            table.row([
                case.columns().swap_remove(0),
                case.cache.to_string(),
                mode.to_string(),
                value(TO_RUN, 3),
                share(TO_RUN),
                value(TO_LIFE, 3),
                share(TO_LIFE),
                value(TO_LOADED, 3),
                share(TO_LOADED),
                value(RESIDENT, 0),
            ]);
        }
    }
    table
}

/// Demand faults beside the bare loop.
fn faults(bench: &Snapshot) -> Table {
    let bare = |name| bench.about().others.get(name).copied();
    let of_bare = "of the bare loop's";
    let mut table = Table::new([
        "guest",
        "cache",
        "mode",
        "faults",
        "median",
        of_bare,
        "99th centile",
        "worst",
    ]);
    table.row([
        "bare loop".into(),
        Cache::Warm.to_string(),
        "–".into(),
        FAULTS.to_string(),
        shown(bare(bare_loop::MEDIAN), 1),
        "1".into(),
        shown(bare(bare_loop::P99), 1),
        shown(bare(bare_loop::MAX), 0),
    ]);
    let on_demand = [
        Mode::OnDemand,
        Mode::DemandOnly,
        Mode::Direct,
        Mode::Linear,
        Mode::WorkingSet,
    ];
    let rows = bench
        .results
        .cases
        .iter()
        .flat_map(|&case| on_demand.map(|mode| (case, mode)));
    for (case, mode) in rows {
        let value = |figure: Of| bench.results.spread(case, mode, figure);
        if value(|figures| figures.faults).is_none() {
            continue;
        }
        let ratio = quotient(value(MEDIAN), bare(bare_loop::MEDIAN));
        table.row([
            case.columns().swap_remove(0),
            case.cache.to_string(),
            mode.to_string(),
            shown(value(|figures| figures.faults), 0),
            shown(value(MEDIAN), 1),
            ratio.map_or("–".into(), |ratio| format!("{ratio:.2}")),
            shown(value(P99), 1),
            shown(value(|figures| figures.fault_max), 0),
        ]);
    }
    table
}

/// A case in a line, for who watches.
pub fn line(results: &Results, case: Case) -> String {
    let seconds = |mode, figure| match results.spread(case, mode, figure) {
        Some(spread) => format!("{:.3}", spread.median),
        None => "–".into(),
    };
    let measured = |mode: &Mode| results.spread(case, *mode, TO_RUN).is_some();
    let modes = Mode::VARIANTS.iter().copied().filter(measured).map(|mode| {
        let (run, life) = (seconds(mode, TO_RUN), seconds(mode, TO_LIFE));
        let loaded = seconds(mode, TO_LOADED);
        format!("{mode}: runs after {run} s, alive after {life} s, loaded after {loaded} s")
    });
    format!("{case}: {}", modes.collect::<Vec<_>>().join("; "))
}

/// Times until the VM runs, until the guest shows life, and until all is loaded.
pub fn chart(results: &Results) -> Chart {
    let figures: [(&str, Of); 3] = [
        ("the VM runs", TO_RUN),
        ("the guest shows life", TO_LIFE),
        ("all is loaded", TO_LOADED),
    ];
    let panel = |what: &str, figure: Of, cache: Cache| {
        let rows = results
            .cases
            .iter()
            .filter(|case| case.cache == cache)
            .map(|&case| {
                let spreads = Mode::VARIANTS
                    .iter()
                    .map(|&mode| results.spread(case, mode, figure));
                (case.columns().swap_remove(0), spreads.collect())
            });
        Panel {
            title: format!("Until {what}, {cache} page cache: less is better"),
            axis: "seconds (log scale)".into(),
            scale: Scale::Log,
            marks: vec![],
            rows: rows.collect(),
        }
    };
    let panels = figures.iter().flat_map(|&(what, figure)| {
        Cache::NEAR
            .iter()
            .map(move |&cache| panel(what, figure, cache))
    });
    Chart {
        title: "Time until the VM runs, the guest shows life, and all is loaded".into(),
        modes: Mode::VARIANTS.iter().map(ToString::to_string).collect(),
        across: 2,
        panels: panels.filter(|panel| !panel.rows.is_empty()).collect(),
    }
}

/// What loading on demand is to reach.
pub fn verdicts(bench: &Snapshot) -> Vec<Verdict> {
    let results = &bench.results;
    let full = |cache| {
        let cases = results.cases.iter().copied();
        cases.filter(move |case| {
            case.cache == cache && case.guest.is_full() && case.doing == Doing::Ticks
        })
    };
    let value = |case, figure| results.spread(case, Mode::OnDemand, figure);
    let share = |case, figure| Some(results.ratio(case, Mode::OnDemand, figure)?.median);
    let mut verdicts = Vec::new();
    let mut judge = |what, bound, found| {
        verdicts.push(Verdict::new(what, Target::AtMost(bound), found, 3));
    };
    for &cache in Cache::NEAR {
        let (Some(smallest), Some(largest)) = (full(cache).next(), full(cache).next_back()) else {
            continue;
        };
        judge(
            format!("time to run, {largest}, of multifd's"),
            0.02,
            share(largest, TO_RUN),
        );
        let ratio = quotient(value(largest, TO_RUN), value(smallest, TO_RUN));
        judge(format!("time to run, {largest}, of {smallest}"), 1.5, ratio);
        for case in full(cache) {
            judge(
                format!("all loaded, {case}, of multifd's"),
                1.15,
                share(case, TO_LOADED),
            );
            let off = |figure| results.spread(case, Mode::DemandOnly, figure);
            judge(
                format!("life, {case}, of that without a background"),
                1.5,
                quotient(value(case, TO_LIFE), off(TO_LIFE)),
            );
            if cache == Cache::Cold {
                judge(
                    format!("life, {case}, of multifd's"),
                    0.25,
                    share(case, TO_LIFE),
                );
                judge(
                    format!("99th centile of faults, {case}, of that without a background"),
                    3.0,
                    quotient(value(case, P99), off(P99)),
                );
            }
        }
    }
    let works = |case: &Case| case.doing == Doing::Works;
    let works = results.cases.iter().copied().filter(works);
    for case in works.filter(|case| case.cache != Cache::Far) {
        let without = results.spread(case, Mode::OnDemand, TO_LIFE);
        if case.cache == Cache::Warm {
            let mapped = results.spread(case, Mode::Mapped, TO_LIFE);
            judge(
                format!("{case}, mapped, of on demand's"),
                0.2,
                quotient(mapped, without),
            );
            continue;
        }
        let with = results.spread(case, Mode::WorkingSet, TO_LIFE);
        judge(
            format!("{case}, with the working set, of that without"),
            1.0 / 3.0,
            quotient(with, without),
        );
        let of_multifd = results.ratio(case, Mode::WorkingSet, TO_LIFE);
        judge(
            format!("{case}, with the working set, of multifd's"),
            0.5,
            of_multifd.map(|ratio| ratio.median),
        );
    }
    let bare = bench.about().others.get(bare_loop::MEDIAN).copied();
    for case in full(Cache::Warm) {
        let median = value(case, MEDIAN);
        judge(
            format!("median fault, {case}, of the bare loop's"),
            1.5,
            quotient(median, bare),
        );
        let ratio = quotient(value(case, P99), median);
        judge(
            format!("99th centile of faults, {case}, of the median"),
            10.0,
            ratio,
        );
    }
    let is_sparse = |case: &Case| case.cache == Cache::Warm && !case.guest.is_full();
    for case in results.cases.iter().copied().filter(is_sparse) {
        let eager = results.spread(case, Mode::Eager, RESIDENT);
        let ratio = quotient(value(case, RESIDENT), eager);
        judge(
            format!("resident memory, {case}, of an eager load's"),
            1.0,
            ratio,
        );
    }
    verdicts.extend(crate_figures::verdicts(
        &bench.about().figures,
        "mapped-ram",
    ));
    verdicts
}

/// The ratio of two medians, where runs aren't beside each other.
fn quotient(a: Option<Spread>, b: Option<Spread>) -> Option<f64> {
    Some(a?.median / b?.median)
}
