// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that an isolated vhost-user back-end sees: rings, and copies of the buffers of
//! requests in flight. It can make its own device fail, and nothing else.
//!
//! ```text
//!      guest RAM (private)          QEMU                    the area (a sealed memfd)   back-end
//!                                                                                       process
//!   +---------------------+   virtqueue_pop()   +-------------------------------+
//!   | any kind of ring    | -----------------> Queue::lend()   descriptors,     |
//!   | requests' buffers   | ===== copy ========> avail ring, readable buffers ====> reads
//!   |                     |                     |                               |
//!   |                     | <==== copy ========= writable buffers, used ring  <==== writes
//!   |                     | <----------------- Queue::reap()                    |   (anything,
//!   +---------------------+   virtqueue_push()  +-------------------------------+    anywhere,
//!                                                                                    any time)
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`Layout`] | where rings and buffers lie in the area |
//! | [`Area`] | the memfd, sealed and mapped once; I/O happens here and nowhere else |
//! | `blocks` | which 4 KiB blocks of a queue's buffers are free |
//! | `frame` | how a request's segments become pieces, and what stays apart |
//! | `room` | finding room for pieces, and cleaning it |
//! | [`rules`] | what is copied back of each device type's requests, and how one reads that failed |
//! | `stale` | which blocks hold what came back, and wait to be cleaned |
//! | [`copy`] | moving bytes between lists of slices |
//! | `ring` | the driver's side of a split ring |
//! | `loans` | which requests the back-end has |
//! | [`Queue`] | all of that together, and what is believed of a back-end |
//! | [`Device`] | a device's area and queues from one start to the next |
//! | [`features`] | which features the guest gets, and which the back-end |
//!
//! # The area
//!
//! One file, one region of the back-end's memory table, at [`AREA_ADDRESS`] for rings and
//! buffers alike.
//!
//! ```text
//! 0            each ring: table | avail,  used on pages of its own
//! |            |                       each queue's buffers, in blocks
//! [ ring 0 | ring 1 | ... ][ buffers 0          | buffers 1          | ... ]
//!                           ^
//!                           [table|header|status|   ][ data            ]   one request
//! ```
//!
//! *Who owns the ring.* It lies in the area, and the queue alone is its driver: it writes the
//! table, the avail ring and indirect tables from what it keeps privately (links of descriptors,
//! places and lengths), and never reads them back. Of what the device writes it reads the used
//! index, an element's id and length, and the kick hint, each by one load.
//!
//! *Each queue has its own buffers.* Nothing is shared between queues but the file: they need no
//! lock, may run in different threads, and one whose back-end stalls takes no room from others.
//!
//! *Indirect tables* (if the back-end knows them) lie at the beginning of the request's own
//! memory. A request then takes one descriptor of the ring, so as many are in flight as the guest
//! has, whatever the guest's ring is.
//!
//! *Event indexes* are negotiated with the back-end by itself; what the guest uses is QEMU's
//! affair. A wrong avail event costs the back-end its own kicks, and nobody else's.
//!
//! *Framing.* Back-ends may not care how a request is cut (Virtio 1.3, 2.7.4), but many do. So the
//! first and the last segment each way keep descriptors of their own; what is between becomes
//! one, cut only where memory is scattered or the back-end's limits ask for it.
//!
//! # Order of calls
//!
//! [`Queue::lend`] as much as there is, then [`Queue::publish`], then kick if it says so. When
//! called: [`Queue::disable_notification`]; [`Queue::reap`] until it has nothing, giving everything to
//! the guest; [`Queue::clean`]; lend what waited; [`Queue::enable_notification`], and again if that is
//! true. When nothing happens for a time, [`Queue::scrub`], a little at a time. A request that
//! didn't fit ([`LendError::Full`]) is kept by the caller and lent first
//! when something was reaped: so requests wait in order. With nothing in flight any request has
//! room, or never will.
//!
//! # A back-end that comes back
//!
//! The queue knows which requests are in flight: those that were lent and not reaped.
//! When its back-end is lost, reap what that has used; [`Queue::reset`] gives the others, in the
//! order in which they were lent. Lend them in that order in a queue of a **new** area, for the
//! old back-end may live on with the old one mapped. One that fitted before may have to wait now,
//! like any other: room is found anew.
//!
//! The new ring begins at 0, which needs nothing from a back-end: it must keep no record of the
//! old one (`VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD`). A request that the lost back-end carried out,
//! but hadn't put in the used ring, is carried out again: nobody can know better.
//!
//! # A device that stops
//!
//! A VM that stops takes its requests back, for it may go on elsewhere. Some back-ends keep
//! theirs all the same (a sound card's, while it captures), and go on with them when the VM does.
//! [`Queue::suspend`] gives the requests, and leaves ring and copies as they are; the same
//! requests, lent again in that order, take up what the back-end has of them. A queue that won't
//! go on, since the guest has reset the device or the back-end is lost, is reset like any other.
//! [`Device`] knows which.
//!
//! # Invariants
//!
//! Whatever is written to the area, at any moment, by anybody:
//!
//! 1. Memory of the guest is written inside of the writable buffers of a request that is being
//!    reaped or refused, and nowhere else; how far is what the [`rules`] table says.
//! 2. What of the guest's is in the area is what it gave to read in requests that are in flight.
//!    When a request has come back and was cleaned, nothing of it is left where it was put; with
//!    [`Scrub::Idle`], not before [`Queue::scrub`] has nothing left to do, and with
//!    [`Scrub::Never`], not before [`Queue::reset`]. In between it is what this queue's back-end
//!    was given to read, in this queue's part of the area, and goes nowhere from there. An
//!    in-flight request's memory is no other's.
//! 3. A writable buffer holds zeros, but for a status that says that the request has failed, or
//!    what the back-end wrote there: never bytes of another request, whatever [`Scrub`] says, and
//!    so the guest never gets such. (A back-end may have written to memory before that was lent. It
//!    might as well have done so after.) So no request succeeds of which the back-end hasn't said
//!    so.
//! 4. A request comes back once: from [`Queue::reap`], [`Queue::suspend`], [`Queue::reset`], or
//!    refused.
//! 5. An id out of range, one that isn't in flight, and an index that goes back or further than
//!    there are requests in flight break the queue: a [`Violation`] says which, nothing more is
//!    lent or reaped, [`Queue::reset`] mends it.
//! 6. A descriptor, avail entry or table rewritten by the back-end misleads the back-end alone.
//! 7. No access faults: the file can't shrink, grow, or be sealed against writing. A hole punched
//!    in it reads as zeros.
//! 8. Nothing loops for longer than there are requests in flight, waits, or panics.
//!
//! And what a back-end can do: answer wrong data within those bounds, answer late or never,
//! keep a copy of what it was given while it was given, and write as much memory as the area has.
//!
//! # Threads and memory
//!
//! A [`Queue`] is used by one thread at a time; [`Stats`] by any. Guest memory and the area are
//! only touched through vm-memory's volatile slices: no reference to bytes that another process
//! or a vCPU may write is ever made.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!(
    "isolated-memory needs sealed memfds and offsets of 64 bits: build for 64-bit Linux"
);

mod area;
mod blocks;
pub mod copy;
mod device;
mod error;
pub mod features;
mod frame;
mod layout;
mod loans;
mod queue;
mod request;
mod ring;
mod room;
pub mod rules;
mod stale;
mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use area::{Area, AreaError, AREA_ADDRESS};
pub use device::{Device, PrepareError, Ring, Start, StartError};
pub use error::{LendError, QueueError, Refused, Violation};
pub use layout::{
    Layout, LayoutError, QueuePlace, QueueSpec, AREA_ALIGN, AREA_MAX, BLOCK, BUFFERS_MIN, RING_MAX,
};
pub use queue::Queue;
pub use request::{Done, Options, Request, Scrub};
pub use stats::{Snapshot, Stats};
