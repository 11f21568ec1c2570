// SPDX-License-Identifier: GPL-2.0-or-later
//! The index as it is kept on the medium, behind the end marker.
//!
//! ```text
//!  end of data                                     end of the medium
//!  | 0xFFFFFFFF | steps | 0xFF …, if lengths are rounded | footer |
//!
//!  footer, 64 bytes, little endian
//!   0  "TAPEIDX1"
//!   8  u64  start of the tape
//!  16  u64  offset of the end marker
//!  24  u64  objects
//!  32  u64  marks
//!  40  u32  bytes of steps, which begin behind the end marker
//!  44  u32  CRC-32 of the steps
//!  48  u32  CRC-32 of the samples of the tape, see [`samples`]
//!  52  u32  0
//!  56  u32  CRC-32 of bytes 0 to 55
//!  60  u32  0x1D8A7E54, so that the last byte isn't a pad's zero
//! ```
//!
//! It is believed if all of this holds: the CRCs are right, there is an end
//! marker where it says, the samples are what they were, and the steps add up.
//! After that, every object that is reached through it is compared with it.
//! Another tool that appended has overwritten the end marker; one that wrote
//! at the beginning, or at any of [`SAMPLES`] places, has changed a sample.
//!
//! One that appends and writes no end marker leaves some of the steps behind
//! its last object. Where they stop making sense as objects, which they do soon,
//! the tape ends, and it's no damage: that is known as long as the footer is
//! there.

use alloc::vec::Vec;

use crate::config::Truncation;
use crate::index::{Index, Totals};

/// Bytes of the footer.
pub const FOOTER_LEN: usize = 64;
/// Objects whose beginnings are sampled, spread evenly.
pub const SAMPLES: u64 = 32;
/// Bytes of a sample.
pub const SAMPLE_LEN: u64 = 64;

const MAGIC: &[u8; 8] = b"TAPEIDX1";
const LAST: u32 = 0x1d8a_7e54;

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) start: u64,
    pub(crate) end: Totals,
    pub(crate) steps_len: u32,
    pub(crate) steps_crc: u32,
    pub(crate) samples_crc: u32,
}

impl Footer {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let Totals {
            offset,
            objects,
            marks,
        } = self.end;
        let longs = [self.start, offset, objects, marks].map(u64::to_le_bytes);
        let words = [self.steps_len, self.steps_crc, self.samples_crc, 0].map(u32::to_le_bytes);
        let mut bytes = [&MAGIC[..], &longs.concat(), &words.concat()].concat();
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend(LAST.to_le_bytes());
        bytes
    }

    /// `None` if it isn't a footer, or a damaged one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != FOOTER_LEN || !looks_like_one(bytes) {
            return None;
        }
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let footer = Self {
            start: long(8),
            end: Totals {
                offset: long(16),
                objects: long(24),
                marks: long(32),
            },
            steps_len: word(40),
            steps_crc: word(44),
            samples_crc: word(48),
        };
        (footer.to_bytes() == bytes).then_some(footer)
    }
}

/// Is there, or was there, a footer?
pub(crate) fn looks_like_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Where sample number `number` of the tape is, as offset and length; `None`
/// when there are no more. Samples include the words around the beginnings of
/// objects, the first object's and the end marker among them.
pub(crate) fn sample(index: &Index, start: u64, number: u64) -> Option<(u64, usize)> {
    let end = index.end();
    let medium_end = end.offset + 4;
    let at = match number {
        SAMPLES => medium_end.saturating_sub(SAMPLE_LEN),
        0..SAMPLES => {
            let last = end.objects.saturating_sub(1);
            let object = (u128::from(last) * u128::from(number) / u128::from(SAMPLES - 1)) as u64;
            index
                .find(object)
                .map_or(start, |found| found.at.offset.saturating_sub(8))
        }
        _ => return None,
    };
    let at = at.max(start);
    Some((at, SAMPLE_LEN.min(medium_end - at) as usize))
}

/// Steps and footer as they follow the end marker at `index`'s end. The
/// medium's length becomes one that `truncation` allows.
pub(crate) fn encode(
    index: &Index,
    start: u64,
    samples_crc: u32,
    truncation: Truncation,
) -> Vec<u8> {
    let mut bytes = index.to_bytes();
    let end = index.end();
    let footer = Footer {
        start,
        end,
        steps_len: bytes.len() as u32,
        steps_crc: crc32fast::hash(&bytes),
        samples_crc,
    };
    let length = end.offset + 4 + (bytes.len() + FOOTER_LEN) as u64;
    let pad = truncation.length(length) - length;
    bytes.resize(bytes.len() + pad as usize, 0xff);
    bytes.extend_from_slice(&footer.to_bytes());
    bytes
}
