// SPDX-License-Identifier: GPL-2.0-or-later
//! The two ways to bring pages: one, for a fault, and a batch, in the background.
//!
//! Who places a page counts it; the kernel lets only one succeed. A background thread doesn't claim
//! base pages: if a fault overtakes it, it meets `EEXIST`, and whose claim it finds has counted.

use std::ops::Range;

use rustix::io::Errno;

use super::block::Block;
use super::buffers::{Bulk, Single};
use super::control::{FailedPages, Origin};
use super::error::{Cause, LoadError};
use super::observer::FaultKind;
use super::shared::Shared;
use crate::bitmap::first_run_without;
use crate::memory::{place, Kind, PlaceError, Placement};
use crate::plan::HUGE_PAGE;

/// A background thread looks for faults after this many bytes. Small enough to stay in a core's
/// second-level cache between the read and the copy, and to let no fault wait long; large enough
/// that the looking costs little.
pub(super) const CHUNK: u64 = 128 << 10;

const _: () = assert!(
    HUGE_PAGE % CHUNK == 0,
    "a huge page is read in whole chunks"
);

impl Shared {
    /// Brings the one page that a thread waits for. The caller has claimed it.
    pub fn bring_page(
        &self,
        block: &Block,
        page: u64,
        buffers: &mut Single,
        origin: Origin,
    ) -> Result<FaultKind, LoadError> {
        if !block.data.get(page) {
            return self.bring_zeros(block, page, buffers);
        }
        let pages = page..page + 1;
        let buf = buffers
            .page(block.page())
            .map_err(|error| block.error(pages.start * block.page(), Cause::Buffer(error)))?;
        block.read(&*self.source, &pages, buf)?;
        let mut kind = FaultKind::Data;
        let address = block.addresses(&pages).start;
        let copied = place(
            block.page(),
            block.page(),
            |_| self.uffd.copy(address, buf),
            |met, _| match met {
                Placement::Placed => self.placed(block, pages.clone(), origin),
                Placement::Present => kind = FaultKind::AlreadyThere,
            },
        );
        buffers.shrink();
        copied.map_err(|error| place_error(block, &pages, error))?;
        if kind == FaultKind::AlreadyThere {
            self.wake(block, page);
        }
        Ok(kind)
    }

    /// Answers a fault on a page that isn't in the file. Where zeros cost no memory its neighbours
    /// in the window are answered as well.
    fn bring_zeros(
        &self,
        block: &Block,
        page: u64,
        buffers: &mut Single,
    ) -> Result<FaultKind, LoadError> {
        let pages = match block.kind {
            Kind::Anonymous => block.data.gap_around(page, block.window(page)),
            Kind::Shared | Kind::HugePages => page..page + 1,
        };
        let addresses = block.addresses(&pages);
        let len = addresses.end - addresses.start;
        let placed = if block.kind == Kind::HugePages {
            let buf = buffers
                .page(block.page())
                .map_err(|error| block.error(pages.start * block.page(), Cause::Buffer(error)))?;
            buf.fill(0);
            let copied = place(
                len,
                block.page(),
                |_| self.uffd.copy(addresses.start, buf),
                |_, _| (),
            );
            buffers.shrink();
            copied
        } else {
            let zero = |at| self.uffd.zero(addresses.start + at, len - at);
            place(len, block.page(), zero, |_, _| ())
        };
        placed.map_err(|error| place_error(block, &pages, error))?;
        // Pages that were there already woke nobody.
        self.wake(block, page);
        self.end_waits(addresses);
        Ok(FaultKind::Zero)
    }

    /// Brings what is still missing of `pages`, in order. Between chunks calls `pause`, which
    /// returns false to stop early.
    pub fn bring(
        &self,
        block: &Block,
        pages: Range<u64>,
        whole: bool,
        bulk: &mut Bulk,
        mut pause: impl FnMut() -> bool,
    ) -> Result<(), FailedPages> {
        let untouched = || !block.placed.any(pages.clone()) && !block.claims.any(pages.clone());
        if whole && block.movable() && untouched() {
            self.bring_huge(block, pages, bulk, pause)
        } else {
            let per_chunk = (CHUNK / block.page()).max(1);
            let mut rest = pages;
            while let Some(run) = self.next_run(block, &rest) {
                let chunk = run.start..run.end.min(run.start + per_chunk);
                rest.start = chunk.end;
                if block.exclusive() && !block.claims.set(chunk.start) {
                    continue;
                }
                self.bring_chunk(block, &chunk, bulk).map_err(|error| {
                    if block.exclusive() {
                        block.claims.clear(chunk.start);
                    }
                    FailedPages {
                        pages: chunk.start..rest.end,
                        error,
                    }
                })?;
                if !pause() {
                    break;
                }
            }
            Ok(())
        }
    }

