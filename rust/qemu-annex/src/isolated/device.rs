// SPDX-License-Identifier: GPL-2.0-or-later
//! A device from one start to the next: [`isolated_memory::Device`] for C.

use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::{ptr, slice, vec};

use isolated_memory::{Area, Device, Ring, Start, AREA_ADDRESS};

use super::queue::AnnexIsolatedQueue;
use super::types::{AnnexIsolatedScrub, AnnexIsolatedStats, AnnexIsolatedVring, Loan};
use crate::error::AnnexError;
use crate::guard::{fallible, infallible};

/// A device whose back-end is isolated: its memory area, a sealed memfd that is mapped here, and
/// what is known of its queues while they don't run. Calls for one device must not overlap; those
/// for its queues may be made meanwhile, from other threads.
pub struct AnnexIsolatedDevice {
    device: Device<Loan>,
    /// What the queue that was stopped last has still to give back.
    returning: vec::IntoIter<Loan>,
}

/// A device with that virtio ID. `len`: bytes of its area, rounded up to 2 MiB, of which every
/// queue gets a part in proportion to its ring; 0: 64 KiB for each entry of a ring, 4 MiB for each
/// queue at least. Memory is allocated as it is used. To be freed with
/// annex_isolated_device_free().
#[no_mangle]
pub extern "C" fn annex_isolated_device_new(
    id: u16,
    len: u64,
    scrub: AnnexIsolatedScrub,
) -> *mut AnnexIsolatedDevice {
    Box::into_raw(Box::new(AnnexIsolatedDevice {
        device: Device::new(id, len, scrub.into()),
        returning: Vec::new().into_iter(),
    }))
}

/// Frees a device, none of whose queues runs; NULL is allowed and does nothing.
///
/// # Safety
/// `device` is NULL, or came from this library and wasn't freed.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_free(device: *mut AnnexIsolatedDevice) {
    infallible("annex_isolated_device_free", (), || {
        if !device.is_null() {
            // SAFETY: ours, and given back, says the caller.
            drop(unsafe { Box::from_raw(device) });
        }
    });
}

/// `n` elements, or none.
///
/// # Safety
/// There are as many, for as long as the result is used.
unsafe fn array<'a, T>(first: *const T, n: usize) -> &'a [T] {
    match n {
        0 => &[],
        // SAFETY: as long as that, says the caller.
        n => unsafe { slice::from_raw_parts(first, n) },
    }
}

/// Whether queues whose rings have up to rings[0], ... rings[n - 1] entries, each a power of two,
/// have room in the device's area. The error says what would do.
///
/// # Safety
/// `device` is alive; `rings` has `n` elements, or `n` is 0; `err` is NULL or valid for writing a
/// pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_check(
    device: *const AnnexIsolatedDevice,
    rings: *const u16,
    n: usize,
    err: *mut *mut AnnexError,
) -> bool {
    let body = || {
        // SAFETY: alive, and as long as that, says the caller.
        let (device, rings) = unsafe { (&*device, array(rings, n)) };
        device.device.layout(rings)?;
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Has an area for such queues, none of which runs. It is the last one if a back-end is to go on
/// with what it has in there, and else a new one. lives[0], ... lives[n - 1] are numbers that
/// change when the guest resets a queue.
///
/// # Safety
/// As for annex_isolated_device_check(), and for `lives` as for `rings`.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_prepare(
    device: *mut AnnexIsolatedDevice,
    rings: *const u16,
    lives: *const u32,
    n: usize,
    err: *mut *mut AnnexError,
) -> bool {
    let body = || {
        // SAFETY: alive, and as long as that, says the caller.
        let (device, rings, lives) = unsafe { (&mut *device, array(rings, n), array(lives, n)) };
        device.device.prepare(rings, lives)?;
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// The area that was prepared last.
///
/// # Safety
/// The device is alive.
unsafe fn area<'a>(device: *const AnnexIsolatedDevice) -> Option<&'a Area> {
    // SAFETY: alive, says the caller.
    unsafe { &*device }.device.area().map(|area| &**area)
}

/// The area's file, which the back-end maps from offset 0; -1 if none was prepared. Borrowed: it is
/// closed with the area, once no queue is in that any more.
///
/// # Safety
/// `device` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_fd(device: *const AnnexIsolatedDevice) -> c_int {
    infallible("annex_isolated_device_fd", -1, || {
        // SAFETY: alive, says the caller.
        unsafe { area(device) }.map_or(-1, |area| area.fd().as_raw_fd())
    })
}

/// Bytes of the area, a multiple of 2 MiB; 0 if none was prepared.
///
/// # Safety
/// `device` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_len(device: *const AnnexIsolatedDevice) -> u64 {
    // SAFETY: alive, says the caller.
    unsafe { area(device) }.map_or(0, |area| area.layout().len())
}

/// Writes the addresses of a queue's ring, as the back-end is to be told them, to `*out`; zeros
/// if the area has no queue of that index.
///
/// # Safety
/// `device` is alive; `out` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_vring(
    device: *const AnnexIsolatedDevice,
    queue: usize,
    out: *mut AnnexIsolatedVring,
) {
    // SAFETY: alive, says the caller.
    let place = unsafe { area(device) }.and_then(|area| area.layout().queues().get(queue));
    let vring = place.map(|place| AnnexIsolatedVring {
        desc: AREA_ADDRESS + place.descriptors,
        avail: AREA_ADDRESS + place.avail,
        used: AREA_ADDRESS + place.used,
    });
    // SAFETY: valid for writing, says the caller.
    unsafe { out.write(vring.unwrap_or_default()) };
}

