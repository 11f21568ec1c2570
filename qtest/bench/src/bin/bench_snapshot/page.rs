// SPDX-License-Identifier: GPL-2.0-or-later
//! The page in docs/bench.

use std::fmt::Write;

use annex_bench::{quotient, shown, Machine};
use annex_qtest::snapshot::Mode;

use crate::cache::Cache;
use crate::cases::{Guest, MODES};
use crate::results::{
    Figure, Results, FAULTS, MAX, MEDIAN, P99, RESIDENT, TO_LIFE, TO_LOADED, TO_RUN,
};
use crate::THREADS;

/// What on demand is measured against.
const RIVAL: Mode = Mode::Multifd(THREADS);
const CACHES: [Cache; 2] = [Cache::Warm, Cache::Cold];

/// The whole page.
pub fn text(results: &Results, machine: &Machine) -> String {
    let runs = results
        .samples
        .iter()
        .map(|sample| sample.run + 1)
        .max()
        .unwrap_or(0);
    let Machine {
        hardware,
        kernel,
        qemu,
        accel,
        date,
    } = machine;
    format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n\
         # Fast snapshot load: the numbers\n\n\
         Made by `make bench-snapshot` on {date}. Don't edit: run it again.\n\n\
         ![Time until the VM runs, and until all is loaded](fast-snapshot-load.svg)\n\n\
         - Machine: {hardware}; Linux {kernel}\n\
         - {qemu}; accelerator {accel}; guests have 2 vCPUs and tick every 5 ms\n\
         - {runs} runs of each case, modes taking turns; medians, with the lowest and highest run\n\
         - RAM is full of incompressible data but in the mostly empty guest, which has just booted\n\
         - Multifd has {THREADS} channels, on demand {THREADS} background threads and 1 fault thread\n\
         - Warm: the file is in the page cache. Cold: dropped from it with posix_fadvise(2);\n  \
           what caches lie below this kernel isn't known\n\
         - Times count from the command migrate-incoming. The VM runs at the event RESUME; the\n  \
           guest shows life when its counter goes on; all is loaded at the status completed\n\
         - Every run is in [fast-snapshot-load.csv](fast-snapshot-load.csv)\n\n\
         {}\n{}\n## Targets\n\n{}",
        times(results),
        faults(results),
        verdicts(results)
    )
}

/// Every case's times, with the ratio to the rival's.
fn times(results: &Results) -> String {
    let mut table = String::from(
        "## Times and memory\n\n\
         | guest | cache | mode | VM runs, s | of multifd's | shows life, s | all loaded, s \
         | of multifd's | resident, MiB |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for guest in results.guests() {
        for cache in CACHES {
            for mode in MODES {
                let spread = |figure| results.spread(guest, cache, mode, figure);
                let ratio = |figure| match ratio(results, guest, cache, mode, figure) {
                    Some(ratio) => format!("{:.1} %", ratio * 100.0),
                    None => "–".into(),
                };
                let _ = writeln!(
                    table,
                    "| {} | {cache} | {mode} | {} | {} | {} | {} | {} | {} |",
                    guest.name,
                    shown(spread(TO_RUN), 3),
                    ratio(TO_RUN),
                    shown(spread(TO_LIFE), 3),
                    shown(spread(TO_LOADED), 3),
                    ratio(TO_LOADED),
                    shown(spread(RESIDENT), 0),
                );
            }
        }
    }
    table
}

