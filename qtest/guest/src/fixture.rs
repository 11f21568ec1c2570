// SPDX-License-Identifier: GPL-2.0-or-later
//! Snapshots that many tests load: made once per run, by whoever is first.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use annex_qtest::error::{MachineFailure, Skip};
use annex_qtest::files::{self, Dir};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::{snapshot, stream, wait};
use anyhow::{anyhow, ensure, Context, Result};
use serde_json::json;

/// The guest's data is stream([`SEED`]).
pub const SEED: u64 = 20_260_822;
/// MiB of data in a guest full of it.
pub const DATA_MIB: u64 = 512;
/// MiB of RAM of a guest full of data.
pub const RAM_MIB: u64 = 1024;

/// Below build/test.
const PLACE: &str = "fixture";

/// A snapshot and what the guest in it knows.
#[derive(Clone)]
pub struct Fixture {
    /// The snapshot. Shared between tests: read only.
    pub path: PathBuf,
    /// The machine it was saved from.
    pub config: Config,
    /// Whether the guest was stopped when it was saved.
    pub paused: bool,
    /// The guest's nonce.
    nonce: String,
    /// The guest's counter, before the save.
    counter: u64,
    /// Completed rounds of churn, before the save.
    rounds: u64,
}

/// A fixture, or the reason that there is none.
type Made = OnceLock<Result<Fixture, Arc<anyhow::Error>>>;

impl Fixture {
    /// A guest full of data, saved while it ran.
    pub fn live() -> Result<&'static Self> {
        static MADE: Made = Made::new();
        once(&MADE, || {
            Self::make("live", &Config::new(RAM_MIB)?, fill_with_data, false)
        })
    }

    /// The same guest saved while it was stopped: it is restored paused.
    pub fn paused() -> Result<&'static Self> {
        static MADE: Made = Made::new();
        once(&MADE, || {
            Self::make("paused", &Config::new(RAM_MIB)?, fill_with_data, true)
        })
    }

    /// The same guest saved live by an unpatched QEMU.
    pub fn by_unpatched() -> Result<&'static Self> {
        static MADE: Made = Made::new();
        once(&MADE, || {
            let reason = "ANNEX_BASE_QEMU doesn't name an unpatched QEMU";
            let unpatched = files::base_qemu().ok_or_else(|| Skip(reason.into()))?;
            let config = Config {
                qemu: unpatched,
                ..Config::new(RAM_MIB)?
            };
            let saved = Self::make("unpatched", &config, fill_with_data, false)?;
            // To be loaded by the QEMU under test.
            Ok(Self {
                config: Config::new(RAM_MIB)?,
                ..saved
            })
        })
    }

    /// A guest that has just booted into plenty of RAM, restored paused.
    pub fn mostly_empty() -> Result<&'static Self> {
        static MADE: Made = Made::new();
        once(&MADE, || {
            Self::make("mostly-empty", &Config::new(2048)?, |_| Ok(()), true)
        })
    }

    /// A guest with 256 MiB of its RAM from virtio-mem, restored paused.
    pub fn with_virtio_mem() -> Result<&'static Self> {
        static MADE: Made = Made::new();
        once(&MADE, || {
            // QEMU 10.2 syncs dirty bitmaps as if each block were the first
            // one, here vmem0: under TCG that block must be the longest, and
            // the guest stopped.
            let config = Config::new(512)?
                .with(["-object", "memory-backend-ram,id=vmem0,size=512M"])
                .with([
                    "-device",
                    "virtio-mem-pci,id=vmem,memdev=vmem0,requested-size=256M",
                ]);
            Self::make("virtio-mem", &config, fill_virtio_mem, true)
        })
    }

    /// Boots a guest, has `prepare` done in it, and saves it.
    fn make(
        name: &str,
        config: &Config,
        prepare: impl FnOnce(&Vm) -> Result<()>,
        paused: bool,
    ) -> Result<Self> {
        let dir = Dir::for_test(&format!("{PLACE}/{name}"))?;
        let vm = config.boot("source", &dir)?;
        prepare(&vm)?;
        let fixture = Self {
            paused,
            ..Self::of(&vm, dir.file("snapshot"))?
        };
        if paused {
            vm.qmp.execute("stop", json!({}))?;
        }
        snapshot::save(&vm, &fixture.path)?;
        dir.log("saved");
        vm.quit()?;
        Ok(fixture)
    }

    /// What the guest in `vm` knows now, to be saved to `path`.
    pub fn of(vm: &Vm, path: PathBuf) -> Result<Self> {
        Ok(Self {
            path,
            paused: false,
            config: Config {
                incoming: false,
                ..vm.config.clone()
            },
            nonce: vm.agent.nonce()?,
            counter: vm.agent.counter()?,
            rounds: vm.agent.churned()?,
        })
    }

    /// A copy of the snapshot that a test may spoil.
    pub fn copy_into(&self, dir: &Dir) -> Result<PathBuf> {
        let copy = dir.file("snapshot");
        fs::copy(&self.path, &copy).context("copying the snapshot")?;
        Ok(copy)
    }

    /// Checks that `vm` runs the guest that was saved, with every word of its
    /// data and its churn.
    pub fn check(&self, vm: &Vm) -> Result<()> {
        self.check_alive(vm)?;
        vm.agent.verify(SEED)?;
        wait::until("two more rounds of churn", Duration::from_secs(120), || {
            Ok((vm.agent.churned()? >= self.rounds + 2).then_some(()))
        })
    }

    /// Checks that the guest is the one saved, and not begun anew.
    pub fn check_alive(&self, vm: &Vm) -> Result<()> {
        let nonce = vm.agent.nonce()?;
        ensure!(
            nonce == self.nonce,
            "nonce {nonce}, not {}: another boot",
            self.nonce
        );
        let counter = vm.agent.counter()?;
        ensure!(
            counter >= self.counter,
            "the counter fell from {} to {counter}",
            self.counter
        );
        vm.console
            .wait_tick(vm.console.now(), counter, Duration::from_secs(60))
            .map(drop)
    }
}

