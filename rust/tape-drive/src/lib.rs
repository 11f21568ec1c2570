// SPDX-License-Identifier: GPL-2.0-or-later
//! A SCSI tape drive (SSC-3, SPC-4) over [`tape_image`], with no I/O of its own.
//!
//! [`Drive`] is a state machine: a CDB and its data go in; reads, writes,
//! flushes and truncations of the image are asked for; status, data and sense
//! come out.
//!
//! ```text
//!  initiator     CDB, data out                            data in, status, sense
//!                     |                                            ^
//!  command.rs    lengths, bits                                     |
//!  drive.rs      reservations, deferred errors ------------------->|
//!  dispatch.rs   the command's procedure ------------------------->|
//!                     |                      \                     |
//!                     | read, write,          parameter.rs: inquiry, mode,
//!                     | motion, format        log, attributes, … -'
//!                     v
//!  run.rs, deck.rs    what procedures ask for: the tape's operations,
//!                     |                        bytes of the data buffer
//!  image         requests, completions (io.rs)
//! ```
//!
//! A command that touches the tape is an `async fn`, polled by the drive and by
//! nobody else: see `deck.rs`.
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | block | 2^24 - 1 bytes, as READ BLOCK LIMITS says |
//! | transfer of one command | [`TRANSFER_MAX`] |
//! | commands under way | 1 |
//! | partitions | 16 |
//! | I_T nexuses with a persistent reservation key | 256 |
//!
//! # What it does not do
//!
//! Encryption and other security protocols; setmarks; compression (it is only
//! reported); third party reservations; unit attentions, which its owner keeps
//! (a command says which it makes, [`Done::attentions`]); progress of IMMED
//! commands, which are answered when they are done; recovering buffered data,
//! as none is kept that can't be written.
#![forbid(unsafe_code)]

mod alert;
mod bytes;
mod cartridge;
mod command;
mod config;
mod core;
mod counters;
mod density;
mod done;
mod drive;
#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "driver")]
pub mod exercise;
mod failure;
mod mount;
mod run;
mod save;
mod sense;
mod spc;
mod ssc;
mod table;
mod view;

pub use crate::core::Tray;
pub use command::{Transfer, CDB_MAX};
pub use config::{Config, ConfigError, Medium};
pub use density::nominal_capacity;
pub use done::{Action, Done, Status, Task};
pub use drive::{Drive, TRANSFER_MAX};
pub use save::RestoreError;
pub use sense::{asc, Key, Sense};
pub use table::name;
pub use tape_image::{Completion, Error, Format, IoError, Request, RequestId, Truncation};
