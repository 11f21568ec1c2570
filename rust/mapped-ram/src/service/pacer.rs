// SPDX-License-Identifier: GPL-2.0-or-later
//! The policy between a load's threads: who wants to read in the background asks here first, and
//! waits here for its turn.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock;
use crate::policy::{Background, Pace, Part, Policy, Turn};

/// Who waits looks around at least this often, for an end of the load above all.
const PATIENCE: Duration = Duration::from_millis(50);

/// Bytes that a background thread may read before it asks again.
#[derive(Debug, Default)]
pub(super) struct Lease {
    granted: u64,
    read: u64,
    part: Part,
    ahead: bool,
}

impl Lease {
    /// Whether storage may bring more than what is asked for.
    pub fn is_ahead(&self) -> bool {
        self.ahead
    }

    /// Takes as much of what is left of it, at most `most` bytes, and returns how much.
    pub fn take_more(&mut self, most: u64) -> u64 {
        let more = most.min(self.left(self.part));
        self.read += more;
        more
    }

    /// Bytes of `part` that may still be read.
    fn left(&self, part: Part) -> u64 {
        if self.part == part {
            self.granted.saturating_sub(self.read)
        } else {
            0
        }
    }
}

/// What was taken from a lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Bytes, of whole pages.
    pub len: u64,
    /// Bytes of the lease if it is a new one, 0 if it isn't.
    pub fresh: u64,
}

#[derive(Debug)]
pub(super) struct Pacer {
    policy: Mutex<Policy>,
    changed: Condvar,
}

impl Pacer {
    pub fn new(pace: Pace, threads: u32, data: u64) -> Self {
        Self {
            policy: Mutex::new(Policy::new(pace, threads, data, Instant::now())),
            changed: Condvar::new(),
        }
    }

    /// How the background goes about it at present.
    pub fn background(&self) -> Background {
        lock(&self.policy).pace().background
    }

    pub fn set(&self, pace: Pace) {
        lock(&self.policy).set_pace(pace, Instant::now());
        self.wake();
    }

    /// Whoever waits for a turn looks around.
    pub fn wake(&self) {
        self.changed.notify_all();
    }

    /// A fault was read.
    pub fn fault(&self) {
        lock(&self.policy).handle_fault();
    }

    /// The fault that was read at `read` was answered at `at`.
    pub fn answered(&self, read: Instant, at: Instant) {
        lock(&self.policy).handle_answer(at - read, at);
    }

    /// Takes at most `most` bytes of `part` from the lease, in pages of `page` bytes. Where not even one
    /// is left of it gets a new one, and waits for that as long as `go_on` says so. Nothing if
    /// `go_on` ended it.
    pub fn take(
        &self,
        lease: &mut Lease,
        part: Part,
        page: u64,
        most: u64,
        mut go_on: impl FnMut() -> bool,
    ) -> Option<Taken> {
        let mut fresh = 0;
        if lease.left(part) < page {
            self.give_back(lease);
            (fresh, lease.ahead) = self.acquire(part, &mut go_on)?;
            lease.part = part;
            lease.granted = fresh;
        }
        // A page is read whole, however large it is.
        let pages = (lease.left(part).min(most) / page).max(1);
        let len = pages * page;
        lease.read += len;
        Some(Taken { len, fresh })
    }

    fn acquire(&self, part: Part, go_on: &mut impl FnMut() -> bool) -> Option<(u64, bool)> {
        while go_on() {
            let now = Instant::now();
            let mut policy = lock(&self.policy);
            let patience = match policy.poll_read(part, now) {
                Turn::Read { bytes, ahead } => return Some((bytes, ahead)),
                Turn::WaitUntil(until) => PATIENCE.min(until.saturating_duration_since(now)),
                Turn::Wait => PATIENCE,
            };
            let waited = self.changed.wait_timeout(policy, patience);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        None
    }

    /// The lease is over. What was read of it is in place.
    pub fn give_back(&self, lease: &mut Lease) {
        let Lease { granted, read, .. } = std::mem::take(lease);
        if granted > 0 {
            lock(&self.policy).handle_read(granted, read, Instant::now());
            self.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MAX_READ;

    const PAGE: u64 = 4096;

    #[test]
    fn reads_are_as_large_as_what_is_left_of_a_lease_in_whole_pages() {
        let pace = Pace {
            background: Background::Full,
            max_bandwidth: None,
        };
        let pacer = Pacer::new(pace, 1, 1 << 30);
        let mut lease = Lease::default();
        let mut take = |page, most| {
            let taken = pacer.take(&mut lease, Part::Rest, page, most, || true);
            let Taken { len, fresh } = taken.expect("nobody ends it");
            (len, fresh)
        };
        let most = MAX_READ - PAGE;
        assert_eq!(take(PAGE, most), (most, MAX_READ));
        assert_eq!(take(PAGE, most), (PAGE, 0), "the rest");
        let huge = 2 * MAX_READ;
        assert_eq!(take(huge, huge), (huge, MAX_READ), "a page is read whole");
        assert_eq!(take(PAGE, PAGE), (PAGE, MAX_READ), "nothing was left");
    }
}
