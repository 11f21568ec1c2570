// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: devices, directions, block lengths.

use std::fmt;

/// Bytes that dd transfers at a time.
pub const BLOCKS: [usize; 4] = [512, 10 << 10, 64 << 10, 256 << 10];

/// The device, and its rival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// scsi-tape, /dev/nst0.
    Tape,
    /// scsi-hd, /dev/sda.
    Disk,
}

impl Device {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tape, Self::Disk];
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tape => "scsi-tape",
            Self::Disk => "scsi-hd",
        })
    }
}

/// What dd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// From /dev/zero to the device.
    Write,
    /// From the device to /dev/null.
    Read,
}

impl Operation {
    /// In the order in which they are done: what is read was written.
    pub const ALL: [Self; 2] = [Self::Write, Self::Read];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// "512 B", "64 KiB".
pub fn length(block: usize) -> String {
    match block {
        0..=1023 => format!("{block} B"),
        _ => format!("{} KiB", block >> 10),
    }
}
