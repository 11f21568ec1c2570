// SPDX-License-Identifier: GPL-2.0-or-later
//! Guest memory that *is* the snapshot: private anonymous RAM is replaced by a private (copy on
//! write) mapping of the snapshot's pages, so that nothing is read at the start and all machines on a
//! host share one copy of what they don't write.
//!
//! ```text
//!  bitmap      1 1 1 1 1 1 0 0 0 1 0 0 1 1 1 1        the truth, whatever lies in the file
//!  memory     ├──mapped───┤·····│c│···├─mapped─┤      · anonymous: reads as zero
//!                                                      c copied: too short to be worth a mapping
//! ```
//!
//! # Which files
//!
//! Only a memfd that is sealed against shrinking and writing (`F_SEAL_SHRINK`, `F_SEAL_WRITE`). Any
//! other file could lose the guest's memory:
//!
//! - When a file shrinks, the kernel takes *all* pages behind its new end out of private mappings,
//!   with those that were copied because the machine wrote to them (`unmap_mapping_range()` with
//!   `even_cows`). What the machine wrote is gone; when the file has its length back, the snapshot's
//!   bytes are there instead. No handler of SIGBUS, and no second try, brings that back. The test
//!   `a_file_that_shrinks_takes_what_was_written` shows it.
//! - What is written to the file shows in pages that the machine hasn't written to.
//! - A page that can't be read is SIGBUS for a thread, `EFAULT` for a system call (a guest would see
//!   a failed disk), and an internal error for a vCPU of KVM. userfaultfd(2) doesn't serve private
//!   mappings of files on a file system, so there is nobody who could make them wait.
//!
//! A sealed memfd has none of this: it can't shrink, can't change, and its pages are memory. So a
//! mapped machine is complete as soon as it is mapped, and nothing has to be refused while it runs.
//!
//! # Which memory
//!
//! Private anonymous memory in base pages. Shared memory and hugetlbfs can't be replaced,
//! preallocated memory would be copied at once, and a mapping follows no NUMA policy: each is refused,
//! naming the block.

//!
//! # Until when
//!
//! As long as the machine lives, or until a [`Detach`] has made all of it the machine's own.

#![allow(unsafe_code)]

mod detach;
mod plan;
mod room;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{fcntl_get_seals, fstatfs, SealFlags};
use thiserror::Error;

use crate::bitmap::Bitmap;
use crate::format::{BlockImage, MAX_BLOCKS};
use crate::image::{read_image, ImageError};
use crate::memory::{has_numa_policy, map_private, read_into};
use crate::service::BlockSpec;
use crate::source::{FileSource, PageSource};
pub use detach::Detach;
pub use plan::{DataPages, MappingPlan, Piece};

/// A snapshot can't be mapped.
#[derive(Debug, Error)]
pub enum MapError {
    /// A file that may shrink or change.
    #[error(
        "the snapshot isn't in a memfd that is sealed against shrinking and writing, so that the \
         VM could lose what it writes; 'annex-snapshot hold' makes one"
    )]
    Unsealed,
    /// The file can't be asked or read.
    #[error("can't read the snapshot")]
    Read(#[source] io::Error),
    /// A block's header or bitmap.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A block that can't be mapped.
    #[error("RAM block '{block}' can't be mapped: {problem}")]
    Block {
        /// The block's name.
        block: String,
        /// Why.
        problem: &'static str,
    },
    /// More blocks than a machine has.
    #[error("the snapshot has more than {MAX_BLOCKS} RAM blocks")]
    TooManyBlocks,
    /// The process's mappings can't be counted.
    #[error("can't tell how many mappings are left")]
    Room(#[source] io::Error),
    /// The kernel refused to map a range, or to copy it.
    #[error("RAM block '{block}': can't map or copy {len:#x} bytes at {offset:#x}")]
    Place {
        /// The block's name.
        block: String,
        /// Where in the block.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// Why.
        source: io::Error,
    },
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Bytes that are mapped from the file.
    pub mapped: u64,
    /// Bytes that are in the file and were copied.
    pub copied: u64,
    /// Bytes that aren't in the file and read as zero.
    pub zero: u64,
    /// How many runs are mapped.
    pub runs: u64,
}

#[derive(Debug)]
struct Block {
    address: u64,
    image: BlockImage,
    bitmap: Bitmap,
}

impl Block {
    fn memory(&self) -> Range<u64> {
        self.address..self.address + self.image.length
    }

    fn data(&self) -> DataPages<'_> {
        DataPages {
            page_size: self.image.page_size,
            data: &self.bitmap,
        }
    }

    fn refuse(&self, problem: &'static str) -> MapError {
        MapError::Block {
            block: self.image.name.clone(),
            problem,
        }
    }
}

/// A snapshot that is about to be mapped.
#[derive(Debug)]
pub struct Mapping {
    file: File,
    source: FileSource,
    file_size: u64,
    target_page_size: u64,
    blocks: Vec<Block>,
}

impl Mapping {
    /// From a duplicate of `fd`, for a machine whose pages have `target_page_size` bytes. Fails unless
    /// it is a memfd that is sealed.
    pub fn new(fd: BorrowedFd<'_>, target_page_size: u64) -> Result<Self, MapError> {
        check_sealed(fd)?;
        let source = FileSource::new(fd).map_err(MapError::Read)?;
        Ok(Self {
            file: fd.try_clone_to_owned().map_err(MapError::Read)?.into(),
            file_size: source.size().map_err(MapError::Read)?,
            source,
            target_page_size,
            blocks: Vec::new(),
        })
    }

