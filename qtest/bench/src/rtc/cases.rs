// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured, and beside what.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

use crate::results;

/// The daemon, and the least that it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
pub enum Mode {
    /// What [`Case::bare`] says.
    #[strum(serialize = "bare")]
    Bare,
    /// vhost-device-rtc.
    #[strum(serialize = "daemon")]
    Daemon,
}

impl results::Mode for Mode {
    const RIVAL: Self = Self::Bare;
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Case {
    /// READ, one at a time.
    Read,
    /// READ_CROSS, one at a time.
    Cross,
    /// READ, many in flight.
    Stream,
    /// An alarm, while nothing else happens.
    Alarm,
    /// An alarm, while READs are answered.
    AlarmAtLoad,
    /// How well a reading and the counter belong together.
    Together,
    /// The time in seconds, as hwclock asks a guest's kernel for it.
    GuestRtc,
    /// The same in ns, of a PTP clock.
    GuestPtp,
}

/// How many requests are in flight in [`Case::Stream`].
pub const IN_FLIGHT: usize = 64;

impl Case {
    /// All.
    pub fn all() -> Vec<Self> {
        Self::VARIANTS.to_vec()
    }

    /// What its rival is.
    pub fn bare(self) -> &'static str {
        match self {
            Self::Read | Self::Cross | Self::Stream => "two eventfds",
            Self::Alarm | Self::AlarmAtLoad => "a timerfd",
            Self::Together => "READ between two readings of the counter",
            Self::GuestRtc | Self::GuestPtp => "mc146818rtc",
        }
    }

    /// Whether it is a guest that does it.
    pub fn in_guest(self) -> bool {
        matches!(self, Self::GuestRtc | Self::GuestPtp)
    }

    /// Its name in the table of runs.
    fn key(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Cross => "read-cross",
            Self::Stream => "read-stream",
            Self::Alarm => "alarm",
            Self::AlarmAtLoad => "alarm-at-load",
            Self::Together => "together",
            Self::GuestRtc => "guest-rtc",
            Self::GuestPtp => "guest-ptp",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("READ's round trip"),
            Self::Cross => f.write_str("READ_CROSS's round trip"),
            Self::Stream => write!(f, "READ, {IN_FLIGHT} in flight"),
            Self::Alarm => f.write_str("alarm's lateness, idle"),
            Self::AlarmAtLoad => f.write_str("alarm's lateness, at load"),
            Self::Together => f.write_str("READ_CROSS's spread"),
            Self::GuestRtc => f.write_str("a guest's RTC_RD_TIME"),
            Self::GuestPtp => f.write_str("a guest's clock_gettime() of a PTP clock"),
        }
    }
}

impl results::Case for Case {
    fn columns(self) -> Vec<String> {
        vec![self.key().into()]
    }
}

/// What a run gave.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub seconds: f64,
    /// Of each one's time, or lateness, or deviation, in ns: the half are less.
    pub median: f64,
    /// 99 of 100 are less.
    pub centile99: f64,
}

impl Figures {
    /// Of all of them, in ns, which took so long together.
    pub fn of(mut each: Vec<f64>, seconds: f64) -> Self {
        each.sort_by(f64::total_cmp);
        let at = |part: f64| each[((each.len() - 1) as f64 * part).round() as usize];
        Self {
            count: each.len() as u64,
            seconds,
            median: at(0.5),
            centile99: at(0.99),
        }
    }

    /// µs.
    pub fn median_us(&self) -> Option<f64> {
        Some(self.median / 1e3)
    }

    /// µs.
    pub fn centile99_us(&self) -> Option<f64> {
        Some(self.centile99 / 1e3)
    }

    /// In a second.
    pub fn rate(&self) -> Option<f64> {
        Some(self.count as f64 / self.seconds)
    }
}
