// SPDX-License-Identifier: GPL-2.0-or-later
//! A snapshot file without a machine to load it into: what it holds, and whether it is whole.
//!
//! Only what stands before the RAM section's blocks is read of QEMU's stream, and its end:
//!
//! ```text
//! ├──────────────────────────────────────────────┤ start
//! │ u32 be  "QEVM", u32 be  version = 3          │
//! │ u8 7    the configuration: machine type and  │
//! │         subsections (may be missing)         │
//! │ u8 1    section: u32 be id, name "ram",      │
//! │         u32 be instance, u32 be version      │
//! │ u64 be  length of all blocks | 4             │
//! │ blocks: u8 length of the name, name, u64 be  │
//! │         length, then as `format` has it      │
//! ├──────────────────────────────────────────────┤ where the last block's pages end
//! │ …       device state, u8 0                   │
//! │ u8 6    u32 be length, JSON: its description │
//! ├──────────────────────────────────────────────┤ the end of the file
//! ```
//!
//! Specification: `docs/devel/migration/main.rst` and `mapped-ram.rst` in QEMU's source. What is in
//! the device state can't be told without the devices, but QEMU writes the description last, so a
//! file that ends with one is whole.

use std::io;

use thiserror::Error;

use crate::bitmap::Bitmap;
use crate::format::{BlockImage, FormatError, HEADER_SIZE, MAX_BLOCKS};
use crate::source::PageSource;
use crate::working_set::{Identity, SetBlock};

const MAGIC: u32 = 0x5145_564d;
const VERSION: u32 = 3;
const SECTION_START: u8 = 1;
const SUBSECTION: u8 = 5;
const DESCRIPTION: u8 = 6;
const CONFIGURATION: u8 = 7;
const COMMAND: u8 = 8;
const MEM_SIZE: u64 = 4;
/// Flags are below any page size.
const FLAGS: u64 = 0x1ff;
/// Machine types, capabilities and commands are shorter by far.
const MAX_SHORT: u32 = 4096;
/// A description of the largest machines is some 100 KiB.
const MAX_DESCRIPTION: u64 = 16 << 20;

/// A file that is no mapped-ram snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// It can't be read there.
    #[error("can't read at {offset:#x}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It isn't what it should be.
    #[error("at {offset:#x}: {problem}")]
    Stream {
        /// Where.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
    /// A header or a bitmap contradicts itself or the file.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// A block of RAM in the file.
#[derive(Debug)]
pub struct SnapshotBlock {
    /// Where it is.
    pub image: BlockImage,
    /// Its pages that are in the file; the others are zero.
    pub data: Bitmap,
}

/// How a snapshot ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the description that QEMU writes last: it is whole.
    Description,
    /// With something else after RAM: it was cut off, or it is on a device that is longer, or its
    /// machine type leaves the description out.
    Unknown,
    /// With RAM: the device state is missing.
    NoDeviceState,
}

/// A mapped-ram snapshot.
#[derive(Debug)]
pub struct Snapshot {
    /// Bytes of the file.
    pub size: u64,
    /// The machine type it was saved with, if it says so.
    pub machine: Option<String>,
    /// Its blocks, in order.
    pub blocks: Vec<SnapshotBlock>,
    /// Bytes that follow RAM.
    pub device_state: u64,
    /// How it ends.
    pub end: End,
}

impl Snapshot {
    /// Reads what is in `source`, whose stream begins at `start`.
    pub fn read(source: &dyn PageSource, start: u64) -> Result<Self, SnapshotError> {
        let size = source
            .size()
            .map_err(|source| SnapshotError::Read { offset: 0, source })?;
        let mut stream = Stream {
            source,
            offset: start,
        };
        stream.expect_u32("magic number", MAGIC)?;
        stream.expect_u32("version", VERSION)?;
        let machine = stream.before_ram()?;
        let blocks = stream.blocks(size)?;
        let device_state = size.saturating_sub(stream.offset);
        let end = if device_state == 0 {
            End::NoDeviceState
        } else if stream.ends_with_description(size)? {
            End::Description
        } else {
            End::Unknown
        };
        Ok(Self {
            size,
            machine,
            blocks,
            device_state,
            end,
        })
    }

    /// What tells it from others.
    pub fn identity(&self, source: &dyn PageSource) -> io::Result<Identity> {
        Identity::of(source, self.blocks.iter().map(|block| &block.image))
    }

    /// Its blocks as a working set names them.
    pub fn set_blocks(&self) -> Vec<SetBlock> {
        self.blocks
            .iter()
            .map(|block| block.image.set_block())
            .collect()
    }
}

