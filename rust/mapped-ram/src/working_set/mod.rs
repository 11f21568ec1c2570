// SPDX-License-Identifier: GPL-2.0-or-later
//! Working sets: the pages of a snapshot that a guest touched first, in order, so that a later load
//! brings them first.
//!
//! | file | what it does | I/O |
//! |---|---|---|
//! | here | a working set, what it belongs to, how it is trimmed | none |
//! | `format.rs` | its file's bytes, drawn and checked | none |
//! | `merge.rs` | one out of several, each page once | none |
//! | `order.rs` | the reads that bring it, as storage likes them | none |
//! | `identity.rs` | what tells one snapshot from another | reads the snapshot |
//! | `file.rs` | reading a file, replacing it in one step | all of it |
//!
//! A working set says which pages come first, and never what is in them: a wrong one costs time. It
//! is bound to its snapshot all the same, since a set of another snapshot helps nobody and hides
//! the mistake.

mod file;
mod format;
mod identity;
mod merge;
mod order;

use std::fmt;

use thiserror::Error;

pub use file::{check_target, read, write, ReadError, WriteError};
pub use format::{FormatError, MAX_RUNS, VERSION};
pub use identity::{Identity, DEVICE_STATE_BYTES};
pub use merge::MergeError;
pub use order::{Group, GROUP_BYTES, GROUP_RUNS, MAX_GAP, SEGMENT_BYTES};

#[cfg(any(test, feature = "testing"))]
pub(crate) use format::seal;
pub(crate) use format::PAGE_SIZES;
pub(crate) use merge::{in_order, Piece};
pub(crate) use order::groups;

/// A RAM block of the snapshot that a set belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBlock {
    /// Its name: 1 to 255 bytes.
    pub name: String,
    /// Its pages, at least 1.
    pub pages: u64,
}

/// Pages next to each other that were touched, or came along, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The block's index in [`WorkingSet::blocks`].
    pub block: u16,
    /// The first page.
    pub page: u64,
    /// How many, at least 1.
    pub pages: u32,
    /// In how many of the recorded loads they were brought for the guest: 1 to 255, which stands for
    /// more as well.
    pub loads: u8,
    /// Whether they only came along with a page that was touched, so that nobody knows whether
    /// they were.
    pub along: bool,
}

/// A working set. Its pages are the snapshot's, [`WorkingSet::page_size`] bytes each, wherever they
/// are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingSet {
    /// The snapshot that it belongs to.
    pub identity: Identity,
    /// Bytes of a page: a power of two.
    pub page_size: u32,
    /// How many loads were recorded, at least 1.
    pub loads: u32,
    /// The snapshot's blocks, as they follow each other in it.
    pub blocks: Vec<SetBlock>,
    /// The pages in the order in which they were touched; each occurs once.
    pub runs: Vec<Run>,
}

/// A working set can't be used for a snapshot.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ForeignError {
    /// It was recorded with another one, or with what this one was before it was written again.
    #[error("it belongs to another snapshot (recorded {recorded}, this one is {snapshot})")]
    Identity {
        /// What it was recorded with.
        recorded: Identity,
        /// What it was to be used with.
        snapshot: Identity,
    },
    /// It names this snapshot, but other blocks.
    #[error("it names this snapshot, but has other RAM blocks")]
    Blocks,
}

/// What to keep of a set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trim {
    /// At most so many bytes, those that were touched first.
    pub bytes: Option<u64>,
    /// What was brought in at least so many loads.
    pub loads: u8,
    /// Only what was touched, and not what came along.
    pub touched: bool,
}

impl WorkingSet {
    /// Whether it is one of the snapshot `identity` with these `blocks`.
    pub fn check(&self, identity: &Identity, blocks: &[SetBlock]) -> Result<(), ForeignError> {
        if self.identity != *identity {
            return Err(ForeignError::Identity {
                recorded: self.identity,
                snapshot: *identity,
            });
        }
        if self.blocks != blocks {
            return Err(ForeignError::Blocks);
        }
        Ok(())
    }

