// SPDX-License-Identifier: GPL-2.0-or-later
//! Guest memory, and requests for buffers in it.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use vm_memory::{MmapRegion, VolatileMemory, VolatileSlice};

use crate::request::Request;

/// Private memory, all zeros at first.
#[derive(Debug)]
pub struct Guest(MmapRegion);

impl Guest {
    /// Of `len` bytes.
    pub fn new(len: usize) -> Arc<Self> {
        Arc::new(Self(MmapRegion::new(len).expect("memory for a guest")))
    }

    /// Bytes `range` as they are now.
    pub fn read(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        self.slice(range).copy_to(&mut bytes);
        bytes
    }

    /// Writes `bytes` at `at`.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        self.slice(at..at + bytes.len()).copy_from(bytes);
    }

    /// All of it.
    pub fn all(&self) -> VolatileSlice<'_> {
        self.0.as_volatile_slice()
    }

    fn slice(&self, range: Range<usize>) -> VolatileSlice<'_> {
        let slice = self.0.get_slice(range.start, range.len());
        slice.expect("inside the guest's memory")
    }
}

/// A request with buffers in a guest's memory.
#[derive(Clone, Debug)]
pub struct GuestRequest {
    /// Whose.
    pub guest: Arc<Guest>,
    /// What the device may read.
    pub readable: Vec<Range<usize>>,
    /// What the device may write.
    pub writable: Vec<Range<usize>>,
    /// For telling requests apart.
    pub tag: u64,
}

/// A request's buffers.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    guest: &'a Guest,
    ranges: slice::Iter<'a, Range<usize>>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = VolatileSlice<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.ranges.next()?;
        Some(self.guest.slice(range.clone()))
    }
}

impl Request for GuestRequest {
    type Segments<'a> = Segments<'a>;

    fn readable(&self) -> Segments<'_> {
        let guest = &self.guest;
        let ranges = self.readable.iter();
        Segments { guest, ranges }
    }

    fn writable(&self) -> Segments<'_> {
        let guest = &self.guest;
        let ranges = self.writable.iter();
        Segments { guest, ranges }
    }
}
