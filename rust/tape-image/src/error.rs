// SPDX-License-Identifier: GPL-2.0-or-later
//! What can go wrong.

use crate::header::{HeaderReason, PARTITIONS_MAX};
use crate::port::IoError;

/// An operation's failure. Offsets are in bytes from the medium's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The medium is in none of the formats.
    #[error("not a tape image: at offset {offset}: {reason}; an empty file would be a blank tape")]
    NotATape {
        /// The offset of the first thing that isn't an object.
        offset: u64,
        /// Why it is none: as a SIMH image, unless another format was asked for.
        reason: Reason,
    },
    /// A damaged place on the tape. The position is in front of it (reading
    /// forward) or behind it (reading in reverse).
    #[error("damaged tape at offset {offset}: {reason}")]
    Damaged {
        /// The offset of the damaged object.
        offset: u64,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The tape ends before the place it was at: something else has written
    /// to it. The position is now the end of data.
    #[error("the tape has been changed: it ends before object {object}")]
    Changed {
        /// The object that is gone.
        object: u64,
    },
    /// A read failed. The position is unchanged.
    #[error("reading at offset {offset}: {error}")]
    Read {
        /// Where the request began.
        offset: u64,
        /// What the medium said.
        error: IoError,
    },
    /// A write, flush or truncation failed. The tape ends behind the last
    /// object that reached the medium, and is there; `lost` objects that were
    /// accepted are gone. If writes of those had been reported as done, this is
    /// a deferred error.
    #[error("writing: {error}; {lost} objects that were accepted are lost")]
    Write {
        /// What the medium said.
        error: IoError,
        /// Objects accepted, and lost.
        lost: u64,
    },
    /// The tape may only be read.
    #[error("the tape is write-protected")]
    ReadOnly,
    /// Only SIMH images can be written.
    #[error("images of this format can only be read; convert it to SIMH to write to it")]
    FormatReadOnly,
    /// A record of no bytes, or of more than the format allows.
    #[error("a record has 1 to {max} bytes, not {length}")]
    RecordLength {
        /// What was asked for.
        length: u64,
        /// What [`Config::longest`](crate::Config::longest) allows.
        max: u32,
    },
    /// More objects of different lengths than [`Config::index_limit`](crate::Config::index_limit)
    /// has memory for.
    #[error("the index is full at offset {offset}; raise its limit to go on")]
    IndexFull {
        /// The offset of the first object that found no place.
        offset: u64,
    },
    /// The tape wasn't loaded, or its loading failed.
    #[error("the tape is not loaded")]
    NotLoaded,
    /// There is a cartridge's header, and it can't be used.
    #[error("the cartridge's header is damaged: {reason}; use a copy, or an empty image")]
    Header {
        /// What is wrong with it.
        reason: HeaderReason,
    },
    /// What was to be kept needs a header, and there is data in its place.
    #[error("this image has data and no room in front of it; format it, or use a blank one")]
    NoRoom,
    /// Partitions that can't be laid out.
    #[error(
        "a cartridge has 1 to {} partitions and less than 2^63 bytes; only the last may be \
         without a limit",
        PARTITIONS_MAX
    )]
    Partitions,
    /// The medium can't grow, and is too small for its partitions.
    #[error("the partitions take {needed} bytes, the medium has {length}")]
    TooSmall {
        /// Bytes up to the end of the last.
        needed: u64,
        /// The length of the medium.
        length: u64,
    },
    /// There is no such partition.
    #[error("there is no such partition: they are numbered from 0 to {}", count - 1)]
    NoPartition {
        /// How many there are.
        count: usize,
    },
    /// Attributes that don't fit into the header.
    #[error("the attributes are {excess} bytes too long for the cartridge's header")]
    AttributesFull {
        /// Bytes that would have to go.
        excess: usize,
    },
    /// A list of attributes has two of the same identifier.
    #[error("attribute {id:#06x} is given twice")]
    AttributeTwice {
        /// The identifier.
        id: u16,
    },
    /// [`Machine::interrupt`](crate::Machine::interrupt) was called. The position is
    /// unchanged.
    #[error("interrupted")]
    Interrupted,
}

/// Why something is not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The two words around the data differ.
    #[error("the header says {header:#010x}, the trailer {trailer:#010x}")]
    Trailer {
        /// The word before the data.
        header: u32,
        /// The word behind it.
        trailer: u32,
    },
    /// The object would end behind the end of the file.
    #[error("{header:#010x} announces more than the file holds")]
    Truncated {
        /// The word before the data.
        header: u32,
    },
    /// A marker of class F with no meaning.
    #[error("reserved marker {0:#010x}")]
    ReservedMarker(u32),
    /// An AWS header with flags that don't follow from the one before.
    #[error("AWS header flags {0:#06x} make no sense here")]
    AwsFlags(u16),
    /// An AWS header that disagrees with the segment before it.
    #[error("AWS header says the segment before has {says} bytes, it has {has}")]
    AwsPrevious {
        /// What the header has.
        says: u16,
        /// The length of the segment.
        has: u16,
    },
    /// A compressed AWS (HET) segment.
    #[error("compressed AWS segment; decompress the image first")]
    AwsCompressed,
    /// An AWS record longer than a record can be.
    #[error("AWS record of more than 2^28 - 1 bytes")]
    AwsLength,
}
