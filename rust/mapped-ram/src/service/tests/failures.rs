// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads that fail, before and after the machine runs, and how they are mended.

use std::sync::mpsc::RecvTimeoutError;
use std::thread;

use super::*;
use crate::testing::Failure;

/// A page that the file doesn't have any more.
const BAD: u64 = 700;

/// One thread for the background, so that it fails once and pauses at once.
fn one_held() -> Options {
    Options {
        background_threads: 1,
        ..Options::held()
    }
}

/// A load that runs, with nothing read in the background so far.
fn rig(pages: u64) -> Rig {
    let rig = Rig::new(vec![anonymous(full(pages))], one_held());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig
}

fn fail_page(rig: &Rig, page: u64, failure: Failure) {
    let offset = rig.file_offset(0, page);
    rig.injector.fail(offset..offset + PAGE, failure);
}

fn next_report(rig: &Rig) -> Report {
    lock(&rig.failed)
        .recv_timeout(PATIENCE)
        .expect("a failure is reported")
}

fn failing(rig: &Rig) -> bool {
    let shared = rig.load.shared.get().expect("started");
    shared.failing.load(Ordering::Acquire)
}

#[test]
fn a_failure_while_the_device_state_loads_ends_the_load_and_hangs_nobody() {
    let rig = Rig::new(vec![anonymous(full(1024))], Options::default());
    fail_page(&rig, BAD, Failure::Errno(libc::EIO));
    rig.load.start().unwrap();
    // Whoever touches the page goes on, as the machine will never run.
    rig.memories[0].touch(BAD);
    let error = rig.load.run().unwrap_err().to_string();
    assert!(
        error.contains("RAM block 'block0'") && error.contains("Input/output error"),
        "{error}"
    );
    assert!(rig.load.retry(PATIENCE).is_err());
    assert!(lock(&rig.failed).try_recv().is_err(), "run() told it");
}

#[test]
fn a_background_failure_is_reported_once_pauses_and_is_retried() {
    let rig = rig(2048);
    fail_page(&rig, BAD, Failure::Errno(libc::EIO));
    rig.release();
    let report = next_report(&rig);
    rig.load.acknowledge();
    assert_eq!(report.errno, libc::EIO);
    assert_eq!(
        report.file_offset,
        rig.file_offset(0, 0) + report.ram_offset
    );
    assert!(report.ram_offset <= BAD * PAGE && BAD * PAGE < report.ram_offset + (128 << 10));
    assert!(
        report.message.contains("RAM block 'block0'"),
        "{}",
        report.message
    );
    assert!(failing(&rig));
    // The rest isn't loaded meanwhile, but served where it is touched.
    let page = 2047;
    assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
    let background = rig.load.stats().background;
    thread::sleep(Duration::from_millis(50));
    assert_eq!(rig.load.stats().background, background);
    // In vain, then with success.
    let error = rig.load.retry(PATIENCE).unwrap_err().to_string();
    assert!(
        error.contains("block0") && error.contains("file offset"),
        "{error}"
    );
    assert!(failing(&rig));
    rig.injector.heal();
    rig.load.retry(PATIENCE).unwrap();
    assert!(!failing(&rig));
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
    assert!(lock(&rig.failed).try_recv().is_err(), "once");
}

#[test]
fn a_demand_failure_blocks_only_who_waits_until_it_is_retried() {
    let rig = rig(1024);
    fail_page(&rig, BAD, Failure::Errno(libc::EREMOTEIO));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.memories[0].read_page(BAD));
        let report = next_report(&rig);
        assert_eq!(
            (report.errno, report.ram_offset),
            (libc::EREMOTEIO, BAD * PAGE)
        );
        // Another waiter is no other failure.
        let second = scope.spawn(|| rig.memories[0].touch(BAD));
        rig.while_owner_answers(|| {
            thread::sleep(Duration::from_millis(1300));
            assert!(
                !waiter.is_finished() && !second.is_finished(),
                "never zero-filled"
            );
            assert!(rig.load.retry(PATIENCE).is_err());
            rig.injector.heal();
            thread::sleep(Duration::from_millis(1300));
            assert!(!waiter.is_finished(), "only retry() tries");
        });
        rig.load.retry(PATIENCE).unwrap();
        assert!(waiter.join().unwrap() == rig.snapshot.expected(0, BAD));
        second.join().unwrap();
    });
    rig.release();
    rig.await_finish();
    rig.assert_accounts();
    let more: Vec<_> = lock(&rig.failed)
        .try_iter()
        .filter(|r| r.ram_offset == BAD * PAGE)
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn a_failure_that_the_owner_is_silent_about_mends_itself() {
    let rig = rig(1024);
    fail_page(&rig, BAD, Failure::End);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.memories[0].read_page(BAD));
        let report = next_report(&rig);
        assert_eq!(report.errno, libc::EIO);
        thread::sleep(Duration::from_millis(1500));
        assert!(!waiter.is_finished());
        rig.injector.heal();
        assert!(waiter.join().unwrap() == rig.snapshot.expected(0, BAD));
    });
    rig.release();
    rig.await_finish();
    rig.assert_accounts();
    assert!(!failing(&rig));
    rig.load
        .retry(PATIENCE)
        .expect("nothing is failed any more");
}

