// SPDX-License-Identifier: GPL-2.0-or-later
//! Magnetic tape images in the SIMH format, with no I/O of their own.
//!
//! [`Tape`] is a state machine. It is given an [`Operation`], asks for reads,
//! writes, flushes and truncations of the medium, is told their results, and
//! answers with an [`Outcome`]. Whoever drives it decides how the requests are
//! carried out: QEMU's block layer, or the `driver` feature's synchronous loop
//! over a `Vec<u8>` or a file, which tests, benches and fuzzing share.
//!
//! # Who owns what
//!
//! ```text
//!  driver    Machine ----- future of the operation under way, in a box that is used again
//!     |         |                owns the core while it runs, gives it back
//!     |         |                (TapeCore, CartridgeCore: all that is known)
//!     |         '-- Port ------- Port     two ends of one small cell
//!     '-- poll_request, handle -'  '- read, write, copy, flush, truncate .await
//! ```
//!
//! Operations are plain `async fn`s over the core and the [`Port`]. Only the port
//! waits. When a completion comes, the future is polled, and goes on where it was:
//! no step is begun again. An interruption is a flag of the port, which loads, reads
//! and motions look at when a read has come back. A write that nobody waited for and
//! that failed is kept by the port, until the operation looks.
//!
//! # The image
//!
//! Words are 32 bits, little endian. A file is a sequence of objects:
//!
//! ```text
//!  record  | word | data … | pad | word |     pad: one 0 if the length is odd
//!  mark    | 0x00000000 |                     a file mark
//!  gap     | 0xFFFFFFFE |                     erased tape, skipped
//!  half    | 0xFFFF |                         rest of a half overwritten gap
//!  end     | 0xFFFFFFFF |                     nothing behind it is on the tape
//!
//!  word    class in bits 31:28, length in bits 27:0
//!          0 good   1–6 private   7 private marker (no data, no trailer)
//!          8 bad    9–D reserved  E description   F reserved marker
//! ```
//!
//! Good and bad records and marks are *objects*: they have numbers, counted
//! from 0 at the beginning of the tape. Everything else that isn't an end is
//! skipped and kept. The end of the file ends the tape as the marker does, and
//! so does SCSI2Pi's end-of-data marker 0x73533250.
//!
//! Partitions and attributes, for which SIMH has no place, are in a header that
//! other tools skip, see [`container`]. Each partition has a `Tape` of its own.
//!
//! AWS images (six-byte headers) and E11 images (no pad) can be read. They are
//! told apart by content, see [`Format`].
//!
//! # What a written image looks like
//!
//! ```text
//!  start                                end             file's end
//!  | object | object | … | 0xFFFFFFFF | saved index | footer |
//!                                     '---- after an unload ----'
//! ```
//!
//! # Crashes
//!
//! Between two flushes, the medium may hold any subset of what was written,
//! in sectors of 512 bytes. The order of writes makes that harmless:
//!
//! ```text
//!  1. begin    make the word at the write position an end marker; flush.
//!              (Before that, a saved index is struck out; flush.)
//!  2. stream   records and marks are written behind that word, not over it:
//!              the first word of the first object is held back
//!  3. sync     an end marker behind the last object; flush;
//!              the held word over the marker of step 1, truncate; flush.
//! ```
//!
//! So one word commits everything since the last sync, at every moment the
//! tape ends in a marker, and a word is one sector's matter: where it would lie
//! across a sector boundary, an erase gap goes first, made in three steps of
//! which each is good.
//!
//! # Failures
//!
//! A write that fails costs the objects from where it began. Those before are
//! committed at once, in step 3's way: the end marker goes over the first that
//! is lost, where the medium has room. If that fails too, or if what failed was
//! a flush or the commit itself, the tape goes back to the last sync.
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | record, read | [`EXTENDED_MAX`](word::EXTENDED_MAX), 28 bits |
//! | cartridge | [`PARTITIONS_MAX`](container::PARTITIONS_MAX) partitions; 32 KiB for their table and all attributes |
//! | record, written | [`CLASSIC_MAX`](word::CLASSIC_MAX), 24 bits, unless asked for 28 |
//! | memory for the index | [`Config::index_limit`], about 3 bytes for a record whose length is not its predecessor's, nothing for others |
//! | read-ahead | [`READ_AHEAD`](window::READ_AHEAD) |
//! | gathered writes | [`STAGE_LEN`](stage::STAGE_LEN) × ([`WRITE_BEHIND`](stage::WRITE_BEHIND) + 1) |
//!
//! # What it does not do
//!
//! TPC, P7B and compressed AWS images; writing to anything but SIMH; density
//! and tape runaway (a gap of any length is skipped).

#![no_std]
extern crate alloc;
#[cfg(feature = "driver")]
extern crate std;

mod cartridge;
mod config;
pub mod container;
#[cfg(feature = "driver")]
pub mod driver;
mod error;
#[cfg(feature = "driver")]
pub mod exercise;
mod header;
pub mod index;
mod machine;
mod object;
mod operation;
mod ops;
mod port;
pub mod saved;
pub mod stage;
mod tape;
pub mod window;
pub mod word;

pub use config::{Config, Format, Truncation};
pub use error::{Error, Reason};
pub use header::HeaderReason;
pub use machine::{Machine, Operate};
pub use operation::{Operation, Outcome, Stop};
pub use port::{Completion, Io, IoError, Port, Request, RequestId};
pub use tape::{Position, TapeCore};

/// A tape in its drive, as drivers see it.
pub type Tape = Machine<TapeCore>;

impl Tape {
    /// A tape that is yet to be loaded. No request is made.
    pub fn new(config: Config) -> Self {
        Self::of(TapeCore::new(config))
    }
}