/// Checks the data's SHA-256 against the host's. Half a minute of TCG, where
/// [`Fixture::check`] takes seconds.
pub fn check_digest(vm: &Vm) -> Result<()> {
    let (found, wanted) = (vm.agent.sha256()?, stream::sha256(SEED, DATA_MIB));
    ensure!(found == wanted, "the guest's data: {found}, not {wanted}");
    Ok(())
}

fn fill_with_data(vm: &Vm) -> Result<()> {
    vm.agent.fill(SEED, DATA_MIB)?;
    vm.agent.ask("churn 16")?;
    wait::until("a round of churn", Duration::from_secs(60), || {
        Ok((vm.agent.churned()? >= 1).then_some(()))
    })
}

fn fill_virtio_mem(vm: &Vm) -> Result<()> {
    let limit = Duration::from_secs(60);
    wait::until("virtio-mem to be plugged in", limit, || {
        Ok((vm.agent.available_kib()? > 600 << 10).then_some(()))
    })?;
    vm.agent.fill(SEED, 128)
}

/// The fixture, made by the first to ask. One that can't be made is a failed
/// machine, or a skip, in every test that needs it.
fn once(made: &'static Made, make: impl FnOnce() -> Result<Fixture>) -> Result<&'static Fixture> {
    let error = match made.get_or_init(|| make().map_err(Arc::new)) {
        Ok(fixture) => return Ok(fixture),
        Err(error) => error,
    };
    Err(match error.downcast_ref() {
        Some(Skip(reason)) => anyhow!(Skip(reason.clone())),
        None => anyhow!(MachineFailure(format!("no snapshot to load: {error:#}"))),
    })
}

/// Removes the snapshots of this run; their logs stay.
pub fn remove_all() {
    for fixture in fs::read_dir(files::test(PLACE))
        .into_iter()
        .flatten()
        .flatten()
    {
        // What isn't there needn't be removed.
        let _ = fs::remove_file(fixture.path().join("snapshot"));
    }
}
