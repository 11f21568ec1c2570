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
