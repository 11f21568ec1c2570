// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that is shared with the back-end: one memfd, mapped once.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    fallocate, fcntl_add_seals, ftruncate, memfd_create, FallocateFlags, MemfdFlags, SealFlags,
};
use rustix::io::Errno;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use crate::layout::Layout;

/// Where the area begins in the addresses that a back-end is told, for descriptors and for rings
/// alike. An invention: it tells nothing of where QEMU or the guest has anything.
pub const AREA_ADDRESS: u64 = 1 << 32;

/// The area can't be made.
#[derive(Debug, thiserror::Error)]
pub enum AreaError {
    /// memfd_create(2).
    #[error("cannot make the memory area")]
    Create(#[source] io::Error),
    /// ftruncate(2).
    #[error("cannot make the memory area {len} bytes long")]
    Resize {
        /// In bytes.
        len: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// fcntl(2), F_ADD_SEALS.
    #[error("cannot seal the memory area")]
    Seal(#[source] io::Error),
    /// mmap(2).
    #[error("cannot map the memory area")]
    Map(#[source] vm_memory::mmap::MmapRegionError),
}

/// Memory for a device's rings and buffers. Nobody can shrink or grow it, so no access faults,
/// and nobody can change that. Everything else its other mappers can do at any moment: hence no
/// reference to its bytes is ever made.
///
/// May be shared between threads; each queue's part is used by one [`Queue`](crate::Queue).
#[derive(Debug)]
pub struct Area {
    mapping: MmapRegion,
    layout: Layout,
    claimed: Vec<AtomicBool>,
}

impl Area {
    /// Makes an area, all zeros. Memory is allocated as it is written.
    ///
    /// # Errors
    /// When the kernel has no memory, address space or file descriptor to give.
    pub fn new(layout: Layout) -> Result<Self, AreaError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let name = c"isolated-memory";
        let fd = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
            // Before Linux 6.3 there is no such flag.
            Err(Errno::INVAL) => memfd_create(name, flags),
            other => other,
        };
        let fd = fd.map_err(|errno| AreaError::Create(errno.into()))?;
        let len = layout.len();
        ftruncate(&fd, len).map_err(|errno| AreaError::Resize {
            len,
            source: errno.into(),
        })?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(|errno| AreaError::Seal(errno.into()))?;
        let file = FileOffset::new(File::from(fd), 0);
        let mapping = MmapRegion::from_file(file, len as usize).map_err(AreaError::Map)?;
        let claimed = layout.queues().iter().map(|_| AtomicBool::new(false));
        Ok(Self {
            mapping,
            claimed: claimed.collect(),
            layout,
        })
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The file to send to the back-end, to be mapped from offset 0.
    pub fn fd(&self) -> BorrowedFd<'_> {
        let file = self.mapping.file_offset().expect("mapped from a file");
        file.file().as_fd()
    }

    /// Bytes `offset..offset + len`. Panics outside the area: offsets come from the layout, never
    /// from the back-end.
    pub(crate) fn slice(&self, offset: u64, len: u64) -> VolatileSlice<'_> {
        self.mapping
            .get_slice(offset as usize, len as usize)
            .expect("inside the area")
    }

    /// Zeroes bytes `offset..offset + len`.
    pub(crate) fn zero(&self, offset: u64, len: u64) {
        zero(&self.slice(offset, len));
    }

    /// Takes a queue's part for the caller alone; false if it is taken.
    pub(crate) fn claim(&self, queue: usize) -> bool {
        !self.claimed[queue].swap(true, Ordering::Acquire)
    }

    pub(crate) fn unclaim(&self, queue: usize) {
        self.claimed[queue].store(false, Ordering::Release);
    }
}

/// Zeroes a slice of it.
pub(crate) fn zero(slice: &VolatileSlice) {
    // SAFETY: the slice is mapped and writable. No reference to its bytes exists, here or
    // elsewhere; that another process may write them meanwhile only decides whose bytes stay.
    unsafe { slice.ptr_guard_mut().as_ptr().write_bytes(0, slice.len()) };
}

/// Who has the file still has no memory of ours in it: what it touches from here on is its own.
impl Drop for Area {
    fn drop(&mut self) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // At worst its memory lasts as long as the last descriptor.
        let _ = fallocate(self.fd(), flags, 0, self.layout.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::QueueSpec;
    use rustix::fs::fstat;
    use vm_memory::Bytes;

    fn area() -> Area {
        Area::new(Layout::new(&[QueueSpec::new(8)]).expect("a layout")).expect("an area")
    }

    #[test]
    fn nobody_changes_its_length_or_its_seals() {
        let area = area();
        let len = area.layout().len();
        for other in [0, len - 4096, len + 4096] {
            assert_eq!(ftruncate(area.fd(), other), Err(Errno::PERM), "to {other}");
        }
        let grown = fallocate(area.fd(), FallocateFlags::empty(), len, 4096);
        assert_eq!(grown, Err(Errno::PERM));
        // Sealed against writing, the next page that we touch would kill us.
        for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
            assert_eq!(fcntl_add_seals(area.fd(), seal), Err(Errno::PERM));
        }
        assert_eq!(fstat(area.fd()).expect("stat").st_size as u64, len);
    }

    #[test]
    fn a_hole_punched_by_another_reads_as_zeros() {
        let area = area();
        let slice = area.slice(0, 8);
        slice.write_obj(7u64, 0).expect("inside");
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(area.fd(), flags, 0, area.layout().len()).expect("punched");
        assert_eq!(slice.read_obj::<u64>(0).expect("inside"), 0);
        slice.write_obj(8u64, 0).expect("inside");
        assert_eq!(slice.read_obj::<u64>(0).expect("inside"), 8);
    }

    #[test]
    fn who_keeps_the_file_keeps_no_memory() {
        let area = area();
        let len = area.layout().len();
        area.slice(0, len).write_obj(7u64, 0).expect("inside");
        let kept = area.fd().try_clone_to_owned().expect("a copy");
        assert!(fstat(&kept).expect("stat").st_blocks > 0);
        drop(area);
        assert_eq!(fstat(&kept).expect("stat").st_blocks, 0);
        assert_eq!(fstat(&kept).expect("stat").st_size as u64, len);
    }

    #[test]
    fn a_queue_is_claimed_once() {
        let area = area();
        assert!(area.claim(0));
        assert!(!area.claim(0));
        area.unclaim(0);
        assert!(area.claim(0));
    }
}
