// SPDX-License-Identifier: GPL-2.0-or-later
//! What would have QEMU wait in a read or a write, for ever.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};

use super::{Attack, Strike};
use crate::hostile_backend::report::say;
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{packet, to_qemu, Code, Message, NEED_REPLY, VERSION};

pub const ALL: &[Attack] = &[
    Attack::new(
        "block-kick",
        "a kick that waits, and is full",
        Strike::Message(Code::SET_VRING_KICK, kick),
    ),
    Attack::new(
        "block-call",
        "a call that waits, and is empty",
        Strike::Message(Code::SET_VRING_CALL, call),
    ),
    Attack::new(
        "block-answers",
        "requests of its own, whose answers it doesn't read",
        Strike::Message(Code::SET_BACKEND_REQ_FD, answers),
    ),
];

/// Has everyone who uses an event wait for it: how it is opened is shared.
fn wait_for(event: &std::fs::File) -> Result<()> {
    Ok(fcntl_setfl(event, fcntl_getfl(event)? & !OFlags::NONBLOCK)?)
}

fn set(session: &mut Session, message: &Message) -> Result<()> {
    let ring = session
        .rings
        .get_mut(message.u32(0) as usize & 0xff)
        .context("no such ring")?;
    ring.set(message, None)?;
    session.acknowledge(message)
}

fn kick(session: &mut Session, message: &Message) -> Result<()> {
    if let Some(mut event) = message.fds.first() {
        // It isn't emptied again.
        session.stalled = true;
        // What QEMU has kicked meanwhile would make it too full.
        while event.write_all(&(u64::MAX - 1).to_ne_bytes()).is_err() {
            let _ = rustix::io::read(event, &mut [0; 8]);
        }
        wait_for(event)?;
        say("blocked");
    }
    set(session, message)
}

fn call(session: &mut Session, message: &Message) -> Result<()> {
    if let Some(event) = message.fds.first() {
        wait_for(event)?;
        say("blocked");
    }
    set(session, message)
}

fn answers(session: &mut Session, message: &Message) -> Result<()> {
    /// More than a socket holds.
    const COUNT: u64 = 20_000;
    /// How long QEMU may not read.
    const LIMIT: Duration = Duration::from_secs(2);
    let file = message
        .fds
        .first()
        .context("no connection for requests of its own")?;
    let mut back = UnixStream::from(std::os::fd::OwnedFd::from(file.try_clone()?));
    thread::spawn(move || {
        let request = packet(to_qemu::HOST_NOTIFIER, VERSION | NEED_REPLY, &[0; 8]);
        let sent = back.set_write_timeout(Some(LIMIT)).map(|()| {
            (0..COUNT)
                .take_while(|_| back.write_all(&request).is_ok())
                .count()
        });
        say(format!("flooded {sent:?}"));
        // Hanging up would let QEMU go on.
        thread::park();
    });
    session.acknowledge(message)
}
