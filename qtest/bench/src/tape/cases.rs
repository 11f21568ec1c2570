// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: devices, directions, block lengths.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

use crate::results;

/// Bytes that dd transfers at a time.
const BLOCKS: [usize; 4] = [512, 10 << 10, 64 << 10, 256 << 10];

/// The device, and its rival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
pub enum Device {
    /// scsi-hd, /dev/sda.
    #[strum(serialize = "scsi-hd")]
    Disk,
    /// scsi-tape, /dev/nst0.
    #[strum(serialize = "scsi-tape")]
    Tape,
}

impl results::Mode for Device {
    const RIVAL: Self = Self::Disk;
}

/// What dd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Operation {
    /// From /dev/zero to the device.
    Write,
    /// From the device to /dev/null: what was written before.
    Read,
}

/// A direction and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub operation: Operation,
    /// Bytes at a time.
    pub block: usize,
}

impl Case {
    /// All, a length's write before its read.
    pub fn all() -> Vec<Self> {
        let both = |block| {
            Operation::VARIANTS
                .iter()
                .map(move |&operation| Self { operation, block })
        };
        BLOCKS.into_iter().flat_map(both).collect()
    }

    /// What the tape is to reach of the disk's rate.
    pub fn target(self) -> f64 {
        match self.block >= 64 << 10 {
            true => 0.9,
            false => 1.0,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, block } = self;
        match block {
            0..=1023 => write!(f, "{operation}, {block} B"),
            _ => write!(f, "{operation}, {} KiB", block >> 10),
        }
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        vec![self.operation.to_string(), self.block.to_string()]
    }
}

/// What a run of dd gave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Bytes in all.
    pub bytes: u64,
    /// And how long they took.
    pub seconds: f64,
}

impl Figures {
    /// MiB/s.
    pub fn rate(&self) -> Option<f64> {
        Some(self.bytes as f64 / self.seconds / f64::from(1 << 20))
    }
}
