// SPDX-License-Identifier: GPL-2.0-or-later
//! A snapshot of a VM whose back-end has kept a request, while a later one came
//! back: the request would be lost, so there is no snapshot.

use annex_qtest::files::{self, Dir};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Request, RING};
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    add("isolation/saved/kept-request".into(), Box::new(kept));
    add("isolation/saved/mem-lock".into(), Box::new(locked));
}) }

/// How long QEMU waits for the request.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

fn kept(dir: &Dir) -> Result<()> {
    let image = dir.file("snapshots.qcow2");
    files::make_qcow2(&image, &["-o", "size=64M"])?;
    let backend = Backend::hostile(dir, "backend", "keep", &["--after", "0"])?;
    let drive = format!("if=none,id=snapshots,file={},format=qcow2", image.display());
    let disk = format!("vhost-user-blk-pci,num-queues=1,queue-size={RING}");
    let machine = Bare::start_with(dir, &["-drive", &drive], &backend.socket, &disk)?;
    let mut driver = Driver::of(machine, 1)?;
    driver.reset()?;
    for slot in 0..2 {
        driver.submit(0, slot, &Request::of_first_sector())?;
    }
    driver.machine.notify(0)?;
    wait::until("the second request", SOON, || {
        Ok(driver
            .reap(0)?
            .iter()
            .any(|&(slot, _)| slot == 1)
            .then_some(()))
    })?;
    let savevm = json!({ "command-line": "savevm kept" });
    let said = driver
        .machine
        .vm
        .qmp
        .execute_within(LIMIT, "human-monitor-command", savevm)?;
    let said = said.as_str().context("text")?;
    ensure!(
        said.contains("in flight would be lost"),
        "savevm said {said:?}"
    );
    let info = json!({ "command-line": "info snapshots" });
    let list = driver
        .machine
        .vm
        .qmp
        .execute("human-monitor-command", info)?;
    ensure!(
        !list.as_str().context("text")?.contains("kept"),
        "there is a snapshot: {list}"
    );
    // The VM goes on, and the request comes back.
    driver.machine.vm.wait_run_state("running", SOON)?;
    driver.machine.wait_told(&backend, "gave what was kept")?;
    wait::until("the first request", SOON, || {
        Ok(driver
            .reap(0)?
            .iter()
            .any(|&(slot, _)| slot == 0)
            .then_some(()))
    })?;
    driver.machine.vm.quit()
}

/// With all of QEMU's memory locked the area is allocated whole, and without
/// as it is used.
fn locked(dir: &Dir) -> Result<()> {
    const AREA: u64 = 64 << 20;
    for (name, lock, whole) in [
        ("unlocked", "off", false),
        ("locked", "on", true),
        ("on-fault", "on-fault", false),
    ] {
        let dir = &Dir::at(dir.file(name))?;
        let backend = Backend::hostile(dir, "backend", "none", &[])?;
        let disk = format!("vhost-user-blk-pci,num-queues=1,memory-isolation-size={AREA}");
        let lock = format!("mem-lock={lock}");
        let machine = Bare::start_with(dir, &["-overcommit", &lock], &backend.socket, &disk)?;
        let mut driver = Driver::of(machine, 1)?;
        driver.reset()?;
        driver.machine.wait_served(&backend)?;
        let resident = area_resident(&driver.machine)?;
        dir.log(format!("mem-lock: {resident} bytes of {AREA}"));
        ensure!(
            (resident >= AREA) == whole,
            "{name}: {resident} bytes of {AREA}"
        );
        driver.machine.vm.quit()?;
    }
    Ok(())
}

/// Bytes of QEMU's areas that are in memory.
fn area_resident(machine: &Bare) -> Result<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps", machine.vm.pid()))?;
    let mut lines = maps
        .lines()
        .skip_while(|line| !line.contains("/memfd:isolated-memory"));
    let kib = lines
        .find_map(|line| line.strip_prefix("Rss:"))
        .context("an area")?;
    Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
