// SPDX-License-Identifier: GPL-2.0-or-later
//! Loading a mapped-ram snapshot on demand: [`mapped_ram::service::RamLoad`] for C, and mapping one:
//! [`mapped_ram::mapping::Mapping`].
//!
//! Order of calls: new, add_block for each RAM block, use_working_set and record if they are wanted,
//! then, all RAM being discarded, start; load
//! the device state; run; the machine runs. free at any time ends it.

use std::ffi::{c_char, c_int, c_void, CStr, CString, OsStr};
use std::num::{NonZeroU32, NonZeroU64};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mapped_ram::mapping::Mapping;
use mapped_ram::policy::{Background, Pace};
use mapped_ram::service::{
    BatchTrace, BlockSpec, Config, FailureReport, FaultBegin, FaultKind, FaultTrace, Observer,
    RamLoad,
};
use mapped_ram::source::FileSource;
use mapped_ram::working_set;

use crate::error::AnnexError;
use crate::guard::{fallible, infallible};

/// A snapshot that is being loaded. All functions may be called from any
/// thread but those that call `AnnexRamLoadOps`.
pub struct AnnexRamLoad(RamLoad);

/// The background gives way to page faults.
pub const ANNEX_RAM_LOAD_ADAPTIVE: u32 = 0;
/// There is none: pages come when they are touched.
pub const ANNEX_RAM_LOAD_OFF: u32 = 1;
/// The background is as fast as it can; page faults stand in line with it.
pub const ANNEX_RAM_LOAD_FULL: u32 = 2;
/// One page after the other, and nothing brought along with a page that is
/// waited for, as QEMU's later releases load.
pub const ANNEX_RAM_LOAD_LINEAR: u32 = 3;

/// What is wanted of the background.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AnnexRamLoadPace {
    /// ANNEX_RAM_LOAD_ADAPTIVE, _OFF, _FULL or _LINEAR.
    pub background: u32,
    /// The most bytes per second that it reads, or 0: as many as it can.
    pub max_bandwidth: u64,
}

/// How to load.
#[repr(C)]
pub struct AnnexRamLoadConfig {
    /// Threads that only answer page faults, at least 1.
    pub fault_threads: u32,
    /// Threads that load what nobody waits for, at least 1.
    pub background_threads: u32,
    /// TARGET_PAGE_SIZE, in bytes.
    pub target_page_size: u64,
    /// Whether to call fault_begin and fault_end.
    pub track_faults: bool,
    /// What is wanted of the background at first.
    pub pace: AnnexRamLoadPace,
}

/// A RAM block's memory. It must stay mapped until annex_ram_load_free(), and
/// have been discarded before annex_ram_load_start().
#[repr(C)]
pub struct AnnexRamBlock {
    /// The block's name in the migration stream. Copied.
    pub idstr: *const c_char,
    /// Where it is mapped.
    pub host: *mut c_void,
    /// Its used length in bytes.
    pub length: u64,
    /// Bytes of a page of its memory: the host's, or hugetlbfs's.
    pub page_size: u64,
    /// Whether it is shared memory.
    pub shared: bool,
    /// Whether to make all of it resident once it is loaded.
    pub populate: bool,
}

impl AnnexRamBlock {
    /// # Safety
    /// `idstr` is a string that ends in NUL.
    unsafe fn spec(&self) -> BlockSpec {
        BlockSpec {
            // SAFETY: a string that ends in NUL, says the caller.
            name: unsafe { CStr::from_ptr(self.idstr) }.to_owned(),
            address: self.host as u64,
            length: self.length,
            page_size: self.page_size,
            shared: self.shared,
            populate: self.populate,
        }
    }
}

/// Pages that couldn't be brought. They stay missing, and whoever waits for
/// them stays blocked.
#[repr(C)]
pub struct AnnexRamLoadFailure {
    /// The block's name.
    pub block: *const c_char,
    /// Where in the block, in bytes.
    pub ram_offset: u64,
    /// Where in the file, in bytes.
    pub file_offset: u64,
    /// A positive errno; EIO when the file ends too early.
    pub error: i32,
    /// What happened and why, naming block and offsets.
    pub message: *const c_char,
}

/// How a fault was answered.
#[repr(C)]
pub enum AnnexRamFaultKind {
    /// From the file.
    Data,
    /// With zeros: the page isn't in the file.
    Zero,
    /// Someone else had brought the page, or is about to.
    AlreadyThere,
}

