// SPDX-License-Identifier: GPL-2.0-or-later
//! A SCSI tape drive (SSC-3, SPC-4) over [`tape_image`], with no I/O of its own.
//!
//! [`Drive`] is a state machine: a CDB and its data go in; reads, writes,
//! flushes and truncations of the image are asked for; status, data and sense
//! come out.
//!
//! ```text
//!  initiator     CDB, data out                             data in, status, sense
//!                     |                                            ^
//!  drive.rs      finds the row (table.rs), checks bits, deferred errors
//!                     |                                            |
//!  run.rs        in tape_image's Machine: a future owns the core while it runs
//!                     |                                            |
//!  ssc/, spc/    the row's procedure ------------------------------'
//!                     |  core.rs, mount.rs: what procedures may touch
//!                     v
//!  tape_image    a tape's operation, over the same port
//!                     |
//!  image         requests, completions
//! ```
//!
//! A command that touches the tape is an `async fn` over the [core](crate::core);
//! one about the drive is a function from data out to data in. Only tape_image's
//! [`Port`](tape_image::Port) waits, and nothing but a completion makes a command go
//! on. What the drive's owner asks while a command runs is what was so when it began,
//! but for what the port says: whether something isn't synced.
//!
//! An interruption is a flag of the port. The tape's operation then ends with an
//! error, and so does the command, and what follows is the way back to where it began.
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | block | 2^24 - 1 bytes, as READ BLOCK LIMITS says |
//! | transfer of one command | [`TRANSFER_MAX`] |
//! | commands under way | 1 |
//! | partitions | 16 |
//! | I_T nexuses | 1: QEMU tells no more of them apart |
//!
//! # What it does not do
//!
//! Encryption and other security protocols; setmarks; compression (it is only
//! reported); third party reservations; unit attentions, which its owner keeps;
//! progress of IMMED commands, which are answered when they are done; recovering buffered data,
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
mod state;
mod table;
mod view;

pub use crate::core::Tray;
pub use command::{Transfer, CDB_MAX};
pub use config::{Config, ConfigError, Medium};
pub use density::nominal_capacity;
pub use done::{Done, Status, Task};
pub use drive::{Drive, TRANSFER_MAX};
pub use save::RestoreError;
pub use sense::{asc, Key, Sense};
pub use table::name;
pub use tape_image::{Completion, Error, Format, Io, IoError, Request, RequestId, Truncation};
