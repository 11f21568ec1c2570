// SPDX-License-Identifier: GPL-2.0-or-later
//! What each way to scrub leaves in the area for a back-end to find.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::backend::{Backend, Hostile};
use crate::rig::{figures_of, SOON};
use annex_peers::bare::driver::{Driver, Part, Request, RING};

inventory::submit! { Family(|add| {
    for (mode, keeps) in [("", false), ("always", false), ("idle", false), ("never", true)] {
        for thread in ["own", "main-loop"] {
            let name = if mode.is_empty() { "default" } else { mode };
            add(format!("isolation/scrub/{name}-{thread}"), Box::new(move |dir| {
                scrubbed(dir, mode, keeps, thread)
            }));
        }
    }
}) }

/// What is written, and looked for.
const CANARY: &str = "ANNEX-CANARY-TO-SCRUB";
/// Requests each way.
const COUNT: usize = 12;
const LEN: usize = 48 << 10;

fn scrubbed(dir: &Dir, mode: &str, keeps: bool, thread: &str) -> Result<()> {
    let backend = Backend::hostile(dir, "backend", "none", &["--canary", CANARY])?;
    let mut disk = format!("vhost-user-blk-pci,num-queues=1,queue-size={RING}");
    if !mode.is_empty() {
        disk += &format!(",memory-isolation-scrub={mode}");
    }
    if thread == "main-loop" {
        disk += ",memory-isolation-main-loop=on";
    }
    let mut driver = Driver::start(dir, &backend.socket, &disk, 1)?;
    driver.reset()?;
    let data: Vec<u8> = CANARY.bytes().cycle().take(LEN).collect();
    for _ in 0..COUNT {
        carry(&mut driver, 1, Part::Bytes(data.clone()))?;
        // Elsewhere on the disk, where there are zeros.
        let read = carry(&mut driver, 0, Part::Room(LEN as u32))?;
        ensure!(
            read[..LEN].iter().all(|&byte| byte == 0),
            "another request's bytes"
        );
    }
    carry(&mut driver, 1, Part::Bytes(data))?;
    let stale = || {
        let figures = figures_of(&driver.machine.vm, "isolated", 0)?;
        figures["stale"]
            .as_u64()
            .with_context(|| format!("{figures}"))
    };
    if keeps {
        ensure!(stale()? > 0, "nothing is stale");
    } else {
        wait::until("nothing to be stale", SOON, || {
            Ok((stale()? == 0).then_some(()))
        })?;
    }
    // After this it looks once more.
    carry(&mut driver, 0, Part::Room(512))?;
    let found = backend.idle()?;
    let last = found.last().context("it looked")?;
    dir.log(last);
    ensure!(
        last.contains(" dirty=0 "),
        "lent with something to write: {last}"
    );
    ensure!(last.ends_with(" canary=0") != keeps, "{mode}: {last}");
    driver.check_ram()?;
    driver.machine.vm.quit()
}

/// A disk's request; what it wrote.
fn carry(driver: &mut Driver, kind: u32, data: Part) -> Result<Vec<u8>> {
    let sector = if kind == 1 { 0u64 } else { 1 << 15 };
    let header = [
        kind.to_le_bytes().as_slice(),
        &[0; 4],
        &sector.to_le_bytes(),
    ]
    .concat();
    let parts = vec![Part::Bytes(header), data, Part::Room(1)];
    let slot = 0;
    driver.submit(
        0,
        slot,
        &Request {
            parts,
            indirect: false,
        },
    )?;
    driver.machine.notify(0)?;
    wait::until("the disk to answer", SOON, || {
        Ok(driver.reap(0)?.pop().map(|(_, written)| written))
    })
}
