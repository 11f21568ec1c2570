// SPDX-License-Identifier: GPL-2.0-or-later
//! The two ways to bring pages: those of a fault, and a batch, in the background.
//!
//! Who places a page counts it; the kernel lets only one succeed. A background thread doesn't claim
//! base pages: if a fault overtakes it, it meets `EEXIST`, and whose claim it finds has counted.

use std::ops::Range;
use std::time::Instant;

use rustix::io::Errno;

use super::around::Around;
use super::block::Block;
use super::buffers::{Bulk, Single};
use super::control::{FailedPages, Origin};
use super::error::{Cause, LoadError};
use super::observer::FaultKind;
use super::shared::Shared;
use crate::bitmap::first_run_without;
use crate::memory::{place, Kind, PlaceError, Placement};
use crate::plan::HUGE_PAGE;
use crate::source::Manner;

/// A background thread looks for faults after this many bytes. Small enough to stay in a core's
/// second-level cache between the read and the copy, and to let no fault wait long; large enough
/// that the looking costs little.
pub(super) const CHUNK: u64 = 128 << 10;

const _: () = assert!(
    HUGE_PAGE % CHUNK == 0,
    "a huge page is read in whole chunks"
);

/// What may be read before the next asking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permit {
    pub manner: Manner,
    /// The most pages.
    pub pages: u64,
}

/// What was brought for a fault.
#[derive(Debug)]
pub(super) struct Brought {
    pub kind: FaultKind,
    /// The page that was asked for, and those that came along.
    pub pages: Range<u64>,
    /// When they were in place: who waited may have had this thread's core since.
    pub at: Instant,
}

impl Shared {
    /// Brings the page that a thread waits for, and those `around` it. The
    /// caller has claimed it. If that fails the claim is given up.
    pub fn bring_page(
        &self,
        block: &Block,
        page: u64,
        around: Around,
        buffers: &mut Single,
        origin: Origin,
    ) -> Result<Brought, FailedPages> {
        let lost = |pages: Range<u64>, error| {
            for page in pages.clone().filter(|page| !block.placed.get(*page)) {
                block.claims.clear(page);
            }
            FailedPages { pages, error }
        };
        let one = page..page + 1;
        if !block.data.get(page) {
            return match self.bring_zeros(block, page, buffers) {
                Ok(kind) => Ok(Brought {
                    kind,
                    pages: one,
                    at: Instant::now(),
                }),
                Err(error) => Err(lost(one, error)),
            };
        }
        let wanted = around.pages(block, page);
        let buf = buffers
            .page((wanted.end - wanted.start) * block.page())
            .map_err(|error| {
                let error = block.error(page * block.page(), Cause::Buffer(error));
                lost(one.clone(), error)
            })?;
        let read = self
            .read_around(block, &wanted, buf)
            .map_err(|error| lost(one, error))?;
        // Only now, as what is claimed is sure to be brought.
        let others = (page + 1..read.end).take_while(|page| block.claims.set(*page));
        let pages = page..page + 1 + others.count() as u64;
        let mut kind = FaultKind::Data;
        let address = block.addresses(&pages).start;
        let len = (pages.end - pages.start) * block.page();
        let copied = place(
            len,
            block.page(),
            |at| {
                let bytes = &buf[at as usize..len as usize];
                self.uffd.copy_unwoken(address + at, bytes)
            },
            |met, bytes| {
                let at = page + bytes.start / block.page()..page + bytes.end / block.page();
                if met == Placement::Present && at.start == page {
                    kind = FaultKind::AlreadyThere;
                } else {
                    // A neighbour that was there already counts as well: a background thread that
                    // finds it claimed leaves it out.
                    self.placed(block, at, origin);
                }
            },
        );
        let at = Instant::now();
        let done = copied.map_or_else(|error| error.done, |()| len) / block.page();
        self.wake(block, page..page + done);
        buffers.shrink();
        copied.map_err(|error| lost(page + done..pages.end, place_error(block, &pages, error)))?;
        Ok(Brought { kind, pages, at })
    }

    /// Reads the first of `wanted` and, if they can be read, the others: those that the page cache
    /// has, or all if it hasn't the first. Returns those that were read.
    fn read_around(
        &self,
        block: &Block,
        wanted: &Range<u64>,
        buf: &mut [u8],
    ) -> Result<Range<u64>, LoadError> {
        let one = wanted.start..wanted.start + 1;
        if *wanted != one {
            let cached = block.read_cached(&*self.source, wanted, buf);
            if cached > 0 {
                return Ok(one.start..one.start + cached);
            }
            // If this fails, it may be for a page that nobody waits for.
            let read = block.read(&*self.source, Manner::Exact, wanted, buf);
            if read.is_ok() {
                return Ok(wanted.clone());
            }
        }
        let buf = &mut buf[..block.page() as usize];
        block.read(&*self.source, self.demand_manner(), &one, buf)?;
        Ok(one)
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
        self.wake(block, page..page + 1);
        self.end_waits(addresses);
        Ok(FaultKind::Zero)
    }