/// What to call when something happens; NULL for what isn't wanted. Called
/// from any thread of the load, with no lock held, until annex_ram_load_free()
/// returns. Strings are valid during the call. A callback must not touch
/// memory that is being loaded, must not wait for a thread that does (a lock
/// that a vCPU may hold while it touches RAM counts), and must not call
/// annex_ram_load_free().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AnnexRamLoadOps {
    /// Passed to every callback.
    pub opaque: *mut c_void,
    /// Thread `tid` (0 if unknown) waits for the page at `host`.
    pub fault_begin: Option<
        unsafe extern "C" fn(
            opaque: *mut c_void,
            block: *const c_char,
            ram_offset: u64,
            host: *mut c_void,
            tid: u32,
        ),
    >,
    /// The page at `host` is there: all who waited for it go on.
    pub fault_end: Option<unsafe extern "C" fn(opaque: *mut c_void, host: *mut c_void)>,
    /// Pages couldn't be brought while the machine runs. Once for each page
    /// that is waited for and for each background batch.
    pub failed:
        Option<unsafe extern "C" fn(opaque: *mut c_void, failure: *const AnnexRamLoadFailure)>,
    /// Some pages are still missing: answer with annex_ram_load_acknowledge().
    /// Once a second.
    pub still_failed: Option<unsafe extern "C" fn(opaque: *mut c_void)>,
    /// The file isn't what it was when its first header was read, so that the
    /// pages may not belong together; `difference` says what was seen. Once,
    /// while the machine runs.
    pub file_changed: Option<unsafe extern "C" fn(opaque: *mut c_void, difference: *const c_char)>,
    /// Everything is loaded, and the memory is ordinary memory again. Once,
    /// after annex_ram_load_run().
    pub finished: Option<unsafe extern "C" fn(opaque: *mut c_void)>,
    /// A fault was answered.
    pub trace_fault: Option<
        unsafe extern "C" fn(
            opaque: *mut c_void,
            block: *const c_char,
            ram_offset: u64,
            tid: u32,
            latency_ns: u64,
            kind: AnnexRamFaultKind,
        ),
    >,
    /// A batch was loaded in the background.
    pub trace_batch: Option<
        unsafe extern "C" fn(
            opaque: *mut c_void,
            block: *const c_char,
            ram_offset: u64,
            length: u64,
            duration_ns: u64,
        ),
    >,
}

/// What a load has done so far. Pages are target pages. Always
/// total = zero + data; once finished, data = demand + background.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnnexRamLoadStats {
    /// Pages of all blocks.
    pub pages_total: u64,
    /// Bytes of all blocks.
    pub bytes_total: u64,
    /// Pages that aren't in the file and read as zero.
    pub pages_zero: u64,
    /// Bytes of these.
    pub bytes_zero: u64,
    /// Pages in the file.
    pub pages_data: u64,
    /// Bytes of these.
    pub bytes_data: u64,
    /// Pages brought because someone waited for them.
    pub pages_demand: u64,
    /// Bytes of these.
    pub bytes_demand: u64,
    /// Pages brought in the background.
    pub pages_background: u64,
    /// Bytes of these.
    pub bytes_background: u64,
    /// Pages of these that came first, as they are in the working set or in
    /// small gaps of it.
    pub pages_working_set: u64,
    /// Bytes of these.
    pub bytes_working_set: u64,
    /// Pages that were recorded for a new working set; one may count more than
    /// once.
    pub pages_recorded: u64,
    /// Bytes of these.
    pub bytes_recorded: u64,
    /// Page faults met, of data and of zero pages.
    pub faults: u64,
    /// Median time from reading a fault to its page, from the file, being in
    /// place, in nanoseconds; 0 if there was none. Doesn't have the time that
    /// the fault waited to be read.
    pub fault_latency_median_ns: u64,
    /// Its 99th centile.
    pub fault_latency_p99_ns: u64,
    /// Its maximum.
    pub fault_latency_max_ns: u64,
}

impl AnnexRamLoadPace {
    fn check(&self) -> Result<Pace, String> {
        let background = match self.background {
            ANNEX_RAM_LOAD_ADAPTIVE => Background::Adaptive,
            ANNEX_RAM_LOAD_OFF => Background::Off,
            ANNEX_RAM_LOAD_FULL => Background::Full,
            ANNEX_RAM_LOAD_LINEAR => Background::Linear,
            other => return Err(format!("a RAM load has no background {other}")),
        };
        Ok(Pace {
            background,
            max_bandwidth: NonZeroU64::new(self.max_bandwidth),
        })
    }
}

/// The owner's callbacks as an observer.
struct Callbacks(AnnexRamLoadOps);

