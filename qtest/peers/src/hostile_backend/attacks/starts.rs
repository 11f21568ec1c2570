// SPDX-License-Identifier: GPL-2.0-or-later
//! What spoils a device before a driver has begun, or just when it does.

use std::os::fd::OwnedFd;

use anyhow::{bail, Context, Result};

use super::{Attack, Strike};
use crate::hostile_backend::features::P_REPLY_ACK;
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{packet, to_qemu, Code, Message, Wire, VERSION};

pub const ALL: &[Attack] = &[
    Attack::new(
        "start-nothing",
        "offers no feature at all",
        Strike::Message(Code::GET_FEATURES, offer_nothing),
    ),
    Attack::new(
        "start-silent",
        "no answer to the first question",
        Strike::Message(Code::GET_FEATURES, fall_silent),
    ),
    Attack::new(
        "start-changed",
        "says its configuration changed before a driver knows it",
        Strike::Message(Code::SET_BACKEND_REQ_FD, change_at_once),
    ),
    Attack::new(
        "start-features-close",
        "hangs up when it is told the driver's features",
        Strike::Message(Code::SET_FEATURES, close),
    ),
    Attack::new(
        "start-memory-close",
        "hangs up when it is given memory",
        Strike::Message(Code::SET_MEM_TABLE, close),
    ),
    Attack::new(
        "start-unread",
        "reads no more once it has memory",
        Strike::Message(Code::SET_MEM_TABLE, fall_silent),
    )
    .lacking(P_REPLY_ACK),
];

fn offer_nothing(session: &mut Session, message: &Message) -> Result<()> {
    session.answer(message, 0)
}

fn fall_silent(_: &mut Session, _: &Message) -> Result<()> {
    loop {
        std::thread::park();
    }
}

fn change_at_once(session: &mut Session, message: &Message) -> Result<()> {
    let mut back = own_connection(message)?;
    back.raw(&packet(to_qemu::CONFIG_CHANGE, VERSION, &[]), &[])?;
    session.back = Some(back);
    session.acknowledge(message)
}

fn own_connection(message: &Message) -> Result<Wire> {
    let file = message
        .fds
        .first()
        .context("no connection for requests of its own")?;
    Ok(Wire::from(OwnedFd::from(file.try_clone()?)))
}

fn close(_: &mut Session, _: &Message) -> Result<()> {
    bail!("hung up")
}
