// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes in and out: structures, and what they are in the crate.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;

use isolated_memory::{Done, Request, Scrub, Snapshot};
use libc::iovec;
use vm_memory::VolatileSlice;

/// The parts of a ring, as addresses in the one memory region that a back-end is told.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AnnexIsolatedVring {
    /// The descriptor table.
    pub desc: u64,
    /// The available ring.
    pub avail: u64,
    /// The used ring.
    pub used: u64,
}

/// When what requests gave to read is zeroed in the area, once they have come back. What the
/// device may write is zeroed before it is lent again whatever this says.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexIsolatedScrub {
    /// Before its memory is lent again.
    Always,
    /// When annex_isolated_queue_scrub() is called.
    Idle,
    /// When the queue is reset.
    Never,
}

impl From<AnnexIsolatedScrub> for Scrub {
    fn from(scrub: AnnexIsolatedScrub) -> Self {
        match scrub {
            AnnexIsolatedScrub::Always => Self::Always,
            AnnexIsolatedScrub::Idle => Self::Idle,
            AnnexIsolatedScrub::Never => Self::Never,
        }
    }
}

/// What became of a request that was to be lent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexIsolatedLend {
    /// The queue has it, until it comes out of reap or stop.
    Lent,
    /// The caller keeps it, and there is room for it once others have come back: lend no other
    /// before it, and try again when reap has given something.
    Full,
    /// The caller keeps it, for it never will be lent. The error says why.
    Refused,
    /// The caller keeps it, for there never will be room for it: it is larger than the queue's part
    /// of the area. Later ones may be lent.
    TooLarge,
}

/// A request that has come back.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AnnexIsolatedDone {
    /// What was lent, or NULL.
    pub request: *mut c_void,
    /// Bytes of its memory that were written, from the first that the device may write on.
    pub written: u32,
    /// Bytes that the guest is to be told of.
    pub len: u32,
}

impl Default for AnnexIsolatedDone {
    fn default() -> Self {
        Self {
            request: ptr::null_mut(),
            written: 0,
            len: 0,
        }
    }
}

impl From<Done<Loan>> for AnnexIsolatedDone {
    fn from(done: Done<Loan>) -> Self {
        Self {
            request: done.request.request.as_ptr(),
            written: done.written,
            len: done.len,
        }
    }
}

/// What a queue has done. Each number is right by itself; together they may be a moment apart.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AnnexIsolatedStats {
    /// Requests that the back-end has now.
    pub in_flight: u64,
    /// Requests that came back.
    pub requests: u64,
    /// Bytes copied out of the guest's memory.
    pub bytes_out: u64,
    /// Bytes copied into the guest's memory.
    pub bytes_in: u64,
    /// Times that a request had to wait for room.
    pub waits: u64,
    /// Lengths from the back-end that were larger than what it could write.
    pub clamped: u64,
    /// Blocks of 4 KiB of the queue's buffer memory that aren't free now.
    pub blocks: u64,
    /// Blocks that hold what requests that came back gave to read.
    pub stale: u64,
}

impl From<Snapshot> for AnnexIsolatedStats {
    fn from(now: Snapshot) -> Self {
        Self {
            in_flight: now.in_flight,
            requests: now.requests,
            bytes_out: now.bytes_out,
            bytes_in: now.bytes_in,
            waits: now.waits,
            clamped: now.clamped,
            blocks: now.blocks,
            stale: now.stale,
        }
    }
}

/// A request of the caller's. Whoever makes one promises what [`Segments`] needs.
#[derive(Debug)]
pub(super) struct Loan {
    /// The caller's name for it.
    pub(super) request: NonNull<c_void>,
    pub(super) readable: (*const iovec, usize),
    pub(super) writable: (*const iovec, usize),
}

impl Request for Loan {
    type Segments<'a> = Segments<'a>;

    fn readable(&self) -> Segments<'_> {
        // SAFETY: as whoever made the loan promised.
        unsafe { Segments::new(self.readable) }
    }

    fn writable(&self) -> Segments<'_> {
        // SAFETY: as whoever made the loan promised.
        unsafe { Segments::new(self.writable) }
    }
}

/// The memory of an array of iovecs, without empty ones.
pub(super) struct Segments<'a>(slice::Iter<'a, iovec>);

impl<'a> Segments<'a> {
    /// # Safety
    /// For 'a: the array has that many iovecs, none if it is 0, that don't change, and their
    /// memory is mapped and writable, if only reads are made of it readable.
    unsafe fn new((first, count): (*const iovec, usize)) -> Self {
        let iovecs = match count {
            0 => &[],
            // SAFETY: as the caller says.
            count => unsafe { slice::from_raw_parts(first, count) },
        };
        Self(iovecs.iter())
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = VolatileSlice<'a>;

    fn next(&mut self) -> Option<VolatileSlice<'a>> {
        let iovec = self.0.find(|iovec| iovec.iov_len > 0)?;
        // SAFETY: mapped for 'a, as whoever made `self` promised. No reference to its bytes exists
        // on this side; the guest may write them at any time, for which volatile slices are made.
        Some(unsafe { VolatileSlice::new(iovec.iov_base.cast(), iovec.iov_len) })
    }
}
