// SPDX-License-Identifier: GPL-2.0-or-later
//! One set out of several: each page once, where it was touched first in any of them.

use std::ops::Range;

use thiserror::Error;

use super::{Run, WorkingSet, MAX_RUNS};

/// Sets that can't become one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// None was given.
    #[error("there is nothing to merge")]
    Nothing,
    /// They are of different snapshots.
    #[error("working set {number} belongs to another snapshot than the first")]
    Foreign {
        /// Which one, from 1.
        number: usize,
    },
}

/// Pages of one block that were touched one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The block's index.
    pub block: u16,
    /// Its pages.
    pub pages: Range<u64>,
    /// How many pages were touched before the first.
    pub position: u64,
    /// The set that has it.
    pub set: usize,
    /// In how many loads.
    pub loads: u8,
    /// Whether they only came along.
    pub along: bool,
}

impl WorkingSet {
    /// The set of all that is in `sets`. The loads of each page are added up. What is touched last is
    /// left out if there is more than a file may hold.
    pub fn merge(sets: &[&Self]) -> Result<Self, MergeError> {
        let first = sets.first().ok_or(MergeError::Nothing)?;
        let mut pieces = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            if (set.identity, set.page_size, &set.blocks)
                != (first.identity, first.page_size, &first.blocks)
            {
                return Err(MergeError::Foreign { number: index + 1 });
            }
            let mut position = 0;
            for run in &set.runs {
                pieces.push(Piece {
                    block: run.block,
                    pages: run.page..run.page + u64::from(run.pages),
                    position,
                    set: index,
                    loads: run.loads,
                    along: run.along,
                });
                position += u64::from(run.pages);
            }
        }
        let loads = sets
            .iter()
            .fold(0u32, |sum, set| sum.saturating_add(set.loads));
        let mut runs = in_order(pieces);
        runs.truncate(MAX_RUNS as usize);
        Ok(Self {
            loads,
            runs,
            ..(*first).clone()
        })
    }
}

/// The runs of all `pieces` in order of their positions, each page once.
pub(crate) fn in_order(pieces: Vec<Piece>) -> Vec<Run> {
    let mut apart = Apart::default();
    apart.take_all(pieces);
    let mut pieces = apart.done;
    pieces.sort_by_key(|piece| (piece.position, piece.set));
    let mut runs: Vec<Run> = Vec::new();
    for piece in pieces {
        let mut page = piece.pages.start;
        while page < piece.pages.end {
            let pages = (piece.pages.end - page).min(u32::MAX.into()) as u32;
            let run = Run {
                block: piece.block,
                page,
                pages,
                loads: piece.loads,
                along: piece.along,
            };
            page += u64::from(pages);
            match runs.last_mut() {
                Some(last) if joins(last, &run) => last.pages += run.pages,
                _ => runs.push(run),
            }
        }
    }
    runs
}

fn joins(last: &Run, run: &Run) -> bool {
    (last.block, last.loads, last.along) == (run.block, run.loads, run.along)
        && last.page + u64::from(last.pages) == run.page
        && last.pages.checked_add(run.pages).is_some()
}

/// Cuts pieces that overlap into such that don't.
#[derive(Default)]
struct Apart {
    /// Pieces that go on at `page`.
    open: Vec<Piece>,
    page: u64,
    done: Vec<Piece>,
}

impl Apart {
    fn take_all(&mut self, mut pieces: Vec<Piece>) {
        pieces.sort_by_key(|piece| (piece.block, piece.pages.start));
        for piece in pieces {
            let same = self
                .open
                .first()
                .is_some_and(|open| open.block == piece.block);
            self.go_on(same.then_some(piece.pages.start));
            self.page = piece.pages.start;
            self.open.push(piece);
        }
        self.go_on(None);
    }

    /// Goes on to page `until`, or to the end of all that is open.
    fn go_on(&mut self, until: Option<u64>) {
        while let Some(end) = self.open.iter().map(|piece| piece.pages.end).min() {
            let stop = until.map_or(end, |until| until.min(end));
            if self.page < stop {
                self.done.push(self.piece(stop));
            }
            self.page = stop;
            self.open.retain(|piece| piece.pages.end > stop);
            if until == Some(stop) {
                return;
            }
        }
    }

