// SPDX-License-Identifier: GPL-2.0-or-later
//! The mapped-ram part of a snapshot file, read and checked as the work of a stranger.
//!
//! Each RAM block of the migration stream is followed by a fixed header, a page bitmap and the
//! pages. All offsets count from the start of the file.
//!
//! ```text
//!  …  block name and length (QEMU's own stream)
//! ├────────────────────────────────────────────────┐
//! │ u32 be  version        = 1                     │ HEADER_SIZE = 28 bytes, packed
//! │ u64 be  page_size      the target's page size  │
//! │ u64 be  bitmap_offset                          │
//! │ u64 be  pages_offset                           │
//! ├────────────────────────────────────────────────┤ bitmap_offset
//! │ u64 native words, one bit per page,            │
//! │ 1 = the page is in the file                    │
//! ├──────────────── gap ───────────────────────────┤ pages_offset (QEMU: a multiple of 1 MiB)
//! │ page N at pages_offset + N * page_size;        │
//! │ bytes of a page whose bit is 0 mean nothing    │
//! ├────────────────────────────────────────────────┤ pages_offset + length
//!  …  the next block
//! ```
//!
//! Specification: `docs/devel/migration/mapped-ram.rst` in QEMU's source.

use thiserror::Error;

use crate::bitmap::{words_for, Bitmap};
use crate::working_set::SetBlock;

/// Bytes of a block's header.
pub const HEADER_SIZE: usize = 28;

/// The only version there is.
pub const VERSION: u32 = 1;

/// The longest block: 16 TiB, beyond the largest machine QEMU runs. It keeps the bitmap of 4 KiB
/// pages, which is held in memory, at 512 MiB, and all offset sums far from 64 bits.
pub const MAX_BLOCK_LENGTH: u64 = 16 << 40;

/// The most blocks of one machine: a block is a DIMM, a ROM or a device's memory, and QEMU's
/// busiest machine types have some hundreds.
pub const MAX_BLOCKS: usize = 4096;

/// Where one block's pages are in the file: a header that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockImage {
    /// The block's name.
    pub name: String,
    /// Bytes in the block.
    pub length: u64,
    /// Bytes of a page of the bitmap.
    pub page_size: u64,
    /// Where the bitmap begins.
    pub bitmap_offset: u64,
    /// Where page 0 would be.
    pub pages_offset: u64,
}

