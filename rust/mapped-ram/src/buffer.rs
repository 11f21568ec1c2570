// SPDX-License-Identifier: GPL-2.0-or-later
//! Page-aligned memory that belongs to one thread and isn't inherited by a forked child, which
//! would otherwise share its pages and keep them from being moved.

#![allow(unsafe_code)]

use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{madvise, mmap_anonymous, munmap, Advice, MapFlags, ProtFlags};

use crate::plan::HUGE_PAGE;

/// Zeroed memory at an address that is a multiple of [`HUGE_PAGE`] when it is at least that long.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<u8>,
    len: usize,
    huge: bool,
}

// SAFETY: a Buffer is the only owner of its mapping, like a Box<[u8]>.
unsafe impl Send for Buffer {}

impl Buffer {
    /// `len` bytes (a multiple of the base page size) in base pages.
    pub fn new(len: usize) -> io::Result<Self> {
        Self::map(len, false)
    }

    /// One huge page, or, if the kernel has none to give, base pages in its place.
    pub fn huge_page() -> io::Result<Self> {
        Self::map(HUGE_PAGE as usize, true)
    }

    fn map(len: usize, huge: bool) -> io::Result<Self> {
        let align = if len < HUGE_PAGE as usize {
            0
        } else {
            HUGE_PAGE as usize
        };
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing else's.
        let raw = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len + align,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let skip = if align == 0 {
            0
        } else {
            raw.align_offset(align)
        };
        let start = raw.cast::<u8>().wrapping_add(skip);
        let trim = |at: *mut u8, len: usize| {
            if len == 0 {
                return Ok(());
            }
            // SAFETY: whole pages of the new mapping outside the part we keep.
            unsafe { munmap(at.cast(), len) }
        };
        trim(raw.cast(), skip)?;
        trim(start.wrapping_add(len), align - skip)?;
        let start = NonNull::new(start).expect("a mapping is never at address 0");
        let buffer = Self { start, len, huge };
        buffer.advise()?;
        Ok(buffer)
    }

    fn advise(&self) -> io::Result<()> {
        let start = self.start.as_ptr().cast();
        // SAFETY: advice that changes no contents, on a mapping that is ours.
        unsafe {
            madvise(start, self.len, Advice::LinuxDontFork)?;
            if self.huge {
                // A kernel without huge pages refuses: base pages do.
                let _ = madvise(start, self.len, Advice::LinuxHugepage);
            }
        }
        Ok(())
    }

    /// Maps the same addresses anew: after pages were moved out one by one the page table would
    /// keep the next ones small.
    pub fn renew(&mut self) -> io::Result<()> {
        // SAFETY: replaces our own mapping, to which `&mut self` proves no slice is borrowed.
        unsafe {
            mmap_anonymous_fixed(self.start.as_ptr().cast(), self.len)?;
        }
        self.advise()
    }

    /// The bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: a readable and writable mapping of `len` bytes, ours alone, borrowed with self.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Bytes in the buffer.
    pub fn len(&self) -> usize {
        self.len
    }
}

/// # Safety
///
/// `start` and `len` must be a mapping of the caller's that nothing else refers to.
unsafe fn mmap_anonymous_fixed(start: *mut core::ffi::c_void, len: usize) -> io::Result<()> {
    // SAFETY: see above.
    unsafe {
        // A page table is freed only when its whole range is unmapped, which replacing does.
        mmap_anonymous(
            start,
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED,
        )?;
    }
    Ok(())
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and goes with us.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_writable_and_renewed_to_zero() {
        for mut buffer in [
            Buffer::new(4096).unwrap(),
            Buffer::new(HUGE_PAGE as usize).unwrap(),
            Buffer::huge_page().unwrap(),
        ] {
            if buffer.len() as u64 >= HUGE_PAGE {
                assert!(
                    buffer
                        .start
                        .cast::<[u8; 1]>()
                        .as_ptr()
                        .align_offset(HUGE_PAGE as usize)
                        == 0
                );
            }
            let last = buffer.len() - 1;
            buffer.bytes()[last] = 7;
            assert_eq!(buffer.bytes()[last], 7);
            let start = buffer.start;
            buffer.renew().unwrap();
            assert_eq!(buffer.start, start);
            assert!(buffer.bytes().iter().all(|byte| *byte == 0));
        }
    }
}
