// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory as a whole, and the file behind it.

use annex_qtest::stream;
use anyhow::{Context, Result};
use rustix::fs::{fallocate, fcntl_add_seals, ftruncate, FallocateFlags, SealFlags};

use super::{Attack, Hit, Strike, Then};
use crate::hostile_backend::report::say;
use crate::hostile_backend::session::Session;
use crate::vhost_user::Memory;

pub const ALL: &[Attack] = &[
    Attack::new(
        "area-garbage",
        "all of the memory is garbage",
        Strike::Request(garbage),
    ),
    Attack::new(
        "area-zeros",
        "all of the memory is zeros",
        Strike::Request(zeros),
    ),
    Attack::new(
        "file-resize",
        "the file is truncated and grown",
        Strike::Request(resize),
    ),
    Attack::new(
        "file-seal",
        "the file is sealed, also against writing",
        Strike::Request(seal),
    ),
    Attack::new(
        "file-holes",
        "holes are punched in the file",
        Strike::Request(holes),
    ),
];

fn fill(session: &mut Session, hit: &Hit, memory: &Memory, seed: Option<u64>) -> Result<Then> {
    const STEP: u64 = 1 << 20;
    let bytes = seed.map_or(vec![0; STEP as usize], |seed| {
        stream::bytes(seed, 0, STEP as usize)
    });
    for (start, size) in memory.ranges() {
        for at in (0..size).step_by(STEP as usize) {
            let length = STEP.min(size - at) as usize;
            memory.write(start + at, &bytes[..length])?;
        }
    }
    stay(session, hit)
}

/// Calls, and leaves the used index as it is now: served on, it would soon be
/// right again, and QEMU might not have looked.
fn stay(session: &mut Session, hit: &Hit) -> Result<Then> {
    session.stalled = true;
    session.rings[hit.queue].call()?;
    Ok(Then::Nothing)
}

fn garbage(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let seed = session.plan.seed;
    fill(session, hit, memory, Some(seed))
}

fn zeros(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    fill(session, hit, memory, None)
}

fn outcome(what: &str, result: rustix::io::Result<()>) {
    match result {
        Ok(()) => say(format!("did {what}")),
        Err(why) => say(format!("couldn't {what}: {why}")),
    }
}

fn resize(_: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let file = memory.files().next().context("memory without a file")?;
    let size = file.metadata()?.len();
    outcome("empty", ftruncate(file, 0));
    outcome("shrink", ftruncate(file, size / 2));
    outcome("grow", ftruncate(file, 2 * size));
    outcome(
        "allocate",
        fallocate(file, FallocateFlags::empty(), size, size),
    );
    Ok(Then::Give(hit.len))
}

fn seal(_: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let file = memory.files().next().context("memory without a file")?;
    outcome("seal-write", fcntl_add_seals(file, SealFlags::WRITE));
    outcome(
        "seal-future",
        fcntl_add_seals(file, SealFlags::FUTURE_WRITE),
    );
    outcome("seal-grow", fcntl_add_seals(file, SealFlags::GROW));
    outcome("seal-seal", fcntl_add_seals(file, SealFlags::SEAL));
    Ok(Then::Give(hit.len))
}

fn holes(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let file = memory.files().next().context("memory without a file")?;
    let size = file.metadata()?.len();
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    outcome("punch", fallocate(file, flags, 0, size));
    stay(session, hit)
}
