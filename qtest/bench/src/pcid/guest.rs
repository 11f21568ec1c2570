// SPDX-License-Identifier: GPL-2.0-or-later
//! The guests: one for each mode, of which one runs at a time.

use std::fs;

use annex_qtest::files::{base_qemu, Dir};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::snapshot::{self, Snapshot};
use annex_qtest::tcg::counter;
use anyhow::{Context, Result};
use serde_json::json;

use super::cases::{Figures, Machine, Mode, Work};

/// Machines of one machine.
pub struct Guests(Vec<(Mode, Vm)>);

impl Guests {
    /// Boots one without PCIDs and one with, saves both, and loads them for each of `modes`: what
    /// the TLB remembers is nothing that a guest knows of. Each is stopped.
    pub fn boot(dir: &Dir, machine: Machine, modes: &[Mode]) -> Result<Self> {
        let saved = |mode: Mode| {
            let name = format!("{}-boot", name(machine, mode));
            let vm = config(machine, mode)?.boot(&name, dir)?;
            vm.agent.ask("tick 10000")?;
            Snapshot::save(vm, dir.file(&name))
        };
        let (without, with) = (saved(Mode::Off)?, saved(Mode::Forgets)?);
        let load = |&mode: &Mode| {
            let from = match mode {
                Mode::Unpatched | Mode::Off => &without,
                _ => &with,
            };
            let snapshot = Snapshot {
                config: config(machine, mode)?,
                ..from.clone()
            };
            let vm = snapshot.load(&name(machine, mode), dir, snapshot::Mode::Eager)?;
            vm.qmp.execute("stop", json!({}))?;
            Ok((mode, vm))
        };
        let guests = modes.iter().map(load).collect::<Result<_>>()?;
        for snapshot in [without, with] {
            fs::remove_file(snapshot.path)?;
        }
        Ok(Self(guests))
    }

    /// Has one do some work.
    pub fn run(&self, mode: Mode, work: Work, count: u64) -> Result<Figures> {
        let found = self.0.iter().find(|(of, _)| *of == mode);
        let (_, vm) = found.context("a guest for each mode")?;
        let before = Counters::of(vm, mode)?;
        vm.qmp.execute("cont", json!({}))?;
        let said = vm.agent.sh(&format!("mmload {work} {count}"))?;
        vm.qmp.execute("stop", json!({}))?;
        let after = Counters::of(vm, mode)?;
        Ok(Figures {
            count,
            seconds: said
                .parse()
                .with_context(|| format!("mmload said {said}"))?,
            misses: since(after.misses, before.misses),
            flushes: after.flushes - before.flushes,
            found: since(after.found, before.found),
        })
    }

    /// Ends them.
    pub fn quit(self) -> Result<()> {
        self.0.into_iter().try_for_each(|(_, vm)| vm.quit())
    }
}

fn name(machine: Machine, mode: Mode) -> String {
    let pti = if machine.pti { "pti" } else { "no-pti" };
    format!("{mode:?}-{}-{pti}", machine.cpus).to_lowercase()
}

fn config(machine: Machine, mode: Mode) -> Result<Config> {
    let pti = if machine.pti { "pti=on" } else { "pti=off" };
    let cpus = machine.cpus.to_string();
    let config =
        Config::new(256)?
            .with_kernel_options(pti)
            .with(["-cpu", mode.cpu(), "-smp", &cpus]);
    Ok(match mode.contexts() {
        Some(contexts) => config.with_accel_options(&format!("tlb-contexts={contexts}")),
        None => Config {
            qemu: base_qemu().context("ANNEX_BASE_QEMU names no unpatched QEMU")?,
            ..config
        },
    })
}

fn since(after: Option<u64>, before: Option<u64>) -> Option<u64> {
    Some(after? - before?)
}

/// Of all CPUs since the machine's start.
struct Counters {
    misses: Option<u64>,
    flushes: u64,
    found: Option<u64>,
}

impl Counters {
    fn of(vm: &Vm, mode: Mode) -> Result<Self> {
        let patched = mode != Mode::Unpatched;
        let of_series = |name| patched.then(|| counter(vm, name)).transpose();
        Ok(Self {
            misses: of_series("TLB misses")?,
            flushes: counter(vm, "TLB full flushes")? + counter(vm, "TLB partial flushes")?,
            found: of_series("TLB contexts found")?,
        })
    }
}
