// SPDX-License-Identifier: GPL-2.0-or-later
//! A virtio real-time clock for guests (VIRTIO 1.4, "RTC Device"), as a vhost-user daemon.
//!
//! From the inside out: [`protocol`], the table of messages, with [`device`], [`clocks`],
//! [`utc`], [`leap`], [`alarm`] and [`counter`], does no I/O and has the time given; [`queue`]
//! works on a guest's rings.

pub mod alarm;
pub mod args;
pub mod backend;
pub mod clocks;
pub mod counter;
pub mod device;
pub mod host;
pub mod kind;
pub mod leap;
pub mod linux;
pub mod protocol;
pub mod queue;
pub mod sandbox;
pub mod server;
pub mod state;
pub mod sys;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;
pub mod utc;
pub mod vhost_user;
pub mod vring;
