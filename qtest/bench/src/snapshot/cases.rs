// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: guests, page caches, modes, and what of a load.

use std::fmt;

use annex_qtest::kept::Fill;
use annex_qtest::measure::Timings;
use annex_qtest::snapshot;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::cache::Cache;
use super::THREADS;
use crate::bench::Size;
use crate::results;

/// A guest to be saved once and loaded often.
#[derive(Debug, PartialEq)]
pub struct Guest {
    /// As it appears in the table.
    pub name: &'static str,
    /// MiB of RAM.
    pub mib: u64,
    /// What is in it.
    pub fill: Fill,
}

impl Guest {
    /// Whether RAM is full of incompressible data.
    pub fn is_full(&self) -> bool {
        matches!(self.fill, Fill::Full)
    }

    /// Its name without blanks.
    pub fn file_name(&self) -> String {
        self.name.replace([' ', ','], "-")
    }
}

/// The sizes that the project's targets are about.
const FULL: [Guest; 4] = [
    Guest {
        name: "1 GiB",
        mib: 1024,
        fill: Fill::Full,
    },
    Guest {
        name: "4 GiB",
        mib: 4096,
        fill: Fill::Full,
    },
    Guest {
        name: "8 GiB",
        mib: 8192,
        fill: Fill::Full,
    },
    Guest {
        name: "4 GiB mostly empty",
        mib: 4096,
        fill: Fill::Mib(0),
    },
];

/// Enough to see that it works.
const SMOKE: [Guest; 2] = [
    Guest {
        name: "0.5 GiB",
        mib: 512,
        fill: Fill::Full,
    },
    Guest {
        name: "1 GiB mostly empty",
        mib: 1024,
        fill: Fill::Mib(0),
    },
];

/// The guests of a size of bench.
pub fn guests(size: Size) -> &'static [Guest] {
    match size {
        Size::Full => &FULL,
        Size::Smoke => &SMOKE,
        Size::Row => &SMOKE[..1],
    }
}

/// A guest's snapshot, somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    pub guest: &'static Guest,
    pub cache: Cache,
}

impl Case {
    /// All of these guests.
    pub fn of(guests: &'static [Guest], caches: &'static [Cache]) -> Vec<Self> {
        let of_guest = |guest| caches.iter().map(move |&cache| Self { guest, cache });
        guests.iter().flat_map(of_guest).collect()
    }

    /// All of a size of bench.
    pub fn all(size: Size) -> Vec<Self> {
        let caches = match size {
            Size::Full | Size::Smoke => Cache::VARIANTS,
            Size::Row => &[Cache::Warm],
        };
        Self::of(guests(size), caches)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.guest.name, self.cache)
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        vec![self.guest.name.into(), self.cache.to_string()]
    }
}

/// How RAM comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Mode {
    /// Whole, by several threads, before the VM runs.
    Multifd,
    /// Whole, by one.
    Eager,
    /// When it is touched, and in the background.
    OnDemand,
    /// Only when it is touched.
    DemandOnly,
    /// When it is touched, and page after page in the background: with this
    /// project's code, as QEMU's own later loader does it.
    Linear,
}

impl Mode {
    /// The same, as it is done.
    pub fn load(self) -> snapshot::Mode {
        match self {
            Self::Multifd => snapshot::Mode::Multifd(THREADS),
            Self::Eager => snapshot::Mode::Eager,
            Self::OnDemand => snapshot::Mode::OnDemand,
            Self::DemandOnly => snapshot::Mode::DemandOnly,
            Self::Linear => snapshot::Mode::Linear,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}

impl results::Mode for Mode {
    const RIVAL: Self = Self::Multifd;
}

/// What a load gave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds until the VM runs.
    pub to_run: f64,
    /// Until the guest shows life.
    pub to_life: f64,
    /// Until all is loaded, where that comes by itself.
    pub to_loaded: Option<f64>,
    /// Resident MiB then.
    pub resident: f64,
    /// Demand faults, if there may be some.
    pub faults: Option<f64>,
    /// How many µs half of them took at most, 99 in 100, and all.
    pub fault_median: Option<f64>,
    pub fault_p99: Option<f64>,
    pub fault_max: Option<f64>,
}

impl From<Timings> for Figures {
    fn from(timings: Timings) -> Self {
        let figure = |name: &str| timings.figures.as_ref()?[name].as_f64();
        let micros = |which| Some(figure(&format!("fault-latency-{which}"))? / 1e3);
        Self {
            to_run: timings.to_run.as_secs_f64(),
            to_life: timings.to_life.as_secs_f64(),
            to_loaded: timings.to_loaded.map(|time| time.as_secs_f64()),
            resident: timings.resident_kib as f64 / 1024.0,
            faults: figure("faults"),
            fault_median: micros("median"),
            fault_p99: micros("p99"),
            fault_max: micros("max"),
        }
    }
}