// SAFETY: the owner promises that its callbacks and `opaque` may be used from any thread.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Observer for Callbacks {
    fn fault_begin(&self, fault: &FaultBegin<'_>) {
        if let Some(call) = self.0.fault_begin {
            let (block, host) = (fault.block.as_ptr(), fault.address as *mut c_void);
            // SAFETY: the owner's function, with arguments as its type says.
            unsafe { call(self.0.opaque, block, fault.ram_offset, host, fault.tid) }
        }
    }

    fn fault_end(&self, address: u64) {
        if let Some(call) = self.0.fault_end {
            // SAFETY: as above.
            unsafe { call(self.0.opaque, address as *mut c_void) }
        }
    }

    fn failed(&self, failure: &FailureReport<'_>) {
        let Some(call) = self.0.failed else { return };
        // Neither block names nor errors have a NUL in them.
        let message = CString::new(failure.message).unwrap_or_default();
        let report = AnnexRamLoadFailure {
            block: failure.block.as_ptr(),
            ram_offset: failure.ram_offset,
            file_offset: failure.file_offset,
            error: failure.errno,
            message: message.as_ptr(),
        };
        // SAFETY: as above; the report and its strings outlive the call.
        unsafe { call(self.0.opaque, &report) }
    }

    fn still_failed(&self) {
        if let Some(call) = self.0.still_failed {
            // SAFETY: as above.
            unsafe { call(self.0.opaque) }
        }
    }

    fn source_changed(&self, difference: &str) {
        if let Some(call) = self.0.file_changed {
            // It is made of words and numbers.
            let difference = CString::new(difference).unwrap_or_default();
            // SAFETY: as above; the string outlives the call.
            unsafe { call(self.0.opaque, difference.as_ptr()) }
        }
    }

    fn finished(&self) {
        if let Some(call) = self.0.finished {
            // SAFETY: as above.
            unsafe { call(self.0.opaque) }
        }
    }

    fn trace_fault(&self, fault: &FaultTrace<'_>) {
        if let Some(call) = self.0.trace_fault {
            let kind = match fault.kind {
                FaultKind::Data => AnnexRamFaultKind::Data,
                FaultKind::Zero => AnnexRamFaultKind::Zero,
                FaultKind::AlreadyThere => AnnexRamFaultKind::AlreadyThere,
            };
            let block = fault.block.as_ptr();
            // SAFETY: as above.
            unsafe {
                call(
                    self.0.opaque,
                    block,
                    fault.ram_offset,
                    fault.tid,
                    fault.latency_ns,
                    kind,
                )
            }
        }
    }

    fn trace_batch(&self, batch: &BatchTrace<'_>) {
        if let Some(call) = self.0.trace_batch {
            let block = batch.block.as_ptr();
            // SAFETY: as above.
            unsafe {
                call(
                    self.0.opaque,
                    block,
                    batch.ram_offset,
                    batch.length,
                    batch.duration_ns,
                )
            }
        }
    }
}

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
        let source = FileSource::new(unsafe { BorrowedFd::borrow_raw(fd) })?;
        let load = RamLoad::new(Arc::new(source), config, Arc::new(Callbacks(ops)))?;
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
    let body = || {
        // SAFETY: all as they must be, says the caller.
        let (load, block, header) =
            unsafe { (&*load, &*block, slice::from_raw_parts(header, header_len)) };
        // SAFETY: its string ends in NUL, says the caller.
        let next = load.0.add_block(unsafe { block.spec() }, header)?;
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
        stats_of(&load.0)
    });
    // SAFETY: valid for writing, says the caller.
    unsafe { stats.write(read) };
}

fn stats_of(load: &RamLoad) -> AnnexRamLoadStats {
    let stats = load.stats();
    let page_size = load.config().target_page_size;
    AnnexRamLoadStats {
        pages_total: stats.total / page_size,
        bytes_total: stats.total,
        pages_zero: stats.zero / page_size,
        bytes_zero: stats.zero,
        pages_data: stats.data / page_size,
        bytes_data: stats.data,
        pages_demand: stats.demand / page_size,
        bytes_demand: stats.demand,
        pages_background: stats.background / page_size,
        bytes_background: stats.background,
        pages_working_set: stats.working_set / page_size,
        bytes_working_set: stats.working_set,
        pages_recorded: stats.recorded / page_size,
        bytes_recorded: stats.recorded,
        faults: stats.faults,
        fault_latency_median_ns: stats.latency.median_ns,
        fault_latency_p99_ns: stats.latency.p99_ns,
        fault_latency_max_ns: stats.latency.max_ns,
    }
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
    let body = || {
        // SAFETY: all as they must be, says the caller.
        let (map, block, header) = unsafe {
            (
                &mut *map,
                &*block,
                slice::from_raw_parts(header, header_len),
            )
        };
        // SAFETY: its string ends in NUL, says the caller.
        let next = map.0.add_block(&unsafe { block.spec() }, header)?;
        // SAFETY: valid for writing, says the caller.
        unsafe { next_offset.write(next) };
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Makes the memory of all blocks the snapshot's, and writes to `*stats` how.
/// Replaces mappings: what was advised about the memory must be advised again.
/// On failure the memory is neither what it was nor the snapshot's.
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
) -> bool {
    let body = || {
        // SAFETY: alive, and the memory is the caller's to replace, says the caller.
        let done = unsafe { (*map).0.place() }?;
        let read = AnnexRamMapStats {
            bytes_mapped: done.mapped,
            bytes_copied: done.copied,
            bytes_zero: done.zero,
            mappings: done.runs,
        };
        // SAFETY: valid for writing, says the caller.
        unsafe { stats.write(read) };
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
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
