// SPDX-License-Identifier: GPL-2.0-or-later
//! The ways in which requests get to a back-end.

use strum::{Display, VariantArray};

use crate::results::Mode;

/// Without a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Route {
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

impl Mode for Route {
    const RIVAL: Self = Self::Direct;
}

/// With one: memory-isolation of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Isolation {
    /// Guest memory is shared with the back-end.
    Off,
    /// A thread of the device's own copies.
    #[strum(serialize = "on (own thread)")]
    OwnThread,
    /// QEMU's main loop copies.
    #[strum(serialize = "on (main loop)")]
    MainLoop,
}

impl Isolation {
    /// What it is called where names have no blanks.
    pub fn id(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OwnThread => "own-thread",
            Self::MainLoop => "main-loop",
        }
    }

    /// A device's options, whose own thread is `iothread` if it has one.
    pub fn options(self, iothread: &str) -> String {
        match self {
            Self::Off => String::new(),
            Self::OwnThread => {
                format!(",memory-isolation=on,memory-isolation-iothread={iothread}")
            }
            Self::MainLoop => ",memory-isolation=on,memory-isolation-main-loop=on".into(),
        }
    }
}

impl Mode for Isolation {
    const RIVAL: Self = Self::Off;
}
