// SPDX-License-Identifier: GPL-2.0-or-later
//! What a tape can be asked to do, and what comes of it.

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
        /// Bytes, 1 to what [`Config::longest`](crate::Config::longest) allows.
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
        /// This many bytes of it, its first, are in [`Tape::buffered`](crate::TapeCore::buffered);
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
