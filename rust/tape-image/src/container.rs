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

use alloc::vec::Vec;

pub use crate::cartridge::Cartridge;
pub use crate::header::{Attribute, Partition, HEADER_LEN, PARTITIONS_MAX, WHOLE};

/// What a cartridge can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Find out whether there is a header, and read it. First of all, and
    /// again after any operation has failed that writes.
    Load,
    /// Make these partitions, all of them blank, of so many bytes of objects
    /// each. The last may be `u64::MAX`, no limit. Attributes of partition 0
    /// and the proportion stay; if there are none, one partition without a
    /// limit needs no header, and gets none.
    Format {
        /// 1 to [`PARTITIONS_MAX`].
        partitions: Vec<u64>,
    },
    /// Replace the attributes of a partition. On a blank image without a
    /// header, which gets one then, partition 0 begins somewhere else
    /// afterwards: its tape has to be made and loaded anew.
    SetAttributes {
        /// The partition's number.
        partition: usize,
        /// The attributes, in any order.
        attributes: Vec<Attribute>,
    },
    /// Change the proportion of the capacities that may be used, of
    /// [`WHOLE`]. Tapes have to be made anew to heed it, in any case.
    SetProportion(u16),
}
