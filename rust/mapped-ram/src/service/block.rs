// SPDX-License-Identifier: GPL-2.0-or-later
//! One RAM block while it is being loaded: where it is, what the file has of it, and which of its
//! pages are in place.

use std::ffi::{CStr, CString};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::error::{Cause, LoadError, SetupError};
use crate::bitmap::{AtomicBitmap, Bitmap};
use crate::format::BlockImage;
use crate::memory::Kind;
use crate::plan::PlanBlock;
use crate::source::{Manner, PageSource};

/// A block's memory, described by who owns it.
#[derive(Clone, Debug)]
pub struct BlockSpec {
    /// The name that the migration stream has for it.
    pub name: CString,
    /// Where it is mapped. Stays mapped as long as the load lives.
    pub address: u64,
    /// Bytes of RAM. The memory goes on to the end of the last page.
    pub length: u64,
    /// Bytes of a page of the memory: the base page, or a page of hugetlbfs.
    pub page_size: u64,
    /// Whether it is shared memory. hugetlbfs is told by its page size.
    pub shared: bool,
    /// Whether to make all of it resident after the load, as a preallocating backend wants it.
    pub populate: bool,
}

/// A block and the state of its pages, numbered in pages of its memory.
#[derive(Debug)]
pub(super) struct Block {
    pub spec: BlockSpec,
    pub kind: Kind,
    pub image: BlockImage,
    /// Pages of memory that have something in the file.
    pub data: Bitmap,
    /// The file's own bitmap, where its pages are smaller than the memory's.
    small: Option<Bitmap>,
    /// Pages that are in place, and counted.
    pub placed: AtomicBitmap,
    /// Pages that someone is bringing or has brought: for huge pages whoever it is, so that none is
    /// read twice; for base pages only who answers a fault, so that a fault waits for nobody.
    pub claims: AtomicBitmap,
    /// Whether huge pages can be moved in.
    movable: AtomicBool,
    /// Whether finding pages that nobody brought has been reported.
    pub warned_resident: AtomicBool,
}

impl Block {
    pub fn new(
        spec: BlockSpec,
        image: BlockImage,
        bitmap: Bitmap,
        base_page: u64,
    ) -> Result<Self, SetupError> {
        let fail = |problem| SetupError::Block {
            block: image.name.clone(),
            problem,
        };
        let page = spec.page_size;
        if !page.is_power_of_two() || page < base_page {
            return Err(fail(
                "the page size of its memory is no page size of this host",
            ));
        }
        if spec.address == 0 || spec.address % page != 0 {
            return Err(fail("its memory doesn't begin on a page boundary"));
        }
        let pages = image.length.div_ceil(page);
        if spec.address.checked_add(pages * page).is_none() {
            return Err(fail("its memory passes the end of the address space"));
        }
        let kind = match (page > base_page, spec.shared) {
            (true, _) => Kind::HugePages,
            (false, true) => Kind::Shared,
            (false, false) => Kind::Anonymous,
        };
        let (data, small) = if page == image.page_size {
            (bitmap, None)
        } else {
            let data = bitmap.rescale(image.page_size, page, pages);
            (data, (page > image.page_size).then_some(bitmap))
        };
        Ok(Self {
            kind,
            data,
            small,
            placed: AtomicBitmap::new(pages),
            claims: AtomicBitmap::new(pages),
            movable: AtomicBool::new(false),
            warned_resident: AtomicBool::new(false),
            spec,
            image,
        })
    }

