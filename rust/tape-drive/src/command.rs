// SPDX-License-Identifier: GPL-2.0-or-later
//! The commands there are: one table, from which come the length of a CDB, the
//! transfer it announces, the bits it may have set, and what REPORT SUPPORTED
//! OPERATION CODES answers.
//!
//! CDB layouts: SSC-3 clauses 5 to 7, SPC-4 clause 6.

use crate::sense::{asc, Key, Sense};

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
    /// READ POSITION.
    Position,
    /// READ BLOCK LIMITS.
    BlockLimits,
}

/// What is done about a persistent or other reservation of somebody else's.
/// SPC-4 table 59, SSC-3 table 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Carried out all the same.
    Always,
    /// Reading: allowed under a write exclusive persistent reservation.
    Read,
    /// Allowed under any persistent reservation, but not under RESERVE.
    Ready,
    /// A conflict under any.
    Conflict,
    /// The reservation commands themselves.
    Own,
}

impl Entry {
    /// The byte at which the transfer length begins, or 0.
    pub(crate) fn length_field(&self) -> usize {
        match self.length {
            InField(at, _) | OutField(at, _) | Read(at) | Write(at) | Verify(at) => at,
            Position => 7,
            _ => 0,
        }
    }
}

/// A command: one line of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) opcode: u8,
    /// Bits 4:0 of byte 1, if they tell commands apart.
    pub(crate) action: Option<u8>,
    pub(crate) name: &'static str,
    pub(crate) length: Length,
    pub(crate) access: Access,
    /// The bits that mean something: what REPORT SUPPORTED OPERATION CODES
    /// calls CDB usage data. Its length is the CDB's.
    pub(crate) usage: &'static [u8],
}

macro_rules! commands {
    ($($opcode:literal $(/ $action:literal)?, $name:literal, $length:expr, $access:ident,
       [$($usage:literal)*];)*) => {
        /// Ascending.
        pub(crate) static COMMANDS: &[Entry] = &[$(
            Entry {
                opcode: $opcode,
                action: commands!(@action $($action)?),
                name: $name,
                length: $length,
                access: Access::$access,
                usage: &[$opcode, $($usage),*],
            },
        )*];
    };
    (@action) => { None };
    (@action $action:literal) => { Some($action) };
}

