// SPDX-License-Identifier: GPL-2.0-or-later
//! The file is cut, or QEMU is killed, while the guest already runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use annex_qtest::error::{refusal, MachineFailure, TimedOut};
use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::stream::sha256_of;
use annex_qtest::trial::Family;
use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};

use crate::fixture::{Fixture, RAM_MIB, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/cut-file".into(), Box::new(stops_at_a_cut_file_and_goes_on));
    add("snapshot/on-demand/killed".into(), Box::new(killing_leaves_the_file_as_it_was));
}) }

/// A load that can't end: its file was cut while the guest ran.
pub struct Held {
    /// In run state "io-error".
    pub vm: Vm,
    /// Data of the event that told of the error.
    pub event: Value,
    whole: &'static Path,
    cut: PathBuf,
}

/// What came of cutting the file.
enum Cut {
    Held(Held),
    /// The thread that waits for a page keeps QEMU's main loop from running.
    /// QEMU then tries again by itself, every second.
    Stuck(Held),
    /// Too late: all was loaded.
    Loaded,
}

/// How long the monitor may take to say that the VM has stopped.
const SOON: Duration = Duration::from_secs(15);

impl Held {
    /// Loads a copy of `fixture` and cuts it. Where the missing page hits isn't
    /// in a test's hands, so this may take several machines.
    pub fn hold(dir: &Dir, fixture: &'static Fixture) -> Result<Self> {
        const ATTEMPTS: u32 = 8;
        for attempt in 1..=ATTEMPTS {
            match Self::cut(&format!("restored-{attempt}"), dir, fixture)? {
                Cut::Held(held) => return Ok(held),
                Cut::Loaded => dir.log("all was loaded before the file was cut: once more"),
                Cut::Stuck(held) => {
                    dir.log("the main loop is stuck: mending the file must free it");
                    held.mend()?;
                    if held.vm.run_state()? == "io-error" {
                        held.vm.qmp.execute("cont", json!({}))?;
                    }
                    held.vm.wait_run_state("running", LIMIT)?;
                    held.vm.agent.verify(SEED)?;
                }
            }
        }
        Err(MachineFailure(format!("no machine in {ATTEMPTS} met the cut as wanted")).into())
    }

    fn cut(name: &str, dir: &Dir, fixture: &'static Fixture) -> Result<Cut> {
        let cut = fixture.copy_into(dir)?;
        let file = OpenOptions::new().write(true).open(&cut)?;
        let part = file.metadata()?.len() / 4 * 3;
        let vm = fixture.config.incoming().start(name, dir)?;
        snapshot::prepare(&vm, Mode::OnDemand)?;
        vm.qmp.execute(
            "migrate-set-parameters",
            json!({ "mapped-ram-load-threads": 1 }),
        )?;
        let from = vm.qmp.now();
        snapshot::begin(&vm, &cut)?.wait_running()?;
        // What the guest needs all the time is there when it shows life.
        vm.console.wait_tick(0, 0, LIMIT)?;
        file.set_len(part)?;
        dir.log("the guest runs, the file is cut");

        let outcome = vm
            .qmp
            .wait(from, "the cut to be met", SOON, |name, event| match name {
                "MAPPED_RAM_LOAD_ERROR" => Some(Some(event.data)),
                "MIGRATION" if event.data["status"] == "completed" => Some(None),
                _ => None,
            });
        let event = match outcome {
            Ok(None) => return Ok(Cut::Loaded),
            Ok(Some(event)) => event,
            Err(error) if error.is::<TimedOut>() => Value::Null,
            Err(error) => return Err(error),
        };
        let state = vm.qmp.execute_within(SOON, "query-status", json!({}));
        let held = Self {
            vm,
            event,
            whole: &fixture.path,
            cut,
        };
        match state {
            Ok(state) if held.event.is_null() => bail!("no event, and the monitor says {state}"),
            Ok(_) => {
                held.vm.wait_run_state("io-error", SOON)?;
                Ok(Cut::Held(held))
            }
            Err(error) if error.is::<TimedOut>() => Ok(Cut::Stuck(held)),
            Err(error) => Err(error),
        }
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
        self.vm
            .qmp
            .wait(from, "the load to complete", LIMIT, |name, event| {
                (name == "MIGRATION" && event.data["status"] == "completed").then_some(())
            })
    }
}

fn stops_at_a_cut_file_and_goes_on(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let held = Held::hold(dir, fixture)?;
    let event = &held.event;
    dir.log(event.to_string());
    ensure!(
        event["block"] == "pc.ram",
        "another block than the one cut: {event}"
    );
    let offset = event["offset"].as_u64().context("an offset")?;
    let file_offset = event["file-offset"].as_u64().context("a file-offset")?;
    let end = File::open(&held.cut)?.metadata()?.len();
    ensure!(file_offset + 4096 > end, "{event} is no place past {end}");
    ensure!(
        offset % 4096 == 0 && offset < RAM_MIB << 20,
        "{event} is no page of RAM"
    );

    let why = refusal(held.vm.qmp.execute("cont", json!({})))?;
    dir.log(format!("cont with the file still cut: {why}"));
    ensure!(
        held.vm.run_state()? == "io-error",
        "it runs without its memory"
    );

    held.go_on()?;
    fixture.check(&held.vm)
}

fn killing_leaves_the_file_as_it_was(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let path = fixture.copy_into(dir)?;
    let before = sha256_of(&path)?;
    for delay_ms in [0, 20, 100] {
        let vm = fixture
            .config
            .incoming()
            .start(&format!("killed-{delay_ms}"), dir)?;
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
    vm.agent.verify(SEED)?;
    vm.quit()
}