    /// The block as the plan sees it.
    pub fn plan(&self) -> PlanBlock<'_> {
        PlanBlock {
            address: self.spec.address,
            page_size: self.page(),
            pages_offset: self.image.pages_offset,
            data: &self.data,
        }
    }

    pub fn name(&self) -> &CStr {
        &self.spec.name
    }

    /// Bytes of a page of memory.
    pub fn page(&self) -> u64 {
        self.spec.page_size
    }

    /// Where the pages are in the block.
    pub fn offsets(&self, pages: &Range<u64>) -> Range<u64> {
        pages.start * self.page()..pages.end * self.page()
    }

    /// Where the pages are mapped.
    pub fn addresses(&self, pages: &Range<u64>) -> Range<u64> {
        let offsets = self.offsets(pages);
        self.spec.address + offsets.start..self.spec.address + offsets.end
    }

    /// All of its memory.
    pub fn memory(&self) -> Range<u64> {
        self.addresses(&(0..self.data.len()))
    }

    /// The pages around `page` that one batch may span.
    pub fn window(&self, page: u64) -> Range<u64> {
        self.plan().window_of(page)
    }

    /// Whether a huge page is only ever brought by who claimed it.
    pub fn exclusive(&self) -> bool {
        self.kind == Kind::HugePages
    }

    pub fn movable(&self) -> bool {
        self.movable.load(Relaxed)
    }

    pub fn set_movable(&self, movable: bool) {
        self.movable.store(movable, Relaxed);
    }

    /// Bytes of `pages`, all of which have data, that are in the file.
    pub fn data_bytes(&self, pages: &Range<u64>) -> u64 {
        match &self.small {
            None => (pages.end - pages.start) * self.page(),
            Some(small) => small.count(self.small_pages(pages)) * self.image.page_size,
        }
    }

    /// Bytes of the whole block that are in the file.
    pub fn all_data_bytes(&self) -> u64 {
        match &self.small {
            None => self.data.count(0..self.data.len()) * self.page(),
            Some(small) => small.count(0..small.len()) * self.image.page_size,
        }
    }

    /// The pages of the file's bitmap that make up `pages`.
    fn small_pages(&self, pages: &Range<u64>) -> Range<u64> {
        let per_page = self.page() / self.image.page_size;
        let end = self.image.pages();
        (pages.start * per_page).min(end)..(pages.end * per_page).min(end)
    }

    /// The pages of memory that these pages of the file are in.
    pub fn pages_around(&self, small: Range<u64>) -> Range<u64> {
        let (size, page) = (self.image.page_size, self.page());
        small.start * size / page..(small.end * size).div_ceil(page)
    }

    /// Reads `pages`, all of which have data, into `buf`, with zeros where the file has none.
    pub fn read(
        &self,
        source: &dyn PageSource,
        manner: Manner,
        pages: &Range<u64>,
        buf: &mut [u8],
    ) -> Result<(), LoadError> {
        let offsets = self.offsets(pages);
        let Some(small) = &self.small else {
            return self.read_part(source, manner, offsets.start, buf);
        };
        let mut filled = 0;
        for run in small.runs(self.small_pages(pages)) {
            let start = (run.start * self.image.page_size - offsets.start) as usize;
            let end = (run.end * self.image.page_size - offsets.start) as usize;
            buf[filled..start].fill(0);
            let buf = &mut buf[start..end];
            self.read_part(source, manner, offsets.start + start as u64, buf)?;
            filled = end;
        }
        buf[filled..].fill(0);
        Ok(())
    }

    fn read_part(
        &self,
        source: &dyn PageSource,
        manner: Manner,
        ram_offset: u64,
        buf: &mut [u8],
    ) -> Result<(), LoadError> {
        let offset = self.image.pages_offset + ram_offset;
        source
            .read_as(manner, buf, offset)
            .map_err(|error: io::Error| self.error(ram_offset, Cause::Read(error)))
    }

    /// Reads as many of `pages`, all of which have data, as can be had without waiting for storage,
    /// and returns how many these are.
    pub fn read_cached(&self, source: &dyn PageSource, pages: &Range<u64>, buf: &mut [u8]) -> u64 {
        if self.small.is_some() {
            return 0;
        }
        let offset = self.image.pages_offset + self.offsets(pages).start;
        source.read_cached(buf, offset) as u64 / self.page()
    }

    /// An error about what lies at `ram_offset`.
    pub fn error(&self, ram_offset: u64, cause: Cause) -> LoadError {
        LoadError {
            block: self.image.name.clone(),
            ram_offset,
            file_offset: self.image.pages_offset + ram_offset,
            cause,
        }
    }
}
