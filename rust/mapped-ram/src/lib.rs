// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's mapped-ram snapshots, loaded while the machine already runs.
//!
//! | module | what it does | I/O |
//! |---|---|---|
//! | [`mod@format`] | the headers and page bitmaps of a snapshot file, checked | none |
//! | [`bitmap`] | one bit per page | none |
//! | [`image`] | a block's header and bitmap, read and checked | `pread(2)` |
//! | [`snapshot`] | what a snapshot file holds, without a machine | `pread(2)` |
//! | [`working_set`] | the pages that are to come first: file, merging, order | in `file.rs` |
//! | [`plan`] | what to load, in which batches and order, what to register | none |
//! | [`policy`] | when the background may read, and how much at once | none |
//! | [`source`] | where pages come from | `pread(2)` |
//! | [`uffd`] | the kernel's userfaultfd calls | `ioctl(2)` |
//! | [`memory`] | putting pages into guest memory | `ioctl(2)` |
//! | [`mapping`] | guest memory that is the snapshot, copy on write | `mmap(2)` |
//! | [`hold`] | a copy in memory that can be mapped | `memfd_create(2)` |
//! | [`service`] | the threads that answer faults and load the rest | all of it |
//!
//! A caller makes a [`service::RamLoad`], gives it the blocks with their headers, starts it, loads
//! the device state, and calls [`service::RamLoad::run`] when the machine starts. Or it makes a
//! [`mapping::Mapping`], gives it the blocks, and has all of RAM as soon as they are placed.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("mapped-ram needs userfaultfd(2) and 64-bit bitmap words: build for 64-bit Linux");

pub mod bitmap;
mod buffer;
pub mod format;
pub mod hold;
pub mod image;
pub mod mapping;
pub mod memory;
pub mod plan;
pub mod policy;
pub mod service;
pub mod snapshot;
pub mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod thread;
pub mod uffd;
pub mod working_set;
