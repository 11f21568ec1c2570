// SPDX-License-Identifier: GPL-2.0-or-later
//! Which pages threads wait for, so that each wait that was reported is also reported to end,
//! whoever brings the page.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

use super::lock;

/// The addresses of pages that a wait was reported for.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    waiting: Mutex<BTreeSet<u64>>,
}

impl Tracker {
    /// A wait for the page at `address` has been reported. Call this after reporting it, and then
    /// look whether the page is there: if it came in between, who brought it saw no one waiting.
    pub fn begin(&self, address: u64) {
        lock(&self.waiting).insert(address);
    }

    /// The pages of the range are in place. Returns those that someone waited for, each once, to
    /// be reported. Call this after marking the pages as placed.
    pub fn end(&self, range: Range<u64>) -> Vec<u64> {
        let mut waiting = lock(&self.waiting);
        let ended: Vec<u64> = waiting.range(range).copied().collect();
        for address in &ended {
            waiting.remove(address);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_once_and_only_in_its_range() {
        let tracker = Tracker::default();
        for address in [0x1000, 0x3000, 0x1000, 0x5000] {
            tracker.begin(address);
        }
        assert_eq!(tracker.end(0x2000..0x3000), []);
        assert_eq!(tracker.end(0x0..0x4000), [0x1000, 0x3000]);
        assert_eq!(tracker.end(0x0..0x6000), [0x5000]);
        assert_eq!(tracker.end(0x0..0x6000), []);
    }
}
