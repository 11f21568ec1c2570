// SPDX-License-Identifier: GPL-2.0-or-later
//! Moving a guest that runs.

use std::time::Duration;

use anyhow::{ensure, Result};
use serde_json::json;

use crate::files::Dir;
use crate::qemu::{Config, Vm};
use crate::snapshot;

/// A guest that has arrived runs soon.
const RUNNING_LIMIT: Duration = Duration::from_secs(120);

/// When the guest goes on in the other machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// When its memory is there.
    Precopy,
    /// At once; its memory comes when it is touched.
    Postcopy,
}

/// Moves the guest in `vm` to a machine that is started for it.
pub fn live(vm: &Vm, config: &Config, name: &str, dir: &Dir) -> Result<Vm> {
    by(Way::Precopy, vm, config, name, dir)
}

/// The same in one way or the other.
pub fn by(way: Way, vm: &Vm, config: &Config, name: &str, dir: &Dir) -> Result<Vm> {
    let capabilities: &[&str] = match way {
        Way::Precopy => &["events"],
        Way::Postcopy => &["events", "postcopy-ram"],
    };
    let uri = json!(format!(
        "unix:{}",
        dir.file(&format!("{name}.sock")).display()
    ));
    let there = config.incoming().start(name, dir)?;
    snapshot::enable(&there.qmp, capabilities)?;
    let arrived = there.qmp.now();
    there.qmp.execute(
        "migrate-incoming",
        json!({ "uri": uri, "exit-on-error": false }),
    )?;
    snapshot::enable(&vm.qmp, capabilities)?;
    // Under TCG a guest that works hard dirties memory as fast as it is sent.
    vm.qmp.execute(
        "migrate-set-parameters",
        json!({ "max-bandwidth": 0, "downtime-limit": 2000 }),
    )?;
    let from = vm.qmp.now();
    vm.qmp.execute("migrate", json!({ "uri": uri }))?;
    if way == Way::Postcopy {
        vm.qmp.wait(
            from,
            "the migration to begin",
            snapshot::LIMIT,
            |name, event| (name == "MIGRATION" && event.data["status"] == "active").then_some(()),
        )?;
        vm.qmp.execute("migrate-start-postcopy", json!({}))?;
    }
    for (qmp, from, who) in [
        (&vm.qmp, from, "the source"),
        (&there.qmp, arrived, &*there.name),
    ] {
        let status = qmp.wait(
            from,
            &format!("{who} to have migrated"),
            snapshot::LIMIT,
            |name, event| {
                let status = event.data["status"].as_str()?.to_owned();
                (name == "MIGRATION" && ["completed", "failed"].contains(&&*status))
                    .then_some(status)
            },
        )?;
        ensure!(status == "completed", "{who}: {}", snapshot::query(qmp)?);
    }
    dir.log(format!("the guest is in {name}"));
    there.wait_run_state("running", RUNNING_LIMIT)?;
    Ok(there)
}