/// A block's header or bitmap that can't be true.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("snapshot, RAM block '{block}': {problem}")]
pub struct FormatError {
    /// The block's name.
    pub block: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a block's header or bitmap.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Problem {
    /// Fewer bytes than a header has.
    #[error("the header is {got} bytes long, expected {HEADER_SIZE}")]
    ShortHeader {
        /// Bytes given.
        got: usize,
    },
    /// Not version 1.
    #[error("header version {got}, expected {VERSION}; a newer QEMU may have written the file")]
    Version {
        /// The version in the header.
        got: u32,
    },
    /// Saved for pages of another size.
    #[error("page size {got} in the header, expected {expected}, this machine's")]
    PageSize {
        /// The size in the header.
        got: u64,
        /// The target's page size.
        expected: u64,
    },
    /// The block is empty or beyond [`MAX_BLOCK_LENGTH`].
    #[error("length {got:#x} is outside 1..={MAX_BLOCK_LENGTH:#x}")]
    Length {
        /// The block's length.
        got: u64,
    },
    /// The block ends in the middle of a page.
    #[error("length {length:#x} is no multiple of the page size {page_size}")]
    RaggedLength {
        /// The block's length.
        length: u64,
        /// The page size.
        page_size: u64,
    },
    /// An offset in front of where the header itself can be.
    #[error("{field} {got:#x} lies inside the header, expected at least {HEADER_SIZE:#x}")]
    InsideHeader {
        /// The field's name.
        field: &'static str,
        /// Its value.
        got: u64,
    },
    /// A range that passes the end of the file.
    #[error("{field} {got:#x} plus {bytes:#x} bytes passes the end of the file at {file_size:#x}")]
    PastEnd {
        /// The field's name.
        field: &'static str,
        /// Its value.
        got: u64,
        /// How many bytes should follow there.
        bytes: u64,
        /// The file's size.
        file_size: u64,
    },
    /// The pages begin before the bitmap can end.
    #[error(
        "bitmap too short: {bytes:#x} bytes are needed from bitmap_offset {bitmap_offset:#x}, \
         but pages_offset is {pages_offset:#x}"
    )]
    ShortBitmap {
        /// Where the bitmap begins.
        bitmap_offset: u64,
        /// Where the pages begin.
        pages_offset: u64,
        /// Bytes of the bitmap.
        bytes: u64,
    },
    /// The pages don't begin on a page boundary.
    #[error("pages_offset {got:#x} is no multiple of the page size {page_size}")]
    UnalignedPages {
        /// Where the pages begin.
        got: u64,
        /// The page size.
        page_size: u64,
    },
    /// pages_offset plus the length passes 64 bits, or what a file offset can be.
    #[error("pages_offset {got:#x} plus the length {length:#x} is no file offset")]
    Overflow {
        /// Where the pages begin.
        got: u64,
        /// The block's length.
        length: u64,
    },
    /// A page is marked that the block doesn't have.
    #[error("the bitmap marks page {page}, but the block has only {pages} pages")]
    StrayPage {
        /// The page that is marked.
        page: u64,
        /// Pages in the block.
        pages: u64,
    },
    /// A page is marked that the file has no room for.
    #[error(
        "the bitmap marks page {page}, which would end at {end:#x}, past the end of the file at \
         {file_size:#x}: the file is truncated or damaged"
    )]
    PageMissing {
        /// The last page that is marked.
        page: u64,
        /// Where it would end.
        end: u64,
        /// The file's size.
        file_size: u64,
    },
}

impl BlockImage {
    /// Reads the header of the block `name`, `length` bytes long, of a machine whose pages have
    /// `page_size` bytes (a power of two), in a file of `file_size` bytes.
    pub fn parse(
        name: &str,
        length: u64,
        page_size: u64,
        header: &[u8],
        file_size: u64,
    ) -> Result<Self, FormatError> {
        Self::parse_fields(name, length, page_size, header, file_size).map_err(|problem| {
            FormatError {
                block: name.to_owned(),
                problem,
            }
        })
    }

    fn parse_fields(
        name: &str,
        length: u64,
        target_page_size: u64,
        header: &[u8],
        file_size: u64,
    ) -> Result<Self, Problem> {
        if header.len() != HEADER_SIZE {
            return Err(Problem::ShortHeader { got: header.len() });
        }
        let u64_at = |at: usize| {
            u64::from_be_bytes(
                header[at..at + 8]
                    .try_into()
                    .expect("eight bytes of the header"),
            )
        };
        let version = u32::from_be_bytes(header[..4].try_into().expect("four bytes of the header"));
        let (page_size, bitmap_offset, pages_offset) = (u64_at(4), u64_at(12), u64_at(20));

        if version != VERSION {
            return Err(Problem::Version { got: version });
        }
        if page_size != target_page_size {
            return Err(Problem::PageSize {
                got: page_size,
                expected: target_page_size,
            });
        }
        if length == 0 || length > MAX_BLOCK_LENGTH {
            return Err(Problem::Length { got: length });
        }
        if length % page_size != 0 {
            return Err(Problem::RaggedLength { length, page_size });
        }
        let image = Self {
            name: name.to_owned(),
            length,
            page_size,
            bitmap_offset,
            pages_offset,
        };
        image.check_offsets(file_size)?;
        Ok(image)
    }

