// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that give guest memory back to the host, while it still comes in.

use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{Context, Result};
use serde_json::json;

use crate::fixture::{Fixture, RAM_MIB, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/balloon".into(), Box::new(balloon));
    add("snapshot/on-demand/free-page-reporting".into(), Box::new(free_page_reporting));
    add("snapshot/on-demand/virtio-mem".into(), Box::new(virtio_mem));
}) }

/// A guest's driver that is asked for memory may take its time.
const DRIVER_LIMIT: Duration = Duration::from_secs(120);

/// Loads `fixture`, has `act` done as soon as the guest runs, and sees the
/// load through.
fn while_loading(dir: &Dir, fixture: &Fixture, act: impl FnOnce(&Vm) -> Result<()>) -> Result<Vm> {
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::OnDemand)?;
    vm.qmp.execute(
        "migrate-set-parameters",
        json!({ "mapped-ram-load-threads": 1 }),
    )?;
    let loading = snapshot::begin(&vm, &fixture.path)?;
    if fixture.paused {
        loading.wait_status("postcopy-active")?;
        vm.qmp.execute("cont", json!({}))?;
    }
    loading.wait_running()?;
    act(&vm)?;
    loading.wait_loaded()?;
    Ok(vm)
}

fn set_balloon(vm: &Vm, mib: u64) -> Result<()> {
    vm.qmp
        .execute("balloon", json!({ "value": mib << 20 }))
        .map(drop)
}

fn wait_balloon(vm: &Vm, mib: u64) -> Result<()> {
    wait::until(
        &format!("the balloon to leave {mib} MiB"),
        DRIVER_LIMIT,
        || {
            let balloon = vm.qmp.execute("query-balloon", json!({}))?;
            Ok((balloon["actual"] == mib << 20).then_some(()))
        },
    )
}

/// Inflated during the load, deflated after: what the guest kept is right.
fn balloon(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = while_loading(dir, fixture, |vm| set_balloon(vm, RAM_MIB - 192))?;
    wait_balloon(&vm, RAM_MIB - 192)?;
    fixture.check_alive(&vm)?;
    vm.agent.verify(SEED)?;
    set_balloon(&vm, RAM_MIB)?;
    wait_balloon(&vm, RAM_MIB)?;
    fixture.check(&vm)?;
    vm.quit()
}

/// The guest frees its data during the load, which it reports, and fills the
/// same memory anew.
fn free_page_reporting(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = while_loading(dir, fixture, |vm| vm.agent.fill(SEED + 1, 64))?;
    fixture.check_alive(&vm)?;
    vm.agent.verify(SEED + 1)?;
    vm.agent.fill(SEED + 2, 256)?;
    vm.agent.verify(SEED + 2)?;
    vm.quit()
}

/// Asked during the load to give its memory up, the device does so in the end.
fn virtio_mem(dir: &Dir) -> Result<()> {
    let fixture = Fixture::with_virtio_mem()?;
    let request = |vm: &Vm, mib: u64| {
        let arguments = json!({ "path": "/machine/peripheral/vmem", "property": "requested-size", "value": mib << 20 });
        vm.qmp.execute("qom-set", arguments).map(drop)
    };
    let vm = while_loading(dir, fixture, |vm| request(vm, 0))?;
    wait_plugged(&vm, 0)?;
    fixture.check_alive(&vm)?;
    vm.agent.verify(SEED)?;
    request(&vm, 256)?;
    wait_plugged(&vm, 256)?;
    vm.agent.verify(SEED)?;
    vm.quit()
}

/// Waits until virtio-mem provides `mib` MiB.
pub fn wait_plugged(vm: &Vm, mib: u64) -> Result<()> {
    wait::until(
        &format!("virtio-mem to provide {mib} MiB"),
        DRIVER_LIMIT,
        || {
            let devices = vm.qmp.execute("query-memory-devices", json!({}))?;
            let size = devices[0]["data"]["size"]
                .as_u64()
                .context("one memory device")?;
            Ok((size == mib << 20).then_some(()))
        },
    )
}
