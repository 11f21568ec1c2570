// SPDX-License-Identifier: GPL-2.0-or-later
//! What a load tells its owner.

use std::ffi::CStr;

/// Told what happens, from any of the load's threads, with no lock held, at any time from the start
/// until [`super::RamLoad::stop`] returns. A method must not touch memory that is being loaded, must
/// not wait for another thread that does, and must not call `stop`.
pub trait Observer: Send + Sync {
    /// A thread began to wait for a page. [`Observer::fault_end`] follows with the same address,
    /// unless the page is never brought. Only if [`super::Config::track_faults`] is set.
    fn fault_begin(&self, _fault: &FaultBegin<'_>) {}

    /// The page at this address is in place: all who waited for it go on. Only if
    /// [`super::Config::track_faults`] is set.
    fn fault_end(&self, _address: u64) {}

    /// Pages were lost while the machine runs. Once for each page that a thread waits for, once for
    /// each batch of the background threads.
    fn failed(&self, _failure: &FailureReport<'_>) {}

    /// Some pages are still failed: answer with [`super::RamLoad::acknowledge`]. Once a second.
    fn still_failed(&self) {}

    /// The source isn't what it was when its first header was read, so what was and will be brought
    /// may not belong together. Once, while the machine runs.
    fn source_changed(&self, _difference: &str) {}

    /// Everything is loaded and the memory is no longer watched. Once, after
    /// [`super::RamLoad::run`].
    fn finished(&self) {}

    /// A fault was answered.
    fn trace_fault(&self, _fault: &FaultTrace<'_>) {}

    /// A batch was loaded in the background.
    fn trace_batch(&self, _batch: &BatchTrace<'_>) {}
}

/// Wants to know nothing.
impl Observer for () {}

/// A thread waits for a page.
#[derive(Debug)]
pub struct FaultBegin<'a> {
    /// The block's name.
    pub block: &'a CStr,
    /// Where the page begins in the block.
    pub ram_offset: u64,
    /// Where it is mapped.
    pub address: u64,
    /// The thread that waits, 0 if unknown.
    pub tid: u32,
}

/// Pages that couldn't be brought.
#[derive(Debug)]
pub struct FailureReport<'a> {
    /// The block's name.
    pub block: &'a CStr,
    /// Where in the block.
    pub ram_offset: u64,
    /// Where in the file.
    pub file_offset: u64,
    /// The errno that fits best.
    pub errno: i32,
    /// The error with its causes.
    pub message: &'a str,
}

/// How a fault was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FaultKind {
    /// From the file.
    Data = 0,
    /// With zeros.
    Zero = 1,
    /// Someone else had brought the page, or is about to.
    AlreadyThere = 2,
}

/// A fault was answered.
#[derive(Debug)]
pub struct FaultTrace<'a> {
    /// The block's name.
    pub block: &'a CStr,
    /// Where the page begins in the block.
    pub ram_offset: u64,
    /// The thread that waited, 0 if unknown.
    pub tid: u32,
    /// From reading the fault to its answer.
    pub latency_ns: u64,
    /// How it was answered.
    pub kind: FaultKind,
}

/// A batch was loaded.
#[derive(Debug)]
pub struct BatchTrace<'a> {
    /// The block's name.
    pub block: &'a CStr,
    /// Where the batch begins in the block.
    pub ram_offset: u64,
    /// Its length in the block, pages that aren't in the file included.
    pub length: u64,
    /// How long it took.
    pub duration_ns: u64,
}
