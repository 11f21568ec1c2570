// SPDX-License-Identifier: GPL-2.0-or-later
//! Back-ends that stop to work: the guest's queue stalls, and nothing else.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::hostile::{broken, PAUSE};
use crate::rig::{with_machine, Left, Machine, IO_MIB, SOON};

inventory::submit! { Family(|add| {
    add("isolation/hostile/stall".into(), Box::new(|dir| with_machine(dir, |m| stall(m, dir))));
    add("isolation/hostile/keep".into(), Box::new(|dir| with_machine(dir, |m| keep(m, dir))));
    add("isolation/hostile/mute".into(), Box::new(|dir| with_machine(dir, |m| mute(m, dir))));
    add("isolation/hostile/die".into(), Box::new(|dir| with_machine(dir, |m| die(m, dir))));
    add("isolation/hostile/mended-by-reset".into(), Box::new(mended));
}) }

/// Nothing comes back: only those who wait for it notice.
fn stall(machine: &Machine, dir: &Dir) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", "stall", &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.begin_io(IO_MIB)?;
    backend.wait_for("struck")?;
    std::thread::sleep(PAUSE);
    ensure!(
        machine.io_ended()?.is_none(),
        "the I/O ended: nothing stalled"
    );
    let figures = machine.figures("disk", 0)?;
    ensure!(
        figures["in-flight"].as_u64() >= Some(1),
        "nothing in flight: {figures}"
    );
    others_work(machine)?;
    machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
    machine.vm.wait_run_state("paused", SOON)?;
    machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
    others_work(machine)?;
    // Quits in bounded time, too, or the trial fails.
    Ok(Left::Broken)
}

/// A request that the back-end has when the VM stops comes back when that goes
/// on, and isn't given to it again.
fn keep(machine: &Machine, dir: &Dir) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", "keep", &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.begin_io(IO_MIB)?;
    backend.wait_for("struck")?;
    for _ in 0..2 {
        machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
        machine.vm.wait_run_state("paused", SOON)?;
        machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
    }
    backend.wait_for("gave what was kept")?;
    machine.check_io(IO_MIB)?;
    ensure!(
        machine.status("disk")?["broken"] == false,
        "the device is broken"
    );
    machine.unplug()?;
    Ok(Left::Clean)
}

/// Devices beside the stalled one.
fn others_work(machine: &Machine) -> Result<()> {
    let random = "dd if=/dev/hwrng bs=32 count=1 2>/dev/null | wc -c";
    let count = machine.vm.agent.sh(random)?;
    ensure!(count == "32", "{count} bytes of /dev/hwrng");
    Ok(())
}

/// It doesn't say where it stopped. Its I/O was done, and the guest's data are
/// right.
fn mute(machine: &Machine, dir: &Dir) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", "mute", &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.io()?;
    machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
    machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
    backend.wait_for("strike")?;
    Ok(Left::Broken)
}

/// Killed with a request in flight; another one takes over, in a new area.
fn die(machine: &Machine, dir: &Dir) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", "die", &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.begin_io(IO_MIB)?;
    backend.wait_for("strike")?;
    std::thread::sleep(PAUSE);
    ensure!(
        machine.io_ended()?.is_none(),
        "the I/O ended without a back-end"
    );
    machine.check()?;
    let next = Backend::hostile_at(dir, "next", "none", &[], backend.socket.clone())?;
    // Its disk is an empty one: what the first had is gone, but all requests
    // are answered.
    machine.wait_io()?;
    machine.io()?;
    let areas = [backend.facts("region")?, next.facts("region")?];
    ensure!(areas.iter().all(|regions| regions.len() == 1), "{areas:?}");
    machine.unplug()?;
    Ok(Left::Clean)
}

/// A guest that is reset has a device that works again.
fn mended(dir: &Dir) -> Result<()> {
    let machine = Machine::plugged([], "vm", dir)?;
    let backend = Backend::hostile(dir, "backend", "used-index-ahead", &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.begin_io(IO_MIB)?;
    broken(&machine, "moved the used index")?;
    machine.reboot()?;
    machine.wait_disk()?;
    machine.io()?;
    ensure!(machine.status("disk")?["broken"] == false, "still broken");
    machine.check()?;
    let regions = backend.facts("region")?.len();
    ensure!(
        regions >= 2,
        "{regions} areas: the first one is still in use"
    );
    machine.unplug()?;
    machine.vm.quit()
}