    /// Brings what is still missing of `pages`, in order, on behalf of `origin`. Before each chunk
    /// calls `gate` with what is about to be read, of which the chunk is the front; it says how to
    /// read and how much, or nothing to stop early.
    pub fn bring(
        &self,
        block: &Block,
        pages: Range<u64>,
        whole: bool,
        origin: Origin,
        bulk: &mut Bulk,
        mut gate: impl FnMut(Range<u64>) -> Option<Permit>,
    ) -> Result<(), FailedPages> {
        let untouched = || !block.placed.any(pages.clone()) && !block.claims.any(pages.clone());
        if whole && !self.linear() && block.movable() && untouched() {
            return self.bring_huge(block, pages, origin, bulk, gate);
        }
        let mut rest = pages;
        while let Some(run) = self.next_run(block, &rest) {
            let Some(permit) = gate(run) else { break };
            // That may have taken its time.
            let Some(run) = self.next_run(block, &rest) else {
                break;
            };
            let chunk = run.start..run.end.min(run.start + permit.pages);
            rest.start = chunk.end;
            if block.exclusive() && !block.claims.set(chunk.start) {
                continue;
            }
            self.bring_chunk(block, permit.manner, &chunk, origin, bulk)
                .map_err(|error| {
                    if block.exclusive() {
                        block.claims.clear(chunk.start);
                    }
                    FailedPages {
                        pages: chunk.start..rest.end,
                        error,
                    }
                })?;
        }
        Ok(())
    }

    /// Pages that are read at once in the background. What is claimed is claimed page by page.
    pub fn chunk(&self, block: &Block) -> u64 {
        if self.linear() || block.exclusive() {
            1
        } else {
            (CHUNK / block.page()).max(1)
        }
    }

    fn next_run(&self, block: &Block, pages: &Range<u64>) -> Option<Range<u64>> {
        first_run_without(&block.data, &block.placed, &block.claims, pages.clone())
    }

    fn bring_chunk(
        &self,
        block: &Block,
        manner: Manner,
        pages: &Range<u64>,
        origin: Origin,
        bulk: &mut Bulk,
    ) -> Result<(), LoadError> {
        let offsets = block.offsets(pages);
        let buf = bulk
            .chunk(offsets.end - offsets.start)
            .map_err(|error| block.error(offsets.start, Cause::Buffer(error)))?;
        block.read(&*self.source, manner, pages, buf)?;
        let copied = self.copy(block, pages, origin, buf);
        bulk.shrink();
        copied
    }

    /// Brings a whole huge page by reading it into one of our own and moving that over: the memory
    /// stays one huge page, and nothing is copied twice.
    fn bring_huge(
        &self,
        block: &Block,
        pages: Range<u64>,
        origin: Origin,
        bulk: &mut Bulk,
        mut gate: impl FnMut(Range<u64>) -> Option<Permit>,
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
        let mut at = pages.start;
        while at < pages.end {
            let Some(permit) = gate(at..pages.end) else {
                return Ok(());
            };
            let chunk = at..pages.end.min(at + permit.pages);
            let bytes = block.offsets(&(chunk.start - pages.start..chunk.end - pages.start));
            let buf = &mut stage.bytes()[bytes.start as usize..bytes.end as usize];
            if let Err(error) = block.read(&*self.source, permit.manner, &chunk, buf) {
                // What could be read is good.
                self.copy_missing(block, pages.start..at, origin, pages.start, stage.bytes())?;
                return Err(lost(at, error));
            }
            at = chunk.end;
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
            self.placed(block, pages.start..rest.start, origin);
        }
        if !rest.is_empty() {
            self.copy_missing(block, rest.clone(), origin, pages.start, stage.bytes())?;
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
        origin: Origin,
        first: u64,
        buf: &[u8],
    ) -> Result<(), FailedPages> {
        let mut rest = pages;
        while let Some(run) = self.next_run(block, &rest) {
            let bytes = block.offsets(&(run.start - first..run.end - first));
            self.copy(
                block,
                &run,
                origin,
                &buf[bytes.start as usize..bytes.end as usize],
            )
            .map_err(|error| FailedPages {
                pages: run.start..rest.end,
                error,
            })?;
            rest.start = run.end;
        }
        Ok(())
    }

    fn copy(
        &self,
        block: &Block,
        pages: &Range<u64>,
        origin: Origin,
        buf: &[u8],
    ) -> Result<(), LoadError> {
        let address = block.addresses(pages).start;
        place(
            buf.len() as u64,
            block.page(),
            |at| self.uffd.copy(address + at, &buf[at as usize..]),
            |met, bytes| {
                let at = pages.start + bytes.start / block.page()
                    ..pages.start + bytes.end / block.page();
                match met {
                    Placement::Placed => self.placed(block, at, origin),
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
