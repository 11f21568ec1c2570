// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory of every kind to load into.

#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::ptr;

use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use rustix::mm::{madvise, mmap, mmap_anonymous, munmap, Advice, MapFlags, ProtFlags};

use super::PAGE;
use crate::memory::Kind;
use crate::plan::HUGE_PAGE;

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
        let memory = Self::map(len, Kind::Anonymous, None, MapFlags::PRIVATE, HUGE_PAGE)?;
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
        Self::map(len, Kind::Shared, Some(fd), MapFlags::SHARED, HUGE_PAGE)
    }

    /// 2 MiB pages of hugetlbfs, of which enough must be reserved.
    pub fn huge_pages(len: u64) -> io::Result<Self> {
        let len = len.next_multiple_of(HUGE_PAGE);
        let fd = memfd_create(
            "memory",
            MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
        )?;
        ftruncate(&fd, len)?;
        Self::map(len, Kind::HugePages, Some(fd), MapFlags::SHARED, HUGE_PAGE)
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
                reserved.wrapping_byte_add(reserved.cast::<u8>().align_offset(HUGE_PAGE as usize));
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
            HUGE_PAGE
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
        let mut page = vec![0; PAGE as usize];
        let at = self.start.wrapping_add((number * PAGE) as usize);
        // SAFETY: within the mapping, checked above, and into a buffer of a page.
        unsafe { ptr::copy_nonoverlapping(at, page.as_mut_ptr(), PAGE as usize) };
        page
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

    /// Takes the memory away. Nothing comes to be there: another test's memory would be written to,
    /// and unmapped with this one.
    pub fn unmap(&self, range: Range<u64>) {
        // SAFETY: the caller, a test, doesn't touch the range again.
        unsafe {
            mmap_anonymous(
                self.start.wrapping_add(range.start as usize).cast(),
                (range.end - range.start) as usize,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::FIXED,
            )
            .expect("mmap");
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: our own mapping.
        let _ = unsafe { munmap(self.start.cast(), self.mapped) };
    }
}
