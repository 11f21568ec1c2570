// SPDX-License-Identifier: GPL-2.0-or-later
//! One bit per page: [`Bitmap`] for what a snapshot says, [`AtomicBitmap`] for what several threads
//! do to the pages at once. Both work a 64-bit word at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const BITS: u64 = u64::BITS as u64;

/// The words that hold `bits` bits.
pub(crate) fn words_for(bits: u64) -> usize {
    bits.div_ceil(BITS) as usize
}

/// The word indices that a range of bits touches, each with the mask of the range's bits in it.
fn words(range: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = range;
    let span = if start < end {
        start / BITS..end.div_ceil(BITS)
    } else {
        0..0
    };
    span.map(move |word| {
        let low = start.saturating_sub(word * BITS);
        let high = (end - word * BITS).min(BITS);
        (
            word as usize,
            (u64::MAX << low) & (u64::MAX >> (BITS - high)),
        )
    })
}

/// The first run of set bits of `word(i)` within `range`.
fn first_run(range: Range<u64>, word: impl Fn(usize) -> u64) -> Option<Range<u64>> {
    let mut start = None;
    for (index, mask) in words(range.clone()) {
        let base = index as u64 * BITS;
        let mut bits = word(index) & mask;
        if start.is_none() {
            if bits == 0 {
                continue;
            }
            let first = u64::from(bits.trailing_zeros());
            start = Some(base + first);
            // What lies below the run counts as set from here on.
            bits |= !(u64::MAX << first);
        }
        if base < start? {
            bits |= !(u64::MAX << (start? - base));
        }
        if bits != u64::MAX {
            let end = base + u64::from((!bits).trailing_zeros());
            return Some(start?..end.min(range.end));
        }
    }
    start.map(|start| start..range.end)
}

/// A fixed number of bits, all clear at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: u64,
}

impl Bitmap {
    /// `len` clear bits.
    pub fn new(len: u64) -> Self {
        Self {
            words: vec![0; words_for(len)],
            len,
        }
    }

    /// A bitmap of `len` bits from its words in native byte order, as QEMU writes them. Bits past
    /// `len` are kept: [`Bitmap::stray_bit`] finds them.
    ///
    /// # Panics
    ///
    /// When `bytes` isn't exactly the words that `len` bits take.
    pub fn from_ne_bytes(bytes: &[u8], len: u64) -> Self {
        assert_eq!(bytes.len(), words_for(len) * size_of::<u64>());
        let words = bytes
            .chunks_exact(size_of::<u64>())
            .map(|word| u64::from_ne_bytes(word.try_into().expect("a chunk is one word")))
            .collect();
        Self { words, len }
    }

    /// The words in native byte order.
    pub fn to_ne_bytes(&self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect()
    }

    /// The number of bits.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bits at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether bit `index` is set.
    pub fn get(&self, index: u64) -> bool {
        self.words[(index / BITS) as usize] >> (index % BITS) & 1 != 0
    }

    /// Sets the bits of `range`.
    pub fn set(&mut self, range: Range<u64>) {
        debug_assert!(range.end <= self.len);
        for (word, mask) in words(range) {
            self.words[word] |= mask;
        }
    }

    /// Clears the bits of `range`.
    pub fn clear(&mut self, range: Range<u64>) {
        for (word, mask) in words(range) {
            self.words[word] &= !mask;
        }
    }

    /// How many bits of `range` are set.
    pub fn count(&self, range: Range<u64>) -> u64 {
        words(range)
            .map(|(word, mask)| u64::from((self.words[word] & mask).count_ones()))
            .sum()
    }

    /// The first run of set bits within `range`.
    pub fn first_run(&self, range: Range<u64>) -> Option<Range<u64>> {
        first_run(range, |word| self.words[word])
    }

    /// The first run of clear bits within `range`.
    pub fn first_gap(&self, range: Range<u64>) -> Option<Range<u64>> {
        first_run(range, |word| !self.words[word])
    }

    /// Every run of set bits within `range`, in order.
    pub fn runs(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut rest = range;
        std::iter::from_fn(move || {
            let run = self.first_run(rest.clone())?;
            rest.start = run.end;
            Some(run)
        })
    }

