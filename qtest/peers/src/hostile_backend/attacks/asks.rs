// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests of the back-end's own that would map something, or have it told.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};

use super::{Attack, Hit, Strike, Then};
use crate::hostile_backend::features::P_REACHING;
use crate::hostile_backend::report::say;
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::to_qemu;
use crate::vhost_user::Memory;

pub const ALL: &[Attack] = &[
    Attack::new(
        "ask-notifier",
        "a page to be mapped into the guest",
        Strike::Request(notifier),
    )
    .offering(P_REACHING),
    Attack::new(
        "ask-iotlb",
        "where the guest's memory is",
        Strike::Request(iotlb),
    )
    .offering(P_REACHING),
    Attack::new(
        "ask-object",
        "shared objects added, found and removed",
        Strike::Request(object),
    )
    .offering(P_REACHING),
    Attack::new(
        "ask-garbage",
        "a request that nobody knows",
        Strike::Request(garbage),
    ),
];

fn ask(
    session: &mut Session,
    what: &str,
    code: u32,
    payload: &[u8],
    fds: &[BorrowedFd],
) -> Result<()> {
    let back = session
        .back
        .as_mut()
        .context("no connection for requests of its own")?;
    let answer = match back.ask(code, payload, fds) {
        Ok(Some(0)) => "granted".to_owned(),
        Ok(Some(why)) => format!("refused {why:#x}"),
        Ok(None) => "refused: hung up".into(),
        Err(error) => format!("refused: {error:#}"),
    };
    say(format!("asked {what} {answer}"));
    Ok(())
}

fn notifier(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    const PAGE: u64 = 4096;
    let page = File::from(memfd_create("notifier", MemfdFlags::CLOEXEC)?);
    ftruncate(&page, PAGE)?;
    let payload: Vec<u8> = [0, PAGE, 0]
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect();
    ask(
        session,
        "notifier",
        to_qemu::HOST_NOTIFIER,
        &payload,
        &[page.as_fd()],
    )?;
    Ok(Then::Give(hit.len))
}

fn iotlb(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    const MISS: u8 = 1;
    const WRITE: u8 = 2;
    let mut payload: Vec<u8> = [0x1000, 0x1000, 0]
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect();
    payload.extend([WRITE, MISS, 0, 0, 0, 0, 0, 0]);
    ask(session, "iotlb", to_qemu::IOTLB, &payload, &[])?;
    Ok(Then::Give(hit.len))
}

fn object(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    let uuid = [0x5a; 16];
    ask(session, "object-add", to_qemu::OBJECT_ADD, &uuid, &[])?;
    ask(session, "object-lookup", to_qemu::OBJECT_LOOKUP, &uuid, &[])?;
    ask(session, "object-remove", to_qemu::OBJECT_REMOVE, &uuid, &[])?;
    Ok(Then::Give(hit.len))
}

fn garbage(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    ask(
        session,
        "unknown",
        0xdead,
        &annex_qtest::stream::bytes(session.plan.seed, 0, 64),
        &[],
    )?;
    let back = session
        .back
        .as_mut()
        .context("no connection for requests of its own")?;
    // A header that announces more than there can be.
    let sent = back.raw(&[0xff; 12], &[]);
    say(format!("sent {sent:?}"));
    Ok(Then::Give(hit.len))
}
