// SPDX-License-Identifier: GPL-2.0-or-later
//! The other ends of a vhost-user device: a back-end's process ([`backend`]), a
//! driver in a machine without a guest ([`bare`]), what the messages are ([`vhost_user`]), a disk that lies to QEMU
//! ([`hostile_backend`]), one that tells of its page faults ([`postcopy`]), a driver of clocks ([`rtc`]), and the
//! host's counter ([`tsc`]).

pub mod backend;
pub mod bare;
pub mod hostile_backend;
pub mod postcopy;
pub mod rtc;
pub mod tsc;
pub mod vhost_user;
