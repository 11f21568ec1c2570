// SPDX-License-Identifier: GPL-2.0-or-later
//! Recording which pages a load brings for who waits for them, in order: a working set for later
//! loads.
//!
//! A fault costs one push under a lock that nobody holds for long. Sorting, merging and writing come
//! when the recording ends.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use super::block::Block;
use super::error::{RecordCause, RecordError};
use super::lock;
use crate::working_set::{
    check_target, in_order, read, write, Identity, Piece, ReadError, SetBlock, WorkingSet, MAX_RUNS,
};

/// Pages that were brought for a fault.
#[derive(Clone, Copy, Debug)]
struct Touch {
    block: u16,
    along: bool,
    pages: u32,
    page: u64,
}

/// A recording, from the start of the load to its own end, which may come earlier than the load's.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    /// The set that this load was given: its pages don't fault, and belong to the new one.
    given: Option<WorkingSet>,
    /// Without runs.
    empty: WorkingSet,
    touches: Mutex<Option<Vec<Touch>>>,
    /// Only one may write.
    writing: Mutex<()>,
    pages: AtomicU64,
}

impl Recording {
    /// Of a load of the snapshot `identity`, to be written to `path`. Fails if it couldn't be.
    pub fn new(
        path: PathBuf,
        identity: Identity,
        page_size: u64,
        blocks: Vec<SetBlock>,
        given: Option<WorkingSet>,
    ) -> Result<Self, RecordError> {
        let recording = Self {
            given,
            empty: WorkingSet {
                identity,
                page_size: page_size as u32,
                loads: 1,
                blocks,
                runs: Vec::new(),
            },
            touches: Mutex::new(Some(Vec::new())),
            writing: Mutex::new(()),
            pages: AtomicU64::new(0),
            path,
        };
        recording.known()?;
        check_target(&recording.path).map_err(|error| recording.error(error.into()))?;
        Ok(recording)
    }

    /// Takes note that `pages` of a block, by its index, were brought for a fault on the first.
    pub fn touched(&self, index: usize, block: &Block, pages: &Range<u64>) {
        let mut touches = lock(&self.touches);
        let Some(touches) = touches.as_mut() else {
            return;
        };
        let small = |pages: Range<u64>| {
            let offsets = block.offsets(&pages);
            let page_size = u64::from(self.empty.page_size);
            let end = self.empty.blocks[index].pages;
            offsets.start / page_size..offsets.end.div_ceil(page_size).min(end)
        };
        let first = small(pages.start..pages.start + 1);
        let rest = first.end..small(pages.clone()).end;
        for (pages, along) in [(first, false), (rest, true)] {
            if pages.is_empty() || touches.len() as u64 == MAX_RUNS {
                continue;
            }
            touches.push(Touch {
                block: index as u16,
                along,
                pages: (pages.end - pages.start) as u32,
                page: pages.start,
            });
            self.pages
                .fetch_add(pages.end - pages.start, Ordering::Relaxed);
        }
    }

    /// Bytes of the pages that were recorded; one may count more than once.
    pub fn bytes(&self) -> u64 {
        self.pages.load(Ordering::Relaxed) * u64::from(self.empty.page_size)
    }

    /// Ends the recording and writes it. Does nothing when that was done. If it fails nothing is
    /// lost, and it can be tried again; meanwhile the recording goes on.
    pub fn finish(&self) -> Result<(), RecordError> {
        let _guard = lock(&self.writing);
        let Some(touches) = lock(&self.touches).clone() else {
            return Ok(());
        };
        let set = self.merged(&touches)?;
        write(&self.path, &set).map_err(|error| self.error(error.into()))?;
        *lock(&self.touches) = None;
        Ok(())
    }

    fn merged(&self, touches: &[Touch]) -> Result<WorkingSet, RecordError> {
        let mut position = 0;
        let pieces = touches.iter().map(|touch| {
            let piece = Piece {
                block: touch.block,
                pages: touch.page..touch.page + u64::from(touch.pages),
                position,
                set: 0,
                loads: 1,
                along: touch.along,
            };
            position += u64::from(touch.pages);
            piece
        });
        let recorded = WorkingSet {
            runs: in_order(pieces.collect()),
            ..self.empty.clone()
        };
        let known = self.known()?;
        // What was given may be what is there.
        let given = self
            .given
            .as_ref()
            .filter(|given| Some(*given) != known.as_ref());
        let sets: Vec<&WorkingSet> = given.into_iter().chain(&known).chain([&recorded]).collect();
        WorkingSet::merge(&sets).map_err(|error| self.error(error.into()))
    }

    /// What is in the file already, which must be of this snapshot.
    fn known(&self) -> Result<Option<WorkingSet>, RecordError> {
        let file = match std::fs::File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error(ReadError::from(error).into())),
            Ok(file) => file,
        };
        let set = read(&file).map_err(|error| self.error(error.into()))?;
        set.check(&self.empty.identity, &self.empty.blocks)
            .map_err(|error| self.error(error.into()))?;
        Ok(Some(set))
    }

    fn error(&self, cause: RecordCause) -> RecordError {
        RecordError {
            path: self.path.display().to_string(),
            cause,
        }
    }
}