/// Demand faults beside the bare loop.
fn faults(results: &Results) -> String {
    let mut table = String::from(
        "## Demand faults\n\n\
         From the fault's being read to its page's being in place, in µs. The bare loop is one\n\
         thread that touches pages at random and one that reads the fault, preads 4 KiB of a warm\n\
         file and places them, with nothing else going on; it ran once in each round.\n\n\
         | guest | cache | faults | median | of the bare loop's | 99th centile | worst |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let bare = results.bare(|latency| latency.median);
    let _ = writeln!(
        table,
        "| bare loop | warm | 20000 | {} | 1 | {} | {} |",
        shown(bare, 1),
        shown(results.bare(|latency| latency.p99), 1),
        shown(results.bare(|latency| latency.max), 0)
    );
    for guest in results.guests() {
        for cache in CACHES {
            let spread = |figure| results.spread(guest, cache, Mode::OnDemand, figure);
            let of_bare = match (spread(MEDIAN), bare) {
                (Some(median), Some(bare)) => format!("{:.2}", median.median / bare.median),
                _ => "–".into(),
            };
            let _ = writeln!(
                table,
                "| {} | {cache} | {} | {} | {of_bare} | {} | {} |",
                guest.name,
                shown(spread(FAULTS), 0),
                shown(spread(MEDIAN), 1),
                shown(spread(P99), 1),
                shown(spread(MAX), 0),
            );
        }
    }
    table
}

/// What the project set out to reach, and whether it did.
pub fn verdicts(results: &Results) -> String {
    let mut list = String::new();
    let mut judge = |what: String, limit: f64, found: Option<f64>| {
        let _ = match found {
            Some(found) if found <= limit => writeln!(list, "- met: {what}: {found:.3}"),
            Some(found) => writeln!(list, "- NOT MET: {what}: {found:.3}"),
            None => writeln!(list, "- not measured: {what}"),
        };
    };
    let full: Vec<&Guest> = results
        .guests()
        .into_iter()
        .filter(|guest| guest.is_full())
        .collect();
    let (Some(&smallest), Some(&largest)) = (full.first(), full.last()) else {
        return list;
    };
    if smallest == largest {
        return "The targets are about 1 to 8 GiB: a run at smoke size says nothing of them.\n"
            .into();
    }
    let on_demand = |guest, cache, figure| {
        results
            .spread(guest, cache, Mode::OnDemand, figure)
            .map(|spread| spread.median)
    };
    for cache in CACHES {
        judge(
            format!(
                "time to run, {}, {cache}, of multifd's, at most 0.02",
                largest.name
            ),
            0.02,
            ratio(results, largest, cache, Mode::OnDemand, TO_RUN),
        );
        judge(
            format!("the same, of {}'s, at most 1.5", smallest.name),
            1.5,
            quotient(
                on_demand(largest, cache, TO_RUN),
                on_demand(smallest, cache, TO_RUN),
            ),
        );
        for guest in &full {
            judge(
                format!(
                    "all loaded, {}, {cache}, of multifd's, at most 1",
                    guest.name
                ),
                1.0,
                ratio(results, guest, cache, Mode::OnDemand, TO_LOADED),
            );
        }
    }
    let bare = results
        .bare(|latency| latency.median)
        .map(|spread| spread.median);
    for guest in &full {
        let median = on_demand(guest, Cache::Warm, MEDIAN);
        judge(
            format!(
                "median fault, {}, warm, of the bare loop's, at most 1.5",
                guest.name
            ),
            1.5,
            quotient(median, bare),
        );
        judge(
            format!(
                "99th centile, {}, warm, of its median, at most 10",
                guest.name
            ),
            10.0,
            quotient(on_demand(guest, Cache::Warm, P99), median),
        );
    }
    for guest in results
        .guests()
        .into_iter()
        .filter(|guest| !guest.is_full())
    {
        let eager = results.spread(guest, Cache::Warm, Mode::Eager, RESIDENT);
        judge(
            format!(
                "resident memory, {}, of an eager load's, at most 1",
                guest.name
            ),
            1.0,
            quotient(
                on_demand(guest, Cache::Warm, RESIDENT),
                eager.map(|spread| spread.median),
            ),
        );
    }
    list
}

/// A figure's median, of the rival's in the same case.
fn ratio(
    results: &Results,
    guest: &Guest,
    cache: Cache,
    mode: Mode,
    figure: Figure,
) -> Option<f64> {
    let median = |mode| {
        results
            .spread(guest, cache, mode, figure)
            .map(|spread| spread.median)
    };
    quotient(median(mode), median(RIVAL))
}
