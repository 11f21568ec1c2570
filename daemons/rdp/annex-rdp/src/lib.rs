// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-rdp: a QEMU guest's screen over RDP.
//!
//! ```text
//!   QEMU --- D-Bus display ---  qemu, listener --> screen --> session --- RDP --- client
//!                                    ^                           |
//!                                    +---------- input <---------+
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`args`] | the command line, and what is refused |
//! | [`qmp`], [`qemu`], [`listener`] | joins QEMU, is told of its screen, tells it of input |
//! | [`screen`], [`damage`], [`pixels`] | the screen as it is, and what of it has changed |
//! | [`sent`], [`areas`] | what of it a client has already, if elsewhere, and what is of one colour |
//! | [`encode`], [`orders`], [`grid`], [`bulk`], [`capabilities`] | pictures as RDP has them |
//! | [`input`], [`keys`] | keyboard and mouse, from RDP's events to QEMU's |
//! | [`tls`], [`session`], [`accept`], [`reactivate`], [`silence`], [`bounds`] | a client's connection |
//! | [`clipboard`] | text that is copied on one side and pasted on the other |
//! | [`usb`] | the `usb-redir`s of QEMU, for the crate urbdrc |
//! | [`server`] | who is served |
//!
//! Everything but `qmp`, `qemu`, `listener`, `session`, `accept`, `reactivate`, `usb`, `server` and
//! `clipboard::qemu` does no I/O.

pub mod accept;
pub mod areas;
pub mod args;
pub mod bounds;
pub mod bulk;
pub mod capabilities;
pub mod clipboard;
pub mod damage;
pub mod encode;
pub mod grid;
pub mod input;
pub mod keys;
pub mod listener;
pub mod orders;
pub mod pixels;
pub mod qemu;
pub mod qmp;
pub mod reactivate;
pub mod screen;
pub mod sent;
pub mod server;
pub mod session;
pub mod silence;
pub mod tls;
pub mod usb;
