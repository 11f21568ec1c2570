// SPDX-License-Identifier: GPL-2.0-or-later
//! An isolated NIC with queues for several CPUs: one driver uses them all, one
//! only the first pair.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Part, Request};
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for (name, iothread) in [("main-loop", false), ("iothread", true)] {
        for (order, drivers) in [("grow", [ONE, ALL, ONE]), ("shrink", [ALL, ONE, ALL])] {
            add(format!("isolation/pairs/{order}-{name}"), Box::new(move |dir| {
                pairs(dir, iothread, drivers)
            }));
        }
    }
}) }

/// How many pairs a driver uses.
const ONE: usize = 1;
const ALL: usize = 4;

const F_CTRL_VQ: u64 = 1 << virtio_bindings::virtio_net::VIRTIO_NET_F_CTRL_VQ;
const F_MQ: u64 = 1 << virtio_bindings::virtio_net::VIRTIO_NET_F_MQ;

fn pairs(dir: &Dir, iothread: bool, drivers: [usize; 3]) -> Result<()> {
    let features = (F_CTRL_VQ | F_MQ).to_string();
    let options = ["--queues", "8", "--features", &features];
    let backend = Backend::hostile(dir, "backend", "none", &options)?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    add_netdev(&machine, ALL, iothread)?;
    let nic = [
        ("netdev", json!("net")),
        ("mq", json!(true)),
        ("vectors", json!(0)),
    ];
    machine.plug("virtio-net-pci", &nic)?;
    let mut driver = Driver::of(machine, 0)?;
    let mut sent = 0;
    for pairs in drivers {
        if pairs == ONE {
            driver.replace(0, 2)?;
        } else {
            let control = 2 * ALL;
            driver.replace(F_CTRL_VQ | F_MQ, control + 1)?;
            const MQ_CLASS: u8 = 4;
            let command = vec![MQ_CLASS, 0, pairs as u8, 0];
            let answer = driver.ask(control, command, 1)?;
            ensure!(answer == [0], "no {pairs} pairs: {answer:?}");
        }
        for pair in 0..pairs {
            send(&mut driver, 2 * pair + 1).with_context(|| format!("pair {pair} of {pairs}"))?;
        }
        // QEMU takes packets itself, and drops them, if it can't start a queue.
        sent += pairs;
        driver
            .machine
            .wait_told(&backend, &format!("idle served={sent} "))?;
        driver.machine.check_device()?;
    }
    driver.check_ram()?;
    driver.machine.vm.quit()
}

/// The netdev "net", isolated.
pub fn add_netdev(machine: &Bare, queues: usize, iothread: bool) -> Result<()> {
    let mut netdev = json!({
        "type": "vhost-user", "id": "net", "chardev": "backend", "queues": queues,
        "memory-isolation": true,
    });
    match iothread {
        true => netdev["memory-isolation-iothread"] = json!("io"),
        false => netdev["memory-isolation-main-loop"] = json!(true),
    }
    machine
        .vm
        .qmp
        .execute_within(SOON, "netdev_add", netdev)
        .map(drop)
}

/// Sends a packet, and waits until it is taken.
pub fn send(driver: &mut Driver, queue: usize) -> Result<()> {
    let packet = Request {
        parts: vec![Part::Bytes(vec![0; 100])],
        indirect: false,
    };
    let slot = driver.room(queue, &packet).context("room for a packet")?;
    driver.submit(queue, slot, &packet)?;
    driver.machine.notify(queue)?;
    wait::until("a packet to be sent", SOON, || {
        driver.machine.check_device()?;
        Ok((!driver.reap(queue)?.is_empty()).then_some(()))
    })
}
