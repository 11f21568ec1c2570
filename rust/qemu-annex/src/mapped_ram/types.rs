// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes to a load and comes from it.

use std::ffi::{c_char, c_void, CStr};
use std::num::NonZeroU64;

use mapped_ram::policy::{Background, Pace};
use mapped_ram::service::{BlockSpec, RamLoad};

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
    /// Whether to read pages past the page cache (O_DIRECT). It is tried at
    /// once, and refused where it can't be.
    pub direct_io: bool,
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
    pub(super) unsafe fn spec(&self) -> BlockSpec {
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
    pub(super) fn check(&self) -> Result<Pace, String> {
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

impl AnnexRamLoadStats {
    pub(super) fn of(load: &RamLoad) -> Self {
        let stats = load.stats();
        let page_size = load.config().target_page_size;
        Self {
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
}
