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
        let more = most.min(self.granted.saturating_sub(self.read));
        self.read += more;
        more
    }

    /// Whether another `len` bytes of `part` are within it. The first read always is, however large a
    /// page is.
    fn has(&self, part: Part, len: u64) -> bool {
        self.granted > 0 && self.part == part && (self.read == 0 || self.read + len <= self.granted)
    }
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

    /// The fault that was read at `read` is dealt with.
    pub fn answered(&self, read: Instant) {
        let now = Instant::now();
        lock(&self.policy).handle_answer(now - read, now);
    }

    /// Takes `len` bytes of `part` from the lease. Where it hasn't as many gets a new one, and waits for that as
    /// long as `go_on` says so. Returns the bytes of a new lease, 0 if the old one did, and nothing
    /// if `go_on` ended it.
    pub fn take(
        &self,
        lease: &mut Lease,
        part: Part,
        len: u64,
        mut go_on: impl FnMut() -> bool,
    ) -> Option<u64> {
        let mut fresh = 0;
        if !lease.has(part, len) {
            self.give_back(lease);
            (fresh, lease.ahead) = self.acquire(part, &mut go_on)?;
            lease.part = part;
            lease.granted = fresh;
        }
        lease.read += len;
        Some(fresh)
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
