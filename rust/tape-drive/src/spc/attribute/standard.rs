// SPDX-License-Identifier: GPL-2.0-or-later
//! Attributes that hosts may write: SPC-4 7.4.2.4, and the ranges that hosts
//! use as they like.

pub(super) const BINARY: u8 = 0;
pub(super) const ASCII: u8 = 1;
pub(super) const TEXT: u8 = 2;

/// One that the standard names.
#[derive(Debug)]
pub(super) struct Standard {
    pub(super) id: u16,
    format: u8,
    length: Length,
}

#[derive(Clone, Copy, Debug)]
enum Length {
    Exactly(usize),
    AtMost(usize),
}
use Length::{AtMost, Exactly};

const fn host(id: u16, format: u8, length: Length) -> Standard {
    Standard { id, format, length }
}

/// Ascending.
pub(super) const HOST: [Standard; 15] = [
    // Application vendor, name and version.
    host(0x0800, ASCII, Exactly(8)),
    host(0x0801, ASCII, Exactly(32)),
    host(0x0802, ASCII, Exactly(8)),
    // User medium text label.
    host(0x0803, TEXT, Exactly(160)),
    // Date and time last written.
    host(0x0804, ASCII, Exactly(12)),
    // Text localization identifier.
    host(0x0805, BINARY, Exactly(1)),
    // Barcode.
    host(0x0806, ASCII, Exactly(32)),
    // Owning host textual name.
    host(0x0807, TEXT, Exactly(80)),
    // Media pool.
    host(0x0808, TEXT, Exactly(160)),
    // Partition user text label.
    host(0x0809, ASCII, Exactly(16)),
    // Load/unload at partition.
    host(0x080a, BINARY, Exactly(1)),
    // Application format version.
    host(0x080b, ASCII, Exactly(16)),
    // Volume coherency information.
    host(0x080c, BINARY, AtMost(1023)),
    // Medium, and media pool globally unique identifier.
    host(0x0820, BINARY, Exactly(36)),
    host(0x0821, BINARY, Exactly(36)),
];

/// Bytes of one that hosts use as they like.
const VENDOR_MAX: usize = 1023;

/// What a host may write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// `None`: any.
    format: Option<u8>,
    length: Length,
}

/// What a host may write as this attribute; `None`: nothing.
pub(super) fn allowed(id: u16) -> Option<Allowed> {
    match id {
        0x0c00..=0x0dff | 0x1400..=0x17ff => Some(Allowed {
            format: None,
            length: AtMost(VENDOR_MAX),
        }),
        _ => HOST
            .iter()
            .find(|entry| entry.id == id)
            .map(|entry| Allowed {
                format: Some(entry.format),
                length: entry.length,
            }),
    }
}

impl Allowed {
    pub(super) fn has_format(self, format: u8) -> bool {
        match self.format {
            Some(only) => format == only,
            None => format <= TEXT,
        }
    }

    pub(super) fn has_length(self, length: usize) -> bool {
        match self.length {
            Exactly(only) => length == only,
            AtMost(most) => length <= most,
        }
    }
}
