// SPDX-License-Identifier: GPL-2.0-or-later
//! A working set's file, read and checked as the work of a stranger.
//!
//! All numbers are little-endian.
//!
//! ```text
//! ├───────────────────────────────────────────────┤ 0
//! │ 8 bytes   "ANNEXWS\0"                         │
//! │ u32       version = 1                         │
//! │ u32       page_size, a power of two           │
//! │ 32 bytes  identity of the snapshot            │
//! │ u32       loads that were recorded            │
//! │ u32       B, blocks of the snapshot           │
//! │ u64       R, runs                             │
//! ├───────────────────────────────────────────────┤ 64, B times:
//! │ u64       pages of the block                  │
//! │ u8        length of its name, not 0           │
//! │ …         its name                            │
//! ├───────────────────────────────────────────────┤ R times, in order of the first touch:
//! │ u64       first page                          │
//! │ u32       pages                               │
//! │ u16       block                               │
//! │ u8        loads that had them, 255 is more    │
//! │ u8        1: came along with a touched page   │
//! ├───────────────────────────────────────────────┤
//! │ 32 bytes  SHA-256 of everything before        │
//! ├───────────────────────────────────────────────┤ the end of the file
//! ```
//!
//! No page occurs twice. The checksum finds damage, and isn't meant to keep anybody from writing
//! what he likes: what is read is bounded all the same.

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Identity, Run, SetBlock, WorkingSet};
use crate::format::{MAX_BLOCKS, MAX_BLOCK_LENGTH};

/// The only version there is.
pub const VERSION: u32 = 1;

/// The most runs: 256 MiB of them, or 64 GiB touched 4 KiB here and there.
pub const MAX_RUNS: u64 = 1 << 24;

/// Page sizes, in bytes, that a snapshot may have.
pub(crate) const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=1 << 20;

const MAGIC: &[u8; 8] = b"ANNEXWS\0";
const HEADER: usize = 64;
const RUN: usize = 16;
const CHECKSUM: usize = 32;
const ALONG: u8 = 1;

/// The longest file that can be right, in bytes.
pub(super) const MAX_BYTES: u64 =
    HEADER as u64 + MAX_BLOCKS as u64 * (8 + 1 + 255) + MAX_RUNS * RUN as u64 + CHECKSUM as u64;

/// A file that is no working set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// It begins otherwise, or is shorter than any.
    #[error("it is no working set")]
    NoWorkingSet,
    /// Not version 1.
    #[error("its version is {got}, expected {VERSION}; a newer program may have written it")]
    Version {
        /// The version in the file.
        got: u32,
    },
    /// It is longer or shorter than it says.
    #[error("it is {got} bytes long, expected {expected}: it was cut off, or isn't whole")]
    Length {
        /// Bytes given.
        got: u64,
        /// Bytes that it should have, or at least have.
        expected: u64,
    },
    /// Its bytes were changed.
    #[error("it is damaged: its checksum is wrong")]
    Checksum,
    /// A number that can't be.
    #[error("{field} {got} is outside {least}..={most}")]
    Range {
        /// What the number is.
        field: &'static str,
        /// The number.
        got: u64,
        /// The smallest allowed.
        least: u64,
        /// The largest allowed.
        most: u64,
    },
    /// A page size that isn't one.
    #[error("page size {got} is no power of two")]
    PageSize {
        /// The size in the file.
        got: u32,
    },
    /// A name that isn't UTF-8.
    #[error("the name of block {block} is no UTF-8")]
    Name {
        /// The block's index.
        block: usize,
    },
    /// Flags that this version doesn't have.
    #[error("run {run} has the unknown flags {flags:#x}")]
    Flags {
        /// The run's index.
        run: usize,
        /// The flags.
        flags: u8,
    },
    /// A run of pages that its block doesn't have.
    #[error("run {run} goes to page {end} of a block that has {pages}")]
    PastEnd {
        /// The run's index.
        run: usize,
        /// Its end.
        end: u64,
        /// Pages of the block.
        pages: u64,
    },
    /// A page that occurs more than once.
    #[error("page {page} of block {block} occurs twice")]
    Twice {
        /// The block's index.
        block: u16,
        /// The page.
        page: u64,
    },
}

/// Takes numbers from the front of bytes that have been counted.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (front, rest) = self.0.split_at_checked(len).ok_or(FormatError::Length {
            got: self.0.len() as u64,
            expected: len as u64,
        })?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.bytes(N)?.try_into().expect("N bytes"))
    }

    fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }
}

fn within(field: &'static str, got: u64, least: u64, most: u64) -> Result<u64, FormatError> {
    if (least..=most).contains(&got) {
        Ok(got)
    } else {
        Err(FormatError::Range {
            field,
            got,
            least,
            most,
        })
    }
}