    fn check_offsets(&self, file_size: u64) -> Result<(), Problem> {
        let &Self {
            bitmap_offset,
            pages_offset,
            length,
            page_size,
            ..
        } = self;
        for (field, got) in [
            ("bitmap_offset", bitmap_offset),
            ("pages_offset", pages_offset),
        ] {
            if got < HEADER_SIZE as u64 {
                return Err(Problem::InsideHeader { field, got });
            }
        }
        let bytes = self.bitmap_bytes();
        let bitmap_end = bitmap_offset
            .checked_add(bytes)
            .filter(|end| *end <= file_size)
            .ok_or(Problem::PastEnd {
                field: "bitmap_offset",
                got: bitmap_offset,
                bytes,
                file_size,
            })?;
        // QEMU writes the bitmap in front of the pages; elsewhere it could only overlap them.
        if bitmap_end > pages_offset {
            return Err(Problem::ShortBitmap {
                bitmap_offset,
                pages_offset,
                bytes,
            });
        }
        if pages_offset % page_size != 0 {
            return Err(Problem::UnalignedPages {
                got: pages_offset,
                page_size,
            });
        }
        match pages_offset.checked_add(length) {
            Some(end) if end <= i64::MAX as u64 => Ok(()),
            _ => Err(Problem::Overflow {
                got: pages_offset,
                length,
            }),
        }
    }

    /// The block as a working set names it.
    pub fn set_block(&self) -> SetBlock {
        SetBlock {
            name: self.name.clone(),
            pages: self.pages(),
        }
    }

    /// The block's pages.
    pub fn pages(&self) -> u64 {
        self.length / self.page_size
    }

    /// Bytes of the block's bitmap in the file.
    pub fn bitmap_bytes(&self) -> u64 {
        (words_for(self.pages()) * size_of::<u64>()) as u64
    }

    /// Where the next block's part of the stream begins.
    pub fn next_offset(&self) -> u64 {
        self.pages_offset + self.length
    }

