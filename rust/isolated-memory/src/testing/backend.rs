// SPDX-License-Identifier: GPL-2.0-or-later
//! A back-end: it has the area's file and nothing else of the queue's.

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{fence, Ordering};

use vm_memory::{AtomicAccess, Bytes, FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use crate::area::{Area, AREA_ADDRESS};
use crate::layout::QueuePlace;
use crate::request::Options;

/// A queue as its device sees it.
#[derive(Debug)]
pub struct Backend {
    mapping: MmapRegion,
    place: QueuePlace,
    options: Options,
    /// The next avail entry to fetch, and used element to write.
    avail: u16,
    used: u16,
}

/// A request as its device sees it, in ranges of the area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// What goes in the used ring.
    pub head: u16,
    /// To read.
    pub readable: Vec<Range<u64>>,
    /// To write.
    pub writable: Vec<Range<u64>>,
    /// The indirect table if it has one.
    pub table: Option<Range<u64>>,
}

impl Backend {
    /// Maps the area by its file, as another process would.
    pub fn new(area: &Area, index: usize, options: Options) -> Self {
        let file = area.fd().try_clone_to_owned().expect("a copy of the file");
        let file = FileOffset::new(File::from(file), 0);
        let len = area.layout().len() as usize;
        Self {
            mapping: MmapRegion::from_file(file, len).expect("mapped"),
            place: area.layout().queues()[index].clone(),
            avail: options.base,
            used: options.base,
            options,
        }
    }

    /// The next request; panics if it isn't one that a device understands.
    pub fn fetch(&mut self) -> Option<Chain> {
        if self.load::<u16>(self.place.avail + 2, Ordering::Acquire) == self.avail {
            return None;
        }
        let head = self.fetch_head();
        Some(self.chain(head))
    }

    /// The next request's head, without a look at the rest.
    pub fn fetch_head(&mut self) -> u16 {
        let head = self.offered(self.avail);
        self.avail = self.avail.wrapping_add(1);
        head
    }

    /// The head that the avail ring has at index `avail`.
    pub fn offered(&self, avail: u16) -> u16 {
        let slot = u64::from(avail & (self.options.entries - 1));
        self.load(self.place.avail + 4 + 2 * slot, Ordering::Relaxed)
    }

    /// Follows the descriptors from `head`.
    pub fn chain(&self, head: u16) -> Chain {
        let mut chain = Chain {
            head,
            readable: Vec::new(),
            writable: Vec::new(),
            table: None,
        };
        let (mut table, mut entries) = (self.place.descriptors, self.options.entries);
        let mut index = head;
        for _ in 0..=self.options.entries {
            assert!(index < entries, "descriptor {index} of {entries}");
            let (buffer, flags, next) = self.descriptor(table + 16 * u64::from(index));
            if flags & 4 != 0 {
                assert!(self.options.indirect && chain.table.is_none() && flags == 4);
                entries = ((buffer.end - buffer.start) / 16) as u16;
                (table, index) = (buffer.start, 0);
                chain.table = Some(buffer);
                continue;
            }
            if flags & 2 != 0 {
                chain.writable.push(buffer);
            } else {
                assert!(chain.writable.is_empty(), "readable after writable");
                chain.readable.push(buffer);
            }
            if flags & 1 == 0 {
                return chain;
            }
            index = next;
        }
        panic!("a chain longer than the ring, or a loop");
    }

    fn descriptor(&self, at: u64) -> (Range<u64>, u16, u16) {
        let address: u64 = self.load(at, Ordering::Relaxed);
        let len: u32 = self.load(at + 8, Ordering::Relaxed);
        let offset = address.checked_sub(AREA_ADDRESS).expect("in the area");
        let flags = self.load(at + 12, Ordering::Relaxed);
        let next = self.load(at + 14, Ordering::Relaxed);
        (offset..offset + u64::from(len), flags, next)
    }

    /// Writes `bytes` to the beginning of a request's writable buffers.
    pub fn answer(&self, chain: &Chain, mut bytes: &[u8]) {
        for range in &chain.writable {
            let len = bytes.len().min((range.end - range.start) as usize);
            let (now, later) = bytes.split_at(len);
            self.poke(range.start, now);
            bytes = later;
        }
    }

    /// Puts an element in the used ring; true if the driver wants a call for it.
    pub fn push(&mut self, id: u32, len: u32) -> bool {
        let entries = u64::from(self.options.entries);
        let slot = u64::from(self.used & (self.options.entries - 1));
        let at = self.place.used + 4 + 8 * slot;
        self.store(at, id, Ordering::Relaxed);
        self.store(at + 4, len, Ordering::Relaxed);
        let old = self.used;
        self.used = old.wrapping_add(1);
        self.store(self.place.used + 2, self.used, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.options.event_idx {
            let event: u16 = self.load(self.place.avail + 4 + 2 * entries, Ordering::Relaxed);
            event == old
        } else {
            self.load::<u16>(self.place.avail, Ordering::Relaxed) & 1 == 0
        }
    }

    /// Asks the driver to kick for the next request. If this is true, fetch at once.
    pub fn want_kicks(&self) -> bool {
        if self.options.event_idx {
            let at = self.place.used + 4 + 8 * u64::from(self.options.entries);
            self.store(at, self.avail, Ordering::Relaxed);
        } else {
            self.store(self.place.used, 0u16, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        self.load::<u16>(self.place.avail + 2, Ordering::Acquire) != self.avail
    }

    /// Goes on from the used index in the ring, whoever wrote that.
    pub fn take_up(&mut self) {
        self.used = self.used_index();
    }

    /// The used index in the ring.
    pub fn used_index(&self) -> u16 {
        self.load(self.place.used + 2, Ordering::Relaxed)
    }

    /// The used element at `used` in the ring.
    pub fn used_element(&self, used: u16) -> (u32, u32) {
        let slot = u64::from(used & (self.options.entries - 1));
        let at = self.place.used + 4 + 8 * slot;
        let load = |at| self.load(at, Ordering::Relaxed);
        (load(at), load(at + 4))
    }

    /// Bytes of the area.
    pub fn peek(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.slice(range.start, bytes.len() as u64)
            .copy_to(&mut bytes);
        bytes
    }

    /// The bytes of ranges, one after the other.
    pub fn gather(&self, ranges: &[Range<u64>]) -> Vec<u8> {
        let bytes = ranges.iter().map(|range| self.peek(range.clone()));
        bytes.collect::<Vec<_>>().concat()
    }

    /// Writes anywhere in the area.
    pub fn poke(&self, offset: u64, bytes: &[u8]) {
        self.slice(offset, bytes.len() as u64).copy_from(bytes);
    }

    fn slice(&self, offset: u64, len: u64) -> VolatileSlice<'_> {
        let slice = self.mapping.get_slice(offset as usize, len as usize);
        slice.expect("inside the area")
    }

    fn store<T: AtomicAccess>(&self, offset: u64, value: T, order: Ordering) {
        let slice = self.slice(offset, size_of::<T>() as u64);
        slice.store(value, 0, order).expect("aligned");
    }

    fn load<T: AtomicAccess>(&self, offset: u64, order: Ordering) -> T {
        let slice = self.slice(offset, size_of::<T>() as u64);
        slice.load(0, order).expect("aligned")
    }
}
