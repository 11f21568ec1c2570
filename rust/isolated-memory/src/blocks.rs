// SPDX-License-Identifier: GPL-2.0-or-later
//! Which blocks of a queue's buffers are free. A bit for each; no I/O.
//!
//! A request gets one run of blocks if there is one that is long enough, the lowest, so that what
//! was used before is used again and the rest is never touched. Else it gets several, longest
//! first: memory that is scattered still serves, and nothing is ever lost to fragmentation but
//! the length of a descriptor chain.

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

const BITS: u32 = u64::BITS;

/// The blocks of one queue.
#[derive(Debug)]
pub struct Blocks {
    /// A set bit is a free block.
    words: Vec<u64>,
    total: u32,
    free: u32,
    /// No word below this has a free block.
    lowest: usize,
    /// For sorting, kept for its memory.
    runs: Vec<Extent>,
}

impl Blocks {
    /// `total` blocks, all free.
    pub fn new(total: u32) -> Self {
        let mut blocks = Self {
            words: vec![0; total.div_ceil(BITS) as usize],
            total,
            free: 0,
            lowest: 0,
            runs: Vec::new(),
        };
        blocks.give(Extent {
            start: 0,
            count: total,
        });
        blocks
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Whether one is free.
    pub fn is_free(&self, block: u32) -> bool {
        self.words[(block / BITS) as usize] & 1 << (block % BITS) != 0
    }

    /// How many are free.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Takes `count` blocks (not 0) in at most `limit` runs and appends those to `into`. If that
    /// can't be, nothing changes, and it is false.
    pub fn take(&mut self, count: u32, limit: usize, into: &mut Vec<Extent>) -> bool {
        debug_assert_ne!(count, 0);
        if count > self.free {
            return false;
        }
        let mut runs = std::mem::take(&mut self.runs);
        runs.clear();
        let mut from = self.lowest as u32 * BITS;
        let mut fits = None;
        while let Some(run) = self.run(from) {
            if runs.is_empty() {
                self.lowest = (run.start / BITS) as usize;
            }
            if run.count >= count {
                fits = Some(run.start);
                break;
            }
            from = run.start + run.count;
            runs.push(run);
        }
        let taken = if let Some(start) = fits {
            self.claim(Extent { start, count }, into);
            true
        } else {
            runs.sort_unstable_by_key(|run| (std::cmp::Reverse(run.count), run.start));
            let reached: u32 = runs.iter().take(limit).map(|run| run.count).sum();
            let enough = reached >= count;
            let mut left = if enough { count } else { 0 };
            for run in &runs {
                if left == 0 {
                    break;
                }
                let count = run.count.min(left);
                let start = run.start;
                self.claim(Extent { start, count }, into);
                left -= count;
            }
            enough
        };
        self.runs = runs;
        taken
    }

    /// Gives back what was taken.
    pub fn give(&mut self, extent: Extent) {
        self.each_word(extent, |word, mask| {
            debug_assert_eq!(*word & mask, 0, "given back twice");
            *word |= mask;
        });
        self.free += extent.count;
        self.lowest = self.lowest.min((extent.start / BITS) as usize);
    }

    fn claim(&mut self, extent: Extent, into: &mut Vec<Extent>) {
        self.each_word(extent, |word, mask| {
            debug_assert_eq!(*word & mask, mask, "taken twice");
            *word &= !mask;
        });
        self.free -= extent.count;
        into.push(extent);
    }

    fn each_word(&mut self, extent: Extent, mut what: impl FnMut(&mut u64, u64)) {
        let (mut at, end) = (extent.start, extent.start + extent.count);
        while at < end {
            let bit = at % BITS;
            let count = (BITS - bit).min(end - at);
            let mask = (u64::MAX >> (BITS - count)) << bit;
            what(&mut self.words[(at / BITS) as usize], mask);
            at += count;
        }
    }

    /// The first run of free blocks, whole, that begins at or after `from`, a place where no run
    /// is in its middle.
    fn run(&self, from: u32) -> Option<Extent> {
        let start = self.first(from, 0)?;
        let end = self.first(start, u64::MAX).unwrap_or(self.total);
        Some(Extent {
            start,
            count: end - start,
        })
    }

    /// The first block at or after `from` that is free, or with `flip` all ones, taken.
    fn first(&self, from: u32, flip: u64) -> Option<u32> {
        let (mut index, mut mask) = ((from / BITS) as usize, u64::MAX << (from % BITS));
        while let Some(&word) = self.words.get(index) {
            let found = (word ^ flip) & mask;
            if found != 0 {
                // Bits behind the last block are never free, so as "taken" they end a run.
                return Some(index as u32 * BITS + found.trailing_zeros());
            }
            (index, mask) = (index + 1, u64::MAX);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the same calls do to a list of booleans.
    struct Model(Vec<bool>);

    impl Model {
        fn runs(&self) -> Vec<Extent> {
            let mut runs: Vec<Extent> = Vec::new();
            for (start, _) in self.0.iter().enumerate().filter(|(_, &free)| free) {
                match runs.last_mut() {
                    Some(run) if run.start + run.count == start as u32 => run.count += 1,
                    _ => runs.push(Extent {
                        start: start as u32,
                        count: 1,
                    }),
                }
            }
            runs
        }

        fn set(&mut self, extent: Extent, free: bool) {
            for block in extent.start..extent.start + extent.count {
                assert_ne!(self.0[block as usize], free, "block {block}");
                self.0[block as usize] = free;
            }
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_list_of_booleans(
            total in 1..300u32,
            calls in prop::collection::vec((any::<bool>(), 1..80u32, 1..6usize), 1..200),
        ) {
            let mut blocks = Blocks::new(total);
            let mut model = Model(vec![true; total as usize]);
            let mut held: Vec<Vec<Extent>> = Vec::new();
            for (give, count, limit) in calls {
                if give && !held.is_empty() {
                    for extent in held.swap_remove(count as usize % held.len()) {
                        blocks.give(extent);
                        model.set(extent, true);
                    }
                } else {
                    let mut runs = model.runs();
                    let one = runs.iter().find(|run| run.count >= count).copied();
                    runs.sort_by_key(|run| std::cmp::Reverse(run.count));
                    let most: u32 = runs.iter().take(limit).map(|run| run.count).sum();
                    let mut taken = Vec::new();
                    prop_assert_eq!(blocks.take(count, limit, &mut taken), most >= count);
                    if most >= count {
                        prop_assert_eq!(taken.iter().map(|e| e.count).sum::<u32>(), count);
                        prop_assert!(taken.len() <= limit);
                        if let Some(one) = one {
                            prop_assert_eq!(&taken, &[Extent { count, ..one }]);
                        }
                        taken.iter().for_each(|&extent| model.set(extent, false));
                        held.push(taken);
                    } else {
                        prop_assert!(taken.is_empty());
                    }
                }
                let free = model.0.iter().filter(|&&free| free).count();
                prop_assert_eq!(blocks.free() as usize, free);
                let is_free = |(block, &free)| blocks.is_free(block) == free;
                prop_assert!((0..).zip(&model.0).all(is_free));
            }
            held.into_iter().flatten().for_each(|extent| blocks.give(extent));
            let mut all = Vec::new();
            prop_assert!(blocks.take(total, 1, &mut all), "given back, it's whole again");
        }
    }

    #[test]
    fn every_second_block_still_serves() {
        let mut blocks = Blocks::new(128);
        let mut singles = Vec::new();
        (0..128).for_each(|_| assert!(blocks.take(1, 1, &mut singles)));
        assert!(!blocks.take(1, 1, &mut Vec::new()));
        singles.iter().step_by(2).for_each(|&one| blocks.give(one));
        let mut taken = Vec::new();
        assert!(!blocks.take(64, 63, &mut taken), "in 63 pieces it can't be");
        assert!(blocks.take(64, 64, &mut taken));
        assert_eq!((taken.len(), blocks.free()), (64, 0));
    }
}
