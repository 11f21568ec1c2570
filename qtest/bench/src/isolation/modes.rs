// SPDX-License-Identifier: GPL-2.0-or-later
//! The ways in which requests get to a back-end.

use isolated_memory::Scrub;
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
    /// The same with memory-isolation-scrub=always; the others have idle.
    Scrubbed,
    /// Requests are lent by another thread, as QEMU's is another than the
    /// vCPU's: a kick more on the way out, a call more on the way back.
    Relayed,
    /// That thread looks for more for a while before it sleeps, as QEMU's
    /// iothreads do.
    Polling,
}

impl Route {
    /// When the back-end loses what it was given.
    pub fn scrub(self) -> Scrub {
        match self {
            Self::Scrubbed => Scrub::Always,
            Self::Direct | Self::Isolated | Self::Relayed | Self::Polling => Scrub::Idle,
        }
    }
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
    /// The device's thread, which zeroes what the back-end was given at once.
    #[strum(serialize = "on (scrub=always)")]
    ScrubAlways,
    /// The same, which leaves it until the device is reset.
    #[strum(serialize = "on (scrub=never)")]
    ScrubNever,
}

impl Isolation {
    /// What it is called where names have no blanks.
    pub fn id(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OwnThread => "own-thread",
            Self::MainLoop => "main-loop",
            Self::ScrubAlways => "scrub-always",
            Self::ScrubNever => "scrub-never",
        }
    }

    /// A device's options.
    pub fn options(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::OwnThread => ",memory-isolation=on",
            Self::MainLoop => ",memory-isolation=on,memory-isolation-main-loop=on",
            Self::ScrubAlways => ",memory-isolation=on,memory-isolation-scrub=always",
            Self::ScrubNever => ",memory-isolation=on,memory-isolation-scrub=never",
        }
    }
}

impl Mode for Isolation {
    const RIVAL: Self = Self::Off;
}
