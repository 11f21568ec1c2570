// SPDX-License-Identifier: GPL-2.0-or-later
//! Many machines that are loaded from one snapshot at the same time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use crate::kept::Kept;
use crate::measure;
use crate::qemu::Vm;
use crate::snapshot::{self, Mode};

/// Machines that all go on from where one was saved.
pub struct Fleet {
    vms: Vec<Vm>,
    /// Whether they map the snapshot.
    mapped: bool,
    /// From the first command to load until the last one ran.
    pub to_run: Duration,
    /// Until the first guest showed life.
    pub to_first_life: Duration,
    /// Until the last guest did.
    pub to_life: Duration,
    /// Until the last one had all of its memory.
    pub to_loaded: Duration,
}

impl Fleet {
    /// Has `count` machines, with `load_threads` threads each for a load on demand, load
    /// a kept snapshot from `path` in `mode`. `alive` is told how many of the guests have
    /// shown that they are the one that was saved, and go on.
    pub fn load(
        kept: &Kept,
        path: &Path,
        mode: Mode,
        load_threads: u8,
        count: u8,
        alive: &dyn Fn(usize),
    ) -> Result<Self> {
        let vms = (1..=count)
            .map(|number| measure::start_as(&format!("fleet-{number}"), kept, mode, load_threads))
            .collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        let loadings = vms
            .iter()
            .map(|vm| snapshot::begin(vm, path))
            .collect::<Result<Vec<_>>>()?;
        let (mut ran, mut lived, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
        for (vm, loading) in vms.iter().zip(&loadings) {
            ran.push(loading.wait_running()?.at);
            let tick = vm.console.wait_tick(0, 0, snapshot::LIMIT)?;
            kept.check(&tick)?;
            lived.push(tick.at);
            alive(lived.len());
        }
        for loading in &loadings {
            loaded.push(loading.wait_loaded()?.at);
        }
        let last = |times: &[Instant]| since(start, times.iter().max());
        let (to_run, to_life, to_loaded) = (last(&ran), last(&lived), last(&loaded));
        Ok(Self {
            to_first_life: since(start, lived.iter().min()),
            mapped: mode == Mode::Mapped,
            vms,
            to_run,
            to_life,
            to_loaded,
        })
    }

    /// Bytes that the machines have in memory together, what they share once; without
    /// the snapshot that they map, if they do.
    pub fn memory(&self) -> Result<u64> {
        let mut kib = 0;
        for vm in &self.vms {
            let (all, shared) = (vm.memory_kib("Pss")?, vm.memory_kib("Pss_Shmem")?);
            ensure!(shared <= all, "{}: {shared} KiB of {all}", vm.name);
            kib += all - if self.mapped { shared } else { 0 };
        }
        Ok(kib * 1024)
    }

    /// Ends them all.
    pub fn quit(self) -> Result<()> {
        self.vms.into_iter().try_for_each(Vm::quit)
    }
}

/// How long after `start` that was; not at all if there is nothing.
fn since(start: Instant, at: Option<&Instant>) -> Duration {
    at.map_or(Duration::ZERO, |at| *at - start)
}
