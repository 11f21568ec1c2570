// SPDX-License-Identifier: GPL-2.0-or-later
//! The ways in which requests get to the back-end, which are compared.

use std::fmt;

use crate::cases::Export;

/// Ways that take turns.
pub trait Way: Copy + PartialEq + fmt::Display + 'static {
    /// The one that others are compared with, then those.
    const ALL: &[Self];

    /// The first.
    fn first() -> Self {
        Self::ALL[0]
    }

    /// Those that are compared with the first.
    fn ours() -> impl Iterator<Item = Self> {
        Self::ALL[1..].iter().copied()
    }
}

/// Without a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Ring and buffers are in memory that the back-end has mapped.
    Direct,
    /// Requests are lent by the thread that makes them.
    Isolated,
    /// Requests are lent by another thread, as QEMU's is another than the
    /// vCPU's: a kick more on the way out, a call more on the way back.
    Relayed,
    /// That thread looks for more for a while before it sleeps, as QEMU's
    /// iothreads do.
    Polling,
}

impl Way for Mode {
    const ALL: &[Self] = &[Self::Direct, Self::Isolated, Self::Relayed, Self::Polling];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Isolated => "isolated",
            Self::Relayed => "relayed",
            Self::Polling => "polling",
        })
    }
}

/// What guests have disks of. One that is emulated doesn't come up to the pace
/// of the paced export.
pub const EXPORTS: [Export; 2] = [Export::Null, Export::Ram];

/// With one: memory-isolation of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Guest memory is shared with the back-end.
    Off,
    /// By QEMU's main loop.
    On,
    /// By an iothread.
    Iothread,
}

impl Isolation {
    /// A device's options, to be copied by `iothread` if one is.
    pub fn options(self, iothread: &str) -> String {
        match self {
            Self::Off => String::new(),
            Self::On => ",memory-isolation=on".into(),
            Self::Iothread => {
                format!(",memory-isolation=on,memory-isolation-iothread={iothread}")
            }
        }
    }
}

impl Way for Isolation {
    const ALL: &[Self] = &[Self::Off, Self::On, Self::Iothread];
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Iothread => "iothread",
        })
    }
}
