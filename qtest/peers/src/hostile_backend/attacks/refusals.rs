// SPDX-License-Identifier: GPL-2.0-or-later
//! Each message of a device's start, refused, or answered by hanging up.

use anyhow::{bail, Result};

use super::{Attack, Strike};
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{Code, Message};

macro_rules! each {
    ($($name:literal $code:ident),* $(,)?) => {
        &[$(
            Attack::new(
                concat!("refuse-", $name),
                concat!("says no to ", stringify!($code), " if it is asked, else hangs up"),
                Strike::Message(Code::$code, refuse),
            ),
            Attack::new(
                concat!("close-", $name),
                concat!("hangs up at ", stringify!($code)),
                Strike::Message(Code::$code, close),
            ),
        )*]
    };
}

pub const ALL: &[Attack] = each![
    "get-features" GET_FEATURES,
    "get-protocol-features" GET_PROTOCOL_FEATURES,
    "set-protocol-features" SET_PROTOCOL_FEATURES,
    "get-queue-num" GET_QUEUE_NUM,
    "set-backend-req-fd" SET_BACKEND_REQ_FD,
    "set-owner" SET_OWNER,
    "set-vring-err" SET_VRING_ERR,
    "get-config" GET_CONFIG,
    "set-features" SET_FEATURES,
    "set-mem-table" SET_MEM_TABLE,
    "set-vring-num" SET_VRING_NUM,
    "set-vring-base" SET_VRING_BASE,
    "set-vring-addr" SET_VRING_ADDR,
    "set-vring-call" SET_VRING_CALL,
    "set-vring-kick" SET_VRING_KICK,
    "set-vring-enable" SET_VRING_ENABLE,
];

fn refuse(session: &mut Session, message: &Message) -> Result<()> {
    if !message.wants_answer() {
        bail!("hung up");
    }
    session.answer(message, 1)
}

fn close(_: &mut Session, _: &Message) -> Result<()> {
    bail!("hung up")
}
