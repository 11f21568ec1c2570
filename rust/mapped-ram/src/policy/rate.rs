// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes per second.

use std::time::{Duration, Instant};

/// Bytes per second that are taken for granted until some have been measured: the page cache's, so
/// that no patience is granted that storage so fast doesn't leave.
pub const FIRST_GUESS: u64 = 2 << 30;

/// Time over which bytes per second are measured: many reads of any storage.
const SAMPLE: Duration = Duration::from_millis(10);

/// How fast the background reads when it may read as it likes.
#[derive(Debug, Default)]
pub struct Rate {
    measured: Option<u64>,
    /// Since when this sample is taken, and its bytes; time in which nothing was read is left out.
    since: Option<Instant>,
    before: Duration,
    bytes: u64,
}

impl Rate {
    /// Something is read from now on.
    pub fn resume(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Nothing is read from now on.
    pub fn pause(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.before += now.saturating_duration_since(since);
        }
    }

    /// Takes note of `bytes` that were read, `full`y in flight or not.
    pub fn add(&mut self, bytes: u64, full: bool, now: Instant) {
        self.bytes += bytes;
        self.pause(now);
        self.since = Some(now);
        if self.before < SAMPLE {
            return;
        }
        let per_second = u128::from(self.bytes) * 1_000_000_000 / self.before.as_nanos();
        let per_second = (per_second as u64).max(1);
        self.measured = Some(match self.measured {
            // With less in flight storage shows less than it can do, and never more.
            Some(known) if full => (known * 7 + per_second) / 8,
            Some(known) => known.max(per_second),
            None => per_second,
        });
        (self.before, self.bytes) = (Duration::ZERO, 0);
    }

    /// Bytes per second.
    pub fn per_second(&self) -> u64 {
        self.measured.unwrap_or(FIRST_GUESS)
    }

    /// How long so many bytes take.
    pub fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.per_second() as f64)
    }
}
