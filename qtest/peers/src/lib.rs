// SPDX-License-Identifier: GPL-2.0-or-later
//! The other end of a vhost-user device: what the messages are ([`vhost_user`]),
//! and a disk that lies to QEMU ([`hostile_backend`]).

pub mod hostile_backend;
pub mod vhost_user;
