// SPDX-License-Identifier: GPL-2.0-or-later
//! TapeAlert flags, SSC-3 4.2.17 and annex A: 64 of them, numbered from 1.

/// The log page.
pub(crate) const PAGE: u8 = 0x2e;
/// Flags there are.
pub(crate) const COUNT: u8 = 64;

/// The image could be neither read nor written.
pub(crate) const HARD_ERROR: u8 = 3;
/// The image couldn't be read.
pub(crate) const READ_FAILURE: u8 = 5;
/// The image couldn't be written.
pub(crate) const WRITE_FAILURE: u8 = 6;
/// A write to a write-protected cartridge.
pub(crate) const WRITE_PROTECT: u8 = 9;
/// An unload while removal is prevented.
pub(crate) const NO_REMOVAL: u8 = 10;
/// An image in no format that is known.
pub(crate) const UNSUPPORTED_FORMAT: u8 = 12;
/// A write over data of a WORM cartridge.
pub(crate) const WORM_OVERWRITE: u8 = 60;

/// The flags that this drive raises.
pub(crate) const RAISED: [u8; 7] = [
    HARD_ERROR,
    READ_FAILURE,
    WRITE_FAILURE,
    WRITE_PROTECT,
    NO_REMOVAL,
    UNSUPPORTED_FORMAT,
    WORM_OVERWRITE,
];

/// A flag's bit in a word of all of them, as page 17h and attribute 0002h
/// have them: flag 1 first.
pub(crate) const fn bit(flag: u8) -> u64 {
    1 << (COUNT - flag)
}

/// All that this drive raises, in the same form.
pub(crate) fn raised() -> u64 {
    RAISED.iter().fold(0, |flags, &flag| flags | bit(flag))
}
