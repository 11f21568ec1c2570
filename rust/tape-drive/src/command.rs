// SPDX-License-Identifier: GPL-2.0-or-later
//! A command: a row of the table, and a CDB of it.
//!
//! A row is all that there is to know of a command: the length of its CDB, the
//! bits it may have set, the transfer it announces, what it does to the drive,
//! and who carries it out. Rows stand beside their procedures, in ssc and spc;
//! [`table`](crate::table) has the list of all of them.
//!
//! CDB layouts: SSC-3 clauses 5 to 7, SPC-4 clause 6.

use std::future::Future;
use std::pin::Pin;

use crate::bytes::number;
use crate::core::Core;
use crate::sense::{Answer, Sense};

/// Bytes of the longest CDB in the table.
pub const CDB_MAX: usize = 16;

/// Data that follows a CDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// None.
    None,
    /// At most so many bytes to the initiator.
    In(u64),
    /// Data out: so many bytes.
    Out(u64),
}

impl Transfer {
    /// How many.
    pub fn bytes(self) -> u64 {
        match self {
            Self::None => 0,
            Self::In(bytes) | Self::Out(bytes) => bytes,
        }
    }
}

/// Where a CDB says how much is transferred.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    None,
    /// In, a big-endian number: first byte, bytes.
    InField(usize, usize),
    /// Out, a big-endian number.
    OutField(usize, usize),
    /// In, bytes or blocks (FIXED).
    Read(usize),
    /// Out, bytes or blocks.
    Write(usize),
    /// Out, bytes or blocks, if BYTCMP.
    Verify(usize),
    /// In, as the CDB says in its own way, at this byte.
    In(usize, fn(cdb: &[u8]) -> u64),
    /// Out, in the same way.
    Out(usize, fn(cdb: &[u8]) -> u64),
}

/// What a command does, apart from its answer: a set of bits.
pub(crate) type Effects = u8;
/// What is in the drive changes the answer, so that it is read first; but not
/// whether there is one.
pub(crate) const LOADS: Effects = 0x01;
/// All partitions are read first.
pub(crate) const LOADS_ALL: Effects = 0x02 | LOADS;
/// The position may be another afterwards.
pub(crate) const MOVES: Effects = 0x04;
/// Something is written to the tape, or the tape goes away.
pub(crate) const WRITES: Effects = 0x08;
/// Something is different afterwards, apart from the position: the command isn't
/// interrupted.
pub(crate) const CHANGES: Effects = 0x10;
/// The command needs the tape, and so a parked cartridge at the heads.
pub(crate) const UNPARKS: Effects = 0x20;
/// A deferred error isn't reported instead.
pub(crate) const QUIET: Effects = 0x40;

/// A procedure of a command that the tape takes part in.
pub(crate) type Procedure<'a> = Pin<Box<dyn Future<Output = Result<(), Sense>> + Send + 'a>>;

/// Who carries a command out.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Tape(for<'a> fn(&'a mut Core, &'a Call) -> Procedure<'a>),
    /// Parameters in or out: from data out to data in.
    Reply(fn(&mut Core, &Call, data: &[u8]) -> Answer),
}

/// A command: one row of the table.
pub(crate) struct Entry {
    pub(crate) opcode: u8,
    /// Bits 4:0 of byte 1, if they tell commands apart.
    pub(crate) action: Option<u8>,
    pub(crate) name: &'static str,
    pub(crate) length: Length,
    pub(crate) effects: Effects,
    pub(crate) run: Run,
    /// The bits that mean something: what REPORT SUPPORTED OPERATION CODES
    /// calls CDB usage data. Its length is the CDB's.
    pub(crate) usage: &'static [u8],
}

/// Rows: opcode (and service action), name, length, effects, `tape` or `reply`
/// and the procedure, CDB usage data.
macro_rules! commands {
    ($($opcode:literal $(/ $action:literal)?, $name:literal, $length:expr, $effects:expr,
       $kind:ident $run:expr, [$($usage:literal)*];)*) => {
        pub(crate) static COMMANDS: &[$crate::command::Entry] = &[$(
            $crate::command::Entry {
                opcode: $opcode,
                action: $crate::command::commands!(@action $($action)?),
                name: $name,
                length: $length,
                effects: $effects,
                run: $crate::command::commands!(@run $kind $run),
                usage: &[$opcode, $($usage),*],
            },
        )*];
    };
    (@action) => { None };
    (@action $action:literal) => { Some($action) };
    (@run tape $run:expr) => {
        $crate::command::Run::Tape(|core, call| Box::pin($run(core, call)))
    };
    (@run reply $run:expr) => { $crate::command::Run::Reply($run) };
}
pub(crate) use commands;

