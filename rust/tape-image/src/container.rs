// SPDX-License-Identifier: GPL-2.0-or-later
//! What SCSI keeps on a cartridge and SIMH has no place for: partitions,
//! attributes, and the proportion of SET CAPACITY.
//!
//! Most images have none of it: one partition, which is all of the image. One
//! that has begins with a header, two private records of class 1 which SIMH
//! tools skip; they see partition 0, up to its end marker.
//!
//! ```text
//!  0        32768    65536
//!  | slot 0 | slot 1 | partition 0, 0xFFFFFFFF … | partition 1 … | …
//!                    '- region: a multiple of 4096 bytes, which may be a hole
//!
//!  slot, 32768 bytes:  | 0x10007FF8 | body, zeros | 0x10007FF8 |
//!
//!  body, little endian
//!   0  "TAPECART"
//!   8  u16  version, 1
//!  10  u16  partitions, 1 to 16
//!  12  u16  proportion of the capacity that may be used, of 65535
//!  14  u16  attributes of all partitions
//!  16  u64  sequence number
//!  24  u32  bytes of the body, the CRC included
//!  28  u32  0
//!  32       a partition:  u64 start, u64 length of its region, u64 capacity;
//!           2^64 - 1 is no limit
//!   …       an attribute:  u16 id, u8 partition, u8 format, u16 length, value;
//!           by partition, then by id
//!   …  u32  CRC-32 of all of it
//! ```
//!
//! The good slot with the higher sequence number counts (higher by less than
//! 2^63, if the numbers wrap). A change goes to the other, so a crash at any moment leaves one good slot. Where there is no
//! header yet, the image ends at offset 0 until its first word is there.
//!
//! Partitions follow each other. All but the last have a fixed region, to its
//! end of which nothing is written; the last may grow with the image.

pub use crate::cartridge::{CartridgeCore, Operation};
use crate::config::Config;
pub use crate::header::{Attribute, Partition, HEADER_LEN, PARTITIONS_MAX, WHOLE};
use crate::machine::Machine;

/// A cartridge as drivers see it. Its requests come one at a time.
pub type Cartridge = Machine<CartridgeCore>;

impl Cartridge {
    /// A cartridge that is yet to be loaded. `config` is for the whole image;
    /// its `start` is 0.
    pub fn new(config: Config) -> Self {
        Self::of(CartridgeCore::new(config))
    }

    /// See [`CartridgeCore::set_length`].
    pub fn set_length(&mut self, length: u64) {
        self.core_mut().set_length(length);
    }
}
