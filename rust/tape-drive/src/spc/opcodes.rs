// SPDX-License-Identifier: GPL-2.0-or-later
//! What the drive says of its commands: REPORT SUPPORTED OPERATION CODES (SPC-4
//! 6.35), REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (6.36).

use crate::bytes::{number, set_length};
use crate::command::{commands, Entry, Length::InField, Table};
use crate::sense::{Reply, Sense};

commands! {
    0xa3 / 0x0c, "REPORT SUPPORTED OPERATION CODES", InField(6, 4), 0,
        reply |_, call, _| Ok(report_opcodes(call.table, call.cdb())?),
        [0x1f 0x87 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0];
    0xa3 / 0x0d, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", InField(6, 4), 0,
        reply |_, call, _| Ok(report_task_management(call.cdb())?),
        [0x1f 0x80 0 0 0 0xff 0xff 0xff 0xff 0 0];
}

/// All rows, by opcode and service action.
pub(crate) fn ascending(table: Table) -> Vec<&'static Entry> {
    let mut rows: Vec<_> = table.iter().copied().flatten().collect();
    rows.sort_by_key(|entry| (entry.opcode, entry.action));
    rows
}

/// A command timeouts descriptor, without times: a tape on a host's file
/// system takes as long as that takes.
const TIMEOUTS: [u8; 12] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// REPORT SUPPORTED OPERATION CODES.
fn report_opcodes(table: Table, cdb: &[u8]) -> Reply {
    let timeouts = cdb[2] & 0x80 != 0;
    let (opcode, action) = (cdb[3], number(cdb, 4, 2));
    let rows = table.iter().copied().flatten();
    let mut known = rows.filter(|entry| entry.opcode == opcode);
    // An unknown opcode has no service actions that could be missing.
    let has_actions = known.clone().next().map(|entry| entry.action.is_some());
    let with_action = |entry: &&Entry| entry.action.map(u64::from) == Some(action);
    match cdb[2] & 0x07 {
        0 => Ok(all(table, timeouts)),
        1 if has_actions == Some(true) => Err(Sense::cdb_field(2, Some(2))),
        1 => Ok(one(known.next(), timeouts)),
        2 if has_actions == Some(false) => Err(Sense::cdb_field(2, Some(2))),
        2 => Ok(one(known.find(with_action), timeouts)),
        // Whichever it is.
        3 if has_actions == Some(true) => Ok(one(known.find(with_action), timeouts)),
        3 => Ok(one(known.next().filter(|_| action == 0), timeouts)),
        _ => Err(Sense::cdb_field(2, Some(2))),
    }
}

fn all(table: Table, timeouts: bool) -> Vec<u8> {
    const SERVACTV: u8 = 0x01;
    const CTDP: u8 = 0x02;
    let mut bytes = vec![0; 4];
    for entry in ascending(table) {
        let has_action = if entry.action.is_some() { SERVACTV } else { 0 };
        let has_timeouts = if timeouts { CTDP } else { 0 };
        bytes.extend([entry.opcode, 0, 0, entry.action.unwrap_or(0), 0]);
        bytes.extend([has_action | has_timeouts, 0, entry.usage.len() as u8]);
        if timeouts {
            bytes.extend(TIMEOUTS);
        }
    }
    set_length(&mut bytes, 0, 4);
    bytes
}

