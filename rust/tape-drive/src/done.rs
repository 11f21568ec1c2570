// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be asked of the drive besides commands, and how both end.

use crate::core::Tray;
use crate::sense::Sense;

/// SAM-4's status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// GOOD: the command is done.
    Good = 0x00,
    /// There is sense data.
    CheckCondition = 0x02,
    /// What the initiator has reserved or registered is in the way.
    ReservationConflict = 0x18,
}

/// Something the drive's owner wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// What is acknowledged is on stable storage afterwards.
    Sync,
    /// As [`Task::Sync`], and what is kept of the tape is saved: its index, and
    /// that it was loaded. The cartridge stays usable, but is about to go.
    Unload,
}

/// How a command or task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The status.
    pub status: Status,
    /// With CHECK CONDITION, sense data in the format that D_SENSE asks for.
    pub sense: Vec<u8>,
    /// The same, for tracing.
    pub cause: Option<Sense>,
    /// Bytes at the beginning of the data buffer that go to the initiator, with
    /// CHECK CONDITION too. Never more than `start` was told there is room for.
    pub data_in: usize,
    /// A LOAD UNLOAD moved the cartridge.
    pub tray: Option<Tray>,
    /// [`interrupt`](crate::Drive::interrupt) ended it early, and nothing has
    /// changed: it can be started again. There is no status to report.
    pub interrupted: bool,
}
