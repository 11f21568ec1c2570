// SPDX-License-Identifier: GPL-2.0-or-later
//! What commands about the drive may know of the tape that is in it.

/// A partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The capacity in bytes, record framing included; `u64::MAX`: unknown.
    pub(crate) capacity: u64,
    /// Bytes up to the end of data, if that has been met; else what is known
    /// to be used.
    pub(crate) used: u64,
}

impl Partition {
    /// Bytes that can still be written; `u64::MAX`: unknown.
    pub(crate) fn remaining(&self) -> u64 {
        match self.capacity {
            u64::MAX => u64::MAX,
            capacity => capacity.saturating_sub(self.used),
        }
    }
}

/// The tape that is loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    /// Neither blocks nor attributes can be written.
    pub(crate) write_protected: bool,
    pub(crate) worm: bool,
    /// At least one, at most 16.
    pub(crate) partitions: Vec<Partition>,
    /// The one that the position is in.
    pub(crate) partition: usize,
    /// Bytes from the partition's beginning to the position.
    pub(crate) position: u64,
}

/// `None`: no cartridge, or it isn't loaded.
pub(crate) type View<'a> = Option<&'a Tape>;
