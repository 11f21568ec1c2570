// SPDX-License-Identifier: GPL-2.0-or-later
//! Wrong elements of the used ring, and wrong indexes.

use anyhow::{Context, Result};

use super::{Attack, Hit, Load, Strike, Then};
use crate::hostile_backend::session::Session;
use crate::vhost_user::Memory;

pub const ALL: &[Attack] = &[
    Attack::new(
        "used-id-range",
        "an id just past the ring",
        Strike::Request(id_range),
    ),
    Attack::new("used-id-huge", "an id of 32 bits", Strike::Request(id_huge)),
    Attack::new(
        "used-id-not-lent",
        "an id that QEMU didn't lend",
        Strike::Request(id_not_lent),
    ),
    Attack::new(
        "used-id-twice",
        "the same id twice",
        Strike::Request(id_twice),
    )
    .with(Load::Crowd),
    Attack::new(
        "used-index-ahead",
        "more elements than there are requests",
        Strike::Request(ahead),
    ),
    Attack::new(
        "used-index-half",
        "the index moves by 0x8000",
        Strike::Request(half),
    ),
    Attack::new(
        "used-index-back",
        "the index goes back",
        Strike::Request(back),
    ),
    Attack::new(
        "used-second",
        "the second request comes back, the first one never",
        Strike::Request(second),
    )
    .with(Load::Crowd),
    Attack::new(
        "used-len-huge",
        "a length of 32 bits",
        Strike::Request(len_huge),
    ),
    Attack::new(
        "used-len-zero",
        "no byte written",
        Strike::Request(len_zero),
    ),
];

fn give(session: &mut Session, hit: &Hit, memory: &Memory, id: u32, count: u16) -> Result<Then> {
    let ring = &mut session.rings[hit.queue];
    ring.put(memory, 0, id, hit.len)?;
    ring.give(memory, count)?;
    ring.call()?;
    Ok(Then::Nothing)
}

fn id_range(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let id = u32::from(session.rings[hit.queue].num);
    give(session, hit, memory, id, 1)
}

fn id_huge(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    give(session, hit, memory, u32::MAX, 1)
}

fn id_not_lent(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let ring = &session.rings[hit.queue];
    let mut lent = vec![hit.chain.head];
    for ahead in 0..ring.waiting(memory)? {
        let entry = ring.taken.wrapping_add(ahead) % ring.num;
        lent.push(memory.u16(ring.avail + 4 + 2 * u64::from(entry))?);
    }
    let free = (0..ring.num)
        .rev()
        .find(|id| !lent.contains(id))
        .context("all are lent")?;
    give(session, hit, memory, u32::from(free), 1)
}

fn id_twice(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    // With all others given as well there would be more than were lent.
    session.stalled = true;
    session.rings[hit.queue].put(memory, 1, u32::from(hit.chain.head), hit.len)?;
    give(session, hit, memory, u32::from(hit.chain.head), 2)
}

fn ahead(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let lent = 1 + session.rings[hit.queue].waiting(memory)?;
    // What QEMU lends meanwhile mustn't make it right.
    let count = lent + session.rings[hit.queue].num;
    give(session, hit, memory, u32::from(hit.chain.head), count)
}

fn half(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    give(session, hit, memory, u32::from(hit.chain.head), 0x8000)
}

fn back(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    // Back past all that QEMU may not have looked at yet.
    let count = session.rings[hit.queue].num.wrapping_neg();
    give(session, hit, memory, u32::from(hit.chain.head), count)
}

fn second(session: &mut Session, hit: &Hit, memory: &Memory) -> Result<Then> {
    let chain = session.rings[hit.queue]
        .take(memory)?
        .context("a second request")?;
    // Whatever it was to do isn't done.
    give(session, hit, memory, u32::from(chain.head), 1)
}

fn len_huge(_: &mut Session, _: &Hit, _: &Memory) -> Result<Then> {
    Ok(Then::Give(u32::MAX))
}

fn len_zero(_: &mut Session, _: &Hit, _: &Memory) -> Result<Then> {
    Ok(Then::Give(0))
}
