// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that an isolated vhost-user back-end sees: rings and copies of buffers.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("isolated-memory needs sealed memfds and offsets of 64 bits: build for 64-bit Linux");

mod area;
mod blocks;
pub mod copy;
mod error;
mod frame;
mod layout;
mod queue;
mod ring;
mod room;
mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use area::{Area, AreaError, AREA_ADDRESS};
pub use error::{LendError, QueueError, Refused, ResubmitError, Violation};
pub use layout::{
    Layout, LayoutError, QueuePlace, QueueSpec, AREA_ALIGN, AREA_MAX, BLOCK, BUFFERS_MIN, RING_MAX,
};
pub use queue::{Done, Options, Queue, Request, Resubmit};
pub use stats::{Snapshot, Stats};
