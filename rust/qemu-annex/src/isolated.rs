// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that an isolated vhost-user back-end sees: [`isolated_memory`] for C.
//!
//! An area for a device, and in it a queue for each of its virtqueues. The order of calls for a
//! queue: lend all that there is; publish; kick if that says so. When called: mind_no_calls;
//! reap until there is nothing; clean; lend what waited; publish; want_calls, and again if that
//! is true.

use std::ffi::c_int;
use std::os::fd::AsRawFd;
use std::ptr;
use std::slice;
use std::sync::Arc;

use isolated_memory::rules::Rule;
use isolated_memory::{Area, Layout, QueueSpec, AREA_ADDRESS};

use crate::error::AnnexError;
use crate::guard::{fallible, infallible};

pub mod queue;
pub mod types;

use types::AnnexIsolatedVring;

/// Where an area begins in the addresses that a back-end is told: the guest address and the user
/// address of its one memory region.
pub const ANNEX_ISOLATED_ADDRESS: u64 = 4_294_967_296;
const _: () = assert!(ANNEX_ISOLATED_ADDRESS == AREA_ADDRESS);

/// A device's memory area: a sealed memfd that is mapped here. All its functions may be called
/// from any thread.
pub struct AnnexIsolatedArea(Arc<Area>);

/// Makes an area for queues whose rings have up to rings[0], ... rings[n - 1] entries, each a
/// power of two. `len`: bytes of the whole area, rounded up to 2 MiB, of which every queue gets a
/// part in proportion to its ring; 0: 64 KiB for each entry of a ring, 4 MiB for each queue at
/// least. Memory is allocated as it is used. NULL on failure, such as a `len` that is too small
/// (the error says what would do); else freed with annex_isolated_area_free().
///
/// # Safety
/// `rings` has `n` elements, or `n` is 0; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_area_new(
    rings: *const u16,
    n: usize,
    len: u64,
    err: *mut *mut AnnexError,
) -> *mut AnnexIsolatedArea {
    let body = || {
        let rings = match n {
            0 => &[],
            // SAFETY: as long as that, says the caller.
            n => unsafe { slice::from_raw_parts(rings, n) },
        };
        let layout = if len == 0 {
            let specs: Vec<_> = rings.iter().copied().map(QueueSpec::new).collect();
            Layout::new(&specs)
        } else {
            Layout::with_len(rings, len)
        };
        let area = Arc::new(Area::new(layout?)?);
        Ok(Box::into_raw(Box::new(AnnexIsolatedArea(area))))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, ptr::null_mut(), body) }
}

/// Frees an area; NULL is allowed and does nothing. Queues that are in it keep its memory.
///
/// # Safety
/// `area` is NULL, or came from this library and wasn't freed.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_area_free(area: *mut AnnexIsolatedArea) {
    infallible("annex_isolated_area_free", (), || {
        if !area.is_null() {
            // SAFETY: ours, and given back, says the caller.
            drop(unsafe { Box::from_raw(area) });
        }
    });
}

/// The file to send to the back-end, which maps it from offset 0. Borrowed: it is closed with the
/// area, once no queue is in that any more.
///
/// # Safety
/// `area` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_area_fd(area: *const AnnexIsolatedArea) -> c_int {
    // SAFETY: alive, says the caller.
    unsafe { &*area }.0.fd().as_raw_fd()
}

/// Whether back-ends of the device with that virtio ID keep what a queue lends them until something
/// happens, which may be never, so that a device that stops needn't wait for it.
#[no_mangle]
pub extern "C" fn annex_isolated_queue_is_held(device: u16, queue: usize) -> bool {
    Rule::new(device, queue).held
}

/// Bytes of the area, a multiple of 2 MiB.
///
/// # Safety
/// `area` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_area_len(area: *const AnnexIsolatedArea) -> u64 {
    // SAFETY: alive, says the caller.
    unsafe { &*area }.0.layout().len()
}

/// Writes the addresses of a queue's ring, as the back-end is to be told them, to `*out`; zeros
/// if the area has no queue of that index.
///
/// # Safety
/// `area` is alive; `out` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_area_vring(
    area: *const AnnexIsolatedArea,
    queue: usize,
    out: *mut AnnexIsolatedVring,
) {
    // SAFETY: alive, says the caller.
    let queues = unsafe { &*area }.0.layout().queues();
    let vring = queues.get(queue).map(|place| AnnexIsolatedVring {
        desc: AREA_ADDRESS + place.descriptors,
        avail: AREA_ADDRESS + place.avail,
        used: AREA_ADDRESS + place.used,
    });
    // SAFETY: valid for writing, says the caller.
    unsafe { out.write(vring.unwrap_or_default()) };
}
