// SPDX-License-Identifier: GPL-2.0-or-later
//! What a drive is, and what is in it.

use tape_image::{Format, Truncation};

/// A drive's identity and habits; the properties of `-device scsi-tape`.
#[derive(Clone, Debug)]
pub struct Config {
    /// T10 vendor identification, at most 8 ASCII characters.
    pub vendor: String,
    /// Product identification, at most 16.
    pub product: String,
    /// Product revision level, at most 4.
    pub revision: String,
    /// Unit serial number, at most 36; none: no VPD page 80h.
    pub serial: Option<String>,
    /// NAA identifier of the logical unit; 0: none.
    pub wwn: u64,
    /// Bytes of a cartridge, record framing included; `u64::MAX`: no bound but
    /// the host's.
    pub capacity: u64,
    /// Bytes before the end of a partition from which writes are answered with
    /// EOM; less than `capacity`.
    pub early_warning: u64,
    /// Block length at power on, 0 for variable, in bytes; at most 2^24 - 1.
    pub block_length: u32,
    /// Density code of cartridges, SSC-3 8.3.1.
    pub density: u8,
    /// Cartridges are write once, read many.
    pub worm: bool,
    /// What the data compression page says at power on. The data stays plain.
    pub compression: bool,
    /// Format of images, or by content.
    pub format: Option<Format>,
    /// Keep an index of the tape in the image.
    pub index: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vendor: "QEMU".into(),
            product: "QEMU TAPE".into(),
            revision: "0001".into(),
            serial: None,
            wwn: 0,
            capacity: u64::MAX,
            early_warning: 0,
            block_length: 0,
            density: 0x58,
            worm: false,
            compression: true,
            format: None,
            index: true,
        }
    }
}

/// The image in the drive.
#[derive(Clone, Copy, Debug)]
pub struct Medium {
    /// Bytes of the image, exactly.
    pub length: u64,
    /// How it can be cut.
    pub truncation: Truncation,
    /// A write-protected cartridge.
    pub read_only: bool,
}