/// The machine is stopped and the owner said so; then it comes to wait for the page itself.
#[test]
fn an_owner_that_falls_silent_later_is_helped() {
    let rig = rig(1024);
    fail_page(&rig, BAD, Failure::Errno(libc::EIO));
    thread::scope(|scope| {
        let vcpu = scope.spawn(|| rig.memories[0].touch(BAD));
        assert_eq!(next_report(&rig).ram_offset, BAD * PAGE);
        rig.while_owner_answers(|| thread::sleep(Duration::from_millis(1500)));
        let owner = scope.spawn(|| rig.memories[0].read_page(BAD));
        thread::sleep(Duration::from_millis(1500));
        assert!(!owner.is_finished() && !vcpu.is_finished());
        rig.injector.heal();
        let begun = std::time::Instant::now();
        while !owner.is_finished() && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let helped = owner.is_finished();
        // Lets go who hangs, so that the test can end.
        if !helped {
            rig.load.stop();
        }
        assert!(helped, "the owner waits for ever");
        assert!(owner.join().unwrap() == rig.snapshot.expected(0, BAD));
        vcpu.join().unwrap();
    });
    rig.release();
    rig.await_finish();
    rig.assert_loaded();
}

#[test]
fn a_truncated_file_that_comes_back() {
    let rig = rig(1024);
    let whole = rig.snapshot.file.metadata().unwrap().len();
    rig.snapshot.file.set_len(rig.file_offset(0, BAD)).unwrap();
    rig.release();
    let report = next_report(&rig);
    rig.load.acknowledge();
    assert!(
        report.message.contains("the file ends before"),
        "{}",
        report.message
    );
    // What was cut off is written again.
    let again = Snapshot::new(&[("block0", full(1024))]);
    let mut bytes = vec![0; (whole - rig.file_offset(0, BAD)) as usize];
    crate::source::PageSource::read_at(&again.source(), &mut bytes, rig.file_offset(0, BAD))
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&rig.snapshot.file, &bytes, rig.file_offset(0, BAD))
        .unwrap();
    rig.load.retry(PATIENCE).unwrap();
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn failures_in_many_places_are_all_mended() {
    let rig = Rig::new(
        vec![anonymous(full(4096))],
        Options {
            fault_threads: 2,
            ..Options::held()
        },
    );
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    for page in (100..4096).step_by(50) {
        fail_page(&rig, page, Failure::Errno(libc::EIO));
    }
    rig.release();
    thread::scope(|scope| {
        for toucher in 0..6u64 {
            let rig = &rig;
            scope.spawn(move || {
                for step in 0..300 {
                    let page = (step * 911 + toucher * 50) % 4096;
                    assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
                }
            });
        }
        let first = next_report(&rig);
        rig.load.acknowledge();
        assert_eq!(first.errno, libc::EIO);
        thread::sleep(Duration::from_millis(200));
        assert!(rig.load.retry(PATIENCE).is_err());
        rig.injector.heal();
        // A fault may fail while the retry is under way: the next one mends it.
        eventually("all is mended", || rig.load.retry(PATIENCE).is_ok());
    });
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn memory_that_went_away_is_a_failure_and_not_a_hang() {
    let rig = rig(2048);
    rig.memories[0].unmap(1024 * PAGE..2048 * PAGE);
    rig.release();
    let report = next_report(&rig);
    rig.load.acknowledge();
    assert!(report.message.contains("unmapped"), "{}", report.message);
    assert_eq!(
        lock(&rig.finished).recv_timeout(Duration::from_millis(50)),
        Err(RecvTimeoutError::Timeout)
    );
    rig.load.stop();
}

#[test]
fn a_failing_huge_page_wakes_its_waiter_when_it_is_mended() {
    let data = full(1024);
    let Ok(memory) = Memory::huge_pages(data.len() * PAGE) else {
        eprintln!("SKIPPED: no huge pages are reserved");
        return;
    };
    let rig = Rig::new(vec![(data, memory)], Options::held());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    fail_page(&rig, BAD, Failure::Errno(libc::EIO));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.memories[0].read_page(BAD));
        let report = next_report(&rig);
        rig.load.acknowledge();
        assert_eq!(report.errno, libc::EIO);
        thread::sleep(Duration::from_millis(100));
        rig.load.acknowledge();
        assert!(!waiter.is_finished());
        rig.injector.heal();
        rig.load.retry(PATIENCE).unwrap();
        assert!(waiter.join().unwrap() == rig.snapshot.expected(0, BAD));
    });
    rig.release();
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
}
