// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a queue refuses.

/// What a back-end did that no correct one does. The queue is broken from then on, until
/// [`Queue::reset`](crate::Queue::reset).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// More used elements than there are requests in flight, or an index that went back.
    #[error(
        "the back-end moved the used index from {from} to {to} \
         with {lent} requests in flight"
    )]
    Index {
        /// Where we were.
        from: u16,
        /// What it says.
        to: u16,
        /// How many it could have used.
        lent: u16,
    },
    /// No ring has such an entry.
    #[error("the back-end says that it used request {id}, of a ring of {entries}")]
    Id {
        /// What it says.
        id: u32,
        /// Entries of the ring.
        entries: u16,
    },
    /// It wasn't given that, or has used it before.
    #[error("the back-end says that it used request {id}, which it doesn't have")]
    NotLent {
        /// What it says.
        id: u32,
    },
}

/// Why a request can't be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LendError {
    /// No room now. It will do after other requests have come back: none of those that wait has
    /// to wait forever, if they are lent in their order.
    #[error("no room in the memory area until the back-end has used other requests")]
    Full,
    /// No room ever.
    #[error(
        "a request of {len} bytes doesn't fit in the queue's {room} bytes of the memory area, or \
         takes more descriptors than the back-end allows; make the area larger"
    )]
    TooLarge {
        /// Of its readable and writable buffers.
        len: u64,
        /// For buffers.
        room: u64,
    },
    /// A request without buffers.
    #[error("a request without buffers")]
    Empty,
    /// Not the one that is due after a suspension: it can be written further, or not so far.
    #[error("this isn't the request that the back-end has a copy of")]
    Changed,
    /// The back-end did something, and the queue is out of use.
    #[error("the queue is broken")]
    Broken(#[source] Violation),
}

/// A request that wasn't lent, given back.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused<T> {
    /// The same that was offered.
    pub request: T,
    /// Why.
    pub why: LendError,
}

/// Why a queue can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("the memory area has {queues} queues, none with index {index}")]
    Index {
        /// What was asked for.
        index: usize,
        /// How many there are.
        queues: usize,
    },
    /// Somebody has it.
    #[error("queue {index} is in use already")]
    InUse {
        /// Its index.
        index: usize,
    },
    /// The ring that was asked for.
    #[error("a ring has 2 to {most} entries here, a power of two, not {entries}")]
    Ring {
        /// What was asked for.
        entries: u16,
        /// What there is room for.
        most: u16,
    },
    /// The limits that were asked for.
    #[error("a chain has 2 descriptors and more, each of one byte and more")]
    Limits,
}
