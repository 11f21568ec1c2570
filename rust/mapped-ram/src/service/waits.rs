// SPDX-License-Identifier: GPL-2.0-or-later
//! Which threads wait for which pages, and since when: so that each wait that was reported is also
//! reported to end, whoever brings the page, and that one that lasts is known.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;

/// A thread that waits for a page for so long is stuck: the page is failed, or storage stalls.
const STUCK: Duration = Duration::from_secs(1);

/// A thread that waits.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// Its thread id, 0 where the kernel doesn't tell.
    tid: u32,
    since: Instant,
}

/// The waits for pages, by the pages' addresses.
#[derive(Debug, Default)]
pub(super) struct Waits {
    waiting: Mutex<BTreeMap<u64, Vec<Wait>>>,
}

impl Waits {
    /// Thread `tid` waits for the page at `address`. Call this after reporting it, and then look
    /// whether the page is there: if it came in between, who brought it saw no one waiting.
    pub fn begin(&self, address: u64, tid: u32, since: Instant) {
        let mut waiting = lock(&self.waiting);
        let waits = waiting.entry(address).or_default();
        // One that was interrupted and came back waits since it first came.
        if !waits.iter().any(|wait| wait.tid == tid) {
            waits.push(Wait { tid, since });
        }
    }

    /// The pages of the range are in place. Returns those that someone waited for, each once, to
    /// be reported. Call this after marking the pages as placed.
    pub fn end(&self, range: Range<u64>) -> Vec<u64> {
        let mut waiting = lock(&self.waiting);
        let ended: Vec<u64> = waiting.range(range).map(|(address, _)| *address).collect();
        for address in &ended {
            waiting.remove(address);
        }
        ended
    }

    /// Whether, at `now`, thread `tid`, or with 0 any thread, is stuck.
    pub fn is_stuck(&self, tid: u32, now: Instant) -> bool {
        lock(&self.waiting).values().flatten().any(|wait| {
            (tid == 0 || wait.tid == 0 || wait.tid == tid)
                && now.saturating_duration_since(wait.since) >= STUCK
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_once_and_only_in_its_range() {
        let waits = Waits::default();
        let now = Instant::now();
        for (address, tid) in [(0x1000, 1), (0x3000, 1), (0x1000, 2), (0x5000, 3)] {
            waits.begin(address, tid, now);
        }
        assert_eq!(waits.end(0x2000..0x3000), []);
        assert_eq!(waits.end(0x0..0x4000), [0x1000, 0x3000]);
        assert_eq!(waits.end(0x0..0x6000), [0x5000]);
        assert_eq!(waits.end(0x0..0x6000), []);
    }

    #[test]
    fn only_who_waits_for_long_is_stuck() {
        let waits = Waits::default();
        let start = Instant::now();
        let stuck = start + STUCK;
        assert!(!waits.is_stuck(0, stuck));
        waits.begin(0x1000, 7, start);
        waits.begin(0x2000, 8, start + STUCK / 2);
        assert!(!waits.is_stuck(7, start + STUCK / 2));
        assert!(waits.is_stuck(7, stuck) && waits.is_stuck(0, stuck));
        assert!(!waits.is_stuck(8, stuck) && !waits.is_stuck(9, stuck));
        // Coming back for the same page is no new wait.
        waits.begin(0x1000, 7, stuck);
        assert!(waits.is_stuck(7, stuck));
        waits.end(0x1000..0x1001);
        assert!(!waits.is_stuck(7, stuck));
        assert!(waits.is_stuck(8, stuck + STUCK));
    }
}
