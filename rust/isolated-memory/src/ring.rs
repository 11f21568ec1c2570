// SPDX-License-Identifier: GPL-2.0-or-later
//! The driver's side of a split ring (Virtio 1.3, 2.7) that lies in shared memory.
//!
//! Writes are made from what the queue knows. What was written is never read back. Of what the
//! device writes, each field is read by one load where it is needed, and what came is judged by
//! the queue.

use std::sync::atomic::{fence, Ordering};
use std::sync::Arc;

use virtio_bindings::virtio_ring;
use vm_memory::{AtomicAccess, Bytes};

use crate::area::Area;
use crate::layout::QueuePlace;

/// Bytes of a descriptor.
pub const DESCRIPTOR_LEN: u64 = 16;

// Fields of 16 bits; C's constants are wider.
const DESC_F_NEXT: u16 = virtio_ring::VRING_DESC_F_NEXT as u16;
const DESC_F_WRITE: u16 = virtio_ring::VRING_DESC_F_WRITE as u16;
const DESC_F_INDIRECT: u16 = virtio_ring::VRING_DESC_F_INDIRECT as u16;
const AVAIL_F_NO_INTERRUPT: u16 = virtio_ring::VRING_AVAIL_F_NO_INTERRUPT as u16;
const USED_F_NO_NOTIFY: u16 = virtio_ring::VRING_USED_F_NO_NOTIFY as u16;

/// What a descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Where its buffer is in the area.
    pub offset: u64,
    /// In bytes.
    pub len: u32,
    /// The device may write the buffer.
    pub writable: bool,
    /// The buffer is a table of descriptors.
    pub indirect: bool,
    /// The chain goes on there.
    pub next: Option<u16>,
}

/// Where the ring is, and how far it has come.
#[derive(Debug)]
pub struct Ring {
    area: Arc<Area>,
    address: u64,
    place: QueuePlace,
    entries: u16,
    event_idx: bool,
    /// The next avail entry to write; behind `published`, the device doesn't see it yet.
    avail: u16,
    published: u16,
}

impl Ring {
    /// A ring of `entries`; it's usable once it was cleared.
    pub fn new(
        area: Arc<Area>,
        address: u64,
        place: QueuePlace,
        entries: u16,
        event_idx: bool,
    ) -> Self {
        Self {
            area,
            address,
            place,
            entries,
            event_idx,
            avail: 0,
            published: 0,
        }
    }

    /// Begins at index `base`, in memory that is zeroed but for the indexes; those of events ask
    /// for the first notification each way.
    pub fn clear(&mut self, base: u16) {
        (self.avail, self.published) = (base, base);
        let range = self.place.ring_range();
        self.area.zero(range.start, range.end - range.start);
        let entries = u64::from(self.entries);
        let (avail, used) = (self.place.avail, self.place.used);
        for index in [
            avail + 2,
            avail + 4 + 2 * entries,
            used + 2,
            used + 4 + 8 * entries,
        ] {
            self.store(index, base.to_le(), Ordering::Relaxed);
        }
    }

    /// Writes entry `index` of the ring's table.
    pub fn describe(&self, index: u16, descriptor: &Descriptor) {
        self.describe_at(self.place.descriptors, index, descriptor);
    }

    /// Writes entry `index` of the table at `table` in the area.
    pub fn describe_at(&self, table: u64, index: u16, descriptor: &Descriptor) {
        let mut flags = 0;
        for (set, flag) in [
            (descriptor.next.is_some(), DESC_F_NEXT),
            (descriptor.writable, DESC_F_WRITE),
            (descriptor.indirect, DESC_F_INDIRECT),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let address = self.address + descriptor.offset;
        let next = descriptor.next.unwrap_or(0);
        let rest = u64::from(descriptor.len) | u64::from(flags) << 32 | u64::from(next) << 48;
        let at = table + u64::from(index) * DESCRIPTOR_LEN;
        self.store(at, address.to_le(), Ordering::Relaxed);
        self.store(at + 8, rest.to_le(), Ordering::Relaxed);
    }

    /// Puts a chain's head in the avail ring; the device sees it when it's published.
    pub fn offer(&mut self, head: u16) {
        let slot = u64::from(self.avail & (self.entries - 1));
        let at = self.place.avail + 4 + 2 * slot;
        self.store(at, head.to_le(), Ordering::Relaxed);
        self.avail = self.avail.wrapping_add(1);
    }

    /// Lets the device see what was offered. True if it wants to be kicked for it.
    pub fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.avail);
        if old == new {
            return false;
        }
        self.store(self.place.avail + 2, new.to_le(), Ordering::Release);
        self.published = new;
        // The index must be out before we look whether the device sleeps.
        fence(Ordering::SeqCst);
        if self.event_idx {
            let entries = u64::from(self.entries);
            let event: u16 = self.load(self.place.used + 4 + 8 * entries, Ordering::Relaxed);
            let behind = new.wrapping_sub(u16::from_le(event)).wrapping_sub(1);
            behind < new.wrapping_sub(old)
        } else {
            let flags: u16 = self.load(self.place.used, Ordering::Relaxed);
            u16::from_le(flags) & USED_F_NO_NOTIFY == 0
        }
    }

    /// The used index as the device says, once.
    pub fn used_index(&self) -> u16 {
        u16::from_le(self.load(self.place.used + 2, Ordering::Acquire))
    }

    /// The used element at index `used`, id and length as the device says, each read once.
    pub fn used_element(&self, used: u16) -> (u32, u32) {
        let slot = u64::from(used & (self.entries - 1));
        let at = self.place.used + 4 + 8 * slot;
        let id = self.load::<u32>(at, Ordering::Relaxed);
        let len = self.load::<u32>(at + 4, Ordering::Relaxed);
        (u32::from_le(id), u32::from_le(len))
    }

    /// Asks the device to call when it uses the element at index `used`. The used index must be
    /// looked at again after this: the device may have used it just before.
    pub fn enable_notification(&self, used: u16) {
        if self.event_idx {
            let at = self.place.avail + 4 + 2 * u64::from(self.entries);
            self.store(at, used.to_le(), Ordering::Relaxed);
        } else {
            self.store(self.place.avail, 0u16, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
    }

    /// Asks the device not to call. It's only a hint; with event indexes there is nothing to do,
    /// for the index that was asked for last has passed.
    pub fn disable_notification(&self) {
        if !self.event_idx {
            let flags = AVAIL_F_NO_INTERRUPT.to_le();
            self.store(self.place.avail, flags, Ordering::Relaxed);
        }
    }

    fn store<T: AtomicAccess>(&self, offset: u64, value: T, order: Ordering) {
        let slice = self.area.slice(offset, size_of::<T>() as u64);
        slice.store(value, 0, order).expect("aligned");
    }

    fn load<T: AtomicAccess>(&self, offset: u64, order: Ordering) -> T {
        let slice = self.area.slice(offset, size_of::<T>() as u64);
        slice.load(0, order).expect("aligned")
    }
}
