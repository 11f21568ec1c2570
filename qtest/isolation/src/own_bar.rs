// SPDX-License-Identifier: GPL-2.0-or-later
//! A request whose buffer is a register of the device that it is for.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Part, Request, RING};
use annex_peers::bare::{BAR, NEEDS_RESET};

inventory::submit! { Family(|add| {
    for (name, options) in [("main-loop", ",memory-isolation-main-loop=on"), ("iothread", ",memory-isolation-iothread=io")] {
        for (register, offset) in [("status", 20), ("notify", 0x3000)] {
            add(format!("isolation/own-bar/{register}-{name}"), Box::new(move |dir| {
                own_bar(dir, options, BAR + offset)
            }));
        }
    }
}) }

/// A byte of a disk is read to there: it would reset the device, or have it
/// look at the queue, in the middle of the request.
fn own_bar(dir: &Dir, options: &str, register: u64) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "none", &[])?;
    let disk = format!("vhost-user-blk-pci,num-queues=1,queue-size={RING}{options}");
    let mut driver = Driver::start(dir, &backend.socket, &disk, 1)?;
    let header = Part::Bytes(vec![0; 16]);
    let request = Request {
        parts: vec![header, Part::Room(1), Part::Room(1)],
        indirect: false,
    };
    for _ in 0..10 {
        driver.reset()?;
        driver.submit(0, 0, &request)?;
        driver.redirect(0, 1, register)?;
        driver.machine.notify(0)?;
        wait::until("something to come of it", SOON, || {
            let status = driver.machine.status()?;
            let ended = status == 0 || status & NEEDS_RESET != 0 || !driver.reap(0)?.is_empty();
            Ok(ended.then_some(()))
        })?;
        driver.machine.check_alive()?;
    }
    driver.reset()?;
    let answer = driver.ask(0, vec![0; 16], 513)?;
    ensure!(answer == [0; 513], "a request after that: {answer:?}");
    driver.check_ram()?;
    driver.machine.vm.quit()
}
