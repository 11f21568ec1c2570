// SPDX-License-Identifier: GPL-2.0-or-later
//! Small records are written and read without an allocation: an operation's future
//! runs in memory that is used again, and so do its buffers.
#![allow(unsafe_code)] // An allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tape_image::driver::Drive;
use tape_image::{Config, Operation, Outcome};

std::thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: System does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(what: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    what();
    ALLOCATIONS.get() - before
}

#[test]
fn records_of_512_bytes() {
    /// More than what is written behind has room for, several times.
    const RECORDS: usize = 20_000;
    let record = [7; 512];
    let medium = Vec::with_capacity(64 << 20);
    let mut drive = Drive::load(medium, Config::new(0)).expect("blank");
    let mut write = |count| {
        for _ in 0..count {
            assert_eq!(drive.write(&record), Ok(Outcome::Done));
        }
    };
    write(RECORDS);
    assert_eq!(allocations(|| write(RECORDS)), 0, "writing");
    let moved = drive.run(Operation::Rewind).expect("synced");
    assert!(matches!(moved, Outcome::Moved { left: 0, .. }));
    let mut data = [0; 512];
    let mut read = |count, reverse| {
        for _ in 0..count {
            let outcome = drive.read(&mut data, reverse).expect("a record");
            assert!(matches!(outcome, Outcome::Record { length: 512, .. }));
        }
    };
    read(RECORDS, false);
    assert_eq!(allocations(|| read(RECORDS, false)), 0, "reading");
    assert_eq!(allocations(|| read(RECORDS, true)), 0, "in reverse");
    assert_eq!(allocations(|| drop(vec![0; 1])), 1, "they are counted");
}