use Length::{InField, OutField, Position, Read, Verify, Write};
commands! {
    0x00, "TEST UNIT READY", Length::None, Ready, [0 0 0 0 0];
    0x01, "REWIND", Length::None, Conflict, [1 0 0 0 0];
    0x03, "REQUEST SENSE", InField(4, 1), Always, [1 0 0 0xff 0];
    0x04, "FORMAT MEDIUM", OutField(3, 2), Conflict, [3 0x0f 0xff 0xff 0];
    0x05, "READ BLOCK LIMITS", Length::BlockLimits, Always, [1 0 0 0 0];
    0x08, "READ(6)", Read(2), Read, [3 0xff 0xff 0xff 0];
    0x0a, "WRITE(6)", Write(2), Conflict, [1 0xff 0xff 0xff 0];
    0x0b, "SET CAPACITY", Length::None, Conflict, [1 0 0xff 0xff 0];
    0x0f, "READ REVERSE(6)", Read(2), Read, [7 0xff 0xff 0xff 0];
    0x10, "WRITE FILEMARKS(6)", Length::None, Conflict, [1 0xff 0xff 0xff 0];
    0x11, "SPACE(6)", Length::None, Read, [0x0f 0xff 0xff 0xff 0];
    0x12, "INQUIRY", InField(3, 2), Always, [1 0xff 0xff 0xff 0];
    0x13, "VERIFY(6)", Verify(2), Read, [7 0xff 0xff 0xff 0];
    0x14, "RECOVER BUFFERED DATA", Read(2), Conflict, [3 0xff 0xff 0xff 0];
    0x15, "MODE SELECT(6)", OutField(4, 1), Conflict, [0x11 0 0 0xff 0];
    0x16, "RESERVE(6)", Length::None, Own, [0 0 0 0 0];
    0x17, "RELEASE(6)", Length::None, Own, [0 0 0 0 0];
    0x19, "ERASE(6)", Length::None, Conflict, [3 0 0 0 0];
    0x1a, "MODE SENSE(6)", InField(4, 1), Conflict, [8 0xff 0xff 0xff 0];
    0x1b, "LOAD UNLOAD", Length::None, Conflict, [1 0 0 0x0f 0];
    0x1c, "RECEIVE DIAGNOSTIC RESULTS", InField(3, 2), Conflict, [1 0xff 0xff 0xff 0];
    0x1d, "SEND DIAGNOSTIC", OutField(3, 2), Conflict, [0xf7 0 0xff 0xff 0];
    0x1e, "PREVENT ALLOW MEDIUM REMOVAL", Length::None, Conflict, [0 0 0 3 0];
    0x2b, "LOCATE(10)", Length::None, Read, [7 0 0xff 0xff 0xff 0xff 0 0xff 0];
    0x34, "READ POSITION", Position, Always, [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x3b, "WRITE BUFFER", OutField(6, 3), Conflict,
        [0x1f 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x3c, "READ BUFFER", InField(6, 3), Conflict,
        [0x1f 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x44, "REPORT DENSITY SUPPORT", InField(7, 2), Always, [3 0 0 0 0 0 0xff 0xff 0];
    0x4c, "LOG SELECT", OutField(7, 2), Conflict, [3 0xff 0xff 0 0 0 0xff 0xff 0];
    0x4d, "LOG SENSE", InField(7, 2), Always, [1 0xff 0xff 0 0xff 0xff 0xff 0xff 0];
    0x55, "MODE SELECT(10)", OutField(7, 2), Conflict, [0x11 0 0 0 0 0 0xff 0xff 0];
    0x56, "RESERVE(10)", Length::None, Own, [0 0 0 0 0 0 0 0 0];
    0x57, "RELEASE(10)", Length::None, Own, [0 0 0 0 0 0 0 0 0];
    0x5a, "MODE SENSE(10)", InField(7, 2), Conflict, [8 0xff 0xff 0 0 0 0xff 0xff 0];
    0x5e / 0x00, "PERSISTENT RESERVE IN, READ KEYS", InField(7, 2), Own,
        [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5e / 0x01, "PERSISTENT RESERVE IN, READ RESERVATION", InField(7, 2), Own,
        [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5e / 0x02, "PERSISTENT RESERVE IN, REPORT CAPABILITIES", InField(7, 2), Own,
        [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5e / 0x03, "PERSISTENT RESERVE IN, READ FULL STATUS", InField(7, 2), Own,
        [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5f / 0x00, "PERSISTENT RESERVE OUT, REGISTER", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x01, "PERSISTENT RESERVE OUT, RESERVE", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x02, "PERSISTENT RESERVE OUT, RELEASE", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x03, "PERSISTENT RESERVE OUT, CLEAR", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x04, "PERSISTENT RESERVE OUT, PREEMPT", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x05, "PERSISTENT RESERVE OUT, PREEMPT AND ABORT", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x06, "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", OutField(5, 4), Own,
        [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x80, "WRITE FILEMARKS(16)", Length::None, Conflict,
        [0x0d 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x81, "READ REVERSE(16)", Read(12), Read,
        [7 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x82, "ALLOW OVERWRITE", Length::None, Conflict,
        [0 0x0f 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0 0 0];
    0x88, "READ(16)", Read(12), Read,
        [3 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x8a, "WRITE(16)", Write(12), Conflict,
        [0x0d 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x8c, "READ ATTRIBUTE", InField(10, 4), Always,
        [0x1f 0 0 0 0xff 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 1 0];
    0x8d, "WRITE ATTRIBUTE", OutField(10, 4), Conflict,
        [1 0 0 0 0xff 0 0xff 0 0 0xff 0xff 0xff 0xff 0 0];
    0x8f, "VERIFY(16)", Verify(12), Read,
        [7 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x91, "SPACE(16)", OutField(12, 2), Read,
        [0x0f 0 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0];
    0x92, "LOCATE(16)", Length::None, Read,
        [0x3b 1 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0 0 0];
    0x93, "ERASE(16)", Length::None, Conflict,
        [0x0f 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0 0 0];
    0xa0, "REPORT LUNS", InField(6, 4), Always,
        [0 0xff 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xa2, "SECURITY PROTOCOL IN", InField(6, 4), Conflict,
        [0xff 0xff 0xff 0x80 0 0xff 0xff 0xff 0xff 0 0];
    0xa3 / 0x0c, "REPORT SUPPORTED OPERATION CODES", InField(6, 4), Always,
        [0x1f 0x87 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0];
    0xa3 / 0x0d, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", InField(6, 4), Always,
        [0x1f 0x80 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xa3 / 0x0f, "REPORT TIMESTAMP", InField(6, 4), Always,
        [0x1f 0 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xa4 / 0x0f, "SET TIMESTAMP", OutField(6, 4), Conflict,
        [0x1f 0 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xb5, "SECURITY PROTOCOL OUT", OutField(6, 4), Conflict,
        [0xff 0xff 0xff 0x80 0 0xff 0xff 0xff 0xff 0 0];
}

/// Bytes of the longest CDB in the table.
pub const CDB_MAX: usize = 16;

/// Finds a CDB's line: INVALID COMMAND OPERATION CODE, or INVALID FIELD IN CDB
/// if only the service action is unknown, or the CDB too short.
pub(crate) fn find(cdb: &[u8]) -> Result<&'static Entry, Sense> {
    let opcode = cdb.first().copied().unwrap_or(0xff);
    let action = cdb.get(1).map_or(0, |byte| byte & 0x1f);
    let mut known = COMMANDS.iter().filter(|entry| entry.opcode == opcode);
    let Some(first) = known.clone().next() else {
        return Err(Sense::new(Key::IllegalRequest, asc::INVALID_OPCODE));
    };
    let entry = known
        .find(|entry| entry.action.is_none_or(|own| own == action))
        .ok_or(Sense::cdb_field(1, Some(4)))?;
    if cdb.len() < first.usage.len() {
        return Err(Sense::cdb_field(cdb.len(), None));
    }
    Ok(entry)
}

/// The standard's name of a command, for tracing; `None`: there is no such.
pub fn name(cdb: &[u8]) -> Option<&'static str> {
    find(cdb).ok().map(|entry| entry.name)
}

/// Refuses bits that mean nothing, and NACA. Byte 1's upper three, where
/// SCSI-2 hosts put the LUN, may be anything unless they have a meaning.
pub(crate) fn check_bits(entry: &Entry, cdb: &[u8]) -> Result<(), Sense> {
    let last = entry.usage.len() - 1;
    for (byte, (&value, &usage)) in cdb.iter().zip(entry.usage).enumerate() {
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

/// What the CDB announces, with blocks of `block_length` bytes.
pub(crate) fn transfer(entry: &Entry, cdb: &[u8], block_length: u32) -> Transfer {
    let units = |at: usize| {
        let count = number(cdb, at, 3);
        if cdb[1] & 1 != 0 {
            count * u64::from(block_length)
        } else {
            count
        }
    };
    let (length, make): (u64, fn(u64) -> Transfer) = match entry.length {
        Length::None => (0, Transfer::In),
        InField(at, bytes) => (number(cdb, at, bytes), Transfer::In),
        OutField(at, bytes) => (number(cdb, at, bytes), Transfer::Out),
        Read(at) => (units(at), Transfer::In),
        Write(at) => (units(at), Transfer::Out),
        Verify(at) if cdb[1] & 2 != 0 => (units(at), Transfer::Out),
        Verify(_) => (0, Transfer::Out),
        Length::BlockLimits => (if cdb[1] & 1 != 0 { 20 } else { 6 }, Transfer::In),
        Position => match cdb[1] & 0x1f {
            0 | 1 => (20, Transfer::In),
            6 => (32, Transfer::In),
            8 => (number(cdb, 7, 2), Transfer::In),
            _ => (0, Transfer::In),
        },
    };
    // INC_512 of the security protocol commands.
    let unit = match entry.opcode {
        0xa2 | 0xb5 if cdb[4] & 0x80 != 0 => 512,
        _ => 1,
    };
    match length * unit {
        0 => Transfer::None,
        length => make(length),
    }
}

/// Bytes that the drive needs behind the transfer: VERIFY reads a block there.
pub(crate) fn scratch(entry: &Entry, cdb: &[u8], block_length: u32) -> u64 {
    match entry.length {
        Verify(_) if cdb[1] & 1 != 0 => block_length.into(),
        Verify(at) => number(cdb, at, 3),
        _ => 0,
    }
}

/// A big-endian number of up to 8 bytes.
pub(crate) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len]
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// A big-endian number in two's complement.
pub(crate) fn signed(bytes: &[u8], at: usize, len: usize) -> i64 {
    let unused = 64 - 8 * len as u32;
    (number(bytes, at, len) << unused) as i64 >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ascends_and_has_cdb_lengths_of_the_groups() {
        let order: Vec<_> = COMMANDS.iter().map(|e| (e.opcode, e.action)).collect();
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        for entry in COMMANDS {
            let expected = match entry.opcode >> 5 {
                0 => 6,
                1 | 2 => 10,
                4 => 16,
                5 => 12,
                group => panic!("group {group}"),
            };
            assert_eq!(entry.usage.len(), expected, "{}", entry.name);
        }
    }

    #[test]
    fn transfers() {
        for (cdb, block, expected) in [
            (&[0x08, 1, 0, 0, 2, 0][..], 512, Transfer::In(1024)),
            (&[0x08, 0, 1, 0, 0, 0], 512, Transfer::In(65536)),
            (
                &[0x0a, 1, 0xff, 0xff, 0xff, 0],
                0xff_ffff,
                Transfer::Out(0xff_ffff * 0xff_ffff),
            ),
            (&[0x13, 0, 0, 0, 9, 0], 512, Transfer::None),
            (&[0x13, 2, 0, 0, 9, 0], 512, Transfer::Out(9)),
            (&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 0, Transfer::In(32)),
            (
                &[0xa2, 0, 0, 0, 0x80, 0, 0, 0, 0, 1, 0, 0],
                0,
                Transfer::In(512),
            ),
            (&[0x00; 6], 0, Transfer::None),
        ] {
            let entry = find(cdb).unwrap();
            assert_eq!(transfer(entry, cdb, block), expected, "{cdb:02x?}");
        }
    }

    #[test]
    fn unknown_commands_and_bits_are_refused() {
        assert_eq!(find(&[0x28; 10]).unwrap_err().asc, asc::INVALID_OPCODE);
        assert_eq!(
            find(&[0x5e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err(),
            Sense::cdb_field(1, Some(4))
        );
        assert_eq!(find(&[0x08, 0]).unwrap_err(), Sense::cdb_field(2, None));
        let bad = [0x01, 0x02, 0, 0, 0, 0];
        assert_eq!(
            check_bits(find(&bad).unwrap(), &bad),
            Err(Sense::cdb_field(1, Some(1)))
        );
        let naca = [0x00, 0, 0, 0, 0, 4];
        assert_eq!(
            check_bits(find(&naca).unwrap(), &naca),
            Err(Sense::cdb_field(5, Some(2)))
        );
    }

    #[test]
    fn signed_numbers() {
        assert_eq!(signed(&[0xff, 0xff, 0xfe], 0, 3), -2);
        assert_eq!(signed(&[0x7f, 0xff, 0xff], 0, 3), 0x7f_ffff);
        assert_eq!(signed(&[0xff; 8], 0, 8), -1);
    }
}
