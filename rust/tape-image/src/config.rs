// SPDX-License-Identifier: GPL-2.0-or-later
//! What a [tape](crate::Tape) is told about its medium.

use crate::word::CLASSIC_MAX;

/// Bytes that a medium writes all or none of.
pub(crate) const SECTOR: u64 = 512;

/// The layouts that can be read. Only SIMH is written.
///
/// Asked for none, the content decides: the first format in this order that
/// has a whole record at the beginning. SIMH and E11 differ in odd records
/// only, so the first of those decides between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// SIMH: length, data, pad to even, length.
    Simh,
    /// E11: as SIMH without the pad.
    E11,
    /// AWS: six-byte headers, records in segments of up to 65535 bytes.
    Aws,
}

/// Whether the medium can be cut, and how exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// To the byte.
    Exact,
    /// The length is rounded up to whole sectors; the end marker then says
    /// what is on the tape.
    Sectors,
    /// Not at all: a device, or a part of a larger medium.
    Never,
}

impl Truncation {
    /// The length of a medium that is written, or cut, up to `end`.
    pub(crate) fn length(self, end: u64) -> u64 {
        match self {
            Self::Sectors => end.next_multiple_of(SECTOR),
            Self::Exact | Self::Never => end,
        }
    }
}

/// A tape's medium and habits.
#[derive(Clone, Debug)]
pub struct Config {
    /// The medium's length in bytes.
    pub length: u64,
    /// Where the tape begins. What lies before is the caller's and never
    /// touched; a multiple of 4.
    pub start: u64,
    /// Cutting the medium. With [`Truncation::Never`], nothing at or behind
    /// `length` is ever written.
    pub truncation: Truncation,
    /// `None`: by content.
    pub format: Option<Format>,
    /// Nothing is ever written; write operations are refused.
    pub read_only: bool,
    /// Bytes of a record that is written, at most: [`CLASSIC_MAX`], as SIMH's document
    /// of 2017 has it, or up to [`EXTENDED_MAX`](crate::word::EXTENDED_MAX).
    pub longest: u32,
    /// Bytes of objects the tape holds, counted from `start`; the end marker
    /// and the index don't count. `None`: no bound but the medium's.
    pub capacity: Option<u64>,
    /// Keep the index behind the end marker of a tape that was written.
    pub save_index: bool,
    /// Bytes of memory the index may take.
    pub index_limit: usize,
}

impl Config {
    /// A writable tape that fills a medium of `length` bytes which can be cut
    /// to the byte.
    pub fn new(length: u64) -> Self {
        Self {
            length,
            start: 0,
            truncation: Truncation::Exact,
            format: None,
            read_only: false,
            longest: CLASSIC_MAX,
            capacity: None,
            save_index: true,
            index_limit: 256 << 20,
        }
    }
}