    /// Adds a block with its header from the stream, and reads its bitmap. Returns where in the file
    /// the stream goes on.
    pub fn add_block(&mut self, spec: &BlockSpec, header: &[u8]) -> Result<u64, MapError> {
        if self.blocks.len() == MAX_BLOCKS {
            return Err(MapError::TooManyBlocks);
        }
        let name = spec.name.to_string_lossy();
        let (image, bitmap) = read_image(
            &self.source,
            self.file_size,
            &name,
            spec.length,
            self.target_page_size,
            header,
        )?;
        let block = Block {
            address: spec.address,
            image,
            bitmap,
        };
        let page = rustix::param::page_size() as u64;
        let refused = if spec.page_size > page {
            Some("it is of huge pages (hugetlbfs)")
        } else if spec.shared {
            Some("it is shared memory")
        } else if spec.populate {
            Some("it is to be preallocated")
        } else if spec.address == 0 || spec.address % page != 0 {
            Some("its memory doesn't begin on a page boundary")
        } else if spec.address.checked_add(spec.length).is_none() {
            Some("its memory passes the end of the address space")
        } else if block.image.pages_offset % page != 0 {
            Some("its pages don't begin on a page boundary of the file")
        } else if has_numa_policy(spec.address) {
            Some("its memory follows a NUMA policy")
        } else {
            None
        };
        if let Some(problem) = refused {
            return Err(block.refuse(problem));
        }
        let memory = block.memory();
        for other in &self.blocks {
            if other.image.name == block.image.name {
                return Err(block.refuse("the snapshot has this block twice"));
            }
            if other.memory().start < memory.end && memory.start < other.memory().end {
                return Err(block.refuse("its memory overlaps another block's"));
            }
        }
        let next = block.image.next_offset();
        self.blocks.push(block);
        Ok(next)
    }

    /// Maps what is worth it, and copies the rest. Returns what was done, and what is needed to end
    /// it. If this fails the memory is neither what it was nor the snapshot's.
    ///
    /// # Safety
    ///
    /// The memory of all blocks is the caller's to replace: private anonymous memory, mapped for
    /// reading and writing, that reads as zero, and to which no reference is held.
    pub unsafe fn place(&self) -> Result<(Mapped, Detach), MapError> {
        let most = room::room().map_err(MapError::Room)?;
        // SAFETY: passed on from the caller.
        unsafe { self.place_within(most) }
    }

    /// # Safety
    ///
    /// As for [`Mapping::place`].
    unsafe fn place_within(&self, most: usize) -> Result<(Mapped, Detach), MapError> {
        let pages: Vec<_> = self.blocks.iter().map(Block::data).collect();
        let plan = MappingPlan::new(&pages, rustix::param::page_size() as u64, most);
        let mut done = Mapped::default();
        for piece in &plan.mapped {
            let (address, offset, len) = self.locate(piece);
            // SAFETY: within a block, whose memory is ours to replace, says the caller.
            unsafe { map_private(self.file.as_fd(), offset, address, len) }
                .map_err(|error| self.failed(piece, error))?;
            done.mapped += len;
            done.runs += 1;
        }
        for piece in plan.copied(&pages) {
            let (address, offset, len) = self.locate(&piece);
            // SAFETY: as above.
            unsafe { read_into(self.file.as_fd(), offset, address, len) }
                .map_err(|error| self.failed(&piece, error))?;
            done.copied += len;
        }
        let total: u64 = self.blocks.iter().map(|block| block.image.length).sum();
        done.zero = total - done.mapped - done.copied;
        let runs = plan.mapped.iter().map(|piece| {
            let (address, _, len) = self.locate(piece);
            address..address + len
        });
        let snapshot = self.file.try_clone().map_err(MapError::Read)?;
        Ok((done, Detach::new(runs, Some(snapshot))))
    }

    /// Where a piece is in memory and in the file, and how many bytes it has.
    fn locate(&self, piece: &Piece) -> (u64, u64, u64) {
        let block = &self.blocks[piece.block];
        (
            block.address + piece.bytes.start,
            block.image.pages_offset + piece.bytes.start,
            piece.bytes.end - piece.bytes.start,
        )
    }

    fn failed(&self, piece: &Piece, source: io::Error) -> MapError {
        MapError::Place {
            block: self.blocks[piece.block].image.name.clone(),
            offset: piece.bytes.start,
            len: piece.bytes.end - piece.bytes.start,
            source,
        }
    }
}

/// Whether nobody can ever shrink or change the file. A memfd of huge pages can be sealed as well, but
/// not be mapped in base pages.
fn check_sealed(fd: BorrowedFd<'_>) -> Result<(), MapError> {
    let wanted = SealFlags::SHRINK | SealFlags::WRITE;
    // EINVAL says that it is no memfd.
    let sealed = fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(wanted));
    let in_memory = fstatfs(fd).is_ok_and(|fs| fs.f_type == libc::TMPFS_MAGIC);
    if sealed && in_memory {
        Ok(())
    } else {
        Err(MapError::Unsealed)
    }
}

#[cfg(test)]
mod tests;
