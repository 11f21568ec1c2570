// SPDX-License-Identifier: GPL-2.0-or-later
//! Which thread copies: one of the device's own, one that was named, or the
//! main loop. It lives as long as its device or netdev, and has a name.

use std::fs;

use annex_qtest::error::QmpError;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use crate::backend::{Backend, Hostile};
use crate::device_start::{Kind, KINDS};
use crate::pairs::send;
use crate::rig::{figures_of, SOON};
use annex_peers::bare::driver::Driver;
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for &kind in KINDS {
        add(format!("isolation/threads/own-{}", kind.name), Box::new(move |dir| own(dir, kind)));
    }
    add("isolation/threads/named".into(), Box::new(named));
    add("isolation/threads/main-loop".into(), Box::new(main_loop));
    add("isolation/threads/both".into(), Box::new(both));
    add("isolation/threads/failed".into(), Box::new(failed));
    add("isolation/threads/netdev".into(), Box::new(netdev));
}) }

/// What the thread of a device with the chardev "backend" is called.
const NAME: &str = "iso backend";

/// The numbers of such threads.
fn threads(machine: &Bare) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", machine.vm.pid()))? {
        let task = task?;
        // It may have ended meanwhile.
        if fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == NAME) {
            found.push(task.file_name().to_string_lossy().parse()?);
        }
    }
    Ok(found)
}

fn none_left(machine: &Bare) -> Result<()> {
    wait::until("the thread to end", SOON, || {
        Ok(threads(machine)?.is_empty().then_some(()))
    })
}

/// A device with more options, that works.
fn working(dir: &Dir, kind: Kind, options: &[(&str, Value)]) -> Result<(Bare, Backend)> {
    let backend = kind.backend(dir, "none")?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    kind.plug_with(&mut machine, options)?;
    kind.begin(&mut machine)?;
    machine.wait_served(&backend)?;
    Ok((machine, backend))
}

fn own(dir: &Dir, kind: Kind) -> Result<()> {
    let (mut machine, _backend) = working(dir, kind, &[])?;
    for round in 0..3 {
        let found = threads(&machine)?;
        let [thread] = found[..] else {
            anyhow::bail!("threads {found:?}")
        };
        let figures = figures_of(&machine.vm, "isolated", 0)?;
        ensure!(figures["iothread"] == "isolation-backend", "{figures}");
        ensure!(figures["thread-id"] == thread, "{figures}, not {thread}");
        let listed = machine.vm.qmp.execute("query-iothreads", json!({}))?;
        let listed = listed.as_array().context("a list")?;
        ensure!(listed.len() == 1 && listed[0]["id"] == "io", "{listed:?}");
        machine.unplug()?;
        none_left(&machine)?;
        // Some don't take the connection that another device has used.
        if round == 2 || !kind.returns {
            break;
        }
        kind.plug(&mut machine)?;
        kind.begin(&mut machine)?;
    }
    machine.vm.quit()
}

fn named(dir: &Dir) -> Result<()> {
    let options = [("memory-isolation-iothread", json!("io"))];
    let (machine, _backend) = working(dir, KINDS[0], &options)?;
    none_left(&machine)?;
    let figures = figures_of(&machine.vm, "isolated", 0)?;
    ensure!(figures["iothread"] == "io", "{figures}");
    machine.vm.quit()
}

fn main_loop(dir: &Dir) -> Result<()> {
    let options = [("memory-isolation-main-loop", json!(true))];
    let (machine, _backend) = working(dir, KINDS[0], &options)?;
    none_left(&machine)?;
    let figures = figures_of(&machine.vm, "isolated", 0)?;
    ensure!(figures.get("iothread").is_none(), "{figures}");
    ensure!(figures["thread-id"] == machine.vm.pid(), "{figures}");
    machine.vm.quit()
}

/// Two wishes that contradict each other, and one for a device that isn't
/// isolated.
fn both(dir: &Dir) -> Result<()> {
    let backend = KINDS[0].backend(dir, "none")?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    let main_loop = ("memory-isolation-main-loop", json!(true));
    for (more, words) in [
        (("memory-isolation-iothread", json!("io")), "wants none"),
        (
            ("memory-isolation", json!(false)),
            "need memory-isolation=on",
        ),
    ] {
        let refused = KINDS[0].plug_with(&mut machine, &[main_loop.clone(), more]);
        let why = refused.expect_err("contradictory").downcast::<QmpError>()?;
        ensure!(why.description.contains(words), "{why}");
        none_left(&machine)?;
    }
    // A wish that would do nothing isn't taken in silence.
    for more in [
        ("memory-isolation-scrub", json!("always")),
        ("memory-isolation-size", json!(1 << 20)),
    ] {
        let off = ("memory-isolation", json!(false));
        let refused = KINDS[0].plug_with(&mut machine, &[off, more]);
        let why = refused.expect_err("not isolated").downcast::<QmpError>()?;
        ensure!(
            why.description.contains("need memory-isolation=on"),
            "{why}"
        );
    }
    KINDS[0].plug(&mut machine)?;
    machine.vm.quit()
}

/// A device that can't be made leaves no thread.
fn failed(dir: &Dir) -> Result<()> {
    let backend = KINDS[0].backend(dir, "close-get-config")?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    for _ in 0..3 {
        let refused = KINDS[0].plug(&mut machine).expect_err("it hangs up");
        refused.downcast::<QmpError>()?;
        none_left(&machine)?;
    }
    machine.vm.quit()
}

/// One thread for all queues of a netdev, whether it has a NIC or not.
fn netdev(dir: &Dir) -> Result<()> {
    const PAIRS: usize = 4;
    let backend = Backend::hostile(dir, "backend", "none", &["--queues", "8"])?;
    let mut machine = Bare::empty(dir, &[])?;
    let add = |machine: &Bare| {
        machine.connect(&backend.socket)?;
        let netdev = json!({
            "type": "vhost-user", "id": "net", "chardev": "backend", "queues": PAIRS,
            "memory-isolation": true,
        });
        machine
            .vm
            .qmp
            .execute_within(SOON, "netdev_add", netdev)
            .map(drop)
    };
    let delete = |machine: &Bare| {
        machine
            .vm
            .qmp
            .execute_within(SOON, "netdev_del", json!({ "id": "net" }))?;
        none_left(machine)
    };
    for _ in 0..3 {
        add(&machine)?;
        ensure!(threads(&machine)?.len() == 1, "{:?}", threads(&machine)?);
        delete(&machine)?;
    }
    add(&machine)?;
    let nic = [
        ("netdev", json!("net")),
        ("mq", json!(true)),
        ("vectors", json!(0)),
    ];
    machine.plug("virtio-net-pci", &nic)?;
    let mut driver = Driver::of(machine, 0)?;
    driver.replace(0, 2)?;
    send(&mut driver, 1)?;
    let mut machine = driver.machine;
    ensure!(threads(&machine)?.len() == 1, "{:?}", threads(&machine)?);
    machine.unplug()?;
    delete(&machine)?;
    machine.vm.quit()
}