fn one(entry: Option<&Entry>, timeouts: bool) -> Vec<u8> {
    const NOT_SUPPORTED: u8 = 0x01;
    const AS_THE_STANDARD_SAYS: u8 = 0x03;
    const CTDP: u8 = 0x80;
    let Some(entry) = entry else {
        return vec![0, NOT_SUPPORTED, 0, 0];
    };
    let flags = AS_THE_STANDARD_SAYS | if timeouts { CTDP } else { 0 };
    let mut bytes = vec![0, flags, 0, entry.usage.len() as u8];
    bytes.extend(entry.usage);
    if let Some(action) = entry.action {
        bytes[5] = bytes[5] & 0xe0 | action;
    }
    if timeouts {
        bytes.extend(TIMEOUTS);
    }
    bytes
}

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: what SCSI transports agree on.
fn report_task_management(cdb: &[u8]) -> Reply {
    const ATS_ATSS_CTSS_LURS: u8 = 0xd8;
    const ITNRS: u8 = 0x01;
    let extended = cdb[2] & 0x80 != 0;
    let mut bytes = vec![ATS_ATSS_CTSS_LURS, ITNRS, 0, 0];
    if extended {
        bytes[3] = 12;
        bytes.resize(16, 0); // no timeouts
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TABLE;
    use proptest::prelude::*;

    fn ask(options: u8, opcode: u8, action: u16) -> Reply {
        let [high, low] = action.to_be_bytes();
        report_opcodes(
            TABLE,
            &[0xa3, 0x0c, options, opcode, high, low, 0, 0, 4, 0, 0, 0],
        )
    }

    #[test]
    fn all_commands_are_listed() {
        let bytes = ask(0, 0, 0).unwrap();
        assert_eq!(bytes.len(), 4 + 8 * ascending(TABLE).len());
        assert_eq!(
            bytes[..4],
            (8 * ascending(TABLE).len() as u32).to_be_bytes()
        );
        assert_eq!(bytes[4..12], [0x00, 0, 0, 0, 0, 0, 0, 6]);
        let last = bytes.len() - 8;
        assert_eq!(bytes[last..], [0xb5, 0, 0, 0, 0, 0, 0, 12]);
        let set_timestamp = [0xa4, 0, 0, 0x0f, 0, 1, 0, 12];
        assert!(bytes[4..].chunks(8).any(|entry| entry == set_timestamp));
        let bytes = ask(0x80, 0, 0).unwrap();
        assert_eq!(bytes.len(), 4 + 20 * ascending(TABLE).len());
        assert_eq!(bytes[4..16], [0, 0, 0, 0, 0, 2, 0, 6, 0, 10, 0, 0]);
    }

    #[test]
    fn one_command() {
        let inquiry = [0, 3, 0, 6, 0x12, 1, 0xff, 0xff, 0xff, 0];
        assert_eq!(ask(1, 0x12, 0).unwrap(), inquiry);
        assert_eq!(ask(3, 0x12, 0).unwrap(), inquiry);
        assert_eq!(ask(0x81, 0x12, 0).unwrap()[1], 0x83);
        assert_eq!(ask(0x81, 0x12, 0).unwrap().len(), 22);
        let timestamp = [0, 3, 0, 12, 0xa3, 0x0f, 0, 0];
        assert_eq!(ask(2, 0xa3, 0x0f).unwrap()[..8], timestamp);
        assert_eq!(ask(3, 0xa3, 0x0f).unwrap()[..8], timestamp);
    }

    #[test]
    fn commands_that_are_not_there() {
        let none = Ok(vec![0, 1, 0, 0]);
        assert_eq!(ask(1, 0x28, 0), none);
        assert_eq!(ask(2, 0x28, 1), none);
        assert_eq!(ask(2, 0xa3, 0x1f), none);
        assert_eq!(ask(2, 0xa3, 0x10f), none, "16 bits count");
        assert_eq!(ask(3, 0x12, 1), none);
        let refused = Err(Sense::cdb_field(2, Some(2)));
        assert_eq!(ask(1, 0xa3, 0), refused);
        assert_eq!(ask(2, 0x12, 0), refused);
        assert_eq!(ask(4, 0x12, 0), refused);
    }

    #[test]
    fn task_management() {
        let ask = |bits| report_task_management(&[0xa3, 0x0d, bits, 0, 0, 0, 0, 0, 0, 16, 0, 0]);
        assert_eq!(ask(0).unwrap(), [0xd8, 1, 0, 0]);
        assert_eq!(ask(0x80).unwrap().len(), 16);
    }

    proptest! {
        #[test]
        fn nothing_panics(
            cdb in prop::array::uniform12(any::<u8>()),
        ) {
            let _ = report_opcodes(TABLE, &cdb);
            let _ = report_task_management(&cdb);
        }
    }
}
