// SPDX-License-Identifier: GPL-2.0-or-later
//! All commands there are, and finding them.

use crate::command::{Entry, Table};
use crate::sense::{asc, Key, Sense};
use crate::{spc, ssc};

pub(crate) static TABLE: Table = &[
    ssc::format::COMMANDS,
    ssc::motion::COMMANDS,
    ssc::position::COMMANDS,
    ssc::read::COMMANDS,
    ssc::write::COMMANDS,
    spc::memory::COMMANDS,
    spc::opcodes::COMMANDS,
    spc::parameters::COMMANDS,
];

/// Finds a CDB's row: INVALID COMMAND OPERATION CODE, or INVALID FIELD IN CDB
/// if only the service action is unknown, or the CDB too short.
pub(crate) fn find(cdb: &[u8]) -> Result<&'static Entry, Sense> {
    let opcode = cdb.first().copied().unwrap_or(0xff);
    let action = cdb.get(1).map_or(0, |byte| byte & 0x1f);
    let rows = TABLE.iter().copied().flatten();
    let mut known = rows.filter(|entry| entry.opcode == opcode).peekable();
    let Some(first) = known.peek().copied() else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Transfer;
    use crate::driver::Runner;
    use crate::spc::opcodes::ascending;

    #[test]
    fn each_command_is_there_once_and_has_the_cdb_length_of_its_group() {
        let rows = ascending(TABLE);
        let order: Vec<_> = rows.iter().map(|e| (e.opcode, e.action)).collect();
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        for entry in rows {
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
    fn each_command_can_be_carried_out() {
        for entry in TABLE.iter().copied().flatten() {
            let mut drive = Runner::blank();
            let mut cdb = vec![0; entry.usage.len()];
            cdb[0] = entry.opcode;
            cdb[1] = entry.action.unwrap_or(0);
            let cause = drive.command(&cdb, &[]).done.cause;
            let unknown = cause.is_some_and(|sense| sense.asc == asc::INVALID_OPCODE);
            assert!(!unknown, "{}", entry.name);
            let failed = cause.is_some_and(|sense| sense.key == Key::HardwareError);
            assert!(!failed, "{}", entry.name);
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
            assert_eq!(entry.transfer(cdb, block), expected, "{cdb:02x?}");
        }
    }

    #[test]
    fn unknown_commands_and_bits_are_refused() {
        let unknown = |cdb: &[u8]| find(cdb).err();
        assert_eq!(unknown(&[0x28; 10]).unwrap().asc, asc::INVALID_OPCODE);
        assert_eq!(
            unknown(&[0x5e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0]),
            Some(Sense::cdb_field(1, Some(4)))
        );
        assert_eq!(unknown(&[0x08, 0]), Some(Sense::cdb_field(2, None)));
        let bad = [0x01, 0x02, 0, 0, 0, 0];
        assert_eq!(
            find(&bad).unwrap().check_bits(&bad),
            Err(Sense::cdb_field(1, Some(1)))
        );
        let naca = [0x00, 0, 0, 0, 0, 4];
        assert_eq!(
            find(&naca).unwrap().check_bits(&naca),
            Err(Sense::cdb_field(5, Some(2)))
        );
    }
}