    /// The clear bits on both sides of `index`, within `range`; empty when `index` is set.
    pub fn gap_around(&self, index: u64, range: Range<u64>) -> Range<u64> {
        if self.get(index) {
            return index..index;
        }
        let before = words(range.start..index)
            .map(|(word, mask)| (word as u64 * BITS, self.words[word] & mask))
            .filter(|(_, bits)| *bits != 0)
            .last()
            .map_or(range.start, |(base, bits)| {
                base + BITS - u64::from(bits.leading_zeros())
            });
        let after = self
            .first_run(index..range.end)
            .map_or(range.end, |run| run.start);
        before..after
    }

    /// The lowest bit set past the end, which only a corrupt file has.
    pub fn stray_bit(&self) -> Option<u64> {
        first_run(self.len..self.words.len() as u64 * BITS, |word| {
            self.words[word]
        })
        .map(|run| run.start)
    }

    /// The same memory seen in pages `page` bytes long instead of `from` bytes, `pages` of them: a
    /// page is set when any part of it is. Both sizes are powers of two.
    pub fn rescale(&self, from: u64, page: u64, pages: u64) -> Self {
        let mut scaled = Self::new(pages);
        for run in self.runs(0..self.len) {
            let start = run.start * from / page;
            let end = (run.end * from).div_ceil(page);
            scaled.set(start..end.min(pages));
        }
        scaled
    }
}

/// Bits that several threads set and read without locks.
#[derive(Debug)]
pub struct AtomicBitmap {
    words: Vec<AtomicU64>,
}

impl AtomicBitmap {
    /// `len` clear bits.
    pub fn new(len: u64) -> Self {
        let mut words = Vec::new();
        words.resize_with(words_for(len), AtomicU64::default);
        Self { words }
    }

    /// Whether bit `index` is set.
    pub fn get(&self, index: u64) -> bool {
        self.words[(index / BITS) as usize].load(Ordering::Acquire) >> (index % BITS) & 1 != 0
    }

    /// Whether any bit of `range` is set.
    pub fn any(&self, range: Range<u64>) -> bool {
        words(range).any(|(word, mask)| self.words[word].load(Ordering::Acquire) & mask != 0)
    }

    /// Sets bit `index`; true when this call is the one that did.
    pub fn set(&self, index: u64) -> bool {
        let bit = 1 << (index % BITS);
        self.words[(index / BITS) as usize].fetch_or(bit, Ordering::AcqRel) & bit == 0
    }

    /// Sets the bits of `range`; returns how many this call set.
    pub fn set_range(&self, range: Range<u64>) -> u64 {
        words(range)
            .map(|(word, mask)| {
                let before = self.words[word].fetch_or(mask, Ordering::AcqRel);
                u64::from((mask & !before).count_ones())
            })
            .sum()
    }

    /// Clears bit `index`.
    pub fn clear(&self, index: u64) {
        let bit = 1 << (index % BITS);
        self.words[(index / BITS) as usize].fetch_and(!bit, Ordering::AcqRel);
    }
}

