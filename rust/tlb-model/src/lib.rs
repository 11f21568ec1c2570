// SPDX-License-Identifier: GPL-2.0-or-later
//! Which translations an x86-64 processor may use for an address, given what was written to page
//! tables and which invalidations were made.
//!
//! A processor may cache what page tables say whenever it likes, and drop it whenever it likes,
//! but for what it is told to drop. So there isn't one right answer to an access but a set of them:
//! [`Processor::allowed`]. An emulator is right if what it uses is always among them; a kernel is
//! right if there is never more than one.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tlb_model::{entry, Access, Processor};
//!
//! // Page tables at 0x1000, 0x2000, 0x3000 and 0x4000 that map address 0 to 0x5000.
//! let mut memory = BTreeMap::new();
//! for table in 1..5 {
//!     memory.insert(table << 12, entry::PRESENT | (table + 1) << 12);
//! }
//! let mut processor = Processor::new(&[0], 0x1000, tlb_model::Cr4::default(), &memory);
//! memory.insert(0x4000, entry::PRESENT | 0x6000);
//! processor.memory_changed(&memory);
//! let read = |processor: &Processor, memory| processor.allowed(0, Access::READ, memory).pages();
//! assert_eq!(read(&processor, &memory), [0x5000, 0x6000]);
//! processor.invlpg(0, &memory);
//! assert_eq!(read(&processor, &memory), [0x6000]);
//! ```
//!
//! # What it knows
//!
//! Intel SDM volume 3, 4.10 ("Caching Translation Information"), in 4-level paging: TLBs, tagged
//! with PCIDs; global pages; paging-structure caches, by which a changed entry of a higher table
//! goes on to be used, with the rights it gave; large pages of which only fragments are cached.
//! Reads, writes and fetches of supervisors and of user mode (4.6), by rights that are cached with
//! a translation, CR4.SMEP among them. Invalidation by MOV to CR3
//! with bit 63 and without, MOV to CR4, INVLPG, the four types of INVPCID and page faults. AMD64
//! APM volume 2, 5.5, has the same rules but for these, in which the model allows what either
//! does: AMD drops all at SMEP 0 → 1, Intel what belongs to the current PCID; Intel's INVLPG drops
//! the current PCID's paging-structure caches whole.
//!
//! # What it doesn't
//!
//! Accessed and dirty bits, which instructions a fault's error code tells apart, memory types,
//! reserved bits, protection keys, SMAP, CR0.WP clear, 5-level and 32-bit paging, nested paging and
//! ASIDs, SMM.
//!
//! # Rules that hold within
//!
//! Addresses are watched: only what a processor was made with can be asked for. The memory that is
//! passed to each method is what the processor sees then; whoever writes an entry calls
//! [`Processor::memory_changed`] of each processor before the next write.

mod caches;
mod controls;
pub mod entry;
mod processor;
mod rights;
#[cfg(feature = "testing")]
pub mod testing;

pub use controls::{Cr3, Cr4, GeneralProtection, Invpcid};
pub use entry::Memory;
pub use processor::{Allowed, Processor};
pub use rights::{Access, Kind};
