// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes into a queue and what comes out.

use vm_memory::VolatileSlice;

use crate::rules::Rule;

/// A request of the guest's: its buffers, in memory that the back-end can't see.
pub trait Request {
    /// Slices of the guest's memory, mapped for as long as the request lives.
    type Segments<'a>: Iterator<Item = VolatileSlice<'a>>
    where
        Self: 'a;

    /// What the device may read.
    fn readable(&self) -> Self::Segments<'_>;

    /// What the device may write.
    fn writable(&self) -> Self::Segments<'_>;
}

/// When what the guest gave to read is zeroed in the area, once its request has come back. What
/// the device may write is zeroed before it is lent again whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scrub {
    /// Before its memory is lent again.
    #[default]
    Always,
    /// When [`Queue::scrub`](crate::Queue::scrub) is called, for which the queue's thread has time
    /// when nothing happens. Until then it lies in the area, where later requests overwrite it.
    Idle,
    /// When the queue is reset.
    Never,
}

/// What a queue's back-end was told, and what it puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Entries of the ring, a power of two.
    pub entries: u16,
    /// Index at which the ring begins, avail and used. 0, unless the back-end is one that had a
    /// ring before, and may remember how far it came.
    pub base: u16,
    /// VIRTIO_RING_F_EVENT_IDX was negotiated with the back-end.
    pub event_idx: bool,
    /// VIRTIO_RING_F_INDIRECT_DESC was negotiated with the back-end.
    pub indirect: bool,
    /// Descriptors of a chain at most, 2 and more. Never more than the ring's entries.
    pub chain_max: u16,
    /// Bytes of a descriptor at most.
    pub descriptor_max: u32,
    /// What is copied back, and what a request reads as that the back-end didn't answer.
    pub rule: Rule,
    /// When memory is zeroed.
    pub scrub: Scrub,
}

impl Options {
    /// A ring without features, for a back-end without limits, of a stream of bytes.
    pub fn new(entries: u16) -> Self {
        Self {
            entries,
            base: 0,
            event_idx: false,
            indirect: false,
            chain_max: u16::MAX,
            descriptor_max: u32::MAX,
            rule: Rule::STREAM,
            scrub: Scrub::Always,
        }
    }
}

/// A request that came back, with what the device wrote in its writable buffers.
#[derive(Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// The same that was lent.
    pub request: T,
    /// Bytes that were copied to the writable buffers, from the first on.
    pub written: u32,
    /// Bytes that the guest is to be told of.
    pub len: u32,
}
