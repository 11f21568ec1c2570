// SPDX-License-Identifier: GPL-2.0-or-later
//! MAINTENANCE IN and OUT's timestamp: REPORT and SET TIMESTAMP (SPC-4 6.37, 6.42).

use crate::bytes::number;
use crate::sense::{Reply, Sense};
use crate::state::State;

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
            _ => Err(Sense::TRUNCATED_LIST),
        }
    }

    /// Its state for migration.
    pub(crate) fn state(&mut self, state: &mut State<'_>) -> Option<()> {
        let is_set = state.flag(self.set.is_some())?;
        let time = state.array(self.set.unwrap_or_default())?;
        self.set = is_set.then_some(time);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::part;
    use proptest::prelude::*;

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
        let bytes = part::save(&timestamp, Timestamp::state);
        let restore = |bytes: &[u8]| part::restore(Timestamp::default(), Timestamp::state, bytes);
        assert_eq!(restore(&bytes), Some(timestamp));
        assert_eq!(restore(&bytes[..6]), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(
            cdb in prop::array::uniform12(any::<u8>()),
            data in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let _ = Timestamp::default().change(&cdb, &data);
            let _ = part::restore(Timestamp::default(), Timestamp::state, &data);
        }
    }
}