/// The stream from some place on.
struct Stream<'a> {
    source: &'a dyn PageSource,
    offset: u64,
}

impl Stream<'_> {
    fn error(&self, problem: impl Into<String>) -> SnapshotError {
        SnapshotError::Stream {
            offset: self.offset,
            problem: problem.into(),
        }
    }

    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = vec![0; len];
        self.source
            .read_at(&mut bytes, self.offset)
            .map_err(|source| SnapshotError::Read {
                offset: self.offset,
                source,
            })?;
        self.offset += len as u64;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        Ok(self.bytes(N)?.try_into().expect("N bytes"))
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length, 4 bytes, of what is short.
    fn short(&mut self, what: &str) -> Result<usize, SnapshotError> {
        match self.u32()? {
            len if len <= MAX_SHORT => Ok(len as usize),
            len => Err(self.error(format!("{len} bytes or entries of {what}"))),
        }
    }

    /// A string behind its length in one byte.
    fn string(&mut self, what: &str) -> Result<String, SnapshotError> {
        let len = self.u8()?;
        let bytes = self.bytes(len.into())?;
        String::from_utf8(bytes).map_err(|_| self.error(format!("{what} is no UTF-8")))
    }

    fn expect_u32(&mut self, what: &str, expected: u32) -> Result<(), SnapshotError> {
        match self.u32()? {
            found if found == expected => Ok(()),
            found => Err(self.error(format!(
                "{what} {found:#x}, expected {expected:#x}: it is no migration stream that is known"
            ))),
        }
    }

    /// All up to the length of all blocks. The machine type if there is one.
    fn before_ram(&mut self) -> Result<Option<String>, SnapshotError> {
        let mut machine = None;
        loop {
            match self.u8()? {
                CONFIGURATION if machine.is_none() => machine = Some(self.configuration()?),
                COMMAND => {
                    let [_, _, high, low] = self.array()?;
                    self.bytes(u16::from_be_bytes([high, low]).into())?;
                }
                SECTION_START => {
                    self.u32()?;
                    let name = self.string("the section's name")?;
                    if name != "ram" {
                        return Err(self.error(format!("section '{name}' where 'ram' should be")));
                    }
                    self.u64()?;
                    return Ok(machine);
                }
                other => return Err(self.error(format!("{other:#x} where 'ram' should begin"))),
            }
        }
    }

    fn configuration(&mut self) -> Result<String, SnapshotError> {
        let len = self.short("the machine type")?;
        let machine = String::from_utf8_lossy(&self.bytes(len)?).into_owned();
        loop {
            let before = self.offset;
            if self.u8()? != SUBSECTION {
                self.offset = before;
                return Ok(machine);
            }
            let name = self.string("a subsection's name")?;
            self.u32()?;
            match name.as_str() {
                "configuration/target-page-bits" => drop(self.u32()?),
                "configuration/uuid" => drop(self.bytes(16)?),
                "configuration/capabilities" => {
                    for _ in 0..self.short("capabilities")? {
                        if self.string("a capability")? == "x-ignore-shared" {
                            return Err(self.error(
                                "it was saved with x-ignore-shared: its shared RAM is elsewhere",
                            ));
                        }
                    }
                }
                _ => return Err(self.error(format!("unknown subsection '{name}'"))),
            }
        }
    }

    fn blocks(&mut self, size: u64) -> Result<Vec<SnapshotBlock>, SnapshotError> {
        let total = self.u64()?;
        if total & FLAGS != MEM_SIZE {
            return Err(self.error(format!("{total:#x} where the size of RAM should be")));
        }
        let mut left = total & !FLAGS;
        let mut blocks = Vec::new();
        while left > 0 {
            if blocks.len() == MAX_BLOCKS {
                return Err(self.error(format!("more than {MAX_BLOCKS} RAM blocks")));
            }
            let name = self.string("a RAM block's name")?;
            let length = self.u64()?;
            left = left
                .checked_sub(length)
                .ok_or_else(|| self.error("the RAM blocks are longer than all of RAM"))?;
            blocks.push(self.block(&name, length, size)?);
        }
        Ok(blocks)
    }

    fn block(
        &mut self,
        name: &str,
        length: u64,
        size: u64,
    ) -> Result<SnapshotBlock, SnapshotError> {
        let header: [u8; HEADER_SIZE] = self.array()?;
        let page_size = u64::from_be_bytes(header[4..12].try_into().expect("8 bytes"));
        let sizes = crate::working_set::PAGE_SIZES;
        if !page_size.is_power_of_two()
            || !(u64::from(*sizes.start())..=u64::from(*sizes.end())).contains(&page_size)
        {
            return Err(self.error(format!(
                "page size {page_size}: the snapshot isn't in the mapped-ram format"
            )));
        }
        let image = BlockImage::parse(name, length, page_size, &header, size)?;
        let bitmap = Stream {
            source: self.source,
            offset: image.bitmap_offset,
        }
        .bytes(image.bitmap_bytes() as usize)?;
        let data = image.parse_bitmap(&bitmap, size)?;
        self.offset = image.next_offset();
        Ok(SnapshotBlock { image, data })
    }

    /// Whether what follows here ends with a description.
    fn ends_with_description(&mut self, size: u64) -> Result<bool, SnapshotError> {
        let start = self.offset.max(size.saturating_sub(MAX_DESCRIPTION));
        self.offset = start;
        let tail = self.bytes((size - start) as usize)?;
        let is_one = |at: usize| {
            let text = at + 5;
            let len = tail[at + 1..text].try_into().map(u32::from_be_bytes);
            tail[at] == DESCRIPTION
                && len.is_ok_and(|len| len as usize == tail.len() - text)
                && tail.get(text) == Some(&b'{')
                && tail.last() == Some(&b'}')
        };
        Ok((0..tail.len().saturating_sub(5)).rev().any(is_one))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::testing::{write_stream, WHOLE};

    fn file(start: u64, end: &[u8]) -> (File, crate::source::FileSource) {
        let file = tempfile::tempfile().unwrap();
        write_stream(&file, start, end);
        let source = crate::source::FileSource::new(std::os::fd::AsFd::as_fd(&file)).unwrap();
        (file, source)
    }

    #[test]
    fn what_a_snapshot_holds_is_told() {
        for start in [0, 0x1000] {
            let (_file, source) = file(start, WHOLE);
            let snapshot = Snapshot::read(&source, start).unwrap();
            assert_eq!(snapshot.machine.as_deref(), Some("pc-q35-9"));
            let blocks: Vec<_> = snapshot
                .blocks
                .iter()
                .map(|block| (&block.image.name[..], block.data.count(0..300)))
                .collect();
            assert_eq!(blocks, [("pc.ram", 7), ("pc.rom", 7)]);
            assert_eq!(snapshot.device_state, WHOLE.len() as u64);
            assert_eq!(snapshot.end, End::Description);
        }
        let end = |bytes| Snapshot::read(&file(0, bytes).1, 0).unwrap().end;
        assert_eq!(end(b""), End::NoDeviceState);
        assert_eq!(end(&WHOLE[..WHOLE.len() - 1]), End::Unknown);
        assert_eq!(end(b"s"), End::Unknown);
    }

    #[test]
    fn no_cut_and_no_changed_byte_in_front_of_ram_leads_astray() {
        let (file, source) = file(0, WHOLE);
        let mut front = [0; 120];
        file.read_exact_at(&mut front, 0).unwrap();
        for at in 0..front.len() {
            for value in [0, 1, 5, 8, 0x7f, 0xff] {
                file.write_all_at(&[value], at as u64).unwrap();
                if let Ok(snapshot) = Snapshot::read(&source, 0) {
                    assert!(snapshot
                        .blocks
                        .iter()
                        .all(|block| block.image.next_offset() > 0));
                }
            }
            file.write_all_at(&front[at..=at], at as u64).unwrap();
        }
        for len in 0..200 {
            file.set_len(len).unwrap();
            assert!(Snapshot::read(&source, 0).is_err(), "{len}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (file, source) = file(0, WHOLE);
        let words = |at: u64, bytes: &[u8]| {
            let mut before = vec![0; bytes.len()];
            file.read_exact_at(&mut before, at).unwrap();
            file.write_all_at(bytes, at).unwrap();
            let error = Snapshot::read(&source, 0).unwrap_err().to_string();
            file.write_all_at(&before, at).unwrap();
            error
        };
        assert!(words(0, b"qcow").contains("magic number 0x71636f77"));
        assert!(words(7, &[2]).contains("version 0x2"));
        assert!(words(9, &[1]).contains("bytes or entries of the machine type"));
        assert!(words(23, b"x").contains("unknown subsection"));
        file.set_len(2 << 20).unwrap();
        let error = Snapshot::read(&source, 0).unwrap_err().to_string();
        assert!(error.contains("can't read at 0x"), "{error}");
    }
}
