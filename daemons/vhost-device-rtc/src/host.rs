// SPDX-License-Identifier: GPL-2.0-or-later
//! What the device wants of the machine it runs on: two clocks and a counter. Tests have one of
//! their own, whose time they set.

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// A clock of the host from which others are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Linux's CLOCK_TAI: CLOCK_REALTIME and the kernel's TAI offset, [`Kernel::tai`]. Unlike
    /// CLOCK_REALTIME it doesn't step at a leap second, even where nobody has set the offset.
    Civil,
    /// Linux's CLOCK_BOOTTIME: the time since the host started, with what it slept.
    Elapsed,
}

/// What the kernel knows of a leap second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announced {
    /// None, or one that is over.
    #[default]
    Nothing,
    /// The day ends with a second more.
    Insert,
    /// That second is running: CLOCK_REALTIME shows 23:59:59 for the second time.
    Inserting,
    /// The day ends with a second less.
    Delete,
}

/// What adjtimex(2) says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// CLOCK_TAI less CLOCK_REALTIME, in seconds; 0 if nobody has set it.
    pub tai: i32,
    /// The leap second at the end of the day.
    pub leap: Announced,
}

/// The machine's clocks. Times are nanoseconds since 1970, or since the host started.
pub trait Host: Send + Sync {
    /// A clock's time.
    fn now(&mut self, base: Base) -> u64;

    /// A clock's time and the machine's counter at the same instant; None if there is no counter
    /// here that is known.
    fn now_with_counter(&mut self, base: Base) -> Option<(u64, u64)>;

    /// The kernel's word on leap seconds and TAI, of an instant that isn't before the last time
    /// that [`Host::now`] gave.
    fn kernel(&mut self) -> Kernel;

    /// Whether [`Host::now_with_counter`] gives anything.
    fn has_counter(&self) -> bool;
}