    /// Makes the bitmap from its `bytes` in the file, of which there must be
    /// [`BlockImage::bitmap_bytes`], and holds it against the block and the file.
    pub fn parse_bitmap(&self, bytes: &[u8], file_size: u64) -> Result<Bitmap, FormatError> {
        let fail = |problem| FormatError {
            block: self.name.clone(),
            problem,
        };
        let pages = self.pages();
        let bitmap = Bitmap::from_ne_bytes(bytes, pages);
        if let Some(page) = bitmap.stray_bit() {
            return Err(fail(Problem::StrayPage { page, pages }));
        }
        let whole = file_size.saturating_sub(self.pages_offset) / self.page_size;
        if whole < pages {
            if let Some(run) = bitmap.runs(whole..pages).last() {
                let page = run.end - 1;
                let end = self.pages_offset + run.end * self.page_size;
                return Err(fail(Problem::PageMissing {
                    page,
                    end,
                    file_size,
                }));
            }
        }
        Ok(bitmap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header;

    const PAGE: u64 = 4096;
    const LENGTH: u64 = 100 * PAGE;
    const FILE: u64 = (1 << 20) + LENGTH;

    fn parse(header: &[u8], length: u64, file_size: u64) -> Result<BlockImage, Problem> {
        BlockImage::parse("pc.ram", length, PAGE, header, file_size).map_err(|error| error.problem)
    }

    fn good() -> BlockImage {
        parse(&header(VERSION, PAGE, 0x40, 1 << 20), LENGTH, FILE).unwrap()
    }

    #[test]
    fn a_true_header_is_taken() {
        let image = good();
        assert_eq!((image.pages(), image.bitmap_bytes()), (100, 16));
        assert_eq!(image.next_offset(), FILE);
    }

    #[test]
    fn each_lie_is_named() {
        let lies: [(Vec<u8>, u64, u64, Problem); 13] = [
            (vec![0; 27], LENGTH, FILE, Problem::ShortHeader { got: 27 }),
            (
                header(2, PAGE, 0x40, 1 << 20),
                LENGTH,
                FILE,
                Problem::Version { got: 2 },
            ),
            (
                header(1, 8192, 0x40, 1 << 20),
                LENGTH,
                FILE,
                Problem::PageSize {
                    got: 8192,
                    expected: PAGE,
                },
            ),
            (
                header(1, PAGE, 0x40, 1 << 20),
                0,
                FILE,
                Problem::Length { got: 0 },
            ),
            (
                header(1, PAGE, 0x40, 1 << 20),
                MAX_BLOCK_LENGTH + PAGE,
                FILE,
                Problem::Length {
                    got: MAX_BLOCK_LENGTH + PAGE,
                },
            ),
            (
                header(1, PAGE, 0x40, 1 << 20),
                LENGTH + 1,
                FILE,
                Problem::RaggedLength {
                    length: LENGTH + 1,
                    page_size: PAGE,
                },
            ),
            (
                header(1, PAGE, 0, 1 << 20),
                LENGTH,
                FILE,
                Problem::InsideHeader {
                    field: "bitmap_offset",
                    got: 0,
                },
            ),
            (
                header(1, PAGE, 0x40, 0),
                LENGTH,
                FILE,
                Problem::InsideHeader {
                    field: "pages_offset",
                    got: 0,
                },
            ),
            (
                header(1, PAGE, FILE - 15, 1 << 20),
                LENGTH,
                FILE,
                Problem::PastEnd {
                    field: "bitmap_offset",
                    got: FILE - 15,
                    bytes: 16,
                    file_size: FILE,
                },
            ),
            (
                header(1, PAGE, u64::MAX - 3, 1 << 20),
                LENGTH,
                FILE,
                Problem::PastEnd {
                    field: "bitmap_offset",
                    got: u64::MAX - 3,
                    bytes: 16,
                    file_size: FILE,
                },
            ),
            (
                header(1, PAGE, (1 << 20) - 8, 1 << 20),
                LENGTH,
                FILE,
                Problem::ShortBitmap {
                    bitmap_offset: (1 << 20) - 8,
                    pages_offset: 1 << 20,
                    bytes: 16,
                },
            ),
            (
                header(1, PAGE, 0x40, (1 << 20) + 512),
                LENGTH,
                FILE,
                Problem::UnalignedPages {
                    got: (1 << 20) + 512,
                    page_size: PAGE,
                },
            ),
            (
                header(1, PAGE, 0x40, u64::MAX - PAGE + 1),
                LENGTH,
                FILE,
                Problem::Overflow {
                    got: u64::MAX - PAGE + 1,
                    length: LENGTH,
                },
            ),
        ];
        for (header, length, file_size, problem) in lies {
            assert_eq!(parse(&header, length, file_size), Err(problem));
        }
    }

    #[test]
    fn the_message_names_block_field_and_values() {
        let error = BlockImage::parse("pc.ram", LENGTH, PAGE, &header(1, PAGE, 0x40, 4097), FILE)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "snapshot, RAM block 'pc.ram': pages_offset 0x1001 is no multiple of the page size 4096"
        );
    }

    #[test]
    fn a_bitmap_is_held_against_block_and_file() {
        let image = good();
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&5u64.to_ne_bytes());
        let bitmap = image.parse_bitmap(&bytes, FILE).unwrap();
        assert_eq!(bitmap.runs(0..100).collect::<Vec<_>>(), [0..1, 2..3]);
        // A file that ends with its last page in use is whole, whatever the block's length.
        image.parse_bitmap(&bytes, (1 << 20) + 3 * PAGE).unwrap();
        assert_eq!(
            image
                .parse_bitmap(&bytes, (1 << 20) + 3 * PAGE - 1)
                .unwrap_err()
                .problem,
            Problem::PageMissing {
                page: 2,
                end: (1 << 20) + 3 * PAGE,
                file_size: (1 << 20) + 3 * PAGE - 1
            }
        );
        bytes[8..].copy_from_slice(&(1u64 << 40).to_ne_bytes());
        assert_eq!(
            image.parse_bitmap(&bytes, FILE).unwrap_err().problem,
            Problem::StrayPage {
                page: 104,
                pages: 100
            }
        );
    }
}
