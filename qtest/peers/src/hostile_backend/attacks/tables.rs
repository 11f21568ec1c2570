// SPDX-License-Identifier: GPL-2.0-or-later
//! What QEMU has written to the rings, rewritten after it was submitted.

use annex_qtest::stream;
use anyhow::{Context, Result};

use super::{Attack, Hit, Load, Strike, Then};
use crate::hostile_backend::session::Session;
use crate::vhost_user::Memory;
use crate::vhost_user::DESCRIPTOR;

pub const ALL: &[Attack] = &[
    Attack::new(
        "table-elsewhere",
        "descriptors point elsewhere",
        Strike::Request(elsewhere),
    )
    .with(Load::Alone),
    Attack::new(
        "table-grown",
        "descriptors of 4 GiB",
        Strike::Request(grown),
    )
    .with(Load::Alone),
    Attack::new(
        "table-loop",
        "descriptors that follow themselves",
        Strike::Request(looped),
    )
    .with(Load::Alone),
    Attack::new(
        "indirect-elsewhere",
        "an indirect table points elsewhere",
        Strike::Request(indirect),
    ),
    Attack::new(
        "avail-garbage",
        "the avail ring is filled with garbage",
        Strike::Request(avail),
    )
    .with(Load::Alone),
    Attack::new(
        "used-garbage",
        "used elements not yet given are garbage",
        Strike::Request(used),
    ),
    Attack::new(
        "flags-garbage",
        "flags and event indexes are garbage",
        Strike::Request(flags),
    ),
];

const NEXT_AND_WRITE: u16 = 3;

fn entry(at: u64, len: u32, next: u64) -> Vec<u8> {
    let mut entry = at.to_le_bytes().to_vec();
    entry.extend(len.to_le_bytes());
    entry.extend(NEXT_AND_WRITE.to_le_bytes());
    entry.extend((next as u16).to_le_bytes());
    entry
}

/// Rewrites the whole table, and gives the request back as if nothing were.
fn rewrite(
    session: &Session,
    hit: &Hit,
    memory: &Memory,
    descriptor: impl Fn(u64) -> Vec<u8>,
) -> Result<Then> {
    let ring = &session.rings[hit.queue];
    for number in 0..u64::from(ring.num) {
        memory.write(ring.table + DESCRIPTOR * number, &descriptor(number))?;
    }
    Ok(Then::Give(hit.len))
}

fn elsewhere(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let seed = session.plan.seed;
    rewrite(session, hit, memory, |n| {
        entry(stream::word(seed, n), 4096, n + 1)
    })
}

fn grown(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let at = hit
        .chain
        .writable
        .first()
        .context("a request with a status")?
        .at;
    rewrite(session, hit, memory, |n| entry(at, u32::MAX, n + 1))
}

fn looped(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let at = hit
        .chain
        .writable
        .first()
        .context("a request with a status")?
        .at;
    rewrite(session, hit, memory, |n| entry(at, 4096, n))
}

fn indirect(_: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let (table, entries) = hit
        .chain
        .indirect
        .context("a request without an indirect table")?;
    for number in 0..entries {
        memory.write(
            table + DESCRIPTOR * number,
            &entry(0x1000, u32::MAX, number),
        )?;
    }
    Ok(Then::Give(hit.len))
}

fn garbage(seed: u64, length: u64) -> Vec<u8> {
    stream::bytes(seed, 0, length as usize)
}

fn avail(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let (at, length) = session.rings[hit.queue].extents()[1];
    let index = memory.read(at + 2, 2)?;
    memory.write(at, &garbage(session.plan.seed, length))?;
    // Its own way to the next request.
    memory.write(at + 2, &index)?;
    let ring = &mut session.rings[hit.queue];
    ring.put(memory, 0, u32::from(hit.chain.head), hit.len)?;
    ring.give(memory, 1)?;
    // The index that says whether QEMU wants to be called is garbage, too.
    ring.call()?;
    session.polling = true;
    Ok(Then::Nothing)
}

fn used(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let ring = &session.rings[hit.queue];
    let bytes = garbage(session.plan.seed, 8);
    // What it gave back last QEMU may not have read yet.
    for ahead in 0..ring.num / 2 {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        ring.put(memory, ahead, word(0), word(4))?;
    }
    Ok(Then::Give(hit.len))
}

fn flags(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let ring = &session.rings[hit.queue];
    let num = u64::from(ring.num);
    let bytes = garbage(session.plan.seed, 8);
    memory.write(ring.used, &bytes[..2])?;
    memory.write(ring.used + 4 + 8 * num, &bytes[2..4])?;
    memory.write(ring.avail, &bytes[4..6])?;
    memory.write(ring.avail + 4 + 2 * num, &bytes[6..8])?;
    // It will miss kicks now, and calls as it likes.
    session.polling = true;
    let ring = &mut session.rings[hit.queue];
    ring.put(memory, 0, u32::from(hit.chain.head), hit.len)?;
    ring.give(memory, 1)?;
    ring.call()?;
    Ok(Then::Nothing)
}
