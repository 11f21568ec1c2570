// SPDX-License-Identifier: GPL-2.0-or-later
//! More of what QEMU listens to than it can want, and an answer that takes its time.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Attack, Strike};
use crate::hostile_backend::report::say;
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{packet, to_qemu, Code, Message, Wire, VERSION};

pub const ALL: &[Attack] = &[
    Attack::new(
        "flood-requests",
        "requests that nobody knows, without end",
        Strike::Message(Code::SET_BACKEND_REQ_FD, requests),
    ),
    Attack::new(
        "flood-changes",
        "says without end that its configuration changed",
        Strike::Message(Code::SET_BACKEND_REQ_FD, changes),
    ),
    Attack::new(
        "flood-errors",
        "errors in a queue, without end",
        Strike::Message(Code::SET_VRING_ERR, errors),
    ),
    Attack::new(
        "slow-config",
        "each answer about its configuration after 5 ms",
        Strike::Message(Code::GET_CONFIG, slow),
    ),
];

fn file(message: &Message) -> Result<File> {
    Ok(message.fds.first().context("no file")?.try_clone()?)
}

fn requests(session: &mut Session, message: &Message) -> Result<()> {
    pour(session, message, packet(0xdead, VERSION, &[]))
}

fn changes(session: &mut Session, message: &Message) -> Result<()> {
    pour(
        session,
        message,
        packet(to_qemu::CONFIG_CHANGE, VERSION, &[]),
    )
}

/// Sends it until QEMU hangs up.
fn pour(session: &mut Session, message: &Message, packet: Vec<u8>) -> Result<()> {
    let mut back = Wire::from(OwnedFd::from(file(message)?));
    thread::spawn(move || {
        let sent = (0u64..)
            .take_while(|_| back.raw(&packet, &[]).is_ok())
            .count();
        say(format!("poured {sent}"));
    });
    session.acknowledge(message)
}

fn errors(session: &mut Session, message: &Message) -> Result<()> {
    let mut error = file(message)?;
    thread::spawn(move || while error.write_all(&1u64.to_ne_bytes()).is_ok() {});
    session.acknowledge(message)
}

fn slow(session: &mut Session, message: &Message) -> Result<()> {
    thread::sleep(Duration::from_millis(5));
    let mut payload = message.payload[..12].to_vec();
    payload.resize(12 + message.u32(4) as usize, 0);
    session.wire.reply(message.code, &payload)
}
