// SPDX-License-Identifier: GPL-2.0-or-later
//! Saving a machine to a mapped-ram file and loading it, each way there is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};

use crate::files::Dir;
use crate::qemu::{Config, Vm};
use crate::qmp::{Event, Qmp};

/// Saving or loading gigabytes beside other tests takes this at worst.
pub const LIMIT: Duration = Duration::from_secs(300);

/// How RAM comes back from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Read whole by one thread before the VM runs.
    Eager,
    /// Read whole by this many threads before the VM runs.
    Multifd(u8),
    /// The VM runs at once, pages come when touched and in the background.
    OnDemand,
    /// The same without the background: only what is touched comes.
    DemandOnly,
    /// On demand, past the page cache: `direct-io`.
    Direct,
    /// On demand, with a background that goes from page to page, as QEMU's
    /// own later loader does it.
    Linear,
    /// Not at all: RAM is the file, copy on write, which must be held in
    /// sealed memory.
    Mapped,
    /// Mapped, and made the VM's own when it runs.
    Detached,
}

impl Mode {
    /// How the background of a load on demand goes about it, if it is one.
    pub fn background(self) -> Option<&'static str> {
        match self {
            Self::Eager | Self::Multifd(_) | Self::Mapped | Self::Detached => None,
            Self::OnDemand | Self::Direct => Some("adaptive"),
            Self::DemandOnly => Some("off"),
            Self::Linear => Some("linear"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eager => f.write_str("eager"),
            Self::Multifd(channels) => write!(f, "eager, multifd × {channels}"),
            Self::OnDemand => f.write_str("on demand"),
            Self::DemandOnly => f.write_str("on demand, no background"),
            Self::Direct => f.write_str("on demand, direct-io"),
            Self::Linear => f.write_str("as later QEMU: linear"),
            Self::Mapped => f.write_str("mapped"),
            Self::Detached => f.write_str("mapped, detached"),
        }
    }
}

/// Turns migration capabilities on.
pub fn enable(qmp: &Qmp, capabilities: &[&str]) -> Result<()> {
    set(qmp, capabilities, true)
}

fn set(qmp: &Qmp, capabilities: &[&str], state: bool) -> Result<()> {
    let list: Vec<Value> = capabilities
        .iter()
        .map(|capability| json!({ "capability": capability, "state": state }))
        .collect();
    qmp.execute("migrate-set-capabilities", json!({ "capabilities": list }))
        .map(drop)
}

/// The migration URI of a file.
pub fn uri(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// Saves the machine, running or not, and leaves it stopped (state
/// "postmigrate").
pub fn save(vm: &Vm, path: &Path) -> Result<()> {
    // It may have been loaded itself, in another mode.
    set(&vm.qmp, &["postcopy-ram", "multifd"], false)?;
    enable(&vm.qmp, &["mapped-ram", "events"])?;
    // As fast as the disk: a test waits.
    let parameters = json!({ "max-bandwidth": 0, "downtime-limit": 2000 });
    vm.qmp.execute("migrate-set-parameters", parameters)?;
    let from = vm.qmp.now();
    vm.qmp.execute("migrate", json!({ "uri": uri(path) }))?;
    wait_migration(&vm.qmp, from, "completed")
        .context("saving")
        .map(drop)
}

/// A load that was begun.
pub struct Loading<'a> {
    vm: &'a Vm,
    from: usize,
}

/// Prepares `vm`, started with [`Config::incoming`], for a load in `mode`.
pub fn prepare(vm: &Vm, mode: Mode) -> Result<()> {
    match mode {
        Mode::Eager => enable(&vm.qmp, &["events", "mapped-ram"]),
        Mode::OnDemand | Mode::DemandOnly | Mode::Linear | Mode::Direct => {
            enable(&vm.qmp, &["events", "mapped-ram", "postcopy-ram"])?;
            match (mode, mode.background()) {
                (Mode::Direct, _) => use_direct_io(vm),
                // As it is if nobody says anything.
                (Mode::OnDemand, _) | (_, None) => Ok(()),
                (_, Some(background)) => set_background(vm, background),
            }
        }
        Mode::Mapped | Mode::Detached => {
            enable(&vm.qmp, &["events", "mapped-ram"])?;
            let parameters = json!({ "mapped-ram-backing": "map" });
            vm.qmp
                .execute("migrate-set-parameters", parameters)
                .map(drop)
        }
        Mode::Multifd(channels) => {
            enable(&vm.qmp, &["events", "mapped-ram", "multifd"])?;
            let parameters = json!({ "multifd-channels": channels });
            vm.qmp
                .execute("migrate-set-parameters", parameters)
                .map(drop)
        }
    }
}