impl WorkingSet {
    /// Reads all `bytes` of a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() < MAGIC.len() + 4 || !bytes.starts_with(MAGIC) {
            return Err(FormatError::NoWorkingSet);
        }
        let version = Fields(&bytes[MAGIC.len()..]).u32()?;
        if version != VERSION {
            return Err(FormatError::Version { got: version });
        }
        let (content, checksum) = bytes
            .split_at_checked(bytes.len().saturating_sub(CHECKSUM))
            .filter(|(content, _)| content.len() >= HEADER)
            .ok_or(FormatError::Length {
                got: bytes.len() as u64,
                expected: (HEADER + CHECKSUM) as u64,
            })?;
        if Sha256::digest(content)[..] != *checksum {
            return Err(FormatError::Checksum);
        }
        Self::parse_content(&content[MAGIC.len() + 4..])
    }

    /// What follows the version, without the checksum.
    fn parse_content(content: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields(content);
        let page_size = fields.u32()?;
        let (least, most) = (u64::from(*PAGE_SIZES.start()), u64::from(*PAGE_SIZES.end()));
        within("page size", page_size.into(), least, most)?;
        if !page_size.is_power_of_two() {
            return Err(FormatError::PageSize { got: page_size });
        }
        let identity = Identity(fields.array()?);
        let loads = fields.u32()?;
        within("number of loads", loads.into(), 1, u32::MAX.into())?;
        let blocks = fields.u32()?;
        within("number of blocks", blocks.into(), 1, MAX_BLOCKS as u64)?;
        let runs = within("number of runs", fields.u64()?, 0, MAX_RUNS)?;
        let mut set = Self {
            identity,
            page_size,
            loads,
            blocks: Vec::new(),
            runs: Vec::new(),
        };
        for block in 0..blocks as usize {
            let most = MAX_BLOCK_LENGTH / u64::from(page_size);
            let pages = within("number of a block's pages", fields.u64()?, 1, most)?;
            let [len] = fields.array()?;
            within("length of a name", len.into(), 1, 255)?;
            let name = String::from_utf8(fields.bytes(len.into())?.to_vec())
                .map_err(|_| FormatError::Name { block })?;
            set.blocks.push(SetBlock { name, pages });
        }
        // Before anything is set aside for them.
        if fields.0.len() as u64 != runs * RUN as u64 {
            return Err(FormatError::Length {
                got: (bytes_before(content, &fields) + fields.0.len()) as u64,
                expected: bytes_before(content, &fields) as u64 + runs * RUN as u64,
            });
        }
        for run in 0..runs as usize {
            let parsed = set.parse_run(run, &mut fields)?;
            set.runs.push(parsed);
        }
        set.check_once()?;
        Ok(set)
    }

    fn parse_run(&self, run: usize, fields: &mut Fields<'_>) -> Result<Run, FormatError> {
        let (page, pages) = (fields.u64()?, fields.u32()?);
        let block = u16::from_le_bytes(fields.array()?);
        let [loads, flags] = fields.array()?;
        let last = self.blocks.len() as u64 - 1;
        within("block of a run", block.into(), 0, last)?;
        within("number of a run's pages", pages.into(), 1, u32::MAX.into())?;
        within(
            "number of a run's loads",
            loads.into(),
            1,
            u64::from(self.loads.min(255)),
        )?;
        if flags & !ALONG != 0 {
            return Err(FormatError::Flags { run, flags });
        }
        let all = self.blocks[usize::from(block)].pages;
        let end = page.saturating_add(pages.into());
        if end > all {
            return Err(FormatError::PastEnd {
                run,
                end,
                pages: all,
            });
        }
        Ok(Run {
            block,
            page,
            pages,
            loads,
            along: flags & ALONG != 0,
        })
    }

    fn check_once(&self) -> Result<(), FormatError> {
        let mut sorted: Vec<(u16, u64, u64)> = self
            .runs
            .iter()
            .map(|run| (run.block, run.page, run.page + u64::from(run.pages)))
            .collect();
        sorted.sort_unstable();
        for pair in sorted.windows(2) {
            let ((block, _, end), (next, page, _)) = (pair[0], pair[1]);
            if block == next && page < end {
                return Err(FormatError::Twice { block, page });
            }
        }
        Ok(())
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.runs.len() * RUN + CHECKSUM);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.page_size.to_le_bytes());
        bytes.extend(self.identity.0);
        bytes.extend(self.loads.to_le_bytes());
        bytes.extend((self.blocks.len() as u32).to_le_bytes());
        bytes.extend((self.runs.len() as u64).to_le_bytes());
        for block in &self.blocks {
            bytes.extend(block.pages.to_le_bytes());
            bytes.push(block.name.len() as u8);
            bytes.extend(block.name.as_bytes());
        }
        for run in &self.runs {
            bytes.extend(run.page.to_le_bytes());
            bytes.extend(run.pages.to_le_bytes());
            bytes.extend(run.block.to_le_bytes());
            bytes.extend([run.loads, u8::from(run.along) * ALONG]);
        }
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }
}

/// What is before the checksum, with it.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn seal(content: &[u8]) -> Vec<u8> {
    [content, &Sha256::digest(content)[..]].concat()
}

/// How long the file is up to where `fields` goes on, the checksum counted with it.
fn bytes_before(content: &[u8], fields: &Fields<'_>) -> usize {
    MAGIC.len() + 4 + content.len() - fields.0.len() + CHECKSUM
}

