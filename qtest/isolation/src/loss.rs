// SPDX-License-Identifier: GPL-2.0-or-later
//! Back-ends that answer nothing, or are lost when it suits least.

use std::fs;

use annex_qtest::error::QmpError;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::pairs::{add_netdev, send};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Part, Request, RING};
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    add("isolation/lost/netdev-silent".into(), Box::new(silent));
    add("isolation/lost/unread".into(), Box::new(unread));
    add("isolation/lost/migrating".into(), Box::new(migrating));
    add("isolation/lost/replugged".into(), Box::new(replugged));
}) }

/// A netdev isn't made with a back-end that doesn't answer.
fn silent(dir: &Dir) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "start-silent", &["--queues", "8"])?;
    let machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    let why = add_netdev(&machine, 1, false)
        .err()
        .context("the netdev was made")?;
    dir.log(format!("refused: {}", why.downcast::<QmpError>()?));
    machine.check_alive()?;
    machine.vm.quit()
}

/// More messages than a socket holds, to one who reads none of them.
fn unread(dir: &Dir) -> Result<()> {
    const QUEUES: usize = 64;
    let queues = QUEUES.to_string();
    let backend = Backend::hostile(dir, "backend", "start-unread", &["--queues", &queues])?;
    let disk = format!("vhost-user-blk-pci,num-queues={QUEUES},queue-size={RING}");
    let mut driver = Driver::start(dir, &backend.socket, &disk, QUEUES)?;
    driver.reset()?;
    driver.machine.wait_told(&backend, "strike")?;
    driver.machine.reset()?;
    driver.machine.check_alive()?;
    driver.machine.vm.quit()
}

/// A request is unfinished, one that came after it isn't, and the VM is about
/// to move when the back-end dies: the next one finishes what is left.
fn migrating(dir: &Dir) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "used-second", &["--after", "0"])?;
    let socket = backend.socket.clone();
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&socket)?;
    let disk = [
        ("chardev", json!("backend")),
        ("num-queues", json!(1)),
        ("queue-size", json!(RING)),
        ("memory-isolation", json!(true)),
    ];
    machine.plug("vhost-user-blk-pci", &disk)?;
    let mut driver = Driver::of(machine, 1)?;
    driver.reset()?;
    driver.machine.wait_served(&backend)?;
    let qmp = |machine: &Bare, command: &str, arguments| {
        machine.vm.qmp.execute_within(SOON, command, arguments)
    };
    // So slowly that it doesn't end.
    qmp(
        &driver.machine,
        "migrate-set-parameters",
        json!({ "max-bandwidth": 4096 }),
    )?;
    qmp(
        &driver.machine,
        "migrate",
        json!({ "uri": "exec:cat >/dev/null" }),
    )?;
    wait::until("the migration to begin", SOON, || {
        let status = qmp(&driver.machine, "query-migrate", json!({}))?;
        Ok((status["status"] == "active").then_some(()))
    })?;
    for slot in 0..2 {
        driver.submit(0, slot, &Request::of_first_sector())?;
    }
    driver.machine.notify(0)?;
    let mut wait_one = |wanted: usize| {
        wait::until(&format!("request {wanted}"), SOON, || {
            driver.machine.check_device()?;
            let Some((slot, _)) = driver.reap(0)?.pop() else {
                return Ok(None);
            };
            ensure!(slot == wanted, "request {slot} came back, not {wanted}");
            Ok(Some(()))
        })
    };
    wait_one(1)?;
    fs::remove_file(&socket)?;
    backend.kill()?;
    let next = Backend::hostile_at(dir, "next", "none", &[], socket)?;
    wait_one(0)?;
    driver.machine.wait_served(&next)?;
    let status = qmp(&driver.machine, "query-migrate", json!({}))?;
    ensure!(status["status"] == "active", "the migration: {status}");
    driver.machine.vm.kill().map(drop)
}

/// A NIC goes while the back-end has packets of its; what comes back of them
/// isn't given to the next one.
fn replugged(dir: &Dir) -> Result<()> {
    let options = ["--queues", "2", "--after", "0"];
    let backend = Backend::hostile(dir, "backend", "used-second", &options)?;
    let mut machine = Bare::empty(dir, &["-action", "reboot=reset"])?;
    machine.connect(&backend.socket)?;
    add_netdev(&machine, 1, false)?;
    let nic = [("netdev", json!("net"))];
    machine.plug("virtio-net-pci", &nic)?;
    let mut driver = Driver::of(machine, 2)?;
    driver.reset()?;
    let packet = Request {
        parts: vec![Part::Bytes(vec![0; 100])],
        indirect: false,
    };
    for slot in 0..3 {
        driver.submit(1, slot, &packet)?;
    }
    driver.machine.notify(1)?;
    driver.machine.wait_told(&backend, "struck")?;
    let qmp = |machine: &Bare, command: &str, arguments| {
        machine.vm.qmp.execute_within(SOON, command, arguments)
    };
    let from = driver.machine.vm.qmp.now();
    qmp(&driver.machine, "device_del", json!({ "id": "isolated" }))?;
    // There is no guest to agree.
    qmp(&driver.machine, "system_reset", json!({}))?;
    driver
        .machine
        .vm
        .qmp
        .wait(from, "the NIC to be unplugged", SOON, |name, event| {
            (name == "DEVICE_DELETED" && event.data["device"] == "isolated").then_some(())
        })?;
    driver.machine.plug("virtio-net-pci", &nic)?;
    driver.reset()?;
    send(&mut driver, 1)
}
