// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: guests, page caches, modes, and what of a load.

use std::fmt;

use annex_qtest::kept::Fill;
use annex_qtest::measure::{Timings, Work};
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

/// What a guest does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It ticks, and shows life so.
    Ticks,
    /// It reads a tenth of its memory in random order, always the same.
    Works,
    /// It ticks, one of so many that are loaded from one file at a time.
    Fleet(u8),
}

/// A guest's snapshot, somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    pub guest: &'static Guest,
    pub cache: Cache,
    pub doing: Doing,
}

impl Case {
    /// All of these guests: each ticks, and full ones work, unless there is only one
    /// cache: then a row is enough.
    pub fn of(guests: &'static [Guest], caches: &'static [Cache]) -> Vec<Self> {
        let case = |guest, cache, doing| Self {
            guest,
            cache,
            doing,
        };
        let of_guest = |guest| {
            caches
                .iter()
                .map(move |&cache| case(guest, cache, Doing::Ticks))
        };
        let ticking = guests.iter().flat_map(of_guest);
        let works = |guest: &&Guest| guest.is_full() && caches.len() > 1;
        let working = guests.iter().filter(works).flat_map(|guest| {
            caches
                .iter()
                .rev()
                .map(move |&cache| case(guest, cache, Doing::Works))
        });
        ticking.chain(working).collect()
    }

    /// Fleets of the first of these guests, the largest first.
    pub fn fleets(guests: &'static [Guest], counts: &'static [u8]) -> Vec<Self> {
        let fleet = |&count| Self {
            guest: &guests[0],
            cache: Cache::Warm,
            doing: Doing::Fleet(count),
        };
        counts.iter().map(fleet).collect()
    }

    /// The modes that it is measured in.
    pub fn modes(self) -> &'static [Mode] {
        // What is mapped is in memory, wherever the file is.
        match (self.doing, self.cache) {
            (Doing::Ticks, Cache::Warm) => {
                let all = &[
                    Mode::Multifd,
                    Mode::Eager,
                    Mode::OnDemand,
                    Mode::DemandOnly,
                    Mode::Linear,
                    Mode::Mapped,
                    Mode::Detached,
                ];
                // The last takes 5 s for each GiB.
                &all[..all.len() - usize::from(self.guest.mib > 1024)]
            }
            (Doing::Ticks, Cache::Cold) => &[
                Mode::Multifd,
                Mode::Eager,
                Mode::OnDemand,
                Mode::DemandOnly,
                Mode::Direct,
                Mode::Linear,
            ],
            (Doing::Works, Cache::Cold) => &[
                Mode::Multifd,
                Mode::OnDemand,
                Mode::DemandOnly,
                Mode::Linear,
                Mode::WorkingSet,
            ],
            (_, Cache::Far) => &[Mode::OnDemand, Mode::WorkingSet],
            (Doing::Works, Cache::Warm) | (Doing::Fleet(_), _) => {
                &[Mode::Multifd, Mode::OnDemand, Mode::Mapped]
            }
        }
    }

    /// Pages that a guest reads that works.
    pub fn work(self) -> u64 {
        (self.guest.mib << 20) / 4096 / 10
    }

    /// All of a size of bench.
    pub fn all(size: Size) -> Vec<Self> {
        let caches = match size {
            Size::Full | Size::Smoke => Cache::NEAR,
            Size::Row => &[Cache::Warm],
        };
        let fleets: &[u8] = match size {
            Size::Full => &[16, 8],
            Size::Smoke => &[4],
            Size::Row => &[2],
        };
        let mut cases = Self::of(guests(size), caches);
        cases.extend(Self::fleets(guests(size), fleets));
        if size != Size::Row {
            cases.push(Self {
                guest: &guests(size)[0],
                cache: Cache::Far,
                doing: Doing::Works,
            });
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", results::Case::columns(*self)[0], self.cache)
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        let guest = match self.doing {
            Doing::Ticks => self.guest.name.into(),
            Doing::Works => format!("{}, a tenth read", self.guest.name),
            Doing::Fleet(count) => format!("{count} of {}", self.guest.name),
        };
        vec![guest, self.cache.to_string()]
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
    /// When it is touched, and in the background, past the page cache.
    Direct,
    /// When it is touched, and page after page in the background: with this
    /// project's code, as QEMU's own later loader does it.
    Linear,
    /// When it is touched, and in the background, the pages first that were
    /// touched by the load before.
    WorkingSet,
    /// Not at all: it is the file, copy on write, which is held in sealed memory.
    Mapped,
    /// The same, and then all of it is made the VM's own.
    Detached,
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
            Self::WorkingSet => snapshot::Mode::OnDemand,
            Self::Direct => snapshot::Mode::Direct,
            Self::Mapped => snapshot::Mode::Mapped,
            Self::Detached => snapshot::Mode::Detached,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkingSet => f.write_str("on demand, working set"),
            _ => self.load().fmt(f),
        }
    }
}

impl results::Mode for Mode {
    const RIVAL: Self = Self::Multifd;
}

/// What a load gave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds until the VM runs. Of a fleet this and what follows is of the
    /// last one.
    pub to_run: f64,
    /// Until the guest shows life, or, if it works, until it is done.
    pub to_life: f64,
    /// Until all is loaded, where that comes by itself.
    pub to_loaded: Option<f64>,
    /// Resident MiB then; of a fleet, all that it has in memory together.
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
        Self {
            to_loaded: timings.to_loaded.map(|time| time.as_secs_f64()),
            ..Self::from(Work {
                to_run: timings.to_run,
                to_done: timings.to_life,
                resident_kib: timings.resident_kib,
                figures: timings.figures,
            })
        }
    }
}

impl From<Work> for Figures {
    fn from(work: Work) -> Self {
        let figure = |name: &str| work.figures.as_ref()?[name].as_f64();
        let micros = |which| Some(figure(&format!("fault-latency-{which}"))? / 1e3);
        Self {
            to_run: work.to_run.as_secs_f64(),
            to_life: work.to_done.as_secs_f64(),
            to_loaded: None,
            resident: work.resident_kib as f64 / 1024.0,
            faults: figure("faults"),
            fault_median: micros("median"),
            fault_p99: micros("p99"),
            fault_max: micros("max"),
        }
    }
}