#[cfg(test)]
mod tests {
    use super::super::tests::any_set;
    use super::*;
    use proptest::prelude::*;

    fn good() -> WorkingSet {
        WorkingSet {
            identity: Identity([9; 32]),
            page_size: 4096,
            loads: 2,
            blocks: vec![SetBlock {
                name: "pc.ram".into(),
                pages: 100,
            }],
            runs: vec![
                Run {
                    block: 0,
                    page: 90,
                    pages: 10,
                    loads: 2,
                    along: false,
                },
                Run {
                    block: 0,
                    page: 3,
                    pages: 1,
                    loads: 1,
                    along: true,
                },
            ],
        }
    }

    /// Of bytes whose checksum is right.
    fn parse_sealed(mut bytes: Vec<u8>) -> Result<WorkingSet, FormatError> {
        bytes.truncate(bytes.len() - CHECKSUM);
        WorkingSet::parse(&seal(&bytes))
    }

    #[test]
    fn the_layout_is_as_drawn() {
        let bytes = good().to_bytes();
        assert_eq!(bytes.len(), HEADER + 8 + 1 + 6 + 2 * RUN + CHECKSUM);
        assert_eq!(&bytes[..12], b"ANNEXWS\0\x01\0\0\0");
        assert_eq!(bytes[16..48], [9; 32]);
        assert_eq!(bytes[72..79], *b"\x06pc.ram");
        assert_eq!(
            bytes[79..95],
            [90, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 2, 0]
        );
        assert_eq!(
            bytes[95..111],
            [3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1]
        );
    }

    #[test]
    fn each_lie_is_named() {
        let set = good();
        let change = |at: usize, value: u8| {
            let mut bytes = set.to_bytes();
            bytes[at] = value;
            bytes
        };
        assert_eq!(WorkingSet::parse(b""), Err(FormatError::NoWorkingSet));
        assert_eq!(
            WorkingSet::parse(&change(0, b'B')),
            Err(FormatError::NoWorkingSet)
        );
        let version = FormatError::Version { got: 2 };
        assert_eq!(WorkingSet::parse(&change(8, 2)), Err(version));
        assert_eq!(
            WorkingSet::parse(&change(20, 1)),
            Err(FormatError::Checksum)
        );
        let short = FormatError::Length {
            got: 40,
            expected: (HEADER + CHECKSUM) as u64,
        };
        assert_eq!(WorkingSet::parse(&set.to_bytes()[..40]), Err(short));
        let words = |at, value| parse_sealed(change(at, value)).unwrap_err().to_string();
        assert_eq!(words(12, 1), "page size 4097 is no power of two");
        assert_eq!(
            words(14, 0xff),
            "page size 16715776 is outside 512..=1048576"
        );
        assert_eq!(words(48, 0), "number of loads 0 is outside 1..=4294967295");
        assert_eq!(words(52, 0), "number of blocks 0 is outside 1..=4096");
        assert_eq!(
            words(53, 0xff),
            "number of blocks 65281 is outside 1..=4096"
        );
        assert_eq!(
            words(56, 3),
            "it is 143 bytes long, expected 159: it was cut off, or isn't whole"
        );
        assert_eq!(
            words(60, 1),
            "number of runs 4294967298 is outside 0..=16777216"
        );
        assert_eq!(
            words(64, 0),
            "number of a block's pages 0 is outside 1..=4294967296"
        );
        assert_eq!(words(72, 0), "length of a name 0 is outside 1..=255");
        assert_eq!(words(73, 0xff), "the name of block 0 is no UTF-8");
        assert_eq!(
            words(79, 91),
            "run 0 goes to page 101 of a block that has 100"
        );
        assert_eq!(
            words(86, 0xff),
            format!(
                "run 0 goes to page {} of a block that has 100",
                0xff00_0000_0000_0000u64 + 100
            )
        );
        assert_eq!(
            words(87, 0),
            "number of a run's pages 0 is outside 1..=4294967295"
        );
        assert_eq!(words(91, 1), "block of a run 1 is outside 0..=0");
        assert_eq!(words(93, 3), "number of a run's loads 3 is outside 1..=2");
        assert_eq!(words(94, 6), "run 0 has the unknown flags 0x6");
        assert_eq!(words(95, 95), "page 95 of block 0 occurs twice");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(set in any_set()) {
            prop_assert_eq!(WorkingSet::parse(&set.to_bytes()), Ok(set));
        }

        #[test]
        fn no_changed_byte_and_no_cut_goes_unseen(set in any_set(), at: prop::sample::Index, bit in 0..8) {
            let bytes = set.to_bytes();
            let at = at.index(bytes.len());
            prop_assert!(WorkingSet::parse(&bytes[..at]).is_err());
            let mut changed = bytes.clone();
            changed[at] ^= 1u8 << bit;
            prop_assert!(WorkingSet::parse(&changed).is_err());
            prop_assert!(WorkingSet::parse(&[bytes, vec![0]].concat()).is_err());
        }
    }
}
