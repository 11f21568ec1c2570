// SPDX-License-Identifier: GPL-2.0-or-later
//! Ending the mapping of a snapshot: [`mapped_ram::mapping::Detach`] for C.

use std::ffi::c_void;
use std::time::{Duration, Instant};

use mapped_ram::mapping::Detach;

use crate::error::AnnexError;
use crate::guard::{fallible, infallible};

/// Memory that is mapped from a snapshot. One thread at a time may use it.
pub struct AnnexRamDetach(pub(super) Detach);

/// Tells of new memory, at `host`, `length` bytes long, that RAM is about to be
/// copied to, so that the kernel can be told what is to hold for it.
pub type AnnexRamAdvise = unsafe extern "C" fn(opaque: *mut c_void, host: *mut c_void, length: u64);

/// Bytes that are still mapped from the snapshot.
///
/// # Safety
/// `detach` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_detach_left(detach: *const AnnexRamDetach) -> u64 {
    // SAFETY: alive, says the caller.
    let detach = unsafe { &*detach };
    infallible("annex_ram_detach_left", 0, || detach.0.left())
}

/// Gets new memory ready for the next `length` bytes or a little more, unless as
/// much is ready. Calls `advise` with `opaque` for it. Fails if the kernel has no
/// memory or no mapping left.
///
/// # Safety
/// `detach` is alive, and used by no other thread; `advise` works; `err` is NULL
/// or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_detach_prepare(
    detach: *mut AnnexRamDetach,
    length: u64,
    advise: AnnexRamAdvise,
    opaque: *mut c_void,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: alive, and used by no other thread, says the caller.
    let detach = unsafe { &mut *detach };
    let tell = |address: u64, length| {
        let host = std::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: it works, says the caller.
        unsafe { advise(opaque, host, length) }
    };
    let body = || match detach.0.prepare(length, tell) {
        Ok(()) => Ok(true),
        Err(error) => Err(format!("no memory for RAM of its own: {error}").into()),
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Copies mapped memory, and puts the copy in its place, for `budget_ns`, and at
/// least a piece of 2 MiB, as far as memory is ready. Nobody may write to the
/// memory meanwhile: vCPUs are stopped, disks are drained, and no page is pinned;
/// reading is allowed. Fails if the kernel has no mapping left: then what was
/// done stays, and it can be tried again.
///
/// # Safety
/// `detach` is alive, and used by no other thread; the memory may be replaced,
/// and isn't written to; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_detach_step(
    detach: *mut AnnexRamDetach,
    budget_ns: u64,
    err: *mut *mut AnnexError,
) -> bool {
    let begin = Instant::now();
    let budget = Duration::from_nanos(budget_ns);
    let body = || {
        // SAFETY: alive, and used by no other thread, says the caller.
        let detach = unsafe { &mut *detach };
        // SAFETY: the memory is as it must be, says the caller.
        match unsafe { detach.0.step(|| begin.elapsed() >= budget) } {
            Ok(_) => Ok(true),
            Err(error) => Err(format!("can't copy RAM out of the snapshot: {error}").into()),
        }
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// `length` bytes of memory at `host` are RAM no more: they are left alone from
/// now on.
///
/// # Safety
/// `detach` is alive, and used by no other thread.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_detach_forget(
    detach: *mut AnnexRamDetach,
    host: *const c_void,
    length: u64,
) {
    let start = host.expose_provenance() as u64;
    // SAFETY: alive, and used by no other thread, says the caller.
    let detach = unsafe { &mut *detach };
    infallible("annex_ram_detach_forget", (), || {
        detach.0.forget(start..start.saturating_add(length));
    });
}

/// Frees it; what is mapped stays so. NULL is allowed and does nothing.
///
/// # Safety
/// `detach` is NULL, or alive and used by no other thread.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_detach_free(detach: *mut AnnexRamDetach) {
    if !detach.is_null() {
        // SAFETY: it was boxed in `annex_ram_map_place`, and the caller hands it back.
        let detach = unsafe { Box::from_raw(detach) };
        infallible("annex_ram_detach_free", (), || drop(detach));
    }
}
