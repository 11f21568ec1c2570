// SPDX-License-Identifier: GPL-2.0-or-later
//! What a queue counts. Any thread may read it at any time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and gauges. Each is right by itself; together they may be a moment apart.
#[derive(Debug, Default)]
pub struct Stats {
    pub(crate) in_flight: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) clamped: AtomicU64,
    pub(crate) blocks: AtomicU64,
    pub(crate) stale: AtomicU64,
}

/// [`Stats`] at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests that came back.
    pub requests: u64,
    /// Bytes copied out of the guest's memory.
    pub bytes_out: u64,
    /// Bytes copied into the guest's memory.
    pub bytes_in: u64,
    /// Times that a request had to wait for room.
    pub waits: u64,
    /// Lengths that were larger than what could be written.
    pub clamped: u64,
    /// Blocks of buffer memory that aren't free.
    pub blocks: u64,
    /// Blocks that hold what requests that came back gave to read.
    pub stale: u64,
}

impl Stats {
    /// All of them now.
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            in_flight: get(&self.in_flight),
            requests: get(&self.requests),
            bytes_out: get(&self.bytes_out),
            bytes_in: get(&self.bytes_in),
            waits: get(&self.waits),
            clamped: get(&self.clamped),
            blocks: get(&self.blocks),
            stale: get(&self.stale),
        }
    }

    /// Only the queue's own thread writes, so a load and a store do.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    pub(crate) fn set(counter: &AtomicU64, value: u64) {
        counter.store(value, Ordering::Relaxed);
    }
}
