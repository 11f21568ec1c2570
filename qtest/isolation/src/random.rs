// SPDX-License-Identifier: GPL-2.0-or-later
//! A back-end that writes anything to anywhere in its memory, a million times,
//! while requests are in flight.

use std::time::{Duration, Instant};

use annex_qtest::files::Dir;
use annex_qtest::seed;
use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{Driver, Part, Request, RING};
use annex_peers::bare::NEEDS_RESET;

inventory::submit! { Family(|add| {
    for (name, options) in [("random", ",memory-isolation-main-loop=on"), ("random-iothread", ",memory-isolation-iothread=io")] {
        add(format!("isolation/hostile/{name}"), Box::new(move |dir| {
            seed::with(dir, |seed| run(dir, options, seed))
        }));
    }
}) }

/// What a million of them may take on a busy host.
const LIMIT: Duration = Duration::from_secs(240);
/// A time after which a back-end that hasn't answered won't.
const STALLED: Duration = Duration::from_millis(200);
/// The last word of a back-end that has made them all.
const DONE: &str = "1000000";

/// Numbers drawn from a seed.
struct Draw {
    seed: u64,
    count: u64,
}

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.count += 1;
        stream::word(self.seed, self.count) % limit
    }

    /// A request that the disk can carry out.
    fn request(&mut self) -> Request {
        let reads = self.below(2) == 0;
        let mut header = vec![0; 16];
        header[0] = u8::from(!reads);
        header[8..].copy_from_slice(&self.below(1 << 12).to_le_bytes());
        let mut parts = vec![Part::Bytes(header)];
        let part = if reads { Part::Room } else { Part::Any };
        parts.extend((0..1 + self.below(6)).map(|_| part(512 * (1 + self.below(32)) as u32)));
        parts.push(Part::Room(1));
        Request {
            parts,
            indirect: self.below(4) != 0,
        }
    }
}

fn run(dir: &Dir, options: &str, seed: u64) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "random", &["--seed", &seed.to_string()])?;
    let disk = format!("vhost-user-blk-pci,num-queues=1,queue-size={RING}{options}");
    let mut driver = Driver::start(dir, &backend.socket, &disk, 1)?;
    let mut draw = Draw {
        seed: seed ^ 1,
        count: 0,
    };
    let (mut rounds, mut broken, mut requests) = (0u64, 0u64, 0);
    let start = Instant::now();
    loop {
        driver.reset()?;
        let (done, how) = round(&mut driver, &mut draw)?;
        driver.check_ram()?;
        rounds += 1;
        requests += done;
        broken += u64::from(how);
        driver
            .machine
            .vm
            .qmp
            .execute_within(SOON, "query-status", json!({}))?;
        if backend
            .facts("mutations")?
            .last()
            .is_some_and(|count| count == DONE)
        {
            break;
        }
        ensure!(
            start.elapsed() < LIMIT,
            "slow: {rounds} rounds, {requests} requests"
        );
    }
    dir.log(format!(
        "{rounds} rounds, {broken} broken, {requests} requests came back"
    ));
    ensure!(
        broken >= 5 && requests >= 1000,
        "{broken} of {rounds} broken, {requests} requests"
    );
    driver.reset()?;
    driver.check_ram()?;
    driver.machine.vm.quit()
}

/// Requests until the device breaks or nothing comes back. How many did, and
/// whether it broke.
fn round(driver: &mut Driver, draw: &mut Draw) -> Result<(usize, bool)> {
    const ENOUGH: usize = 2000;
    let mut done = 0;
    let mut last = Instant::now();
    while done < ENOUGH {
        for _ in 0..1 + draw.below(8) {
            let request = draw.request();
            let Some(slot) = driver.room(0, &request) else {
                break;
            };
            driver.submit(0, slot, &request)?;
        }
        driver.machine.notify(0)?;
        let wait = Instant::now();
        loop {
            let count = driver.reap(0)?.len();
            done += count;
            if count > 0 || !driver.busy() {
                last = Instant::now();
                break;
            }
            if wait.elapsed() > Duration::from_millis(5) {
                break;
            }
        }
        if driver.machine.status()? & NEEDS_RESET != 0 {
            return Ok((done, true));
        }
        if last.elapsed() > STALLED {
            return Ok((done, false));
        }
    }
    Ok((done, false))
}
