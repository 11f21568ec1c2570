// SPDX-License-Identifier: GPL-2.0-or-later
//! The crate's one mock, for tests, benches and fuzzing: snapshot files whose pages are known, a
//! source that fails on demand, and memory of every kind to load into.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use rustix::mm::{madvise, mmap, mmap_anonymous, munmap, Advice, MapFlags, ProtFlags};

use crate::bitmap::Bitmap;
use crate::buffer::HUGE;
use crate::format::HEADER_SIZE;
use crate::memory::Kind;
use crate::source::{FileSource, PageSource};

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
    let mut state = (block as u64) << 48 | (number + 1);
    for word in page.chunks_mut(8) {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&((mixed ^ (mixed >> 31)) | 1).to_ne_bytes()[..word.len()]);
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
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// With this errno.
    Errno(i32),
    /// As if the file ended there.
    End,
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

    /// From now on every read succeeds.
    pub fn heal(&self) {
        self.bad.lock().unwrap().clear();
    }

    /// From now on every read takes this much longer.
    pub fn delay(&self, delay: Duration) {
        self.delay_us
            .store(delay.as_micros() as u64, Ordering::Relaxed);
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

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let delay = self.delay_us.load(Ordering::Relaxed);
        if delay > 0 {
            std::thread::sleep(Duration::from_micros(delay));
        }
        let end = offset + buf.len() as u64;
        let bad = self
            .bad
            .lock()
            .unwrap()
            .iter()
            .find_map(|(range, failure)| {
                (range.start < end && offset < range.end).then_some((range.start, *failure))
            });
        let Some((start, failure)) = bad else {
            return self.inner.read_at(buf, offset);
        };
        // A short read leaves what came before the fault in the buffer.
        let good = start.saturating_sub(offset) as usize;
        self.inner.read_at(&mut buf[..good], offset)?;
        Err(match failure {
            Failure::Errno(errno) => io::Error::from_raw_os_error(errno),
            Failure::End => io::ErrorKind::UnexpectedEof.into(),
        })
    }

    fn will_need(&self, range: Range<u64>) {
        self.inner.will_need(range);
    }
}

/// Guest memory to load into, unmapped when dropped. Read and written through raw pointers, as its
/// pages come and go behind the compiler's back.
#[derive(Debug)]
pub struct Memory {
    start: *mut u8,
    mapped: usize,
    len: u64,
    kind: Kind,
    backing: Option<OwnedFd>,
}

// SAFETY: all access is through raw pointers into a mapping that lives as long as the value.
unsafe impl Send for Memory {}
// SAFETY: as above; concurrent accesses are volatile and any result is acceptable to the tests.
unsafe impl Sync for Memory {}

impl Memory {
    /// Private anonymous memory that asks for huge pages, as QEMU's RAM does.
    pub fn anonymous(len: u64) -> io::Result<Self> {
        let memory = Self::map(len, Kind::Anonymous, None, MapFlags::PRIVATE, HUGE)?;
        // SAFETY: advice that changes no contents, on our own mapping.
        unsafe {
            madvise(
                memory.start.cast(),
                memory.len as usize,
                Advice::LinuxHugepage,
            )?
        };
        Ok(memory)
    }

    /// Shared memory of a memfd.
    pub fn shared(len: u64) -> io::Result<Self> {
        let fd = memfd_create("memory", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, len)?;
        Self::map(len, Kind::Shared, Some(fd), MapFlags::SHARED, HUGE)
    }

    /// 2 MiB pages of hugetlbfs, of which enough must be reserved.
    pub fn huge_pages(len: u64) -> io::Result<Self> {
        let len = len.next_multiple_of(HUGE);
        let fd = memfd_create(
            "memory",
            MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
        )?;
        ftruncate(&fd, len)?;
        Self::map(len, Kind::HugePages, Some(fd), MapFlags::SHARED, HUGE)
    }

    fn map(
        len: u64,
        kind: Kind,
        backing: Option<OwnedFd>,
        flags: MapFlags,
        align: u64,
    ) -> io::Result<Self> {
        let mapped = (len + align) as usize;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, and then one over an aligned part of it.
        unsafe {
            let reserved = mmap_anonymous(
                ptr::null_mut(),
                mapped,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?;
            let start =
                reserved.wrapping_byte_add(reserved.cast::<u8>().align_offset(HUGE as usize));
            let flags = flags | MapFlags::FIXED;
            match &backing {
                Some(fd) => mmap(start, len as usize, prot, flags, fd, 0)?,
                None => mmap_anonymous(start, len as usize, prot, flags | MapFlags::NORESERVE)?,
            };
            // What lies around the aligned part is given back.
            let before = start.addr() - reserved.addr();
            if before > 0 {
                munmap(reserved, before)?;
            }
            let after = mapped - before - len as usize;
            if after > 0 {
                munmap(start.wrapping_byte_add(len as usize), after)?;
            }
            Ok(Self {
                start: start.cast(),
                mapped: len as usize,
                len,
                kind,
                backing,
            })
        }
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// Bytes of memory.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes, which it never has.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it is made of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of one page.
    pub fn page_size(&self) -> u64 {
        if self.kind == Kind::HugePages {
            HUGE
        } else {
            PAGE
        }
    }

    /// The memfd behind it, if there is one.
    pub fn backing(&self) -> Option<&OwnedFd> {
        self.backing.as_ref()
    }

    /// Reads page `number` (of [`PAGE`] bytes), waiting for it if it is missing.
    pub fn read_page(&self, number: u64) -> Vec<u8> {
        assert!((number + 1) * PAGE <= self.len);
        let at = self
            .start
            .wrapping_add((number * PAGE) as usize)
            .cast::<u64>();
        (0..PAGE as usize / 8)
            // SAFETY: within the mapping, checked above.
            .flat_map(|word| unsafe { at.add(word).read_volatile() }.to_ne_bytes())
            .collect()
    }

    /// Touches page `number`, waiting for it if it is missing.
    pub fn touch(&self, number: u64) -> u8 {
        assert!((number + 1) * PAGE <= self.len);
        // SAFETY: within the mapping, checked above.
        unsafe { self.start.add((number * PAGE) as usize).read_volatile() }
    }

    /// Bytes of memory that this mapping takes now, as `/proc/self/smaps` tells: resident pages,
    /// and those of hugetlbfs.
    pub fn resident(&self) -> u64 {
        let (start, end) = (self.start as u64, self.start as u64 + self.len);
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("read smaps");
        let mut within = false;
        let mut total = 0;
        for line in smaps.lines() {
            let word = line.split_whitespace().next().unwrap_or_default();
            if let Some((from, to)) = word.split_once('-') {
                let parse = |hex| u64::from_str_radix(hex, 16).ok();
                within = parse(from)
                    .zip(parse(to))
                    .is_some_and(|(a, b)| start <= a && b <= end);
            } else if within && ["Rss:", "Shared_Hugetlb:", "Private_Hugetlb:"].contains(&word) {
                let kib = line
                    .split_whitespace()
                    .nth(1)
                    .and_then(|kib| kib.parse::<u64>().ok());
                total += kib.expect("a size in KiB") << 10;
            }
        }
        total
    }

    /// Takes the memory away, so that nothing is mapped there.
    pub fn unmap(&self, range: Range<u64>) {
        // SAFETY: the caller, a test, doesn't touch the range again.
        unsafe {
            munmap(
                self.start.wrapping_add(range.start as usize).cast(),
                (range.end - range.start) as usize,
            )
            .expect("munmap");
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: our own mapping; unmapping what a test took away already is no error.
        let _ = unsafe { munmap(self.start.cast(), self.mapped) };
    }
}
