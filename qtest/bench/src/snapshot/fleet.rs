// SPDX-License-Identifier: GPL-2.0-or-later
//! Fleets: which there is memory for, and what they give.

use std::fs;
use std::path::Path;

use annex_qtest::fleet::Fleet;
use annex_qtest::kept::Kept;
use annex_qtest::snapshot::Mode;
use anyhow::{Context, Result};
use mapped_ram::hold::Held;

use super::cases::{Case, Doing, Figures};

/// What QEMU takes beside the guest's RAM, in MiB: mostly what TCG has translated.
const OVERHEAD: u64 = 150;
/// MiB that are left to everybody else.
const RESERVE: u64 = 1024;

/// Of the cases that are fleets, the first for which there is memory; the others as
/// they are.
pub fn that_fit(mut cases: Vec<Case>) -> Result<Vec<Case>> {
    let available = available_mib()?;
    let mut found = false;
    cases.retain(|case| {
        let Doing::Fleet(count) = case.doing else {
            return true;
        };
        // Each guest's own, the file in the page cache, and held.
        let needed = u64::from(count) * (case.guest.mib + OVERHEAD) + 2 * case.guest.mib + RESERVE;
        let fits = needed <= available;
        if !fits && !found {
            println!("{case} is left out: it needs {needed} MiB, and {available} are there");
        }
        let keep = fits && !found;
        found |= keep;
        keep
    });
    Ok(cases)
}

/// MiB of memory that could be had.
fn available_mib() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?
            .trim()
            .strip_suffix(" kB")
    });
    let kib: u64 = kib.context("no MemAvailable in /proc/meminfo")?.parse()?;
    Ok(kib / 1024)
}

/// Has `count` machines load a kept snapshot from `path` in `mode`: the last one's
/// times, and the memory of all. If they map it, it is `held`, and counts as a whole,
/// whether they have touched it or not.
pub fn load(
    kept: &Kept,
    path: &Path,
    mode: Mode,
    count: u8,
    held: Option<&Held>,
) -> Result<Figures> {
    let fleet = Fleet::load(kept, path, mode, super::THREADS, count, &|_| {})?;
    let bytes = fleet.memory()? + held.map_or(Ok(0), Held::memory)?;
    let figures = Figures {
        to_run: fleet.to_run.as_secs_f64(),
        to_life: fleet.to_life.as_secs_f64(),
        to_loaded: Some(fleet.to_loaded.as_secs_f64()),
        resident: bytes as f64 / f64::from(1 << 20),
        faults: None,
        fault_median: None,
        fault_p99: None,
        fault_max: None,
    };
    fleet.quit()?;
    Ok(figures)
}
