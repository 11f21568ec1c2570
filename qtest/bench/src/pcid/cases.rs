// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: what a guest does, on which CPUs, with what remembered.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

use crate::results;

/// Whether the guest has PCIDs, and how many contexts the TLB remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
pub enum Mode {
    /// It hasn't, and QEMU hasn't the series.
    #[strum(serialize = "unpatched QEMU")]
    Unpatched,
    /// It hasn't.
    #[strum(serialize = "no PCIDs")]
    Off,
    /// It has, and each switch drops everything.
    #[strum(serialize = "PCIDs, forgotten")]
    Forgets,
    /// Two contexts.
    #[strum(serialize = "2 contexts")]
    Two,
    /// Four.
    #[strum(serialize = "4 contexts")]
    Four,
    /// Eight.
    #[strum(serialize = "8 contexts")]
    Eight,
}

impl results::Mode for Mode {
    const RIVAL: Self = Self::Off;
}

impl Mode {
    /// The value of `-cpu`.
    pub fn cpu(self) -> &'static str {
        match self {
            Self::Unpatched | Self::Off => "max,-pcid,-invpcid",
            _ => "max",
        }
    }

    /// The value of `tlb-contexts`, where there is such an option.
    pub fn contexts(self) -> Option<u32> {
        match self {
            Self::Unpatched => None,
            Self::Off | Self::Forgets => Some(0),
            Self::Two => Some(2),
            Self::Four => Some(4),
            Self::Eight => Some(8),
        }
    }
}

/// What guest/mmload.c times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Work {
    /// A byte to another process and back.
    Pipes,
    /// A system call.
    Calls,
    /// A process that starts a program and ends.
    Spawns,
    /// A read of memory, on another page than the one before.
    Reads,
}

impl Work {
    /// How many of it take a second or so.
    pub fn count(self) -> u64 {
        match self {
            Self::Pipes => 10_000,
            Self::Calls => 400_000,
            Self::Spawns => 150,
            Self::Reads => 8192 * 4000,
        }
    }
}

/// The machine that it is done on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Virtual CPUs.
    pub cpus: u8,
    /// Whether the kernel has page tables of its own.
    pub pti: bool,
}

impl Machine {
    /// All.
    pub const ALL: [Self; 4] = [
        Self { cpus: 1, pti: true },
        Self {
            cpus: 1,
            pti: false,
        },
        Self { cpus: 2, pti: true },
        Self {
            cpus: 2,
            pti: false,
        },
    ];
}

/// Work on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// On which machine.
    pub machine: Machine,
    /// What is done.
    pub work: Work,
}

impl Case {
    /// All, a machine's together.
    pub fn all() -> Vec<Self> {
        let of = |machine| {
            Work::VARIANTS
                .iter()
                .map(move |&work| Self { machine, work })
        };
        Machine::ALL.into_iter().flat_map(of).collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            machine: Machine { cpus, pti },
            work,
        } = self;
        let (s, pti) = (
            if *cpus == 1 { "" } else { "s" },
            if *pti { "on" } else { "off" },
        );
        write!(f, "{work}, {cpus} vCPU{s}, pti {pti}")
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        let pti = if self.machine.pti { "on" } else { "off" };
        vec![
            self.work.to_string(),
            self.machine.cpus.to_string(),
            pti.into(),
        ]
    }
}

/// What a run gave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How often it was done.
    pub count: u64,
    /// And how long that took, by the guest's clock.
    pub seconds: f64,
    /// Walks of page tables, if QEMU counts them.
    pub misses: Option<u64>,
    /// Times that the TLB was emptied, or a part of it.
    pub flushes: u64,
    /// Contexts that were come back to, if QEMU counts that.
    pub found: Option<u64>,
}

impl Figures {
    /// µs for each.
    pub fn micros(&self) -> Option<f64> {
        Some(self.seconds * 1e6 / self.count as f64)
    }

    /// In a second.
    pub fn rate(&self) -> Option<f64> {
        Some(self.count as f64 / self.seconds)
    }

    /// Walks for each.
    pub fn misses_each(&self) -> Option<f64> {
        Some(self.misses? as f64 / self.count as f64)
    }

    /// Flushes for each.
    pub fn flushes_each(&self) -> Option<f64> {
        Some(self.flushes as f64 / self.count as f64)
    }

    /// Contexts come back to for each.
    pub fn found_each(&self) -> Option<f64> {
        Some(self.found? as f64 / self.count as f64)
    }
}
