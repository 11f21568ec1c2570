// SPDX-License-Identifier: GPL-2.0-or-later
//! A back-end that is killed with requests in flight, again and again; before
//! QEMU has noticed, or just when it does, the VM stops or the device is reset.

use std::fs;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};
use serde_json::{json, Value};

use crate::backend::{image, socket, Backend};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Part, Request, RING};
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for (name, iothread) in [("main-loop", false), ("iothread", true)] {
        add(format!("isolation/killed/stop-{name}"), Box::new(move |dir| {
            killed(dir, iothread, stop)
        }));
        add(format!("isolation/killed/reset-{name}"), Box::new(move |dir| {
            killed(dir, iothread, reset)
        }));
    }
}) }

/// How often. QEMU has to be met between two of its steps.
const ROUNDS: usize = 40;
/// How many requests are in flight.
const LOAD: usize = 16;

/// What a disk says of a request that went well.
const OK: u8 = 0;

/// Starts the next back-end.
type Start<'a> = &'a mut dyn FnMut() -> Result<Backend>;
/// Has one killed in a round of this number; gives the next.
type Round = fn(&mut Driver, Backend, Start, usize) -> Result<Backend>;

fn killed(dir: &Dir, iothread: bool, round: Round) -> Result<()> {
    let (image, path) = (image(dir, 1)?, socket(dir, "storage")?);
    let mut start = || Backend::storage_daemon_at(dir, "storage", &image, "", path.clone());
    let mut backend = start()?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&path)?;
    let mut options: Vec<(&str, Value)> = vec![
        ("chardev", json!("backend")),
        ("num-queues", json!(1)),
        ("queue-size", json!(RING)),
        ("memory-isolation", json!(true)),
    ];
    options.push(match iothread {
        true => ("memory-isolation-iothread", json!("io")),
        false => ("memory-isolation-main-loop", json!(true)),
    });
    machine.plug("vhost-user-blk-pci", &options)?;
    let mut driver = Driver::of(machine, 1)?;
    driver.reset()?;
    for number in 0..ROUNDS {
        push(&mut driver, LOAD)?;
        fs::remove_file(&path)?;
        backend = round(&mut driver, backend, &mut start, number)?;
        drain(&mut driver)?;
    }
    driver.check_ram()?;
    driver.machine.check_device()?;
    driver.machine.vm.quit()
}

/// The next one is there before the VM goes on, or after.
fn stop(driver: &mut Driver, backend: Backend, start: Start, number: usize) -> Result<Backend> {
    backend.kill()?;
    let qmp = |command: &str| {
        driver
            .machine
            .vm
            .qmp
            .execute_within(SOON, command, json!({}))
    };
    qmp("stop")?;
    if number % 2 == 0 {
        qmp("cont")?;
        return start();
    }
    let next = start()?;
    driver.machine.wait_connected(true)?;
    qmp("cont")?;
    Ok(next)
}

/// The next one is there when the driver is at work again.
fn reset(driver: &mut Driver, backend: Backend, start: Start, number: usize) -> Result<Backend> {
    backend.kill()?;
    if number % 2 == 0 {
        driver.machine.wait_connected(false)?;
    }
    driver.reset()?;
    let next = start()?;
    push(driver, 4)?;
    Ok(next)
}

/// Reads and writes.
fn push(driver: &mut Driver, count: usize) -> Result<()> {
    for number in 0..count {
        let reads = number % 2 == 0;
        let mut header = vec![0; 16];
        header[0] = u8::from(!reads);
        header[8] = 8 * number as u8;
        let data = if reads {
            Part::Room(4096)
        } else {
            Part::Any(4096)
        };
        let request = Request {
            parts: vec![Part::Bytes(header), data, Part::Room(1)],
            indirect: false,
        };
        let Some(slot) = driver.room(0, &request) else {
            break;
        };
        driver.submit(0, slot, &request)?;
    }
    driver.machine.notify(0)
}

/// Waits until all have come back, and each went well.
fn drain(driver: &mut Driver) -> Result<()> {
    wait::until("all requests to come back", SOON, || {
        for (slot, written) in driver.reap(0)? {
            ensure!(
                written.last() == Some(&OK),
                "request {slot} failed: {:?}",
                written.last()
            );
        }
        driver.machine.check_device()?;
        Ok((!driver.busy()).then_some(()))
    })
}
