// SPDX-License-Identifier: GPL-2.0-or-later
//! The crate's one mock, for tests, benches and fuzzing: snapshot files whose pages are known, a
//! source that fails on demand, and memory of every kind to load into.

mod fuzz;
mod memory;
mod stream;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rand_xoshiro::SplitMix64;
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};

use crate::bitmap::Bitmap;
use crate::format::HEADER_SIZE;
use crate::source::{FileSource, PageSource, Stamp};

pub use fuzz::{check_snapshot, check_working_set};
pub use memory::Memory;
pub use stream::{write_stream, WHOLE};

/// The page size of the snapshots made here.
pub const PAGE: u64 = 4096;

/// A block's header.
pub fn header(version: u32, page_size: u64, bitmap_offset: u64, pages_offset: u64) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    for field in [page_size, bitmap_offset, pages_offset] {
        bytes.extend(field.to_be_bytes());
    }
    bytes
}

/// Fills `page` with bytes that depend on the block, the page's number and nothing else, and that
/// are never all zero.
pub fn fill_page(block: usize, number: u64, page: &mut [u8]) {
    let mut words = SplitMix64::seed_from_u64((block as u64) << 48 | (number + 1));
    for bytes in page.chunks_mut(8) {
        bytes.copy_from_slice(&(words.next_u64() | 1).to_ne_bytes()[..bytes.len()]);
    }
}

/// One block of a snapshot made here.
#[derive(Clone, Debug)]
pub struct SnapshotBlock {
    /// The block's name.
    pub name: String,
    /// Its header as the file has it.
    pub header: Vec<u8>,
    /// Which pages are in the file.
    pub data: Bitmap,
    /// Where page 0 is.
    pub pages_offset: u64,
}

impl SnapshotBlock {
    /// Bytes in the block.
    pub fn length(&self) -> u64 {
        self.data.len() * PAGE
    }
}

/// A snapshot file laid out as QEMU does it.
#[derive(Debug)]
pub struct Snapshot {
    /// The file.
    pub file: File,
    /// Its blocks.
    pub blocks: Vec<SnapshotBlock>,
}

impl Snapshot {
    /// A snapshot in memory, with the pages that each block's bitmap marks. Pages that it doesn't
    /// mark hold rubbish, as after a page turned zero late in a live save.
    pub fn new(blocks: &[(&str, Bitmap)]) -> Self {
        let fd = memfd_create("snapshot", MemfdFlags::CLOEXEC).expect("memfd_create");
        Self::in_file(fd.into(), blocks)
    }

    /// The same, written to an empty `file`.
    pub fn in_file(file: File, blocks: &[(&str, Bitmap)]) -> Self {
        const PAGES_ALIGNMENT: u64 = 1 << 20;
        let mut offset = 100;
        let mut made = Vec::new();
        for (index, (name, data)) in blocks.iter().enumerate() {
            let bitmap_offset = offset + HEADER_SIZE as u64;
            let bitmap = data.to_ne_bytes();
            let pages_offset =
                (bitmap_offset + bitmap.len() as u64).next_multiple_of(PAGES_ALIGNMENT);
            let header = header(1, PAGE, bitmap_offset, pages_offset);
            file.write_all_at(&header, offset).expect("write a header");
            file.write_all_at(&bitmap, bitmap_offset)
                .expect("write a bitmap");
            write_pages(&file, index, data, pages_offset);
            offset = pages_offset + data.len() * PAGE;
            made.push(SnapshotBlock {
                name: (*name).to_owned(),
                header,
                data: data.clone(),
                pages_offset,
            });
        }
        ftruncate(&file, offset).expect("set the file's size");
        Self { file, blocks: made }
    }

    /// The file as a source.
    pub fn source(&self) -> FileSource {
        FileSource::new(self.file.as_fd()).expect("duplicate the file")
    }

    /// What page `number` of block `block` must hold after a load.
    pub fn expected(&self, block: usize, number: u64) -> Vec<u8> {
        let mut page = vec![0; PAGE as usize];
        if self.blocks[block].data.get(number) {
            fill_page(block, number, &mut page);
        }
        page
    }
}

