// SPDX-License-Identifier: GPL-2.0-or-later
//! A snapshot that another host has: on NBD or HTTP, shown as a file by a storage daemon,
//! with a local cache. It is done as docs/fast-snapshot-load.md says.

use std::fs::File;
use std::io;
use std::thread;
use std::time::Duration;

use annex_qtest::elsewhere::{Daemon, Http, Nbd, Server, Shown};
use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::fixture::{Fixture, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/elsewhere/nbd".into(), Box::new(nbd));
    add("snapshot/elsewhere/http".into(), Box::new(http));
}) }

/// The server is killed while a guest works whose memory is mostly there, and the guest
/// goes on when it is back: nothing is lost, and nobody is told of an error or of a file
/// that has changed. When all was read a guest starts from what is kept here.
fn nbd(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let server = Nbd::of(&fixture.path, dir);
    goes_away(dir, fixture, &server, |vm| {
        // A file system's stall, in which a guest must wait.
        thread::sleep(Duration::from_secs(5));
        ensure!(vm.run_state()? == "running", "the VM stopped");
        server.serve(dir)
    })
}

/// The same, but QEMU's HTTP client doesn't wait for a server: the VM stops, and `cont` reads
/// again what couldn't be read.
fn http(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let server = Http::of(&fixture.path)?;
    goes_away(dir, fixture, &server, |vm| {
        vm.wait_run_state("io-error", LIMIT)?;
        let refused = vm.qmp.execute("cont", json!({}));
        ensure!(refused.is_err(), "cont did without a server");
        let daemon = server.serve(dir)?;
        vm.qmp.execute("cont", json!({}))?;
        Ok(daemon)
    })
}

/// Has a guest work on what `server` has, and takes that away; `mend` brings it back.
fn goes_away(
    dir: &Dir,
    fixture: &Fixture,
    server: &dyn Server,
    mend: impl FnOnce(&Vm) -> Result<Daemon>,
) -> Result<()> {
    let daemon = server.serve(dir)?;
    let shown = Shown::start(dir, server, fixture.path.metadata()?.len())?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::DemandOnly)?;
    let set = dir.file("working-set");
    snapshot::record_working_set(&vm, &set)?;
    let loading = snapshot::begin(&vm, &shown.path)?;
    loading.wait_running()?;
    fixture.check_alive(&vm)?;
    drop(daemon);
    let daemon = thread::scope(|scope| {
        // Most pages of the data are still on the other side.
        let probe = scope.spawn(|| vm.agent.ask_within(&format!("probe {SEED} 5000"), LIMIT));
        thread::sleep(Duration::from_secs(1));
        ensure!(!probe.is_finished(), "the guest read without a server");
        let daemon = mend(&vm)?;
        probe.join().expect("no panic")?;
        anyhow::Ok(daemon)
    })?;
    snapshot::set_background(&vm, "full")?;
    loading.wait_loaded()?;
    check(fixture, &vm)?;
    vm.quit()?;

    // The kernel reads ahead of a load, or doesn't: what is to be had without a server has been
    // read by somebody.
    io::copy(&mut File::open(&shown.path)?, &mut io::sink())?;
    drop(daemon);
    // It is one snapshot here and there, so its working set is that of both.
    for (name, path) in [("again", &shown.path), ("near", &fixture.path)] {
        let vm = fixture.config.incoming().start(name, dir)?;
        snapshot::prepare(&vm, Mode::OnDemand)?;
        snapshot::use_working_set(&vm, &set)?;
        snapshot::begin(&vm, path)?.wait_loaded()?;
        check(fixture, &vm)?;
        dir.log(format!(
            "{name}: loaded without a server, with the working set"
        ));
        vm.quit()?;
    }
    Ok(())
}

fn check(fixture: &Fixture, vm: &Vm) -> Result<()> {
    let figures = snapshot::figures(vm)?;
    ensure!(figures["file-change"].is_null(), "{figures}");
    fixture.check(vm)
}