    /// What is open, from here to `end`.
    fn piece(&self, end: u64) -> Piece {
        let position = |piece: &Piece| piece.position + (self.page - piece.pages.start);
        let first = self
            .open
            .iter()
            .min_by_key(|piece| (position(piece), piece.set))
            .expect("something is open");
        let mut sets: Vec<(usize, u8)> = self
            .open
            .iter()
            .map(|piece| (piece.set, piece.loads))
            .collect();
        // Within a set it is the same load.
        sets.sort_unstable_by_key(|(set, loads)| (*set, std::cmp::Reverse(*loads)));
        sets.dedup_by_key(|(set, _)| *set);
        Piece {
            block: first.block,
            pages: self.page..end,
            position: position(first),
            set: first.set,
            loads: sets
                .iter()
                .fold(0, |sum: u8, (_, loads)| sum.saturating_add(*loads)),
            along: self.open.iter().all(|piece| piece.along),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::tests::{any_set, flat};
    use super::*;
    use proptest::prelude::*;

    /// Where a page is first: position and set; its loads; whether it only came along.
    type Known = ((usize, usize), u8, bool);

    proptest! {
        #[test]
        fn each_page_stands_once_where_it_was_first(
            sets in prop::collection::vec(any_set(), 1..4)
        ) {
            let merged = WorkingSet::merge(&sets.iter().collect::<Vec<_>>()).unwrap();
            // Page by page: the least position, then the set that has it.
            let mut pages: HashMap<(u16, u64), Known> = HashMap::new();
            for (index, set) in sets.iter().enumerate() {
                for (position, (block, page, loads, along)) in flat(set).into_iter().enumerate() {
                    let known = pages
                        .entry((block, page))
                        .or_insert(((position, index), 0, true));
                    known.0 = known.0.min((position, index));
                    known.1 += loads;
                    known.2 &= along;
                }
            }
            let mut expected: Vec<_> = pages.into_iter().collect();
            expected.sort_by_key(|(_, (position, ..))| *position);
            let places: HashMap<(u16, u64), usize> = flat(&merged)
                .iter()
                .enumerate()
                .map(|(place, page)| ((page.0, page.1), place))
                .collect();
            prop_assert_eq!(places.len(), flat(&merged).len(), "each once");
            let found: HashMap<(u16, u64), (u8, bool)> = flat(&merged)
                .into_iter()
                .map(|(block, page, loads, along)| ((block, page), (loads, along)))
                .collect();
            prop_assert_eq!(found.len(), expected.len());
            for (page, (_, loads, along)) in &expected {
                prop_assert_eq!(found[page], (*loads, *along));
            }
            prop_assert_eq!(merged.loads, sets.iter().map(|set| set.loads).sum::<u32>());
            // One set alone stays in its order; more than one are a valid set.
            if sets.len() == 1 {
                prop_assert_eq!(flat(&merged), flat(&sets[0]));
            }
            prop_assert_eq!(WorkingSet::parse(&merged.to_bytes()), Ok(merged));
        }

        #[test]
        fn what_is_early_in_any_comes_early(set in any_set()) {
            let mut late = set.clone();
            late.runs.reverse();
            let merged = WorkingSet::merge(&[&set, &late]).unwrap();
            if let (Some(first), Some(last)) = (set.runs.first(), set.runs.last()) {
                let front = flat(&merged);
                prop_assert_eq!((front[0].0, front[0].1), (first.block, first.page));
                prop_assert!(front
                    .iter()
                    .take(1 + first.pages as usize + last.pages as usize)
                    .any(|page| (page.0, page.1) == (last.block, last.page)));
            }
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let set = WorkingSet {
            identity: super::super::Identity([1; 32]),
            page_size: 4096,
            loads: u32::MAX,
            blocks: vec![],
            runs: vec![],
        };
        let mut other = set.clone();
        other.identity.0[31] = 2;
        assert_eq!(WorkingSet::merge(&[]), Err(MergeError::Nothing));
        assert_eq!(
            WorkingSet::merge(&[&set, &set, &other]),
            Err(MergeError::Foreign { number: 3 })
        );
        assert_eq!(WorkingSet::merge(&[&set, &set]).unwrap().loads, u32::MAX);
    }
}
