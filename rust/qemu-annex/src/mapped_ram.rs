// SPDX-License-Identifier: GPL-2.0-or-later
//! Loading a mapped-ram snapshot on demand: [`mapped_ram::service::RamLoad`] for C. [`map`] maps
//! one, and [`detach`] ends that.
//!
//! Order of calls: new, add_block for each RAM block, use_working_set and record if they are wanted,
//! then, all RAM being discarded, start; load the device state; run; the machine runs. free at any
//! time ends it.

use std::ffi::{c_char, c_int, CStr, OsStr};
use std::num::NonZeroU32;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mapped_ram::service::{BlockSpec, Config, RamLoad};
use mapped_ram::source::direct::DirectSource;
use mapped_ram::source::{FileSource, PageSource};
use mapped_ram::working_set;

use crate::error::{AnnexError, BoxError};
use crate::guard::{fallible, infallible};

mod callbacks;
pub mod detach;
pub mod map;
pub mod types;

use callbacks::Callbacks;
use types::{
    AnnexRamBlock, AnnexRamLoadConfig, AnnexRamLoadOps, AnnexRamLoadPace, AnnexRamLoadStats,
};

/// A snapshot that is being loaded. All functions may be called from any
/// thread but those that call `AnnexRamLoadOps`.
pub struct AnnexRamLoad(RamLoad);

/// Begins a load from the file `fd`, open for reading and able to seek.
/// Duplicates `fd`, and never writes to it. Copies `config` and `ops`. NULL on
/// failure; else freed with annex_ram_load_free().
///
/// # Safety
/// `fd` is open; `config` and `ops` point to valid structures, and the
/// callbacks of `ops` work from any thread until the load is freed; `err` is
/// NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_new(
    fd: c_int,
    config: *const AnnexRamLoadConfig,
    ops: *const AnnexRamLoadOps,
    err: *mut *mut AnnexError,
) -> *mut AnnexRamLoad {
    let body = || {
        // SAFETY: valid, says the caller.
        let (config, ops) = unsafe { (&*config, *ops) };
        let direct_io = config.direct_io;
        let threads = |number, what: &str| {
            NonZeroU32::new(number).ok_or_else(|| format!("a RAM load needs at least one {what}"))
        };
        let config = Config {
            fault_threads: threads(config.fault_threads, "fault thread")?,
            background_threads: threads(config.background_threads, "background thread")?,
            target_page_size: config.target_page_size,
            track_faults: config.track_faults,
            pace: config.pace.check()?,
        };
        if fd < 0 {
            return Err("the snapshot has no file descriptor to read from".into());
        }
        // SAFETY: open, says the caller, and borrowed only for this call.
        let file = unsafe { BorrowedFd::borrow_raw(fd) };
        let source: Arc<dyn PageSource> = if direct_io {
            Arc::new(DirectSource::new(file, config.target_page_size)?)
        } else {
            Arc::new(FileSource::new(file)?)
        };
        let load = RamLoad::new(source, config, Arc::new(Callbacks(ops)))?;
        Ok(Box::into_raw(Box::new(AnnexRamLoad(load))))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, std::ptr::null_mut(), body) }
}

/// Adds a block with its `header_len` bytes of `header` from the stream; reads
/// and checks its page bitmap. Writes to `*next_offset` where in the file the
/// stream goes on.
///
/// # Safety
/// `load` is alive; `block` points to a valid structure whose string ends in
/// NUL; `header` has `header_len` bytes; `next_offset` is valid for writing;
/// `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_add_block(
    load: *mut AnnexRamLoad,
    block: *const AnnexRamBlock,
    header: *const u8,
    header_len: usize,
    next_offset: *mut u64,
    err: *mut *mut AnnexError,
) -> bool {
    let add = |spec, header: &[u8]| {
        // SAFETY: alive, says the caller.
        let load = unsafe { &*load };
        load.0.add_block(spec, header)
    };
    // SAFETY: all as they must be, says the caller.
    unsafe { add_block(block, header, header_len, next_offset, err, add) }
}

