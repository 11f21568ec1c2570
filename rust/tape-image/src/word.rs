// SPDX-License-Identifier: GPL-2.0-or-later
//! The 32-bit words of the SIMH format.

/// A file mark.
pub const MARK: u32 = 0;
/// An erase gap.
pub const GAP: u32 = 0xffff_fffe;
/// What reading finds two bytes before the next whole gap marker, when the
/// first half of a gap marker was overwritten.
pub const HALF_GAP: u32 = 0xfffe_ffff;
/// End of medium.
pub const END: u32 = 0xffff_ffff;
/// SCSI2Pi's end of data, a private marker ("S2P" and its format's number).
pub const SCSI2PI_END: u32 = 0x7353_3250;
/// A private marker, as is any word of this class.
pub(crate) const PRIVATE: u32 = 0x7000_0000;
/// The longest record of the format of 2017.
pub const CLASSIC_MAX: u32 = 0x00ff_ffff;
/// The longest record of the extended format.
pub const EXTENDED_MAX: u32 = 0x0fff_ffff;
/// Bytes of a word, which is also what a mark takes.
pub const WORD_LEN: u64 = 4;

/// What a word at the beginning of an object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A file mark.
    Mark,
    /// A record that is an object: good, or bad.
    Record {
        /// Bytes of data; may be 0 if bad.
        len: u32,
        /// Class 8.
        bad: bool,
    },
    /// A private, reserved or description record: kept, and not handed out.
    Other {
        /// Bytes of data.
        len: u32,
    },
    /// Bytes to skip: gaps and private markers.
    Skip(u64),
    /// Nothing behind this is on the tape.
    End,
    /// A marker of class F that means nothing.
    Reserved,
}

/// Reads a word as the header of an object.
pub fn classify(word: u32) -> Word {
    let len = word & EXTENDED_MAX;
    match (word, word >> 28) {
        (MARK, _) => Word::Mark,
        (END | SCSI2PI_END, _) => Word::End,
        (GAP, _) => Word::Skip(WORD_LEN),
        (HALF_GAP, _) => Word::Skip(WORD_LEN / 2),
        (_, 0) => Word::Record { len, bad: false },
        (_, 8) => Word::Record { len, bad: true },
        (_, 7) => Word::Skip(WORD_LEN),
        (_, 0xf) => Word::Reserved,
        _ => Word::Other { len },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_told_apart() {
        for (word, expected) in [
            (0x0000_0000, Word::Mark),
            (0x0000_0001, Word::Record { len: 1, bad: false }),
            (
                0x0fff_ffff,
                Word::Record {
                    len: EXTENDED_MAX,
                    bad: false,
                },
            ),
            (0x1000_0000, Word::Other { len: 0 }),
            (0x6000_0002, Word::Other { len: 2 }),
            (0x7000_0000, Word::Skip(4)),
            (0x7353_3250, Word::End),
            (0x8000_0000, Word::Record { len: 0, bad: true }),
            (0x8000_0005, Word::Record { len: 5, bad: true }),
            (0x9000_0001, Word::Other { len: 1 }),
            (0xd000_0001, Word::Other { len: 1 }),
            (0xe000_0009, Word::Other { len: 9 }),
            (0xf000_0000, Word::Reserved),
            (0xffff_0000, Word::Reserved),
            (0xfffe_ffff, Word::Skip(2)),
            (0xffff_fffe, Word::Skip(4)),
            (0xffff_ffff, Word::End),
        ] {
            assert_eq!(classify(word), expected, "{word:#010x}");
        }
    }
}
