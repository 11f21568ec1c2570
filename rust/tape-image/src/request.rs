// SPDX-License-Identifier: GPL-2.0-or-later
//! The vocabulary between a [`Tape`](crate::Tape) and whoever drives it.

use alloc::vec::Vec;
use core::ops::Range;

/// Names a request until its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub(crate) u64);

impl RequestId {
    /// For whoever passes requests of several tapes on, under numbers of its
    /// own. A tape only knows the ids that it made itself.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Something to be done to the medium. The vectors belong to the request:
/// they go back in its [`Completion`], so that nothing is copied and nothing
/// is freed under an asynchronous read.
///
/// Requests that are out at the same time touch different bytes and may be
/// carried out in any order. A [`Request::Flush`] is only ever out alone.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Read from `offset` into the caller's data at `data`, then into
    /// `buf[skip..]`. Fewer bytes than asked for mean the medium's end.
    Read {
        /// For the completion.
        id: RequestId,
        /// First byte to read.
        offset: u64,
        /// Where in the data of the operation under way; may be empty.
        data: Range<usize>,
        /// Read into from `skip` on.
        buf: Vec<u8>,
        /// Bytes of `buf` to leave as they are.
        skip: usize,
    },
    /// Write `head` at `offset`, then the caller's data at `data`.
    Write {
        /// For the completion.
        id: RequestId,
        /// First byte to write.
        offset: u64,
        /// Written first; may be empty.
        head: Vec<u8>,
        /// Which part of the data of the operation under way; may be empty.
        data: Range<usize>,
    },
    /// Append the caller's data at `data` to `buf`: a small record gathers with
    /// its neighbours. The medium has no part in it.
    Copy {
        /// For the completion.
        id: RequestId,
        /// Which part of the data of the operation under way.
        data: Range<usize>,
        /// Append here; what it holds stays.
        buf: Vec<u8>,
    },
    /// Everything completed so far is on stable storage when this completes.
    Flush {
        /// For the completion.
        id: RequestId,
    },
    /// Make the medium `length` bytes long, a [`Truncation`](crate::Truncation)
    /// permitting.
    Truncate {
        /// For the completion.
        id: RequestId,
        /// The new length in bytes; shorter than the medium is.
        length: u64,
    },
}

/// How a request ended.
#[derive(Debug)]
pub struct Completion {
    /// The request's.
    pub id: RequestId,
    /// Bytes read, or anything for other requests. A write is all or an error.
    pub result: Result<usize, IoError>,
    /// `buf` of a read or copy (filled), `head` of a write, else empty.
    pub buf: Vec<u8>,
}

/// What the medium said: an errno, as a positive number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("I/O error (errno {0})")]
pub struct IoError(pub i32);

/// What a tape can be asked to do. Unless said otherwise an operation starts
/// from the current position, and everything but writing first syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Find the format and the index, and be at the beginning. First of all.
    Load,
    /// Read the next object. Of a record, at most `limit` bytes are
    /// transferred to the caller's data.
    Read {
        /// The length of the caller's data.
        limit: usize,
    },
    /// Read the object before the position, bytes in tape order, and go in
    /// front of it.
    ReadReverse {
        /// The length of the caller's data.
        limit: usize,
    },
    /// Read the record before the position once more, without its first bytes;
    /// the position stays.
    Reread {
        /// Bytes to leave out.
        skip: usize,
        /// The length of the caller's data.
        limit: usize,
    },
    /// Move over records, back if negative; a mark stops, behind it in the
    /// direction of motion.
    SpaceRecords(i64),
    /// Move over marks, back if negative.
    SpaceMarks(i64),
    /// Move over so many marks in a row, back if negative.
    SpaceSequentialMarks(i64),
    /// Move to the end of data.
    SpaceEnd,
    /// Move in front of the object of this number.
    Locate(u64),
    /// Move behind the mark of this number, counted from 1; 0 is the beginning.
    LocateMark(u64),
    /// Move to the beginning.
    Rewind,
    /// Write the caller's data as a record of this length. What was behind
    /// the position is gone.
    Write {
        /// Bytes, 1 to what [`Config::lengths`](crate::Config::lengths) allows.
        length: usize,
    },
    /// Write marks. Zero is a write of nothing: it doesn't end the tape.
    WriteMarks(u32),
    /// End the tape here.
    Erase,
    /// Have everything written so far on stable storage.
    Sync,
    /// Sync, and save the index if there is reason to. The tape stays usable.
    Unload,
}

/// Why a motion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The tape is where it was told to go.
    Done,
    /// A mark was met; the position is beyond it.
    Mark,
    /// The end of data.
    End,
    /// The beginning of the tape.
    Beginning,
}

/// How an operation ended when it didn't fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The operation is done.
    Done,
    /// A record was read.
    Record {
        /// The record's length, which may be more than was asked for.
        length: u32,
        /// Marked as bad by whoever wrote it; the data is what could be read.
        bad: bool,
        /// This many bytes of it, its first, are in [`Tape::buffered`](crate::Tape::buffered);
        /// the others, up to the limit, are in the caller's data behind them.
        buffered: usize,
    },
    /// A mark was read, and passed.
    Mark,
    /// End of data: nothing moved.
    End,
    /// Reading in reverse at the beginning: nothing moved.
    Beginning,
    /// A motion ended.
    Moved {
        /// How much of what was asked for is left: records or marks not
        /// moved over, never negative. For a locate beyond the end, objects.
        left: u64,
        /// Why.
        stop: Stop,
    },
    /// The capacity doesn't allow it: nothing was written of a record, and of
    /// marks all but `left`.
    Full {
        /// Marks, or 1 record, not written.
        left: u32,
    },
}

impl IoError {
    /// What a medium that is shorter than it said amounts to.
    pub const EIO: Self = Self(5);
}

impl Request {
    /// Names it.
    pub fn id(&self) -> RequestId {
        match self {
            Self::Read { id, .. }
            | Self::Write { id, .. }
            | Self::Copy { id, .. }
            | Self::Flush { id }
            | Self::Truncate { id, .. } => *id,
        }
    }
}
