// SPDX-License-Identifier: GPL-2.0-or-later
//! A host whose time tests set.

use crate::host::{Announced, Base, Host, Kernel, SECOND};
use crate::leap::{Leap, DAY};

/// A host whose clocks stand still until they are told to go on.
#[derive(Clone, Debug)]
pub struct FakeHost {
    /// What CLOCK_TAI shows, ns.
    pub civil: u64,
    /// What CLOCK_BOOTTIME shows, ns.
    pub elapsed: u64,
    /// The kernel's TAI offset before the leap second, s.
    pub tai: i32,
    /// The leap second that the kernel is told of on its day.
    pub leap: Option<Leap>,
    /// How late the kernel forgets an inserted second, ns.
    pub tick_late: u64,
    /// The counter runs at `counter_rate` times the nanoseconds of `elapsed`; None for none.
    pub counter_rate: Option<u64>,
    /// Added to `civil` and `elapsed` each time that either is read.
    pub runs: u64,
}

impl FakeHost {
    /// A host somewhere in 2026 that knows TAI.
    pub fn new() -> FakeHost {
        let civil = 1_790_000_000 * SECOND;
        let (elapsed, counter_rate) = (1000 * SECOND, Some(3));
        FakeHost {
            civil,
            elapsed,
            tai: 37,
            leap: None,
            tick_late: 0,
            counter_rate,
            runs: 0,
        }
    }

    /// A host `before` ns before the midnight of a leap second, as UTC shows it.
    pub fn before_leap(inserted: bool, before: u64, tai: i32) -> (FakeHost, Leap) {
        let leap = Leap {
            midnight: 20_000 * DAY,
            inserted,
        };
        let civil = leap.midnight + tai as u64 * SECOND - before;
        (
            FakeHost {
                civil,
                tai,
                leap: Some(leap),
                ..FakeHost::new()
            },
            leap,
        )
    }

    /// Let time pass.
    pub fn advance(&mut self, ns: u64) {
        self.civil += ns;
        self.elapsed += ns;
    }

    /// Set the clock forward or back, by s.
    pub fn step(&mut self, seconds: i64) {
        self.civil = self.civil.saturating_add_signed(seconds * SECOND as i64);
    }

    /// What CLOCK_REALTIME shows if its step isn't late.
    pub fn realtime(&mut self) -> u64 {
        let kernel = self.kernel();
        self.civil
            .saturating_add_signed(-i64::from(kernel.tai) * SECOND as i64)
    }
}

impl Default for FakeHost {
    fn default() -> FakeHost {
        FakeHost::new()
    }
}

impl Host for FakeHost {
    fn now(&mut self, base: Base) -> u64 {
        self.advance(self.runs);
        match base {
            Base::Civil => self.civil,
            Base::Elapsed => self.elapsed,
        }
    }

    fn now_with_counter(&mut self, base: Base) -> Option<(u64, u64)> {
        let rate = self.counter_rate?;
        Some((self.now(base), self.elapsed.wrapping_mul(rate)))
    }

    fn kernel(&mut self) -> Kernel {
        let tai = self.tai;
        let Some(leap) = self.leap else {
            return Kernel {
                tai,
                leap: Announced::Nothing,
            };
        };
        let step = leap.midnight + tai as u64 * SECOND;
        let (leap, tai) = if leap.inserted {
            match self.civil {
                civil if civil < step - DAY => (Announced::Nothing, tai),
                civil if civil < step => (Announced::Insert, tai),
                civil if civil < step + SECOND + self.tick_late => (Announced::Inserting, tai + 1),
                _ => (Announced::Nothing, tai + 1),
            }
        } else {
            match self.civil {
                civil if civil < step - DAY => (Announced::Nothing, tai),
                civil if civil < step - SECOND => (Announced::Delete, tai),
                _ => (Announced::Nothing, tai - 1),
            }
        };
        Kernel { tai, leap }
    }

    fn has_counter(&self) -> bool {
        self.counter_rate.is_some()
    }
}
