// SPDX-License-Identifier: GPL-2.0-or-later
//! What a load tells its owner.

use std::ffi::{c_void, CString};

use mapped_ram::service::{BatchTrace, FailureReport, FaultBegin, FaultKind, FaultTrace, Observer};

use super::types::{AnnexRamFaultKind, AnnexRamLoadFailure, AnnexRamLoadOps};

/// The owner's callbacks as an observer.
pub struct Callbacks(pub AnnexRamLoadOps);

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
