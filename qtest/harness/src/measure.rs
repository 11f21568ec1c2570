// SPDX-License-Identifier: GPL-2.0-or-later
//! A load with a stopwatch.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{json, Value};

use crate::kept::{Kept, SEED};
use crate::qemu::Vm;
use crate::snapshot::{self, Mode};

/// For how long faults are watched of a load that has no background.
const DEMAND_ONLY: Duration = Duration::from_secs(1);

/// What a load took, from the command to load on.
#[derive(Clone, Debug)]
pub struct Timings {
    /// Until the VM ran: the event RESUME.
    pub to_run: Duration,
    /// Until the guest's counter went on: a tick on the console.
    pub to_life: Duration,
    /// Until all was loaded: the migration status completed, and, if it was to
    /// be detached, the end of that. Without a background it never comes by
    /// itself.
    pub to_loaded: Option<Duration>,
    /// Resident memory of QEMU then.
    pub resident_kib: u64,
    /// `mapped-ram-load` of query-migrate, if on demand.
    pub figures: Option<Value>,
}

/// Starts a machine to load a kept snapshot into. On demand, `load_threads`
/// threads are to work in the background.
fn start(kept: &Kept, mode: Mode, load_threads: u8) -> Result<Vm> {
    start_as("restored", kept, mode, load_threads)
}

/// The same under a name of its own, where there are several.
pub fn start_as(name: &str, kept: &Kept, mode: Mode, load_threads: u8) -> Result<Vm> {
    let vm = kept.config.incoming().start(name, &kept.dir)?;
    snapshot::prepare(&vm, mode)?;
    if mode.background().is_some() {
        // QEMU's later loader has one.
        let load_threads = if mode == Mode::Linear {
            1
        } else {
            load_threads
        };
        let parameters = json!({ "mapped-ram-load-threads": load_threads });
        vm.qmp.execute("migrate-set-parameters", parameters)?;
    }
    Ok(vm)
}

/// What working through a part of memory took, from the command to load on.
#[derive(Clone, Debug)]
pub struct Work {
    /// Until the VM ran.
    pub to_run: Duration,
    /// Until the guest had read the pages.
    pub to_done: Duration,
    /// Resident memory of QEMU then.
    pub resident_kib: u64,
    /// `mapped-ram-load` of query-migrate then, if on demand.
    pub figures: Option<Value>,
}

/// Loads a kept snapshot, or a copy of it, from `path` in `mode`, with the
/// working set `set` if there is one, and has the guest read and compare `pages`
/// of its data, in random order.
pub fn work(
    kept: &Kept,
    path: &Path,
    mode: Mode,
    load_threads: u8,
    set: Option<&Path>,
    pages: u64,
) -> Result<Work> {
    let vm = start(kept, mode, load_threads)?;
    if let Some(set) = set {
        snapshot::use_working_set(&vm, set)?;
    }
    let start = Instant::now();
    let to_run = snapshot::begin(&vm, path)?.wait_running()?.at - start;
    probe(&vm, pages)?;
    let to_done = start.elapsed();
    let figures = match mode.background() {
        Some(_) => Some(snapshot::figures(&vm)?),
        None => None,
    };
    let resident_kib = vm.resident_kib()?;
    vm.quit().context("after the load")?;
    Ok(Work {
        to_run,
        to_done,
        resident_kib,
        figures,
    })
}

/// Records to `set` what [`work`] touches, without a background.
pub fn record(kept: &Kept, set: &Path, pages: u64) -> Result<()> {
    let vm = start(kept, Mode::DemandOnly, 1)?;
    snapshot::record_working_set(&vm, set)?;
    snapshot::begin(&vm, &kept.path)?.wait_running()?;
    probe(&vm, pages)?;
    snapshot::end_recording(&vm)?;
    vm.quit().context("after the recording")
}

fn probe(vm: &Vm, pages: u64) -> Result<()> {
    vm.agent
        .ask_within(&format!("probe {SEED} {pages}"), snapshot::LIMIT)
        .map(drop)
}

/// Loads a kept snapshot, or a copy of it, from `path` in `mode` and checks that
/// it is the guest that was saved. On demand, `load_threads` threads work in the
/// background.
pub fn load(kept: &Kept, path: &Path, mode: Mode, load_threads: u8) -> Result<Timings> {
    let vm = start(kept, mode, load_threads)?;
    let start = Instant::now();
    let loading = snapshot::begin(&vm, path)?;
    let to_run = loading.wait_running()?.at - start;
    let tick = vm.console.wait_tick(0, 0, snapshot::LIMIT)?;
    let mut figures = None;
    let mut to_loaded = None;
    if mode == Mode::DemandOnly {
        // Long enough for some thousand faults.
        thread::sleep(DEMAND_ONLY);
        figures = Some(snapshot::figures(&vm)?);
        snapshot::set_background(&vm, "full")?;
        loading.wait_loaded()?;
    } else {
        let loaded = loading.wait_loaded()?.at;
        let all = match mode {
            Mode::Detached => snapshot::detach(&vm)?,
            _ => loaded,
        };
        to_loaded = Some(all - start);
        if mode.background().is_some() {
            figures = Some(snapshot::figures(&vm)?);
        }
    }
    let resident_kib = vm.resident_kib()?;
    kept.check(&tick)?;
    vm.quit().context("after the load")?;
    Ok(Timings {
        to_run,
        to_life: tick.at - start,
        to_loaded,
        resident_kib,
        figures,
    })
}
