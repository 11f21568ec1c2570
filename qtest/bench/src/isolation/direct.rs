// SPDX-License-Identifier: GPL-2.0-or-later
//! A split ring in memory that the back-end has mapped, with a request's three
//! descriptors in an indirect table, as Linux has them, and event indexes.

use std::sync::atomic::{fence, Ordering};

use anyhow::{ensure, Result};
use vhost::VringConfigData;
use vm_memory::{AtomicAccess, Bytes};

use super::disk::Operation;
use super::guest::{Guest, STATUS};
use super::ring::Driver;
use super::session::{address, vring, ENTRIES};

const DESC_F_NEXT: u16 = 1;
const DESC_F_WRITE: u16 = 2;
const DESC_F_INDIRECT: u16 = 4;

const TABLE: usize = 0;
const AVAIL: usize = TABLE + 16 * ENTRIES as usize;
const USED: usize = (AVAIL + 6 + 2 * ENTRIES as usize).next_multiple_of(4096);

/// Bytes of a ring.
pub const RING_LEN: usize = (USED + 6 + 8 * ENTRIES as usize).next_multiple_of(4096);

/// The driver of one queue. A slot's descriptor is the one of its number.
pub struct Direct<'a> {
    guest: &'a Guest,
    ring: usize,
    first: usize,
    avail: u16,
    published: u16,
    used: u16,
    /// The used index when it was read last.
    seen: u16,
}

impl<'a> Direct<'a> {
    /// Of queue `queue`, empty.
    pub fn new(guest: &'a Guest, queue: usize) -> Self {
        let first = queue * guest.shape().depth;
        Self {
            guest,
            ring: queue * RING_LEN,
            first,
            avail: 0,
            published: 0,
            used: 0,
            seen: 0,
        }
    }

    /// Where a back-end finds it.
    pub fn vring(&self) -> VringConfigData {
        let [table, avail, used] = [TABLE, AVAIL, USED].map(|at| (self.ring + at) as u64);
        vring(table, avail, used)
    }

    fn store<T: AtomicAccess>(&self, at: usize, value: T, order: Ordering) {
        let slice = self.guest.slice(self.ring + at, size_of::<T>());
        slice.store(value, 0, order).expect("aligned");
    }

    fn load<T: AtomicAccess>(&self, at: usize) -> T {
        let slice = self.guest.slice(self.ring + at, size_of::<T>());
        slice.load(0, Ordering::Acquire).expect("aligned")
    }

    /// Whether there is something to reap.
    fn look(&mut self) -> bool {
        if self.seen == self.used {
            self.seen = u16::from_le(self.load(USED + 2));
        }
        self.seen != self.used
    }

    /// A descriptor as 16 little-endian bytes.
    fn describe(&self, at: usize, buffer: usize, len: usize, flags: u16, next: u16) {
        let low = address(buffer as u64);
        let high = len as u64 | u64::from(flags) << 32 | u64::from(next) << 48;
        let slice = self.guest.slice(at, 16);
        slice
            .write_obj([low.to_le(), high.to_le()], 0)
            .expect("inside");
    }
}

impl Driver for Direct<'_> {
    fn submit(&mut self, slot: usize, operation: Operation) -> Result<()> {
        let guest = self.guest;
        let table = guest.table(slot);
        let data = match operation {
            Operation::Read => DESC_F_NEXT | DESC_F_WRITE,
            Operation::Write => DESC_F_NEXT,
        };
        self.describe(table, guest.header(slot), STATUS, DESC_F_NEXT, 1);
        self.describe(table + 16, guest.data(slot), guest.shape().len, data, 2);
        self.describe(table + 32, guest.status(slot), 1, DESC_F_WRITE, 0);
        let id = (slot - self.first) as u16;
        let entry = self.ring + TABLE + 16 * usize::from(id);
        self.describe(entry, table, 3 * 16, DESC_F_INDIRECT, 0);
        let place = AVAIL + 4 + 2 * usize::from(self.avail % ENTRIES);
        self.store(place, id.to_le(), Ordering::Relaxed);
        self.avail = self.avail.wrapping_add(1);
        Ok(())
    }

    fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.avail);
        if old == new {
            return false;
        }
        self.store(AVAIL + 2, new.to_le(), Ordering::Release);
        self.published = new;
        fence(Ordering::SeqCst);
        let event = u16::from_le(self.load(USED + 4 + 8 * usize::from(ENTRIES)));
        new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
    }

    fn reap(&mut self) -> Result<Option<usize>> {
        if !self.look() {
            return Ok(None);
        }
        let place = USED + 4 + 8 * usize::from(self.used % ENTRIES);
        let id = u32::from_le(self.load(place)) as usize;
        ensure!(
            id < self.guest.shape().depth,
            "nobody asked for request {id}"
        );
        self.used = self.used.wrapping_add(1);
        Ok(Some(self.first + id))
    }

    fn reaped(&mut self) {}

    fn enable_notification(&mut self) -> bool {
        self.store(
            AVAIL + 4 + 2 * usize::from(ENTRIES),
            self.used.to_le(),
            Ordering::Relaxed,
        );
        fence(Ordering::SeqCst);
        self.look()
    }
}
