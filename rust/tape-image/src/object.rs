// SPDX-License-Identifier: GPL-2.0-or-later
//! One object as the scanner sees it, in any of the formats.

use crate::error::Reason;
use crate::index::Kind;
use crate::word::{classify, Word};

/// Bytes of an AWS header.
pub(crate) const AWS_HEADER: u64 = 6;
/// Data of one AWS segment, at most.
pub(crate) const AWS_SEGMENT_MAX: u64 = 0xffff;

/// What an object's first bytes announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A mark.
    Mark,
    /// A SIMH or E11 record, good, bad or (`Kind::Skip`) neither.
    Framed { kind: Kind, word: u32, len: u32 },
    /// Bytes to skip.
    Skip(u32),
    /// The tape's end.
    End,
    /// No object.
    Invalid(Reason),
}

/// Reads a SIMH or E11 word.
pub(crate) fn framed(word: u32) -> Header {
    match classify(word) {
        Word::Mark => Header::Mark,
        Word::Record { len, bad: false } => Header::Framed {
            kind: Kind::Record,
            word,
            len,
        },
        Word::Record { len, bad: true } => Header::Framed {
            kind: Kind::Bad,
            word,
            len,
        },
        Word::Other { len } => Header::Framed {
            kind: Kind::Skip,
            word,
            len,
        },
        Word::Skip(bytes) => Header::Skip(bytes as u32),
        Word::End => Header::End,
        Word::Reserved => Header::Invalid(Reason::ReservedMarker(word)),
    }
}

/// An AWS header:
///
/// ```text
///  | length | length of the segment before | flags |   three 16-bit words
///  flags: 0x80 record begins, 0x40 mark, 0x20 record ends;
///         the second byte and bits 3:0 of the first stand for compression
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AwsHeader {
    pub(crate) length: u16,
    pub(crate) previous: u16,
    pub(crate) flags: u16,
}

impl AwsHeader {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            length: half(0),
            previous: half(2),
            flags: half(4),
        }
    }

    pub(crate) fn begins(self) -> bool {
        self.flags & 0x80 != 0
    }

    pub(crate) fn ends(self) -> bool {
        self.flags & 0x20 != 0
    }

    pub(crate) fn is_mark(self) -> bool {
        self.flags == 0x40
    }

    /// Is this what can follow a segment of `previous` bytes, within a record
    /// (`inside`) or not? `None` if it isn't known what is before.
    pub(crate) fn check(self, previous: Option<u16>, inside: bool) -> Result<(), Reason> {
        let has = previous.unwrap_or(self.previous);
        // Bit 4 is one maker's sign of a record in segments; it adds nothing.
        let sane = match (self.is_mark(), inside) {
            (true, _) => self.length == 0 && !inside,
            (false, false) => self.flags & !0xb0 == 0 && self.begins() && self.length > 0,
            (false, true) => self.flags & !0x30 == 0 && self.length > 0,
        };
        if self.flags & 0x8003 != 0 && self.flags & !0x80f3 == 0 {
            Err(Reason::AwsCompressed)
        } else if !sane {
            Err(Reason::AwsFlags(self.flags))
        } else if has != self.previous {
            Err(Reason::AwsPrevious {
                says: self.previous,
                has,
            })
        } else {
            Ok(())
        }
    }
}
