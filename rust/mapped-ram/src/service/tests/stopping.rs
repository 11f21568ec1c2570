// SPDX-License-Identifier: GPL-2.0-or-later
//! Ending a load at any moment, and what is refused before it starts.

#![allow(unsafe_code)]

use std::thread;
use std::time::Instant;

use super::*;
use crate::testing::{header, Failure};
use crate::uffd::Uffd;

fn assert_stops(rig: &Rig) {
    let begun = Instant::now();
    rig.load.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "took {:?}",
        begun.elapsed()
    );
    // Nobody hangs on what wasn't loaded, and a second stop is no harm.
    rig.memories[0].touch(rig.snapshot.blocks[0].data.len() - 1);
    rig.load.stop();
    assert!(rig.load.run().is_err());
    assert!(rig.load.retry(PATIENCE).is_err());
}

#[test]
fn before_the_start() {
    let rig = Rig::new(vec![anonymous(full(100))], Options::default());
    assert!(matches!(rig.load.run(), Err(RunError::NotLoading)));
    assert_eq!(rig.load.stats(), Stats::default());
    rig.load.stop();
    drop(rig);
}

#[test]
fn amid_the_load() {
    for run in [false, true] {
        let rig = Rig::new(vec![anonymous(full(20_000))], Options::default());
        rig.injector.delay(Duration::from_millis(5));
        rig.load.start().unwrap();
        if run {
            rig.load.run().unwrap();
        }
        thread::sleep(Duration::from_millis(20));
        assert_stops(&rig);
        assert!(lock(&rig.finished).try_recv().is_err());
    }
}

#[test]
fn while_failed_with_a_waiter() {
    let rig = Rig::new(vec![anonymous(full(1024))], Options::held());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig.injector
        .fail(rig.file_offset(0, 500)..u64::MAX, Failure::Errno(libc::EIO));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.memories[0].touch(600));
        lock(&rig.failed).recv_timeout(PATIENCE).unwrap();
        assert_stops(&rig);
        waiter.join().unwrap();
    });
}

#[test]
fn after_the_end() {
    let rig = Rig::new(vec![anonymous(full(100))], Options::default());
    rig.load_all();
    let stats = rig.load.stats();
    rig.load.stop();
    rig.assert_loaded();
    assert_eq!(rig.load.stats(), stats);
}

#[test]
fn nothing_is_written_to_the_file() {
    let rig = Rig::new(vec![anonymous(full(2000))], Options::default());
    let bytes = |snapshot: &Snapshot| {
        let mut bytes = vec![0; snapshot.file.metadata().unwrap().len() as usize];
        crate::source::PageSource::read_at(&snapshot.source(), &mut bytes, 0).unwrap();
        bytes
    };
    let before = bytes(&rig.snapshot);
    rig.load_all();
    // SAFETY: the first byte of the memory.
    unsafe { rig.memories[0].start().write_volatile(1) };
    rig.load.stop();
    assert!(bytes(&rig.snapshot) == before);
}

#[test]
fn what_is_refused_before_the_start() {
    let snapshot = Snapshot::new(&[("one", full(4)), ("two", full(4))]);
    let one = Memory::anonymous(4 * PAGE).unwrap();
    let config = Config {
        fault_threads: NonZeroU32::MIN,
        background_threads: NonZeroU32::MIN,
        target_page_size: PAGE,
        track_faults: false,
        pace: Pace::default(),
    };
    let load = RamLoad::new(Arc::new(snapshot.source()), config, Arc::new(())).unwrap();
    let good = spec("one", 4 * PAGE, &one, false);
    let refuse = |spec: &BlockSpec, header: &[u8], words: &str| {
        let error = load
            .add_block(spec.clone(), header)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    let header_one = &snapshot.blocks[0].header;
    refuse(&good, &header(3, PAGE, 200, 1 << 20), "version 3");
    refuse(
        &BlockSpec {
            length: 1 << 40,
            ..good.clone()
        },
        header_one,
        "bitmap",
    );
    refuse(
        &BlockSpec {
            page_size: 3000,
            ..good.clone()
        },
        header_one,
        "page size",
    );
    refuse(
        &BlockSpec {
            page_size: 512,
            ..good.clone()
        },
        header_one,
        "page size",
    );
    refuse(
        &BlockSpec {
            address: good.address + 1,
            ..good.clone()
        },
        header_one,
        "page boundary",
    );
    refuse(
        &BlockSpec {
            address: !(PAGE - 1),
            ..good.clone()
        },
        header_one,
        "address space",
    );
    let next = load.add_block(good.clone(), header_one).unwrap();
    assert_eq!(next, snapshot.blocks[0].pages_offset + 4 * PAGE);
    let header_two = &snapshot.blocks[1].header;
    refuse(&good, header_two, "twice");
    let two = CString::new("two").unwrap();
    refuse(
        &BlockSpec {
            name: two.clone(),
            ..good.clone()
        },
        header_two,
        "overlaps",
    );
    // Somebody else watches it. (Memory that isn't there may be another test's a moment later.)
    let taken = Memory::anonymous(4 * PAGE).unwrap();
    let spec = spec("two", 4 * PAGE, &taken, false);
    let theirs = Uffd::open().unwrap();
    theirs.register(spec.address, 4 * PAGE).unwrap();
    load.add_block(spec, header_two).unwrap();
    let error = load.start().unwrap_err();
    assert!(
        matches!(&error, SetupError::Register { block, .. } if block == "two"),
        "{error}"
    );
    one.touch(0);
    assert!(matches!(load.start(), Err(SetupError::Started)));
}

/// Pages that aren't in the file stay missing to the end, so that someone may come to wait for one
/// while the memory is being unregistered.
#[test]
fn nobody_waits_for_zeros_behind_the_end() {
    // Every other page is zero, apart from each other so that each is a fault of its own.
    let every_other: Vec<_> = (0..32).map(|page| 2 * page..2 * page + 1).collect();
    for _ in 0..300 {
        let data = bitmap(64, &every_other);
        let memory = Memory::shared(64 * PAGE).unwrap();
        let rig = Rig::new(vec![(data, memory)], Options::default());
        rig.load.start().unwrap();
        let (sender, toucher_done) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                for page in 0..64 {
                    rig.memories[0].touch(page);
                }
                sender.send(()).unwrap();
            });
            rig.load.run().unwrap();
            rig.await_finish();
            let done = toucher_done.recv_timeout(Duration::from_secs(5));
            // Lets a thread that hangs go on, so that the test can end.
            rig.load.wake_all();
            assert!(done.is_ok(), "a fault was never answered");
        });
    }
}