/// There is another back-end, or one that has forgotten everything: it won't go on with anything.
///
/// # Safety
/// `device` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_connected(device: *mut AnnexIsolatedDevice) {
    infallible("annex_isolated_device_connected", (), || {
        // SAFETY: alive, says the caller.
        unsafe { &mut *device }.device.connected();
    });
}

/// The index at which the back-end is to begin with a queue that doesn't run: 0, or where it ended
/// if it is the same and the queue has the same life. Some back-ends don't look into the ring for
/// it.
///
/// # Safety
/// `device` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_base(
    device: *mut AnnexIsolatedDevice,
    queue: usize,
    life: u32,
) -> u16 {
    infallible("annex_isolated_device_base", 0, || {
        // SAFETY: alive, says the caller.
        unsafe { &mut *device }.device.base(queue, life)
    })
}

/// Starts a queue of the area that was prepared, with a ring of `entries` entries (a power of two,
/// no more than the area was made for) and these virtio features of the back-end's. NULL on
/// failure; else it goes back with annex_isolated_device_stop(). If `*resumed`, its back-end has
/// requests still, which are lent first, in the order in which they came from the last stop.
///
/// # Safety
/// `device` is alive; `resumed` is valid for writing; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_start(
    device: *mut AnnexIsolatedDevice,
    queue: usize,
    life: u32,
    entries: u16,
    features: u64,
    resumed: *mut bool,
    err: *mut *mut AnnexError,
) -> *mut AnnexIsolatedQueue {
    let body = || {
        let ring = Ring { entries, features };
        // SAFETY: alive, says the caller.
        let (queue, start) = unsafe { &mut *device }.device.start(queue, life, ring)?;
        // SAFETY: valid for writing, says the caller.
        unsafe { resumed.write(start == Start::Resumed) };
        Ok(Box::into_raw(Box::new(AnnexIsolatedQueue::new(queue))))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, ptr::null_mut(), body) }
}

/// Stops a queue, which is gone with this call: what it had in flight is the caller's again, and
/// comes from annex_isolated_device_returned(). `goes_on` points to the index at which the back-end
/// will go on with its copies, or is NULL if it won't: it is gone, or the guest resets the device.
/// If it won't, or had nothing left, the queue's part of the area is zeroed. Reap what the back-end
/// has used before.
///
/// # Safety
/// `device` is alive, and `queue` was started by it; `goes_on` is NULL or valid for reading.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_stop(
    device: *mut AnnexIsolatedDevice,
    queue: *mut AnnexIsolatedQueue,
    goes_on: *const u16,
) {
    infallible("annex_isolated_device_stop", (), || {
        // SAFETY: alive, ours and given back, and valid for reading, says the caller.
        let (device, queue, goes_on) =
            unsafe { (&mut *device, Box::from_raw(queue), goes_on.as_ref()) };
        // Who has which request isn't known after an internal error: to leak some is better than
        // to give one twice.
        let Some(queue) = queue.into_sound() else {
            return;
        };
        device.returning = device.device.stop(queue, goes_on.copied()).into_iter();
    });
}

/// The next request of those that the queue which was stopped last had in flight, in the order in
/// which they were lent; then NULL.
///
/// # Safety
/// `device` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_returned(
    device: *mut AnnexIsolatedDevice,
) -> *mut c_void {
    // SAFETY: alive, says the caller.
    let next = unsafe { &mut *device }.returning.next();
    next.map_or(ptr::null_mut(), |loan| loan.request.as_ptr())
}

/// Writes what a queue has done since it was started, but not resumed, to `*out`; false if it
/// neither runs nor has a back-end that will go on.
///
/// # Safety
/// `device` is alive; `out` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_device_stats(
    device: *const AnnexIsolatedDevice,
    queue: usize,
    out: *mut AnnexIsolatedStats,
) -> bool {
    // SAFETY: alive, says the caller.
    let stats = unsafe { &*device }.device.stats(queue);
    // SAFETY: valid for writing, says the caller.
    unsafe { out.write(stats.unwrap_or_default().into()) };
    stats.is_some()
}