/// Hands `add` a block and its header, and writes to `*next_offset` what it gives.
///
/// # Safety
/// `block` points to a valid structure whose string ends in NUL; `header` has
/// `header_len` bytes; `next_offset` is valid for writing; `err` is NULL or
/// valid for writing a pointer.
unsafe fn add_block<E: Into<BoxError>>(
    block: *const AnnexRamBlock,
    header: *const u8,
    header_len: usize,
    next_offset: *mut u64,
    err: *mut *mut AnnexError,
    add: impl FnOnce(BlockSpec, &[u8]) -> Result<u64, E>,
) -> bool {
    let body = || {
        // SAFETY: both as they must be, says the caller.
        let (block, header) = unsafe { (&*block, slice::from_raw_parts(header, header_len)) };
        // SAFETY: its string ends in NUL, says the caller.
        let next = add(unsafe { block.spec() }, header).map_err(Into::into)?;
        // SAFETY: valid for writing, says the caller.
        unsafe { next_offset.write(next) };
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// From the start on, the pages of the working set in the file `fd`, open for
/// reading, are to come before all else. All blocks have been added. Reads all
/// of the file, and doesn't keep it. Fails, and says why, if it isn't a working
/// set of this snapshot, or if the background is linear.
///
/// # Safety
/// `load` is alive; `fd` is open; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_use_working_set(
    load: *mut AnnexRamLoad,
    fd: c_int,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    let body = || {
        if fd < 0 {
            return Err("the working set has no file descriptor to read from".into());
        }
        // SAFETY: open, says the caller, and borrowed only for this call.
        let file = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
        load.0.use_working_set(working_set::read(&file.into())?)?;
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// From the start on, what is touched is recorded, and when the load ends, or
/// with annex_ram_load_end_recording(), written to `path` as a working set,
/// merged with the one that is used, which must be given before, and with one
/// that is at `path`. All blocks have been added. Copies `path`. Fails, and
/// says why, if something else is at `path`, or if nothing can be written
/// there.
///
/// # Safety
/// `load` is alive; `path` is a string that ends in NUL; `err` is NULL or valid
/// for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_record(
    load: *mut AnnexRamLoad,
    path: *const c_char,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: as they must be, says the caller.
    let (load, path) = unsafe { (&*load, CStr::from_ptr(path)) };
    let body = || {
        load.0
            .record(PathBuf::from(OsStr::from_bytes(path.to_bytes())))?;
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Ends the recording, if there is one, and writes it. Waits for that at most
/// `patience_ms`; if it takes longer it is still written. If it fails the
/// recording goes on, and it can be tried again. The load has been started.
///
/// # Safety
/// `load` is alive; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_end_recording(
    load: *mut AnnexRamLoad,
    patience_ms: u32,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    let patience = Duration::from_millis(patience_ms.into());
    let body = || Ok(load.0.end_recording(patience).map(|()| true)?);
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Watches the memory of all blocks, which must be empty, and starts the
/// threads. From now on the memory may be touched.
///
/// # Safety
/// `load` is alive, the memory of its blocks is mapped until it is freed, and
/// nothing else fills that memory; `err` is NULL or valid for writing a
/// pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_start(
    load: *mut AnnexRamLoad,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, || Ok(load.0.start().map(|()| true)?)) }
}

/// The device state is loaded and the machine is about to run. Fails if a page
/// couldn't be brought until now: then the load has been given up, memory that
/// wasn't loaded reads as zero, and the machine must not run. From now on such
/// a page is reported through `failed`, and waited for.
///
/// # Safety
/// `load` is alive; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_run(
    load: *mut AnnexRamLoad,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, || Ok(load.0.run().map(|()| true)?)) }
}

/// From now on this is wanted of the background, before the load's start as
/// well as after it. Copies `pace`. Fails only for a background that there
/// isn't.
///
/// # Safety
/// `load` is alive; `pace` points to a valid structure; `err` is NULL or valid
/// for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_set_pace(
    load: *mut AnnexRamLoad,
    pace: *const AnnexRamLoadPace,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: as they must be, says the caller.
    let (load, pace) = unsafe { (&*load, *pace) };
    let body = || {
        load.0.set_pace(pace.check()?);
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Tries all failed pages again, and waits for that at most `patience_ms`. If
/// all are there then, loading goes on. If not, all stays as it was, and the
/// error names block and offsets, or says that the storage doesn't answer.
///
/// # Safety
/// `load` is alive; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_retry(
    load: *mut AnnexRamLoad,
    patience_ms: u32,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    let patience = Duration::from_millis(patience_ms.into());
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, || Ok(load.0.retry(patience).map(|()| true)?)) }
}

/// A sign of life while pages are failed. If the caller gives none within a
/// second of `failed` or `still_failed` the pages are tried again by
/// themselves, as it may be the caller who waits for them.
///
/// # Safety
/// `load` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_acknowledge(load: *mut AnnexRamLoad) {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    infallible("annex_ram_load_acknowledge", (), || load.0.acknowledge());
}

/// Whether thread `tid`, or with 0 any thread, has waited for a page for a
/// second or more, because it is failed or the storage stalls.
///
/// # Safety
/// `load` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_is_stuck(load: *const AnnexRamLoad, tid: u32) -> bool {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    infallible("annex_ram_load_is_stuck", false, || {
        load.0.is_stuck(tid, Instant::now())
    })
}

/// Writes to `*stats` what the load has done so far; all zeros before
/// annex_ram_load_start().
///
/// # Safety
/// `load` is alive; `stats` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_stats(
    load: *const AnnexRamLoad,
    stats: *mut AnnexRamLoadStats,
) {
    // SAFETY: alive, says the caller.
    let load = unsafe { &*load };
    let read = infallible("annex_ram_load_stats", AnnexRamLoadStats::default(), || {
        AnnexRamLoadStats::of(&load.0)
    });
    // SAFETY: valid for writing, says the caller.
    unsafe { stats.write(read) };
}

/// Ends a load wherever it is, waits for its threads, and frees it. Memory
/// that wasn't loaded reads as zero from now on: a machine that needs it must
/// not run. NULL is allowed and does nothing.
///
/// # Safety
/// `load` is NULL, or alive and used by no other thread.
#[no_mangle]
pub unsafe extern "C" fn annex_ram_load_free(load: *mut AnnexRamLoad) {
    if !load.is_null() {
        // SAFETY: it was boxed in `annex_ram_load_new`, and the caller hands it back.
        let load = unsafe { Box::from_raw(load) };
        infallible("annex_ram_load_free", (), || drop(load));
    }
}
