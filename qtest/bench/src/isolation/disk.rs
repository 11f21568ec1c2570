// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured of disks.

use std::fmt;

use strum::{Display, VariantArray};

use super::tables::Requests;
use crate::results;

/// What is behind the back-end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Export {
    /// null-co: it touches no buffer, so nothing hides what copying costs.
    Null,
    /// A file in RAM.
    Ram,
    /// null-co throttled to as many bytes a second as a good disk.
    Paced,
}

impl Export {
    /// What guests have disks of. One that is emulated doesn't come up to the
    /// pace of the paced one.
    pub const OF_GUESTS: &[Self] = &[Self::Null, Self::Ram];

    /// What it is called where names have no blanks.
    pub fn id(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Ram => "ram",
            Self::Paced => "paced",
        }
    }

    /// Bytes of the disk.
    pub fn len(self) -> u64 {
        256 << 20
    }
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Ram => "RAM",
            Self::Paced => "3 GB/s",
        })
    }
}

/// What requests do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Operation {
    /// From the disk.
    Read,
    /// To the disk.
    Write,
}

/// How large requests are, how many are in flight, in how many queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of each.
    pub len: usize,
    /// In each queue.
    pub depth: usize,
    /// Queues.
    pub queues: usize,
}

impl Shape {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::new(4 << 10, 1, 1),
        Self::new(4 << 10, 32, 1),
        Self::new(4 << 10, 32, 2),
        Self::new(1 << 20, 4, 1),
        Self::new(1 << 20, 4, 2),
    ];

    /// So many bytes, in flight, and queues.
    pub const fn new(len: usize, depth: usize, queues: usize) -> Self {
        Self { len, depth, queues }
    }

    /// Requests in flight at most, all queues together.
    pub fn slots(self) -> usize {
        self.queues * self.depth
    }

    /// Large requests go on where the last one ended, small ones anywhere.
    pub fn is_sequential(self) -> bool {
        self.len >= 1 << 20
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, depth, queues } = self;
        match len >> 20 {
            0 => write!(f, "{} KiB", len >> 10)?,
            mib => write!(f, "{mib} MiB")?,
        }
        let plural = if *queues == 1 { "" } else { "s" };
        write!(f, ", depth {depth}, {queues} queue{plural}")
    }
}

/// Requests of a shape to an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskCase {
    pub export: Export,
    pub operation: Operation,
    pub shape: Shape,
}

impl DiskCase {
    /// All of these exports. Only large requests come up to the pace of the
    /// paced one.
    pub fn of(exports: &[Export]) -> Vec<Self> {
        let mut cases = Vec::new();
        for shape in Shape::ALL {
            for &export in exports {
                if export != Export::Paced || shape.is_sequential() {
                    let case = |&operation| Self {
                        export,
                        operation,
                        shape,
                    };
                    cases.extend(Operation::VARIANTS.iter().map(case));
                }
            }
        }
        cases
    }
}

impl results::Case for DiskCase {
    fn columns(self) -> Vec<String> {
        let Self {
            export,
            operation,
            shape: Shape { len, depth, queues },
        } = self;
        let numbers = [len, depth, queues].map(|number| number.to_string());
        numbers
            .into_iter()
            .chain([operation.to_string(), export.to_string()])
            .collect()
    }
}

impl Requests for DiskCase {
    fn bytes(self) -> usize {
        self.shape.len
    }

    fn is_latency(self) -> bool {
        self.shape.slots() == 1
    }
}

impl fmt::Display for DiskCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.shape, self.operation, self.export)
    }
}
