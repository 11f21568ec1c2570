// SPDX-License-Identifier: GPL-2.0-or-later
//! Wrong answers to QEMU's questions.

use annex_qtest::stream;
use anyhow::{bail, Result};
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};

use super::{Attack, Strike};
use crate::hostile_backend::features::P_INFLIGHT;
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{packet, Code, Message, VERSION};

pub const ALL: &[Attack] = &[
    Attack::new(
        "features-all",
        "offers every feature; the disk can be written",
        Strike::Message(Code::GET_FEATURES, all_features),
    ),
    Attack::new(
        "reply-garbage",
        "a configuration of garbage",
        Strike::Message(Code::GET_CONFIG, garbage),
    ),
    Attack::new(
        "reply-short",
        "an answer of one byte",
        Strike::Message(Code::GET_CONFIG, short),
    ),
    Attack::new(
        "reply-huge",
        "an answer of 4 GiB",
        Strike::Message(Code::GET_CONFIG, huge),
    ),
    Attack::new(
        "reply-other",
        "an answer to another question",
        Strike::Message(Code::GET_CONFIG, other),
    ),
    Attack::new(
        "reply-cut",
        "half an answer, and hangs up",
        Strike::Message(Code::GET_CONFIG, cut),
    ),
    Attack::new(
        "reply-base",
        "a queue stopped at a place it can't be",
        Strike::Message(Code::GET_VRING_BASE, base),
    ),
    Attack::new(
        "reply-index",
        "another queue stopped than the one that was to",
        Strike::Message(Code::GET_VRING_BASE, index),
    ),
    Attack::new(
        "reply-queues",
        "more queues than there can be",
        Strike::Message(Code::GET_QUEUE_NUM, all_bits),
    ),
    Attack::new(
        "reply-inflight",
        "inflight memory far smaller than it says",
        Strike::Message(Code::GET_INFLIGHT_FD, inflight),
    )
    .offering(P_INFLIGHT),
];

/// In the flags of an answer.
const REPLY: u32 = VERSION | 1 << 2;

fn all_bits(session: &mut Session, message: &Message) -> Result<()> {
    session.answer(message, u64::MAX)
}

fn all_features(session: &mut Session, message: &Message) -> Result<()> {
    const READ_ONLY: u64 = 1 << virtio_bindings::virtio_blk::VIRTIO_BLK_F_RO;
    session.answer(message, !READ_ONLY)
}

fn garbage(session: &mut Session, message: &Message) -> Result<()> {
    let bytes = stream::bytes(session.plan.seed, 0, message.payload.len());
    session.wire.reply(message.code, &bytes)
}

fn short(session: &mut Session, message: &Message) -> Result<()> {
    session.wire.reply(message.code, &[0])
}

fn huge(session: &mut Session, message: &Message) -> Result<()> {
    let header = [message.code.0, REPLY, u32::MAX]
        .map(u32::to_le_bytes)
        .concat();
    session.wire.raw(&header, &[])
}

fn other(session: &mut Session, message: &Message) -> Result<()> {
    session
        .wire
        .raw(&packet(message.code.0 + 1, REPLY, &message.payload), &[])
}

fn cut(session: &mut Session, message: &Message) -> Result<()> {
    session
        .wire
        .raw(&packet(message.code.0, REPLY, &[])[..6], &[])?;
    bail!("hung up in an answer")
}

fn base(session: &mut Session, message: &Message) -> Result<()> {
    let payload = [message.u32(0), 0xdead_beef].map(u32::to_le_bytes).concat();
    session.wire.reply(message.code, &payload)
}

fn index(session: &mut Session, message: &Message) -> Result<()> {
    let base = session.rings[message.u32(0) as usize].taken;
    let payload = [0x0fff_ffff, u32::from(base)]
        .map(u32::to_le_bytes)
        .concat();
    session.wire.reply(message.code, &payload)
}

fn inflight(session: &mut Session, message: &Message) -> Result<()> {
    let fd = memfd_create("inflight", MemfdFlags::CLOEXEC)?;
    ftruncate(&fd, 1)?;
    let mut payload = message.payload.clone();
    payload[..8].copy_from_slice(&(1u64 << 30).to_le_bytes());
    payload[8..16].fill(0);
    session.wire.reply_with(message.code, &payload, &fd)
}
