// SPDX-License-Identifier: GPL-2.0-or-later
//! What the drive says of its commands, and MAINTENANCE IN and OUT's
//! timestamp: REPORT SUPPORTED OPERATION CODES (SPC-4 6.35), REPORT SUPPORTED
//! TASK MANAGEMENT FUNCTIONS (6.36), REPORT and SET TIMESTAMP (6.37, 6.42).

use crate::command::{number, Entry, COMMANDS};
use crate::sense::{asc, Key, Sense};
use crate::state::Reader;
use crate::Reply;

/// A command timeouts descriptor, without times: a tape on a host's file
/// system takes as long as that takes.
const TIMEOUTS: [u8; 12] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// REPORT SUPPORTED OPERATION CODES.
pub(crate) fn report_opcodes(cdb: &[u8]) -> Reply {
    let timeouts = cdb[2] & 0x80 != 0;
    let (opcode, action) = (cdb[3], number(cdb, 4, 2));
    let mut known = COMMANDS.iter().filter(|entry| entry.opcode == opcode);
    // An unknown opcode has no service actions that could be missing.
    let has_actions = known.clone().next().map(|entry| entry.action.is_some());
    let with_action = |entry: &&Entry| entry.action.map(u64::from) == Some(action);
    match cdb[2] & 0x07 {
        0 => Ok(all(timeouts)),
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

fn all(timeouts: bool) -> Vec<u8> {
    const SERVACTV: u8 = 0x01;
    const CTDP: u8 = 0x02;
    let mut bytes = vec![0; 4];
    for entry in COMMANDS {
        let has_action = if entry.action.is_some() { SERVACTV } else { 0 };
        let has_timeouts = if timeouts { CTDP } else { 0 };
        bytes.extend([entry.opcode, 0, 0, entry.action.unwrap_or(0), 0]);
        bytes.extend([has_action | has_timeouts, 0, entry.usage.len() as u8]);
        if timeouts {
            bytes.extend(TIMEOUTS);
        }
    }
    let length = bytes.len() as u32 - 4;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
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
pub(crate) fn report_task_management(cdb: &[u8]) -> Reply {
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

/// The timestamp. A drive without I/O has no clock either: it stands still at
/// what SET TIMESTAMP set it to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Milliseconds since 1970, 6 bytes; `None`: 0, as at power on.
    set: Option<[u8; 6]>,
}

impl Timestamp {
    /// REPORT TIMESTAMP.
    pub(crate) fn report(self) -> Reply {
        const ZERO_AT_POWER_ON: u8 = 0;
        const SET_TIMESTAMP: u8 = 2;
        let origin = match self.set {
            None => ZERO_AT_POWER_ON,
            Some(_) => SET_TIMESTAMP,
        };
        let mut bytes = vec![0, 10, origin, 0];
        bytes.extend(self.set.unwrap_or_default());
        bytes.extend([0, 0]);
        Ok(bytes)
    }

    /// SET TIMESTAMP, with what was received of its list.
    pub(crate) fn change(&mut self, cdb: &[u8], data: &[u8]) -> Result<(), Sense> {
        let length = number(cdb, 6, 4);
        if length == 0 {
            return Ok(());
        }
        match data.get(4..10).and_then(|time| time.try_into().ok()) {
            Some(time) if length >= 12 && data.len() >= 12 => {
                self.set = Some(time);
                Ok(())
            }
            _ => Err(Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH)),
        }
    }

    /// Appends the state for migration.
    pub(crate) fn save(self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.set.is_some()));
        bytes.extend(self.set.unwrap_or_default());
    }

    /// Reads a saved state; `None`: it isn't one.
    pub(crate) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        let flag = reader.flag()?;
        let time = reader.bytes(6)?.try_into().ok()?;
        Some(Self {
            set: flag.then_some(time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(options: u8, opcode: u8, action: u16) -> Reply {
        let [high, low] = action.to_be_bytes();
        report_opcodes(&[0xa3, 0x0c, options, opcode, high, low, 0, 0, 4, 0, 0, 0])
    }

    #[test]
    fn all_commands_are_listed() {
        let bytes = ask(0, 0, 0).unwrap();
        assert_eq!(bytes.len(), 4 + 8 * COMMANDS.len());
        assert_eq!(bytes[..4], (8 * COMMANDS.len() as u32).to_be_bytes());
        assert_eq!(bytes[4..12], [0x00, 0, 0, 0, 0, 0, 0, 6]);
        let last = bytes.len() - 8;
        assert_eq!(bytes[last..], [0xb5, 0, 0, 0, 0, 0, 0, 12]);
        let set_timestamp = [0xa4, 0, 0, 0x0f, 0, 1, 0, 12];
        assert!(bytes[4..].chunks(8).any(|entry| entry == set_timestamp));
        let bytes = ask(0x80, 0, 0).unwrap();
        assert_eq!(bytes.len(), 4 + 20 * COMMANDS.len());
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

    #[test]
    fn the_timestamp_is_what_was_set() {
        let mut timestamp = Timestamp::default();
        assert_eq!(
            timestamp.report().unwrap(),
            [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        let cdb = |length| [0xa4, 0x0f, 0, 0, 0, 0, 0, 0, 0, length, 0, 0];
        let list = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0];
        assert_eq!(timestamp.change(&cdb(0), &[]), Ok(()));
        assert!(timestamp.change(&cdb(11), &list[..11]).is_err());
        assert!(timestamp.change(&cdb(12), &list[..11]).is_err());
        assert_eq!(timestamp, Timestamp::default());
        assert_eq!(timestamp.change(&cdb(12), &list), Ok(()));
        assert_eq!(
            timestamp.report().unwrap(),
            [0, 10, 2, 0, 1, 2, 3, 4, 5, 6, 0, 0]
        );
        let mut bytes = Vec::new();
        timestamp.save(&mut bytes);
        assert_eq!(
            Timestamp::restore(&mut Reader::new(&bytes)),
            Some(timestamp)
        );
        assert_eq!(Timestamp::restore(&mut Reader::new(&bytes[..6])), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(
            cdb in prop::array::uniform12(any::<u8>()),
            data in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let _ = report_opcodes(&cdb);
            let _ = report_task_management(&cdb);
            let _ = Timestamp::default().change(&cdb, &data);
            let _ = Timestamp::restore(&mut Reader::new(&data));
        }
    }
}
