// SPDX-License-Identifier: GPL-2.0-or-later
//! A command as its procedure sees it.

use crate::command::{number, Access, Entry, Length, Transfer, CDB_MAX};
use crate::{asc, Key, Sense};

const ALLOW_OVERWRITE: u8 = 0x82;

/// A CDB whose opcode, length and bits have been checked, and what the drive
/// was set to when it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    bytes: [u8; CDB_MAX],
    pub(crate) entry: &'static Entry,
    pub(crate) initiator: u32,
    /// What is at the beginning of the data buffer; what is behind it is for
    /// the procedure's own use.
    pub(crate) transfer: Transfer,
    /// The block length of the mode parameter block descriptor; 0 is variable.
    pub(crate) block_length: u32,
    /// Writes are acknowledged before they are on stable storage.
    pub(crate) buffered: bool,
    pub(crate) write_protected: bool,
    pub(crate) worm: bool,
    /// Overwriting has to be allowed first.
    pub(crate) append_only: bool,
    pub(crate) overwrite: Overwrite,
    /// Bytes before early warning from which programmable early warning is.
    pub(crate) programmable: u64,
    /// Fixed blocks are cut from the data of consecutive records.
    pub(crate) join: bool,
    /// An UNLOAD while removal is prevented parks the cartridge.
    pub(crate) autoload: bool,
    /// Of the record before the position, only so many bytes were read; 0: it
    /// was all of it.
    pub(crate) partly: u32,
}

/// What ALLOW OVERWRITE allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overwrite {
    #[default]
    No,
    /// Writing in this partition in front of this object.
    At(usize, u64),
    /// Formatting.
    Format,
}

/// The blocks that a READ, WRITE or VERIFY is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) fixed: bool,
    /// 0 or 1 if variable.
    pub(crate) count: u64,
    /// Bytes of each.
    pub(crate) length: usize,
}

impl Call {
    pub(crate) fn new(entry: &'static Entry, cdb: &[u8], initiator: u32) -> Self {
        let mut bytes = [0; CDB_MAX];
        let len = entry.usage.len();
        bytes[..len].copy_from_slice(&cdb[..len]);
        Self {
            bytes,
            entry,
            initiator,
            transfer: Transfer::None,
            block_length: 0,
            buffered: true,
            write_protected: false,
            worm: false,
            append_only: false,
            overwrite: Overwrite::No,
            programmable: 0,
            join: false,
            autoload: false,
            partly: 0,
        }
    }

    /// All of the CDB and nothing else.
    pub(crate) fn cdb(&self) -> &[u8] {
        &self.bytes[..self.entry.usage.len()]
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.bytes[0]
    }

    /// A bit of byte 1, where most of them are.
    pub(crate) fn flag(&self, mask: u8) -> bool {
        self.bytes[1] & mask != 0
    }

    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    pub(crate) fn number(&self, at: usize, len: usize) -> u64 {
        number(&self.bytes, at, len)
    }

    /// A 16-byte form, with partition and logical object identifier.
    pub(crate) fn is_long(&self) -> bool {
        self.entry.usage.len() == 16
    }

    /// The command brings data from the tape.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.entry.length, Length::Read(_))
    }

    /// Something is different afterwards, apart from the position.
    pub(crate) fn changes(&self) -> bool {
        let looks = matches!(self.entry.access, Access::Always | Access::Ready);
        !(looks || self.moves() || self.opcode() == ALLOW_OVERWRITE)
    }

    /// Nothing is, but the position may be.
    pub(crate) fn moves(&self) -> bool {
        const REWIND: u8 = 0x01;
        self.entry.access == Access::Read || self.opcode() == REWIND
    }

    /// Something is written to the tape, or the tape goes away.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self.opcode(),
            0x04 | 0x0a | 0x0b | 0x10 | 0x19 | 0x1b | 0x80 | 0x8a | 0x93
        )
    }

    /// The command needs the tape, and so a parked cartridge at the heads. TEST UNIT READY
    /// asks whether that is so.
    pub(crate) fn unparks(&self) -> bool {
        const LOAD_UNLOAD: u8 = 0x1b;
        const READ_POSITION: u8 = 0x34;
        self.autoload
            && self.opcode() != LOAD_UNLOAD
            && (self.moves() || self.writes() || self.opcode() == READ_POSITION)
    }

    /// A command about the drive that is also about what is in it.
    pub(crate) fn looks_at_tape(&self) -> bool {
        !matches!(self.opcode(), 0x03 | 0x12 | 0xa0 | 0xa3) && self.entry.access != Access::Own
    }

    /// The command may tell of partitions that the tape isn't in: LOG SENSE and READ
    /// ATTRIBUTE do.
    pub(crate) fn looks_at_partitions(&self) -> bool {
        matches!(self.opcode(), 0x4d | 0x8c)
    }

    /// The transfer length in blocks or bytes, by FIXED.
    pub(crate) fn blocks(&self) -> Result<Blocks, Sense> {
        let amount = self.number(if self.is_long() { 12 } else { 2 }, 3);
        let fixed = self.flag(1);
        if fixed && self.block_length == 0 {
            return Err(Sense::cdb_field(1, Some(0)));
        }
        Ok(if fixed {
            Blocks {
                fixed,
                count: amount,
                length: self.block_length as usize,
            }
        } else {
            Blocks {
                fixed,
                count: amount.min(1),
                length: amount as usize,
            }
        })
    }
}

impl Blocks {
    /// What INFORMATION says when `done` blocks are transferred.
    pub(crate) fn residue(&self, done: u64) -> i64 {
        if self.fixed {
            (self.count - done) as i64
        } else if done == 0 {
            self.length as i64
        } else {
            0
        }
    }
}

/// A sense with INFORMATION.
pub(crate) fn stopped(key: Key, asc: u16, information: i64) -> Sense {
    Sense {
        information: Some(information),
        ..Sense::new(key, asc)
    }
}

/// A filemark was met.
pub(crate) fn at_filemark(residue: i64) -> Sense {
    Sense {
        filemark: true,
        ..stopped(Key::NoSense, asc::FILEMARK_DETECTED, residue)
    }
}

/// The end of data was met; `eom` beyond early warning.
pub(crate) fn at_end_of_data(residue: i64, eom: bool) -> Sense {
    Sense {
        eom,
        ..stopped(Key::BlankCheck, asc::END_OF_DATA, residue)
    }
}

/// The beginning of the partition was met.
pub(crate) fn at_beginning(residue: i64) -> Sense {
    Sense {
        eom: true,
        ..stopped(Key::NoSense, asc::BEGINNING_OF_PARTITION, residue)
    }
}
