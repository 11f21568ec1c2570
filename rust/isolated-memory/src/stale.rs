// SPDX-License-Identifier: GPL-2.0-or-later
//! Which blocks of a queue's buffers may hold what an earlier request gave to read. A bit for
//! each; no I/O.

const BITS: u32 = u64::BITS;

/// A set of blocks.
#[derive(Debug)]
pub struct Stale {
    words: Vec<u64>,
    count: u32,
    /// No word below this has a block.
    lowest: usize,
}

impl Stale {
    /// None of `total` blocks.
    pub fn new(total: u32) -> Self {
        Self {
            words: vec![0; total.div_ceil(BITS) as usize],
            count: 0,
            lowest: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn contains(&self, block: u32) -> bool {
        self.words[(block / BITS) as usize] & 1 << (block % BITS) != 0
    }

    pub fn insert(&mut self, block: u32) {
        self.count += u32::from(!self.contains(block));
        let word = (block / BITS) as usize;
        self.words[word] |= 1 << (block % BITS);
        self.lowest = self.lowest.min(word);
    }

    pub fn remove(&mut self, block: u32) {
        self.count -= u32::from(self.contains(block));
        self.words[(block / BITS) as usize] &= !(1 << (block % BITS));
    }

    /// The first one at or after `from`.
    pub fn next(&mut self, from: u32) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let start = ((from / BITS) as usize).max(self.lowest);
        for word in start..self.words.len() {
            let mut bits = self.words[word];
            if word == (from / BITS) as usize {
                bits &= u64::MAX << (from % BITS);
            }
            if bits != 0 {
                if from == 0 {
                    self.lowest = word;
                }
                return Some(word as u32 * BITS + bits.trailing_zeros());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_as_a_set(
            total in 1..300u32,
            calls in prop::collection::vec((0..3u8, any::<u32>()), 1..300),
        ) {
            let (mut stale, mut model) = (Stale::new(total), BTreeSet::new());
            for (call, block) in calls {
                let block = block % total;
                match call {
                    0 => stale.insert(block),
                    1 => stale.remove(block),
                    _ => prop_assert_eq!(stale.next(block), model.range(block..).next().copied()),
                }
                match call {
                    0 => drop(model.insert(block)),
                    1 => drop(model.remove(&block)),
                    _ => {}
                }
                prop_assert_eq!(stale.contains(block), model.contains(&block));
                prop_assert_eq!(stale.count() as usize, model.len());
            }
        }
    }
}
