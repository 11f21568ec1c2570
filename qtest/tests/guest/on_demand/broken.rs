// SPDX-License-Identifier: GPL-2.0-or-later
//! The file is cut, or QEMU is killed, while the guest already runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use annex_qtest::error::{refusal, MachineFailure};
use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::stream::sha256_of;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::{json, Value};

use crate::fixture::Fixture;

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/cut-file".into(), Box::new(stops_at_a_cut_file_and_goes_on));
    add("snapshot/on-demand/killed".into(), Box::new(killing_leaves_the_file_as_it_was));
}) }

/// A load that can't end: its file was cut as soon as the guest ran.
pub struct Held {
    /// In run state "io-error".
    pub vm: Vm,
    /// Data of the event that told of the error.
    pub event: Value,
    whole: &'static Path,
    cut: PathBuf,
}

impl Held {
    /// Loads a copy of `fixture` and cuts it.
    pub fn hold(dir: &Dir, fixture: &'static Fixture) -> Result<Self> {
        let cut = fixture.copy_into(dir)?;
        let file = OpenOptions::new().write(true).open(&cut)?;
        let part = file.metadata()?.len() / 4;
        let vm = fixture.config.incoming().start("restored", dir)?;
        snapshot::prepare(&vm, Mode::OnDemand)?;
        vm.qmp.execute("migrate-set-parameters", json!({ "mapped-ram-load-threads": 1 }))?;
        let from = vm.qmp.now();
        let loading = snapshot::begin(&vm, &cut)?;
        loading.wait_running()?;
        file.set_len(part)?;
        dir.log("the guest runs, the file is cut");
        let what = "event MAPPED_RAM_LOAD_ERROR";
        let event = vm.qmp.wait(from, what, LIMIT, |name, event| match name {
            "MAPPED_RAM_LOAD_ERROR" => Some(Ok(event.data)),
            "MIGRATION" if event.data["status"] == "completed" => Some(Err(MachineFailure(
                "all was loaded before the file could be cut: this host is too fast for the test"
                    .into(),
            ))),
            _ => None,
        })??;
        vm.wait_run_state("io-error", LIMIT)?;
        Ok(Self { vm, event, whole: &fixture.path, cut })
    }

    /// Writes the file back, into the same inode.
    pub fn mend(&self) -> Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.cut)?;
        io::copy(&mut File::open(self.whole)?, &mut file)?;
        Ok(())
    }

    /// Mends the file and lets the load end.
    pub fn go_on(&self) -> Result<()> {
        self.mend()?;
        let from = self.vm.qmp.now();
        self.vm.qmp.execute("cont", json!({}))?;
        self.vm.wait_run_state("running", LIMIT)?;
        self.vm.qmp.wait(from, "the load to complete", LIMIT, |name, event| {
            (name == "MIGRATION" && event.data["status"] == "completed").then_some(())
        })
    }
}

fn stops_at_a_cut_file_and_goes_on(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let held = Held::hold(dir, fixture)?;
    dir.log(held.event.to_string());
    ensure!(held.event["block"].is_string(), "no block in {}", held.event);
    ensure!(held.event["offset"].is_u64(), "no offset in {}", held.event);

    let why = refusal(held.vm.qmp.execute("cont", json!({})))?;
    dir.log(format!("cont with the file still cut: {why}"));
    ensure!(held.vm.run_state()? == "io-error", "it runs without its memory");

    held.go_on()?;
    fixture.check(&held.vm)
}

fn killing_leaves_the_file_as_it_was(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let path = fixture.copy_into(dir)?;
    let before = sha256_of(&path)?;
    for delay_ms in [0, 20, 100] {
        let vm = fixture.config.incoming().start(&format!("killed-{delay_ms}"), dir)?;
        snapshot::prepare(&vm, Mode::OnDemand)?;
        snapshot::begin(&vm, &path)?.wait_running()?;
        thread::sleep(Duration::from_millis(delay_ms));
        let status = vm.kill()?;
        ensure!(status.signal() == Some(9), "it ended by itself: {status}");
    }
    ensure!(sha256_of(&path)? == before, "the file was changed");
    let config = &fixture.config;
    let vm = snapshot::load_whole(config, "restored", dir, &path, Mode::OnDemand)?;
    fixture.check_alive(&vm)?;
    vm.agent.verify(crate::fixture::SEED)?;
    vm.quit()
}
