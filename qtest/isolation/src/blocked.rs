// SPDX-License-Identifier: GPL-2.0-or-later
//! Back-ends that would have QEMU wait for them in a read or a write.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::Result;
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Request, RING};

inventory::submit! { Family(|add| {
    for (name, options) in [("main-loop", ",memory-isolation-main-loop=on"), ("iothread", ",memory-isolation-iothread=io")] {
        for (step, attack, body) in CASES {
            add(format!("isolation/blocked/{step}-{name}"), Box::new(move |dir| {
                blocked(dir, attack, options, body)
            }));
        }
    }
}) }

/// What QEMU does that a back-end may hold up.
type Step = fn(&mut Driver, &Backend) -> Result<()>;

const CASES: [(&str, &str, Step); 6] = [
    ("answers", "block-answers", answers),
    ("kick", "block-kick", request),
    ("kick-stop", "block-kick", stop),
    ("call", "block-call", request),
    ("call-stop", "block-call", stop),
    ("call-reset", "block-call", reset),
];

fn blocked(dir: &Dir, attack: &str, options: &str, step: Step) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", attack, &[])?;
    let disk = format!("vhost-user-blk-pci,num-queues=1,queue-size={RING}{options}");
    let mut driver = Driver::start(dir, &backend.socket, &disk, 1)?;
    driver.reset()?;
    step(&mut driver, &backend)?;
    driver.machine.check_alive()?;
    driver.machine.reset()?;
    driver.machine.check_alive()?;
    driver.machine.vm.quit()
}

fn answers(driver: &mut Driver, backend: &Backend) -> Result<()> {
    driver.machine.wait_told(backend, "flooded")
}

/// A request, which may not be answered.
fn request(driver: &mut Driver, backend: &Backend) -> Result<()> {
    driver.machine.wait_told(backend, "blocked")?;
    for slot in 0..4 {
        driver.submit(0, slot, &Request::of_first_sector())?;
        driver.machine.notify(0)?;
        driver.machine.check_alive()?;
    }
    Ok(())
}

fn stop(driver: &mut Driver, backend: &Backend) -> Result<()> {
    request(driver, backend)?;
    for command in ["stop", "cont"] {
        driver
            .machine
            .vm
            .qmp
            .execute_within(SOON, command, json!({}))?;
    }
    Ok(())
}

fn reset(driver: &mut Driver, backend: &Backend) -> Result<()> {
    request(driver, backend)?;
    driver.reset()
}
