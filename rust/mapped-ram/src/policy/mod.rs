// SPDX-License-Identifier: GPL-2.0-or-later
//! When the background may read, and how much of it at once, so that whoever waits for a page comes
//! first. A state machine without I/O and without a clock: time is an argument.
//!
//! ```text
//!                 no fault for QUIET
//!      ┌──────────────────────────────────────┐
//!      ▼                                      │
//!   Growing ── a fault ──▶ Standing back ── patience is spent ──▶ Sharing
//!   twice as much each     nothing is read                        so much in flight as is
//!   GROWTH, up to          while a fault waits,                   read in MAX_WAIT
//!   MAX_READ, then         or came just now                         │
//!   with readahead                                                  │
//!      ▲                                                            │
//!      └───────────────────── no fault for QUIET ───────────────────┘
//! ```
//!
//! A *working set* ([`Part::WorkingSet`]) comes before all that: what a guest asks for page after page
//! is in it, so that standing back for its faults would keep away what ends them. It is read
//! whatever the background, also if that is off, and while a fault waits no more of it is in flight
//! than is said below.
//!
//! *Patience* is what makes a machine answer at once: it has its storage and cores for itself while
//! it asks for page after page. It is a share of the time that the whole load takes, so that
//! standing back can't put off the end for longer than that, however much a guest faults. What is
//! *in flight* afterwards is bounded by what a fault may have to wait for behind it, told in time
//! and not in bytes, as storage differs by a factor of a hundred.
//!
//! The caller makes one [`Policy`] for all threads of a load and, with a lock around it,
//!
//! - tells it of faults ([`Policy::handle_fault`], [`Policy::handle_answer`]), of reads that are done
//!   ([`Policy::handle_read`]) and of what the user wants ([`Policy::set_pace`]);
//! - asks before each background read ([`Policy::poll_read`]), and again when the time comes that
//!   the answer names, or after any of these calls.

mod bucket;
mod rate;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bucket::Bucket;
use rate::Rate;

/// The least that is read at once, in bytes, if there is so much: less costs more than it spares.
pub const MIN_READ: u64 = 64 << 10;

/// The most that is read at once, in bytes: storage has its full speed with it.
pub const MAX_READ: u64 = 2 << 20;

/// For how long a fault may have to wait for what the background has in flight, and
/// [`WAIT_SHARE`] times what faults take by themselves.
pub const MAX_WAIT: Duration = Duration::from_micros(350);

/// See [`MAX_WAIT`]. Storage far away has more in flight before it shows what it can do.
pub const WAIT_SHARE: u32 = 2;

/// A machine that hasn't faulted for so long is busy with what it has.
pub const QUIET: Duration = Duration::from_millis(10);

/// What may be in flight doubles no sooner than this after the last time, so that a machine that
/// faults now and then doesn't wait each time behind all that storage can have.
pub const GROWTH: Duration = Duration::from_millis(10);

/// One part in so many of the time that a load takes may be spent standing back.
pub const PATIENCE_SHARE: u32 = 8;

/// Storage that stalls is no measure of what storage can do.
const MAX_ANSWER_TIME: Duration = Duration::from_millis(20);

/// How the background goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// It gives way to faults.
    #[default]
    Adaptive,
    /// Not at all: pages come when they are touched.
    Off,
    /// As fast as storage and cores allow; faults stand in line with it.
    Full,
    /// One page after the other, by one thread at a time: as QEMU's later releases do it. To compare
    /// with.
    Linear,
}

/// What the background reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// What the machine is known to touch first.
    WorkingSet,
    /// All else.
    #[default]
    Rest,
}

/// What the user wants of the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// How it goes about it.
    pub background: Background,
    /// The most bytes per second that it reads; faults aren't limited.
    pub max_bandwidth: Option<NonZeroU64>,
}

/// What a thread of the background may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Read about so many bytes, and then call [`Policy::handle_read`].
    Read {
        /// How many.
        bytes: u64,
        /// Whether storage may bring more than that, as its readahead does: nobody waits.
        ahead: bool,
    },
    /// Ask again then, or after any other call to the policy.
    WaitUntil(Instant),
    /// Ask again after any other call to the policy.
    Wait,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Policy {
    pace: Pace,
    /// Threads of the background, which share what may be in flight.
    threads: u64,
    /// Bytes to load in all.
    data: u64,
    /// Faults that are being answered.
    waiting: u32,
    /// When the last one was answered.
    answered: Option<Instant>,
    /// How long answers take while the background stands back: a moving average.
    answer_time: Duration,
    /// Bytes that may be in flight while no fault comes.
    window: u64,
    /// When it grew last.
    grown: Option<Instant>,
    in_flight: u64,
    readers: u32,
    rate: Rate,
    bucket: Bucket,
    /// Time spent standing back, without the current time.
    stood: Duration,
    standing_since: Option<Instant>,
}

impl Policy {
    /// For a load of `data` bytes, of pages in the file, by so many `threads`, at least one.
    pub fn new(pace: Pace, threads: u32, data: u64, now: Instant) -> Self {
        let threads = u64::from(threads.max(1));
        Self {
            pace,
            threads,
            data,
            waiting: 0,
            answered: None,
            answer_time: Duration::ZERO,
            window: MIN_READ * threads,
            grown: None,
            in_flight: 0,
            readers: 0,
            rate: Rate::default(),
            bucket: Bucket::new(now),
            stood: Duration::ZERO,
            standing_since: None,
        }
    }