    fn next_run(&self, block: &Block, pages: &Range<u64>) -> Option<Range<u64>> {
        first_run_without(&block.data, &block.placed, &block.claims, pages.clone())
    }

    fn bring_chunk(
        &self,
        block: &Block,
        pages: &Range<u64>,
        bulk: &mut Bulk,
    ) -> Result<(), LoadError> {
        let offsets = block.offsets(pages);
        let buf = bulk
            .chunk(offsets.end - offsets.start)
            .map_err(|error| block.error(offsets.start, Cause::Buffer(error)))?;
        block.read(&*self.source, pages, buf)?;
        let copied = self.copy(block, pages, buf);
        bulk.shrink();
        copied
    }

    /// Brings a whole huge page by reading it into one of our own and moving that over: the memory
    /// stays one huge page, and nothing is copied twice.
    fn bring_huge(
        &self,
        block: &Block,
        pages: Range<u64>,
        bulk: &mut Bulk,
        mut pause: impl FnMut() -> bool,
    ) -> Result<(), FailedPages> {
        let lost = |start, error| FailedPages {
            pages: start..pages.end,
            error,
        };
        let stage = bulk.stage().map_err(|error| {
            lost(
                pages.start,
                block.error(pages.start * block.page(), Cause::Buffer(error)),
            )
        })?;
        let per_chunk = CHUNK / block.page();
        for (index, buf) in stage.bytes().chunks_mut(CHUNK as usize).enumerate() {
            let start = pages.start + index as u64 * per_chunk;
            if let Err(error) = block.read(&*self.source, &(start..start + per_chunk), buf) {
                // What could be read is good.
                self.copy_missing(block, pages.start..start, pages.start, stage.bytes())?;
                return Err(lost(start, error));
            }
            if !pause() {
                return Ok(());
            }
        }
        let mut moved = 0;
        if !block.claims.any(pages.clone()) {
            match self.uffd.take(block.addresses(&pages).start, stage.bytes()) {
                Ok(()) => moved = HUGE_PAGE,
                Err(stopped) => {
                    moved = stopped.done;
                    if stopped.errno == Errno::INVAL {
                        log::debug!(
                            "RAM block '{}': huge pages can't be moved in, copying instead",
                            block.image.name
                        );
                        block.set_movable(false);
                    }
                }
            }
        }
        let rest = pages.start + moved / block.page()..pages.end;
        if moved > 0 {
            self.placed(block, pages.start..rest.start, Origin::Background);
        }
        if !rest.is_empty() {
            self.copy_missing(block, rest.clone(), pages.start, stage.bytes())?;
            stage.renew().map_err(|error| {
                lost(
                    rest.end,
                    block.error(pages.start * block.page(), Cause::Buffer(error)),
                )
            })?;
        }
        Ok(())
    }

    /// Copies what is missing of `pages` from `buf`, which begins with page `first`.
    fn copy_missing(
        &self,
        block: &Block,
        pages: Range<u64>,
        first: u64,
        buf: &[u8],
    ) -> Result<(), FailedPages> {
        let mut rest = pages;
        while let Some(run) = self.next_run(block, &rest) {
            let bytes = block.offsets(&(run.start - first..run.end - first));
            self.copy(block, &run, &buf[bytes.start as usize..bytes.end as usize])
                .map_err(|error| FailedPages {
                    pages: run.start..rest.end,
                    error,
                })?;
            rest.start = run.end;
        }
        Ok(())
    }

    fn copy(&self, block: &Block, pages: &Range<u64>, buf: &[u8]) -> Result<(), LoadError> {
        let address = block.addresses(pages).start;
        place(
            buf.len() as u64,
            block.page(),
            |at| self.uffd.copy(address + at, &buf[at as usize..]),
            |met, bytes| {
                let at = pages.start + bytes.start / block.page()
                    ..pages.start + bytes.end / block.page();
                match met {
                    Placement::Placed => self.placed(block, at, Origin::Background),
                    Placement::Present => self.found(block, at.start),
                }
            },
        )
        .map_err(|error| place_error(block, pages, error))
    }
}

fn place_error(block: &Block, pages: &Range<u64>, error: PlaceError) -> LoadError {
    block.error(
        pages.start * block.page() + error.done,
        Cause::from_place(error.errno),
    )
}
