// SPDX-License-Identifier: GPL-2.0-or-later
//! One object as the scanner sees it, in any of the formats.

use crate::error::Reason;
use crate::index::Kind;
use crate::word::{self, EXTENDED_MAX, WORD_LEN};

/// Bytes of an AWS header.
pub(crate) const AWS_HEADER: u64 = 6;
/// Data of one AWS segment, at most.
pub(crate) const AWS_SEGMENT_MAX: u64 = 0xffff;

/// A record of which the header has been read: a SIMH or E11 record, good, bad or
/// (`Kind::Skip`) neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingRecord {
    pub(crate) kind: Kind,
    pub(crate) word: u32,
    pub(crate) len: u32,
}

/// What an object's first bytes announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A mark.
    Mark,
    /// Data between two words.
    Framed(PendingRecord),
    /// Bytes to skip: gaps and private markers.
    Skip(u32),
    /// Nothing behind this is on the tape.
    End,
    /// No object.
    Invalid(Reason),
}

/// Reads a SIMH or E11 word.
#[inline]
pub(crate) fn framed(word: u32) -> Header {
    let len = word & EXTENDED_MAX;
    let record = |kind| Header::Framed(PendingRecord { kind, word, len });
    match (word, word >> 28) {
        (word::MARK, _) => Header::Mark,
        (word::END | word::SCSI2PI_END, _) => Header::End,
        (word::HALF_GAP, _) => Header::Skip(WORD_LEN as u32 / 2),
        (word::GAP, _) | (_, 7) => Header::Skip(WORD_LEN as u32),
        (_, 0) => record(Kind::Record),
        (_, 8) => record(Kind::Bad),
        (_, 0xf) => Header::Invalid(Reason::ReservedMarker(word)),
        _ => record(Kind::Skip),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_told_apart() {
        let record = |kind, word, len| Header::Framed(PendingRecord { kind, word, len });
        let good = |word| record(Kind::Record, word, word);
        let bad = |word| record(Kind::Bad, word, word & 0xf);
        let other = |word| record(Kind::Skip, word, word & 0xf);
        let reserved = |word| Header::Invalid(Reason::ReservedMarker(word));
        for (word, expected) in [
            (0x0000_0000, Header::Mark),
            (0x0000_0001, good(1)),
            (0x0fff_ffff, good(EXTENDED_MAX)),
            (0x1000_0000, other(0x1000_0000)),
            (0x6000_0002, other(0x6000_0002)),
            (0x7000_0000, Header::Skip(4)),
            (0x7353_3250, Header::End),
            (0x8000_0000, bad(0x8000_0000)),
            (0x8000_0005, bad(0x8000_0005)),
            (0x9000_0001, other(0x9000_0001)),
            (0xd000_0001, other(0xd000_0001)),
            (0xe000_0009, other(0xe000_0009)),
            (0xf000_0000, reserved(0xf000_0000)),
            (0xffff_0000, reserved(0xffff_0000)),
            (0xfffe_ffff, Header::Skip(2)),
            (0xffff_fffe, Header::Skip(4)),
            (0xffff_ffff, Header::End),
        ] {
            assert_eq!(framed(word), expected, "{word:#010x}");
        }
    }
}
