// SPDX-License-Identifier: GPL-2.0-or-later
//! Mapping a snapshot: [`mapped_ram::mapping::Mapping`] for C.
//!
//! Order of calls: new, add_block for each RAM block, place, free. What place has made is for
//! [`super::detach`].

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use mapped_ram::mapping::Mapping;

use super::add_block;
use super::detach::AnnexRamDetach;
use super::types::AnnexRamBlock;
use crate::error::AnnexError;
use crate::guard::{fallible, infallible};

/// A snapshot that is about to be mapped, copy on write. One thread at a time
/// may use it.
pub struct AnnexRamMap(Mapping);

/// What was mapped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnnexRamMapStats {
    /// Bytes that are mapped from the file.
    pub bytes_mapped: u64,
    /// Bytes that are in the file and were copied, as the process may not have
    /// a mapping for each run of pages.
    pub bytes_copied: u64,
    /// Bytes that aren't in the file and read as zero.
    pub bytes_zero: u64,
    /// Mappings of the file.
    pub mappings: u64,
}

/// Begins to map the snapshot in `fd`, a memfd open for reading that is sealed
/// against shrinking and writing. Duplicates `fd`. `target_page_size` is
/// TARGET_PAGE_SIZE, in bytes. NULL on failure, and if it isn't sealed; else
/// freed with annex_ram_map_free().
///
/// # Safety
/// `fd` is open; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_map_new(
    fd: c_int,
    target_page_size: u64,
    err: *mut *mut AnnexError,
) -> *mut AnnexRamMap {
    let body = || {
        if fd < 0 {
            return Err("the snapshot has no file descriptor to map".into());
        }
        // SAFETY: open, says the caller, and borrowed only for this call.
        let map = Mapping::new(unsafe { BorrowedFd::borrow_raw(fd) }, target_page_size)?;
        Ok(Box::into_raw(Box::new(AnnexRamMap(map))))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, std::ptr::null_mut(), body) }
}

/// Adds a block with its `header_len` bytes of `header` from the stream; reads
/// and checks its page bitmap. Writes to `*next_offset` where in the file the
/// stream goes on. Fails, and names the block, if its memory isn't private
/// anonymous memory in base pages, or is to be populated, or follows a NUMA
/// policy.
///
/// # Safety
/// `map` is alive; `block` points to a valid structure whose string ends in
/// NUL; `header` has `header_len` bytes; `next_offset` is valid for writing;
/// `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_map_add_block(
    map: *mut AnnexRamMap,
    block: *const AnnexRamBlock,
    header: *const u8,
    header_len: usize,
    next_offset: *mut u64,
    err: *mut *mut AnnexError,
) -> bool {
    let add = |spec, header: &[u8]| {
        // SAFETY: alive, and used by no other thread, says the caller.
        let map = unsafe { &mut *map };
        map.0.add_block(&spec, header)
    };
    // SAFETY: all as they must be, says the caller.
    unsafe { add_block(block, header, header_len, next_offset, err, add) }
}

/// Makes the memory of all blocks the snapshot's, and writes to `*stats` how.
/// Replaces mappings: what was advised about the memory must be advised again.
/// Returns what ends this again, freed with annex_ram_detach_free(). NULL on
/// failure: the memory is neither what it was nor the snapshot's then.
///
/// # Safety
/// `map` is alive; the memory of its blocks is private and anonymous, reads as
/// zero, and may be replaced; `stats` is valid for writing; `err` is NULL or
/// valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_map_place(
    map: *mut AnnexRamMap,
    stats: *mut AnnexRamMapStats,
    err: *mut *mut AnnexError,
) -> *mut AnnexRamDetach {
    let body = || {
        // SAFETY: alive, and the memory is the caller's to replace, says the caller.
        let (done, detach) = unsafe { (*map).0.place() }?;
        let read = AnnexRamMapStats {
            bytes_mapped: done.mapped,
            bytes_copied: done.copied,
            bytes_zero: done.zero,
            mappings: done.runs,
        };
        // SAFETY: valid for writing, says the caller.
        unsafe { stats.write(read) };
        Ok(Box::into_raw(Box::new(AnnexRamDetach(detach))))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, std::ptr::null_mut(), body) }
}

/// Frees it; what was mapped stays so. NULL is allowed and does nothing.
///
/// # Safety
/// `map` is NULL, or alive and used by no other thread.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_map_free(map: *mut AnnexRamMap) {
    if !map.is_null() {
        // SAFETY: it was boxed in `annex_ram_map_new`, and the caller hands it back.
        let map = unsafe { Box::from_raw(map) };
        infallible("annex_ram_map_free", (), || drop(map));
    }
}
