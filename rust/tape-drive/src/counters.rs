// SPDX-License-Identifier: GPL-2.0-or-later
//! What the drive counts.

use tape_image::{Error, Operation, Outcome};

use crate::alert;
use crate::state::State;

/// Data moved, and not moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transfers {
    /// Bytes of records that initiators wrote.
    pub(crate) from_host: u64,
    /// Bytes of records that initiators read.
    pub(crate) to_host: u64,
    /// Bytes of records that went to the image.
    pub(crate) to_medium: u64,
    /// Bytes of records that came from the image.
    pub(crate) from_medium: u64,
    pub(crate) records_written: u64,
    pub(crate) records_read: u64,
    /// Requests that the host failed.
    pub(crate) write_errors: u64,
    pub(crate) read_errors: u64,
    /// How often the tape came to its beginning from elsewhere.
    pub(crate) beginning_passes: u64,
    /// How often it went over the middle of the cartridge.
    pub(crate) middle_passes: u64,
}

impl Transfers {
    /// All counters; the last two aren't in the first version of the saved state.
    fn fields(&mut self) -> [&mut u64; 10] {
        [
            &mut self.from_host,
            &mut self.to_host,
            &mut self.to_medium,
            &mut self.from_medium,
            &mut self.records_written,
            &mut self.records_read,
            &mut self.write_errors,
            &mut self.read_errors,
            &mut self.beginning_passes,
            &mut self.middle_passes,
        ]
    }

    fn add(&mut self, mut other: Self) {
        for (field, more) in self.fields().into_iter().zip(other.fields()) {
            *field = field.saturating_add(*more);
        }
    }
}

/// The drive's counters and TapeAlert flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Since power on or LOG SELECT.
    total: Transfers,
    /// Since the cartridge was loaded, or the last one if there is none.
    mount: Transfers,
    alerts: u64,
}

impl Counters {
    /// Counts what was done.
    pub(crate) fn count(&mut self, transfers: Transfers) {
        self.total.add(transfers);
        self.mount.add(transfers);
    }

    /// Counts what the tape did.
    pub(crate) fn count_tape(&mut self, operation: Operation, outcome: &Result<Outcome, Error>) {
        let mut moved = Transfers::default();
        match (operation, outcome) {
            (Operation::Write { length }, Ok(Outcome::Done)) => {
                moved.from_host = length as u64;
                moved.to_medium = length as u64;
                moved.records_written = 1;
            }
            // The record was counted when it was met.
            (Operation::Reread { .. }, Ok(_)) => return,
            (_, Ok(Outcome::Record { length, .. })) => {
                moved.from_medium = u64::from(*length);
                moved.records_read = 1;
            }
            (_, Err(Error::Read { .. })) => moved.read_errors = 1,
            (_, Err(Error::Write { .. })) => moved.write_errors = 1,
            _ => return,
        }
        self.count(moved);
    }

    /// Counts what an initiator was sent of the tape.
    pub(crate) fn count_sent(&mut self, bytes: usize) {
        self.count(Transfers {
            to_host: bytes as u64,
            ..Transfers::default()
        });
    }

    /// A cartridge was loaded. What was alerted of the last one is over.
    pub(crate) fn loaded(&mut self) {
        self.mount = Transfers::default();
        self.alerts = 0;
    }

    /// Since power on or LOG SELECT.
    pub(crate) fn total(&self) -> &Transfers {
        &self.total
    }

    /// Since the cartridge was loaded.
    pub(crate) fn mount(&self) -> &Transfers {
        &self.mount
    }

    /// Raises a TapeAlert flag, one of [`alert`]'s.
    pub(crate) fn raise(&mut self, flag: u8) {
        self.alerts |= alert::bit(flag);
    }

    /// The flags, as [`alert::bit`] numbers them.
    pub(crate) fn alerts(&self) -> u64 {
        self.alerts
    }

    pub(crate) fn clear_alert(&mut self, flag: u8) {
        self.alerts &= !alert::bit(flag);
    }

    /// Resets the counters of a page; 0: of all. The pages about the cartridge
    /// have none that can be reset.
    pub(crate) fn clear(&mut self, page: u8) {
        let total = &mut self.total;
        if [0x00, 0x02].contains(&page) {
            total.write_errors = 0;
        }
        if [0x00, 0x03].contains(&page) {
            total.read_errors = 0;
        }
        if [0x00, 0x02, 0x0c, 0x1b].contains(&page) {
            (total.from_host, total.to_medium) = (0, 0);
        }
        if [0x00, 0x03, 0x0c, 0x1b].contains(&page) {
            (total.to_host, total.from_medium) = (0, 0);
        }
        if [0x00, alert::PAGE].contains(&page) {
            self.alerts = 0;
        }
    }

    /// Their state for migration, but for the passes.
    pub(crate) fn state(&mut self, state: &mut State<'_>) -> Option<()> {
        for transfers in [&mut self.total, &mut self.mount] {
            for field in &mut transfers.fields()[..8] {
                **field = state.u64(**field)?;
            }
        }
        self.alerts = state.u64(self.alerts)?;
        Some(())
    }

    /// The passes, which have a place of their own in the state for migration:
    /// of the total, then of the mount.
    pub(crate) fn passes(&mut self) -> [&mut u64; 4] {
        let [.., total, total_middle] = self.total.fields();
        let [.., mount, mount_middle] = self.mount.fields();
        [total, total_middle, mount, mount_middle]
    }
}