/// The rows of all commands, in lists of those that stand together.
pub(crate) type Table = &'static [&'static [Entry]];

impl Entry {
    /// The byte at which the transfer length begins, or 0.
    pub(crate) fn length_field(&self) -> usize {
        use Length::{InField, OutField, Read, Verify, Write};
        match self.length {
            Length::None => 0,
            InField(at, _) | OutField(at, _) | Length::In(at, _) | Length::Out(at, _) => at,
            Read(at) | Write(at) | Verify(at) => at,
        }
    }

    pub(crate) fn has(&self, effects: Effects) -> bool {
        self.effects & effects != 0
    }

    /// Refuses bits that mean nothing, and NACA. Byte 1's upper three, where
    /// SCSI-2 hosts put the LUN, may be anything unless they have a meaning.
    pub(crate) fn check_bits(&self, cdb: &[u8]) -> Result<(), Sense> {
        let last = self.usage.len() - 1;
        for (byte, (&value, &usage)) in cdb.iter().zip(self.usage).enumerate() {
            let allowed = match byte {
                0 => 0xff,
                1 if last < 11 && usage & 0xe0 == 0 => usage | 0xe0,
                _ if byte == last => !0x04,
                _ => usage,
            };
            let wrong = value & !allowed;
            if wrong != 0 {
                return Err(Sense::cdb_field(byte, Some(wrong.ilog2() as u8)));
            }
        }
        Ok(())
    }

    /// What a CDB announces, with blocks of `block_length` bytes.
    pub(crate) fn transfer(&self, cdb: &[u8], block_length: u32) -> Transfer {
        use Transfer::{In, Out};
        let units = |at: usize| {
            let unit = if cdb[1] & 1 != 0 { block_length } else { 1 };
            number(cdb, at, 3) * u64::from(unit)
        };
        let transfer = match self.length {
            Length::None => Transfer::None,
            Length::InField(at, bytes) => In(number(cdb, at, bytes)),
            Length::OutField(at, bytes) => Out(number(cdb, at, bytes)),
            Length::Read(at) => In(units(at)),
            Length::Write(at) => Out(units(at)),
            Length::Verify(at) if cdb[1] & 2 != 0 => Out(units(at)),
            Length::Verify(_) => Transfer::None,
            Length::In(_, bytes) => In(bytes(cdb)),
            Length::Out(_, bytes) => Out(bytes(cdb)),
        };
        match transfer.bytes() {
            0 => Transfer::None,
            _ => transfer,
        }
    }

    /// Bytes that the drive needs behind the transfer: VERIFY reads a block there.
    pub(crate) fn scratch(&self, cdb: &[u8], block_length: u32) -> u64 {
        match self.length {
            Length::Verify(_) if cdb[1] & 1 != 0 => block_length.into(),
            Length::Verify(at) => number(cdb, at, 3),
            _ => 0,
        }
    }
}

/// A CDB whose opcode, length and bits have been checked.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    bytes: [u8; CDB_MAX],
    pub(crate) entry: &'static Entry,
    pub(crate) table: Table,
    /// What is at the beginning of the data buffer; what is behind it is for
    /// the procedure's own use.
    pub(crate) transfer: Transfer,
    /// Bytes of data out that were received, or room for data in.
    pub(crate) room: usize,
}

impl Call {
    pub(crate) fn new(
        table: Table,
        entry: &'static Entry,
        cdb: &[u8],
        transfer: Transfer,
        room: usize,
    ) -> Self {
        let mut bytes = [0; CDB_MAX];
        let len = entry.usage.len();
        bytes[..len].copy_from_slice(&cdb[..len]);
        Self {
            bytes,
            entry,
            table,
            transfer,
            room,
        }
    }

    /// All of the CDB and nothing else.
    pub(crate) fn cdb(&self) -> &[u8] {
        &self.bytes[..self.entry.usage.len()]
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
}