    /// All its pages.
    pub fn pages(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.pages)).sum()
    }

    /// Bytes of all its pages.
    pub fn bytes(&self) -> u64 {
        self.pages() * u64::from(self.page_size)
    }

    /// Leaves out what isn't to be kept. The order stays as it is.
    pub fn trim(&mut self, keep: Trim) {
        let mut left = keep
            .bytes
            .map_or(u64::MAX, |bytes| bytes / u64::from(self.page_size));
        self.runs
            .retain(|run| run.loads >= keep.loads && !(keep.touched && run.along));
        for run in &mut self.runs {
            run.pages = u64::from(run.pages).min(left) as u32;
            left -= u64::from(run.pages);
        }
        self.runs.retain(|run| run.pages > 0);
    }
}

impl fmt::Display for Identity {
    /// Its first half, which is enough to tell snapshots apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any set there can be of a snapshot with two blocks.
    pub fn any_set() -> impl Strategy<Value = WorkingSet> {
        let run = (0u16..2, 0u64..500, 1u32..60, 1u8..4, any::<bool>());
        (prop::collection::vec(run, 0..40), 1u32..9).prop_map(|(runs, loads)| {
            let mut taken = [[false; 600]; 2];
            let mut free = |run: &Run| {
                let pages = run.page as usize..run.page as usize + run.pages as usize;
                let taken = &mut taken[run.block as usize][pages];
                let free = !taken.contains(&true);
                taken.fill(true);
                free
            };
            let runs = runs
                .into_iter()
                .map(|(block, page, pages, seen, along)| Run {
                    block,
                    page,
                    pages,
                    loads: seen.min(loads as u8),
                    along,
                })
                .filter(|run| free(run))
                .collect();
            let block = |name: &str| SetBlock {
                name: name.into(),
                pages: 600,
            };
            WorkingSet {
                identity: Identity([7; 32]),
                page_size: 4096,
                loads,
                blocks: vec![block("pc.ram"), block("0000:00:02.0/vga.vram")],
                runs,
            }
        })
    }

    /// A set's pages one by one: block, page, loads, along.
    pub fn flat(set: &WorkingSet) -> Vec<(u16, u64, u8, bool)> {
        let pages = |run: &Run| {
            let run = *run;
            (run.page..run.page + u64::from(run.pages))
                .map(move |page| (run.block, page, run.loads, run.along))
        };
        set.runs.iter().flat_map(pages).collect()
    }

    proptest! {
        #[test]
        fn trimming_keeps_the_first_that_fit(
            set in any_set(), pages in prop::option::of(0u64..300), loads in 0u8..4, touched: bool,
        ) {
            let expected: Vec<_> = flat(&set)
                .into_iter()
                .filter(|page| page.2 >= loads && !(touched && page.3))
                .take(pages.unwrap_or(u64::MAX) as usize)
                .collect();
            let mut trimmed = set;
            trimmed.trim(Trim { bytes: pages.map(|pages| pages * 4096 + 5), loads, touched });
            prop_assert_eq!(flat(&trimmed), expected);
        }
    }

    #[test]
    fn a_set_of_another_snapshot_is_told() {
        let set = WorkingSet {
            identity: Identity([1; 32]),
            page_size: 4096,
            loads: 1,
            blocks: vec![SetBlock {
                name: "pc.ram".into(),
                pages: 5,
            }],
            runs: vec![],
        };
        assert_eq!(set.check(&set.identity, &set.blocks), Ok(()));
        assert_eq!(set.check(&set.identity, &[]), Err(ForeignError::Blocks));
        let other = Identity([0xab; 32]);
        let error = set.check(&other, &set.blocks).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it belongs to another snapshot (recorded 0101010101010101, this one is \
             abababababababab)"
        );
    }
}
