// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeping to a bandwidth. What was read is paid for afterwards, as a page is read whole whatever
//! its size; nothing more is read until the debt is paid.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// What isn't used within this time is lost: no rush follows a pause.
const BURST: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Bucket {
    /// When all that was read so far is paid for.
    paid: Instant,
    /// Bytes read that aren't counted in `paid` yet.
    unpaid: u64,
}

impl Bucket {
    pub fn new(now: Instant) -> Self {
        Self {
            paid: now,
            unpaid: 0,
        }
    }

    /// So many bytes were read.
    pub fn take(&mut self, bytes: u64) {
        self.unpaid = self.unpaid.saturating_add(bytes);
    }

    /// When more may be read; nothing if that is so at `now`.
    pub fn full_at(&mut self, limit: Option<NonZeroU64>, now: Instant) -> Option<Instant> {
        let bytes = std::mem::take(&mut self.unpaid);
        let limit = limit?;
        let time = Duration::from_secs_f64(bytes as f64 / limit.get() as f64);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.paid = self.paid.max(earliest) + time;
        (self.paid > now).then_some(self.paid)
    }

    /// How much of `size` to read at once, so that the pauses between reads aren't long.
    pub fn portion(&self, limit: Option<NonZeroU64>, size: u64) -> u64 {
        let Some(limit) = limit else { return size };
        let in_burst = u128::from(limit.get()) * BURST.as_nanos() / 1_000_000_000;
        size.min((in_burst as u64).max(1))
    }
}