fn use_direct_io(vm: &Vm) -> Result<()> {
    let parameters = json!({ "direct-io": true });
    vm.qmp
        .execute("migrate-set-parameters", parameters)
        .map(drop)
}

/// From the next load on, has what is touched recorded to `path` as a working
/// set.
pub fn record_working_set(vm: &Vm, path: &Path) -> Result<()> {
    set_path(vm, "mapped-ram-record-working-set", Some(path))
}

/// Ends the recording of a load that is under way, and has it written.
pub fn end_recording(vm: &Vm) -> Result<()> {
    set_path(vm, "mapped-ram-record-working-set", None)
}

/// Has the next load bring the working set at `path` first.
pub fn use_working_set(vm: &Vm, path: &Path) -> Result<()> {
    set_path(vm, "mapped-ram-working-set", Some(path))
}

fn set_path(vm: &Vm, parameter: &str, path: Option<&Path>) -> Result<()> {
    let path = path.unwrap_or(Path::new(""));
    vm.qmp
        .execute("migrate-set-parameters", json!({ parameter: path }))
        .map(drop)
}

/// Sets how the background of a load on demand goes about it, also of one that
/// is under way.
pub fn set_background(vm: &Vm, background: &str) -> Result<()> {
    let parameters = json!({ "mapped-ram-load-background": background });
    vm.qmp
        .execute("migrate-set-parameters", parameters)
        .map(drop)
}

/// Begins to load; QEMU agreed to it when this returns.
pub fn begin<'a>(vm: &'a Vm, path: &Path) -> Result<Loading<'a>> {
    let from = vm.qmp.now();
    // QEMU would exit on a failed load, and take its reason with it.
    let arguments = json!({ "uri": uri(path), "exit-on-error": false });
    vm.qmp.execute("migrate-incoming", arguments)?;
    Ok(Loading { vm, from })
}

/// Makes all RAM of a machine whose RAM is mapped its own; when that was done.
pub fn detach(vm: &Vm) -> Result<Instant> {
    let from = vm.qmp.now();
    vm.qmp.execute("mapped-ram-detach", json!({}))?;
    let ended = vm.qmp.wait_event(from, "MAPPED_RAM_DETACH_ENDED", LIMIT)?;
    ensure!(ended.data["error"].is_null(), "detaching: {}", ended.data);
    Ok(ended.at)
}

impl Loading<'_> {
    /// Waits until the guest runs; the event that said so.
    pub fn wait_running(&self) -> Result<Event> {
        wait_unless_failed(&self.vm.qmp, self.from, "event RESUME", |name, _| {
            name == "RESUME"
        })
    }

    /// Waits until all of the file is in memory; the event that said so.
    pub fn wait_loaded(&self) -> Result<Event> {
        self.wait_status("completed")
    }

    /// Waits for a migration status; a load that fails before it is an error.
    pub fn wait_status(&self, status: &str) -> Result<Event> {
        wait_migration(&self.vm.qmp, self.from, status)
    }

    /// Waits until the load is refused or gives up; QEMU's words.
    pub fn wait_failed(&self) -> Result<String> {
        self.vm
            .qmp
            .wait(self.from, "the load to fail", LIMIT, |name, event| {
                (name == "MIGRATION" && event.data["status"] == "failed").then_some(())
            })?;
        let info = query(&self.vm.qmp)?;
        Ok(info["error-desc"]
            .as_str()
            .context("a failed load says why")?
            .to_owned())
    }
}

