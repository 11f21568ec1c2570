// SPDX-License-Identifier: GPL-2.0-or-later
//! What is brought along with the page that a thread waits for: while a thread goes through memory
//! in order, more and more pages behind it, from the page cache or, if it has none, from storage.

use std::ops::Range;

use super::block::Block;
use crate::memory::Kind;

/// Pages that a thread gets, the first included, when it comes near its last fault. One that touches
/// pages at random gets no more than these: the copies would be for nothing, and others wait.
const NEAR: u64 = 4;

/// So many pages behind the last fault is near, or twice what was brought for it.
const NEAR_DISTANCE: u64 = 8;

/// Pages at most: as much as a chunk of the background has, which fits a core's cache.
const MOST: u64 = 32;

/// Threads that are remembered: the vCPUs of most machines, and the threads of their disks.
const THREADS: usize = 32;

/// How much to bring for one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Around {
    /// Pages, the first being the one that is waited for.
    count: u64,
}

impl Around {
    /// The page alone.
    pub const NOTHING: Self = Self { count: 1 };

    /// The pages to bring for a fault on `page`: in the file, in one window, and not there yet, as far
    /// as can be seen.
    pub fn pages(self, block: &Block, page: u64) -> Range<u64> {
        if block.kind == Kind::HugePages {
            return page..page + 1;
        }
        let limit = block.window(page).end.min(page + self.count);
        let missing = |page: &u64| {
            block.data.get(*page) && !block.placed.get(*page) && !block.claims.get(*page)
        };
        page..page + 1 + (page + 1..limit).take_while(missing).count() as u64
    }
}

/// The faults of one thread, as far as they follow each other in order.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    tid: u32,
    /// The last fault's block, by its index, and page.
    block: usize,
    page: u64,
    /// How much was brought for it at most.
    count: u64,
}

/// Which threads go through memory in order.
#[derive(Debug, Default)]
pub(super) struct Streaks {
    /// Of those that faulted last, the latest at the end.
    threads: Vec<Streak>,
}

impl Streaks {
    /// How much to bring for a fault of thread `tid` on `page`.
    pub fn next(&mut self, tid: u32, block: usize, page: u64) -> Around {
        let known = self.threads.iter().position(|streak| streak.tid == tid);
        let last = known.map(|index| self.threads.remove(index));
        if self.threads.len() == THREADS {
            self.threads.remove(0);
        }
        // Behind the last fault or what was brought with it; more of it may have been there.
        let before = last.filter(|last| {
            let distance = NEAR_DISTANCE.max(2 * last.count);
            last.block == block && page > last.page && page <= last.page + distance
        });
        let count = before.map_or(1, |last| (last.count * 2).clamp(NEAR, MOST));
        self.threads.push(Streak {
            tid,
            block,
            page,
            count,
        });
        Around { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_a_thread_goes_through_memory_in_order() {
        let mut streaks = Streaks::default();
        let mut page = 100;
        for count in [1, 4, 8, 16, 32, 32] {
            assert_eq!(streaks.next(1, 0, page), Around { count });
            assert_eq!(streaks.next(2, 0, page % 7 * 1000), Around::NOTHING);
            page += count;
        }
        assert_eq!(streaks.next(1, 1, page), Around::NOTHING, "another block");
        assert_eq!(streaks.next(1, 1, page - 1), Around::NOTHING, "back");
    }

    #[test]
    fn only_the_latest_threads_are_remembered() {
        let mut streaks = Streaks::default();
        for tid in 0..2 * THREADS as u32 {
            streaks.next(tid, 0, 10);
        }
        assert_eq!(streaks.threads.len(), THREADS);
        assert_eq!(streaks.next(0, 0, 11), Around::NOTHING);
        assert_eq!(streaks.next(2 * THREADS as u32 - 1, 0, 11).count, NEAR);
    }
}
