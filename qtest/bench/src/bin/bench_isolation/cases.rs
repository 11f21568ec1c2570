// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured of disks.

use std::fmt;

use crate::row::Row;

/// What is behind the back-end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Export {
    /// null-co: it touches no buffer, so nothing hides what copying costs.
    Null,
    /// A file in RAM.
    Ram,
    /// null-co throttled to as many bytes a second as a good disk.
    Paced,
}

impl Export {
    /// All.
    pub const ALL: [Self; 3] = [Self::Null, Self::Ram, Self::Paced];

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// From the disk.
    Read,
    /// To the disk.
    Write,
}

impl Operation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
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
        Self {
            len: 4 << 10,
            depth: 1,
            queues: 1,
        },
        Self {
            len: 4 << 10,
            depth: 32,
            queues: 1,
        },
        Self {
            len: 4 << 10,
            depth: 32,
            queues: 2,
        },
        Self {
            len: 1 << 20,
            depth: 4,
            queues: 1,
        },
        Self {
            len: 1 << 20,
            depth: 4,
            queues: 2,
        },
    ];

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
        write!(
            f,
            ", depth {depth}, {queues} queue{}",
            if *queues == 1 { "" } else { "s" }
        )
    }
}

/// Requests of a shape to an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub export: Export,
    pub operation: Operation,
    pub shape: Shape,
}

impl Case {
    /// All of these exports. Only large requests come up to the pace of the
    /// paced one.
    pub fn of(exports: &[Export]) -> Vec<Self> {
        let mut cases = Vec::new();
        for shape in Shape::ALL {
            for &export in exports {
                if export != Export::Paced || shape.is_sequential() {
                    let case = |operation| Self {
                        export,
                        operation,
                        shape,
                    };
                    cases.extend(Operation::ALL.map(case));
                }
            }
        }
        cases
    }
}

impl Row for Case {
    fn bytes(self) -> usize {
        self.shape.len
    }

    fn is_latency(self) -> bool {
        self.shape.slots() == 1
    }

    fn columns(self) -> String {
        let Self {
            export,
            operation,
            shape: Shape { depth, queues, .. },
        } = self;
        format!("{depth},{queues},{operation},{export}")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.shape, self.operation, self.export)
    }
}