    /// What the user wants at present.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// From now on the user wants this.
    pub fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.stop_standing(now);
        self.bucket = Bucket::new(now);
        self.pace = pace;
    }

    /// A thread waits for a page, which is about to be brought.
    pub fn handle_fault(&mut self) {
        self.waiting += 1;
        self.window = self.window.min(self.bounded());
    }

    /// A page that was waited for is there, or can't be brought for now; bringing it `took` so long.
    pub fn handle_answer(&mut self, took: Duration, now: Instant) {
        self.waiting -= 1;
        self.answered = Some(now);
        if self.readers == 0 {
            self.answer_time = (self.answer_time * 7 + took.min(MAX_ANSWER_TIME)) / 8;
        }
    }

    /// A read that was granted with `granted` bytes is done, `read` bytes of it, which may be more or
    /// less or none at all.
    pub fn handle_read(&mut self, granted: u64, read: u64, now: Instant) {
        let full = self.in_flight >= MAX_READ * self.threads;
        self.rate.add(read, full, now);
        self.readers -= 1;
        self.in_flight -= granted;
        if self.readers == 0 {
            self.rate.pause(now);
        }
        self.bucket.take(read);
        let grows = |since: Instant| now.saturating_duration_since(since) >= GROWTH;
        if !self.disturbed(now) && self.grown.is_none_or(grows) {
            self.window = (self.window * 2).min(MAX_READ * self.threads);
            self.grown = Some(now);
        }
    }

    /// What a thread of the background that is about to read some of `part` may do at `now`. Call it
    /// before each read.
    pub fn poll_read(&mut self, part: Part, now: Instant) -> Turn {
        if self.pace.background == Background::Off && part == Part::Rest {
            return Turn::Wait;
        }
        if let Some(until) = self.bucket.full_at(self.pace.max_bandwidth, now) {
            self.stop_standing(now);
            return Turn::WaitUntil(until);
        }
        let most = MAX_READ * self.threads;
        let (size, allowed, ahead) = match (self.pace.background, part) {
            (Background::Full, _) => (MAX_READ, u64::MAX, part == Part::Rest),
            // One at a time.
            (Background::Linear, _) => (MIN_READ, MIN_READ, true),
            (Background::Off | Background::Adaptive, Part::WorkingSet) => {
                self.stop_standing(now);
                let allowed = if self.disturbed(now) {
                    self.bounded()
                } else {
                    most
                };
                let size = self.read_of(allowed);
                (size, allowed, false)
            }
            (Background::Off | Background::Adaptive, Part::Rest) => {
                if let Some(until) = self.stand_back(now) {
                    return Turn::WaitUntil(until);
                }
                let disturbed = self.disturbed(now);
                let allowed = if disturbed {
                    self.bounded()
                } else {
                    self.window
                };
                let size = self.read_of(allowed);
                (size, allowed, !disturbed && allowed == most)
            }
        };
        let size = self.bucket.portion(self.pace.max_bandwidth, size);
        if self.readers > 0 && self.in_flight + size > allowed {
            return Turn::Wait;
        }
        if self.readers == 0 {
            self.rate.resume(now);
        }
        self.readers += 1;
        self.in_flight += size;
        Turn::Read { bytes: size, ahead }
    }

    /// Until when the background has to stand back, at least, if it has to.
    fn stand_back(&mut self, now: Instant) -> Option<Instant> {
        let since = *self.standing_since.get_or_insert(now);
        let left = self
            .patience()
            .saturating_sub(self.stood)
            .saturating_sub(now.saturating_duration_since(since));
        if !self.disturbed(now) || left.is_zero() {
            self.stop_standing(now);
            return None;
        }
        let last = self.answered.filter(|_| self.waiting == 0).unwrap_or(now);
        Some(now + left.min((last + QUIET).saturating_duration_since(now)))
    }

    fn stop_standing(&mut self, now: Instant) {
        if let Some(since) = self.standing_since.take() {
            self.stood += now.saturating_duration_since(since);
        }
    }

    /// How long the background may stand back in all.
    fn patience(&self) -> Duration {
        self.rate.time_for(self.data) / PATIENCE_SHARE
    }

    /// Whether the machine waits for pages.
    fn disturbed(&self, now: Instant) -> bool {
        self.waiting > 0
            || self
                .answered
                .is_some_and(|answered| now.saturating_duration_since(answered) < QUIET)
    }

    /// What one thread reads at once when so many bytes may be in flight. So small that all threads have
    /// their turn: while one puts pages in place, others keep storage busy.
    fn read_of(&self, allowed: u64) -> u64 {
        (allowed / self.threads / MIN_READ * MIN_READ).clamp(MIN_READ, MAX_READ)
    }

    /// Bytes in flight that a fault can wait for.
    fn bounded(&self) -> u64 {
        let wait = MAX_WAIT + WAIT_SHARE * self.answer_time;
        let bytes = u128::from(self.rate.per_second()) * wait.as_nanos() / 1_000_000_000;
        (bytes as u64).clamp(MIN_READ, MAX_READ * self.threads)
    }
}
