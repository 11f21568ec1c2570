// SPDX-License-Identifier: GPL-2.0-or-later
//! Attributes that hosts may write: SPC-4 7.4.2.4, and the ranges that hosts
//! use as they like.

use std::ops::RangeInclusive;

use tape_image::container::Attribute;

pub(super) const BINARY: u8 = 0;
pub(super) const ASCII: u8 = 1;
pub(super) const TEXT: u8 = 2;
/// The barcode.
pub(super) const BARCODE: u16 = 0x0806;

pub(super) fn binary(id: u16, value: impl Into<Vec<u8>>) -> Attribute {
    Attribute {
        id,
        format: BINARY,
        value: value.into(),
    }
}

/// What a host may write as an attribute.
#[derive(Debug)]
pub(super) struct Allowed {
    /// Formats.
    pub(super) formats: RangeInclusive<u8>,
    /// Bytes of the value.
    pub(super) lengths: RangeInclusive<usize>,
}

/// Identifier, format, and the least and most bytes of a value. Ascending.
pub(super) const HOST: [(u16, u8, usize, usize); 15] = [
    // Application vendor, name and version.
    (0x0800, ASCII, 8, 8),
    (0x0801, ASCII, 32, 32),
    (0x0802, ASCII, 8, 8),
    // User medium text label.
    (0x0803, TEXT, 160, 160),
    // Date and time last written.
    (0x0804, ASCII, 12, 12),
    // Text localization identifier.
    (0x0805, BINARY, 1, 1),
    (BARCODE, ASCII, 32, 32),
    // Owning host textual name.
    (0x0807, TEXT, 80, 80),
    // Media pool.
    (0x0808, TEXT, 160, 160),
    // Partition user text label.
    (0x0809, ASCII, 16, 16),
    // Load/unload at partition.
    (0x080a, BINARY, 1, 1),
    // Application format version.
    (0x080b, ASCII, 16, 16),
    // Volume coherency information.
    (0x080c, BINARY, 0, 1023),
    // Medium, and media pool globally unique identifier.
    (0x0820, BINARY, 36, 36),
    (0x0821, BINARY, 36, 36),
];

/// What a host may write as this attribute; `None`: nothing.
pub(super) fn allowed(id: u16) -> Option<Allowed> {
    match id {
        // Hosts use these as they like.
        0x0c00..=0x0dff | 0x1400..=0x17ff => Some(Allowed {
            formats: BINARY..=TEXT,
            lengths: 0..=1023,
        }),
        _ => HOST
            .iter()
            .find(|entry| entry.0 == id)
            .map(|&(_, format, least, most)| Allowed {
                formats: format..=format,
                lengths: least..=most,
            }),
    }
}
