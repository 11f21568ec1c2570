// SPDX-License-Identifier: GPL-2.0-or-later
//! Many machines that are loaded from one snapshot at the same time.

use std::fs;
use std::path::Path;
use std::time::Instant;

use annex_qtest::kept::Kept;
use annex_qtest::measure::start_as;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use anyhow::{ensure, Context, Result};
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
/// times, and the memory of all. If they map it, it is `held`.
pub fn load(
    kept: &Kept,
    path: &Path,
    mode: Mode,
    count: u8,
    held: Option<&Held>,
) -> Result<Figures> {
    let vms = (1..=count)
        .map(|number| start_as(&format!("fleet-{number}"), kept, mode, super::THREADS))
        .collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let loadings = vms
        .iter()
        .map(|vm| snapshot::begin(vm, path))
        .collect::<Result<Vec<_>>>()?;
    let (mut to_run, mut to_life, mut to_loaded) = (start, start, start);
    for (vm, loading) in vms.iter().zip(&loadings) {
        to_run = to_run.max(loading.wait_running()?.at);
        let tick = vm.console.wait_tick(0, 0, snapshot::LIMIT)?;
        kept.check(&tick)?;
        to_life = to_life.max(tick.at);
    }
    for loading in &loadings {
        to_loaded = to_loaded.max(loading.wait_loaded()?.at);
    }
    let bytes = memory(&vms, held)?;
    vms.into_iter().try_for_each(Vm::quit)?;
    let since = |at: Instant| (at - start).as_secs_f64();
    Ok(Figures {
        to_run: since(to_run),
        to_life: since(to_life),
        to_loaded: Some(since(to_loaded)),
        resident: bytes as f64 / f64::from(1 << 20),
        faults: None,
        fault_median: None,
        fault_p99: None,
        fault_max: None,
    })
}

/// Bytes that machines have in memory together, what they share once. A held
/// snapshot counts as a whole, whether they have touched it or not.
fn memory(vms: &[Vm], held: Option<&Held>) -> Result<u64> {
    let mut kib = 0;
    for vm in vms {
        let (all, shared) = (vm.memory_kib("Pss")?, vm.memory_kib("Pss_Shmem")?);
        ensure!(shared <= all, "{}: {shared} KiB of {all}", vm.name);
        kib += all - if held.is_some() { shared } else { 0 };
    }
    Ok(kib * 1024 + held.map_or(Ok(0), Held::memory)?)
}