fn write_pages(file: &File, block: usize, data: &Bitmap, pages_offset: u64) {
    const CHUNK: u64 = 256;
    let mut buf = vec![0; (CHUNK * PAGE) as usize];
    for start in (0..data.len()).step_by(CHUNK as usize) {
        let end = data.len().min(start + CHUNK);
        if data.count(start..end) == 0 {
            continue;
        }
        let bytes = &mut buf[..((end - start) * PAGE) as usize];
        for (page, number) in bytes.chunks_mut(PAGE as usize).zip(start..end) {
            if data.get(number) {
                fill_page(block, number, page);
            } else {
                page.fill(0xee);
            }
        }
        file.write_all_at(bytes, pages_offset + start * PAGE)
            .expect("write pages");
    }
}

/// A source that fails where it is told to.
pub struct FaultInjector {
    inner: Arc<dyn PageSource>,
    bad: Mutex<Vec<(Range<u64>, Failure)>>,
    delay_us: AtomicU64,
    reads: AtomicU64,
}

/// How a read fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// With this errno.
    Errno(i32),
    /// As if the file ended there.
    End,
    /// Never, until all is healed: as storage that stalls.
    Stall,
}

impl FaultInjector {
    /// Reads from `inner`, for now without failing.
    pub fn new(inner: Arc<dyn PageSource>) -> Self {
        Self {
            inner,
            bad: Mutex::default(),
            delay_us: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        }
    }

    /// From now on reads that touch `range` fail.
    pub fn fail(&self, range: Range<u64>, failure: Failure) {
        self.bad.lock().unwrap().push((range, failure));
    }

    /// From now on only reads that touch `range` fail.
    pub fn fail_only(&self, range: Range<u64>, failure: Failure) {
        *self.bad.lock().unwrap() = vec![(range, failure)];
    }

    /// From now on every read succeeds.
    pub fn heal(&self) {
        self.bad.lock().unwrap().clear();
    }

    /// From now on every read takes this much longer.
    pub fn delay(&self, delay: Duration) {
        self.delay_us
            .store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Where the first failure in `range` begins, and what it is.
    fn find(&self, wanted: Range<u64>) -> Option<(u64, Failure)> {
        let bad = self.bad.lock().unwrap();
        bad.iter().find_map(|(range, failure)| {
            (range.start < wanted.end && wanted.start < range.end)
                .then_some((range.start, *failure))
        })
    }

    /// Reads tried so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl PageSource for FaultInjector {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        self.inner.stamp()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let delay = self.delay_us.load(Ordering::Relaxed);
        if delay > 0 {
            std::thread::sleep(Duration::from_micros(delay));
        }
        let find = || self.find(offset..offset + buf.len() as u64);
        let mut bad = find();
        while let Some((_, Failure::Stall)) = bad {
            std::thread::sleep(Duration::from_millis(5));
            bad = find();
        }
        let Some((start, failure)) = bad else {
            return self.inner.read_at(buf, offset);
        };
        // A short read leaves what came before the fault in the buffer.
        let good = start.saturating_sub(offset) as usize;
        self.inner.read_at(&mut buf[..good], offset)?;
        Err(match failure {
            Failure::Errno(errno) => io::Error::from_raw_os_error(errno),
            Failure::End => io::ErrorKind::UnexpectedEof.into(),
            Failure::Stall => unreachable!("waited for above"),
        })
    }

    /// Storage that is slow or fails has nothing in its cache.
    fn read_cached(&self, buf: &mut [u8], offset: u64) -> usize {
        let fails = self.find(offset..offset + buf.len() as u64).is_some();
        if fails || self.delay_us.load(Ordering::Relaxed) > 0 {
            0
        } else {
            self.inner.read_cached(buf, offset)
        }
    }

    fn prefetch(&self, range: Range<u64>) {
        self.inner.prefetch(range);
    }

    fn reads_ahead(&self) -> bool {
        self.inner.reads_ahead()
    }
}

/// An empty file beside the test program. The system's temporary files are in memory on many.
#[cfg(test)]
pub(crate) fn file_on_disk() -> File {
    let program = std::env::current_exe().expect("the program's name");
    let folder = program.parent().expect("a folder");
    tempfile::tempfile_in(folder).expect("create a file")
}

/// Has nothing of `file` in the page cache, if it isn't in memory itself.
#[cfg(test)]
pub(crate) fn drop_from_cache(file: &File) {
    file.sync_all().expect("write it to disk");
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).expect("drop its pages");
}
