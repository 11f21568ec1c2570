// SPDX-License-Identifier: GPL-2.0-or-later
//! The file's storage stalls without an error, while a vCPU waits for a page.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use annex_qtest::error::refusal;
use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::json;

use crate::fixture::{Fixture, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/stalled/stop".into(), Box::new(stops_and_goes_on));
    add("snapshot/on-demand/stalled/quit".into(), Box::new(|dir| {
        ends(dir, |vm| vm.qmp.execute_within(SOON, "quit", json!({})).map(drop))
    }));
    add("snapshot/on-demand/stalled/sigterm".into(), Box::new(|dir| {
        ends(dir, |vm| {
            let pid = Pid::from_raw(vm.pid() as i32).context("a pid")?;
            Ok(kill_process(pid, Signal::TERM)?)
        })
    }));
}) }

/// How long the monitor may take, though a vCPU doesn't stop.
const SOON: Duration = Duration::from_secs(20);

/// Reads of the file come back as long as this one doesn't exist.
struct Storage {
    stalled: PathBuf,
    library: PathBuf,
}

impl Storage {
    fn new(dir: &Dir) -> Result<Self> {
        let (source, library) = (dir.file("stall.c"), dir.file("stall.so"));
        fs::write(&source, include_str!("stall.c"))?;
        let mut compiler = Command::new("cc");
        let status = compiler
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status()?;
        ensure!(status.success(), "cc: {status}");
        Ok(Self {
            stalled: dir.file("stalled"),
            library,
        })
    }

    /// `config` on this storage.
    fn under(&self, config: &Config) -> Config {
        let wrapper = vec![
            "env".into(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("STALL={}", self.stalled.display()),
        ];
        Config {
            wrapper,
            ..config.clone()
        }
    }

    fn stall(&self) -> Result<()> {
        File::create(&self.stalled).context("stalling").map(drop)
    }

    fn go_on(&self) -> Result<()> {
        fs::remove_file(&self.stalled).context("going on")
    }
}

/// Calls `body` with a VM that has a vCPU waiting for a page on storage that
/// stalls. The guest reads all of its data; whether that comes out right is
/// returned.
fn while_stalled(
    dir: &Dir,
    body: impl FnOnce(&Vm, &Storage) -> Result<()>,
) -> Result<(Vm, Result<()>)> {
    let fixture = Fixture::live()?;
    let storage = Storage::new(dir)?;
    let vm = storage
        .under(&fixture.config)
        .incoming()
        .start("restored", dir)?;
    snapshot::prepare(&vm, Mode::OnDemand)?;
    vm.qmp.execute(
        "migrate-set-parameters",
        json!({ "mapped-ram-load-threads": 1 }),
    )?;
    snapshot::begin(&vm, &fixture.path)?.wait_running()?;
    vm.console.wait_tick(0, 0, LIMIT)?;
    storage.stall()?;
    let verified = thread::scope(|scope| {
        let verify = scope.spawn(|| vm.agent.verify(SEED));
        // Far longer than the guest needs to come to a page that isn't there.
        thread::sleep(Duration::from_secs(5));
        dir.log("the storage stalls");
        let done = body(&vm, &storage);
        // Whatever came of it, nobody shall wait any longer.
        if storage.stalled.exists() {
            storage.go_on()?;
        }
        done?;
        Ok::<_, anyhow::Error>(verify.join().expect("no panic"))
    })?;
    Ok((vm, verified))
}

fn stops_and_goes_on(dir: &Dir) -> Result<()> {
    let (vm, verified) = while_stalled(dir, |vm, storage| {
        vm.qmp.execute_within(SOON, "stop", json!({}))?;
        ensure!(vm.run_state()? == "paused", "stop didn't stop it");
        let why = refusal(vm.qmp.execute_within(SOON, "system_reset", json!({})))?;
        ensure!(
            why.contains("can't be read"),
            "not refused for the page: {why:?}"
        );
        vm.qmp.execute_within(SOON, "cont", json!({}))?;
        ensure!(vm.run_state()? == "running", "cont didn't let it run");
        storage.go_on()
    })?;
    verified?;
    Fixture::live()?.check_alive(&vm)?;
    vm.quit()
}

/// QEMU ends as `how` wants it to, while the storage still stalls.
fn ends(dir: &Dir, how: impl FnOnce(&Vm) -> Result<()>) -> Result<()> {
    while_stalled(dir, |vm, _| {
        how(vm)?;
        wait::until("QEMU to end", SOON, || {
            Ok(has_ended(vm.pid())?.then_some(()))
        })
    })
    .map(drop)
}

/// Whether a child of ours is a zombie: it has ended, and nobody has asked.
fn has_ended(pid: u32) -> Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, state) = stat
        .rsplit_once(") ")
        .context("the state in /proc/PID/stat")?;
    Ok(state.starts_with('Z'))
}
