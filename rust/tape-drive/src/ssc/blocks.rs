// SPDX-License-Identifier: GPL-2.0-or-later
//! The blocks that a READ, WRITE or VERIFY is about, and what sense data says of
//! those that are left.

use crate::command::Call;
use crate::core::Core;
use crate::sense::{asc, Key, Sense};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) fixed: bool,
    /// 0 or 1 if variable.
    pub(super) count: u64,
    /// Bytes of each.
    pub(super) length: usize,
}

/// The transfer length in blocks or bytes, by FIXED.
pub(super) fn blocks(core: &Core, call: &Call) -> Result<Blocks, Sense> {
    let amount = call.number(if call.is_long() { 12 } else { 2 }, 3);
    let block_length = core.modes.block_length();
    match (call.flag(1), block_length) {
        (true, 0) => Err(Sense::cdb_field(1, Some(0))),
        (true, length) => Ok(Blocks {
            fixed: true,
            count: amount,
            length: length as usize,
        }),
        (false, _) => Ok(Blocks {
            fixed: false,
            count: amount.min(1),
            length: amount as usize,
        }),
    }
}

impl Blocks {
    /// What INFORMATION says when `done` blocks are transferred.
    pub(super) fn residue(&self, done: u64) -> i64 {
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
pub(super) fn stopped(key: Key, asc: u16, information: i64) -> Sense {
    Sense {
        information: Some(information),
        ..Sense::new(key, asc)
    }
}

/// A filemark was met.
pub(super) fn at_filemark(residue: i64) -> Sense {
    Sense {
        filemark: true,
        ..stopped(Key::NoSense, asc::FILEMARK_DETECTED, residue)
    }
}

/// The end of data was met; `eom` beyond early warning.
pub(super) fn at_end_of_data(residue: i64, eom: bool) -> Sense {
    Sense {
        eom,
        ..stopped(Key::BlankCheck, asc::END_OF_DATA, residue)
    }
}

/// The beginning of the partition was met.
pub(super) fn at_beginning(residue: i64) -> Sense {
    Sense {
        eom: true,
        ..stopped(Key::NoSense, asc::BEGINNING_OF_PARTITION, residue)
    }
}