/// The first run within `range` of pages that `wanted` has and neither `a` nor `b` has.
pub fn first_run_without(
    wanted: &Bitmap,
    a: &AtomicBitmap,
    b: &AtomicBitmap,
    range: Range<u64>,
) -> Option<Range<u64>> {
    first_run(range, |word| {
        let taken = a.words[word].load(Ordering::Acquire) | b.words[word].load(Ordering::Acquire);
        wanted.words[word] & !taken
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bitmap(bits: &[bool]) -> Bitmap {
        let mut bitmap = Bitmap::new(bits.len() as u64);
        for (index, _) in bits.iter().enumerate().filter(|(_, set)| **set) {
            bitmap.set(index as u64..index as u64 + 1);
        }
        bitmap
    }

    fn naive_runs(bits: &[bool], value: bool, range: Range<usize>) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for index in range.filter(|index| bits[*index] == value) {
            let index = index as u64;
            match runs.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        runs
    }

    /// Long equal stretches as well as noise, over several words, and a range within.
    fn bits_and_range() -> impl Strategy<Value = (Vec<bool>, Range<usize>)> {
        prop::collection::vec((any::<bool>(), 1usize..90), 1..12)
            .prop_map(|runs| {
                runs.into_iter()
                    .flat_map(|(bit, len)| std::iter::repeat_n(bit, len))
                    .collect()
            })
            .prop_flat_map(|bits: Vec<bool>| {
                let len = bits.len();
                (Just(bits), 0..=len, 0..=len).prop_map(|(bits, a, b)| (bits, a.min(b)..a.max(b)))
            })
    }

    proptest! {
        #[test]
        fn agrees_with_a_vector_of_bools((bits, range) in bits_and_range()) {
            let bitmap = bitmap(&bits);
            let within = range.start as u64..range.end as u64;
            let set = naive_runs(&bits, true, range.clone());
            prop_assert_eq!(bitmap.runs(within.clone()).collect::<Vec<_>>(), set.clone());
            prop_assert_eq!(
                bitmap.count(within.clone()),
                bits[range.clone()].iter().filter(|bit| **bit).count() as u64
            );
            let gaps = naive_runs(&bits, false, range.clone());
            prop_assert_eq!(bitmap.first_gap(within.clone()), gaps.first().cloned());
            for index in range.clone() {
                let gap = gaps.iter().find(|gap| gap.contains(&(index as u64))).cloned();
                let found = bitmap.gap_around(index as u64, within.clone());
                match gap {
                    Some(gap) => prop_assert_eq!(found, gap),
                    None => prop_assert!(found.is_empty(), "{:?} around {}", found, index),
                }
            }
            prop_assert_eq!(Bitmap::from_ne_bytes(&bitmap.to_ne_bytes(), bitmap.len()), bitmap);
        }

        #[test]
        fn taken_pages_are_left_out((bits, range) in bits_and_range(), taken in any::<u64>()) {
            let wanted = bitmap(&bits);
            let (a, b) = (AtomicBitmap::new(wanted.len()), AtomicBitmap::new(wanted.len()));
            let is_taken = |index: usize| taken >> (index % 61) & 1 != 0;
            for index in (0..bits.len()).filter(|index| is_taken(*index)) {
                if index % 2 == 0 { a.set(index as u64) } else { b.set(index as u64) };
            }
            let left: Vec<bool> =
                bits.iter().enumerate().map(|(index, bit)| *bit && !is_taken(index)).collect();
            prop_assert_eq!(
                first_run_without(&wanted, &a, &b, range.start as u64..range.end as u64),
                naive_runs(&left, true, range).first().cloned()
            );
        }

        #[test]
        fn an_atomic_range_is_set_once((bits, range) in bits_and_range()) {
            let bitmap = AtomicBitmap::new(bits.len() as u64);
            let within = range.start as u64..range.end as u64;
            prop_assert!(!bitmap.any(within.clone()));
            if let Some(first) = within.clone().next() {
                prop_assert!(bitmap.set(first));
                prop_assert!(!bitmap.set(first));
                prop_assert!(bitmap.any(within.clone()));
                bitmap.clear(first);
            }
            prop_assert_eq!(bitmap.set_range(within.clone()), range.len() as u64);
            prop_assert_eq!(bitmap.set_range(within.clone()), 0);
            for index in 0..bits.len() {
                prop_assert_eq!(bitmap.get(index as u64), range.contains(&index));
            }
        }

        #[test]
        fn rescaling_keeps_every_set_page(bits in prop::collection::vec(any::<bool>(), 1..200)) {
            let small = bitmap(&bits);
            let pages = small.len().div_ceil(8);
            let large = small.rescale(4096, 32768, pages);
            for page in 0..pages {
                let parts = page * 8..(page * 8 + 8).min(small.len());
                prop_assert_eq!(large.get(page), small.count(parts) > 0);
            }
            let again = large.rescale(32768, 4096, small.len());
            for page in 0..small.len() {
                prop_assert_eq!(again.get(page), large.get(page / 8));
            }
        }
    }

    #[test]
    fn a_bit_past_the_end_is_found() {
        let mut bytes = vec![0u8; 16];
        assert_eq!(Bitmap::from_ne_bytes(&bytes, 70).stray_bit(), None);
        bytes[8..].copy_from_slice(&(1u64 << 20 | 1 << 5).to_ne_bytes());
        assert_eq!(Bitmap::from_ne_bytes(&bytes, 70).stray_bit(), Some(84));
        assert_eq!(Bitmap::from_ne_bytes(&[0; 8], 64).stray_bit(), None);
    }
}