/// Starts a machine like `config` and loads `path` into it, to the end.
pub fn load_whole(config: &Config, name: &str, dir: &Dir, path: &Path, mode: Mode) -> Result<Vm> {
    let vm = config.incoming().start(name, dir)?;
    prepare(&vm, mode)?;
    begin(&vm, path)?.wait_loaded()?;
    dir.log(format!("{name}: loaded {mode}"));
    Ok(vm)
}

/// A guest that was saved, and what it knows.
#[derive(Clone)]
pub struct Snapshot {
    /// The file. Who loads it only reads it.
    pub path: PathBuf,
    /// The machine it was saved from.
    pub config: Config,
    /// The number that the guest drew when it booted.
    pub nonce: String,
    /// The guest's counter, before the save.
    pub counter: u64,
}

impl Snapshot {
    /// What the guest in `vm` knows now, to be saved to `path`.
    pub fn of(vm: &Vm, path: PathBuf) -> Result<Self> {
        Ok(Self {
            path,
            config: Config {
                incoming: false,
                ..vm.config.clone()
            },
            nonce: vm.agent.nonce()?,
            counter: vm.agent.counter()?,
        })
    }

    /// Saves the guest to `path`, and ends its machine.
    pub fn save(vm: Vm, path: PathBuf) -> Result<Self> {
        let snapshot = Self::of(&vm, path)?;
        save(&vm, &snapshot.path)?;
        vm.quit()?;
        Ok(snapshot)
    }

    /// Starts a machine that goes on where the guest was saved. It can do all
    /// that one can that has booted: nothing is left of the load.
    pub fn load(&self, name: &str, dir: &Dir, mode: Mode) -> Result<Vm> {
        let vm = self.config.incoming().start(name, dir)?;
        prepare(&vm, mode)?;
        let loading = begin(&vm, &self.path)?;
        loading.wait_running()?;
        // On demand, there isn't much of its memory yet.
        self.check_same(&vm)?;
        loading.wait_loaded()?;
        set(&vm.qmp, &["mapped-ram", "multifd", "postcopy-ram"], false)?;
        dir.log(format!("{name}: goes on from {}", self.path.display()));
        Ok(vm)
    }

    /// Checks that the guest is the one that was saved, and not begun anew.
    pub fn check_same(&self, vm: &Vm) -> Result<()> {
        let (nonce, counter) = (vm.agent.nonce()?, vm.agent.counter()?);
        ensure!(
            nonce == self.nonce,
            "nonce {nonce}, not {}: another boot",
            self.nonce
        );
        ensure!(
            counter >= self.counter,
            "the counter fell from {} to {counter}",
            self.counter
        );
        Ok(())
    }
}

/// The `mapped-ram-load` figures of a load on demand, so far.
pub fn figures(vm: &Vm) -> Result<Value> {
    let mut info = query(&vm.qmp)?;
    match info["mapped-ram-load"].take() {
        Value::Null => bail!("query-migrate has no mapped-ram-load: {info}"),
        figures => Ok(figures),
    }
}

/// What `query-migrate` says.
pub fn query(qmp: &Qmp) -> Result<Value> {
    qmp.execute("query-migrate", json!({}))
}

/// The first event, told by its name and data, that `fits`; an error if the
/// migration fails before. `what` completes "waited for".
fn wait_unless_failed(
    qmp: &Qmp,
    from: usize,
    what: &str,
    fits: impl Fn(&str, &Value) -> bool,
) -> Result<Event> {
    let event = qmp.wait(from, what, LIMIT, |name, event| {
        let failed = name == "MIGRATION" && event.data["status"] == "failed";
        (failed || fits(name, &event.data)).then_some((failed, event))
    })?;
    match event {
        (false, event) => Ok(event),
        (true, _) => bail!("the migration failed: {}", query(qmp)?["error-desc"]),
    }
}

fn wait_migration(qmp: &Qmp, from: usize, status: &str) -> Result<Event> {
    wait_unless_failed(
        qmp,
        from,
        &format!("migration status {status}"),
        |name, data| name == "MIGRATION" && data["status"] == status,
    )
}
