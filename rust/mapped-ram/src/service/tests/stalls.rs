// SPDX-License-Identifier: GPL-2.0-or-later
//! Storage that gives neither bytes nor an error.

use std::thread;
use std::time::Instant;

use super::*;
use crate::testing::Failure;

const PAGE_WANTED: u64 = 700;

fn stall(rig: &Rig, failure: Failure) {
    let offset = rig.file_offset(0, PAGE_WANTED);
    rig.injector.fail(offset..offset + PAGE, failure);
}

fn rig() -> Rig {
    let rig = Rig::new(vec![anonymous(full(1024))], Options::held());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig
}

#[test]
fn who_waits_for_storage_that_stalls_is_stuck_until_it_answers() {
    let rig = rig();
    stall(&rig, Failure::Stall);
    let memory = &rig.memories[0];
    let is_stuck = |tid| rig.load.is_stuck(tid, Instant::now());
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        let (go, going) = channel();
        let waiter = scope.spawn(move || {
            sender.send(rustix::thread::gettid()).unwrap();
            going.recv().unwrap();
            memory.read_page(PAGE_WANTED)
        });
        let tid = receiver.recv().unwrap().as_raw_nonzero().get() as u32;
        assert!(!is_stuck(0) && !is_stuck(tid));
        go.send(()).unwrap();
        eventually("the waiter is stuck", || is_stuck(tid));
        assert!(is_stuck(0) && !is_stuck(1) && !waiter.is_finished());
        // Nothing failed, so there is nothing to try again.
        rig.load.retry(PATIENCE).unwrap();
        rig.injector.heal();
        assert!(waiter.join().unwrap() == rig.snapshot.expected(0, PAGE_WANTED));
        // Who waits goes on before its wait is taken down.
        eventually("nobody is stuck", || !is_stuck(0));
    });
    rig.release();
    rig.await_finish();
    rig.assert_loaded();
    assert!(lock(&rig.failed).try_recv().is_err());
}

#[test]
fn a_retry_waits_for_storage_no_longer_than_its_patience() {
    let rig = rig();
    stall(&rig, Failure::Errno(libc::EIO));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.memories[0].read_page(PAGE_WANTED));
        lock(&rig.failed).recv_timeout(PATIENCE).unwrap();
        rig.injector.heal();
        stall(&rig, Failure::Stall);
        for _ in 0..2 {
            let error = rig.load.retry(Duration::from_millis(100)).unwrap_err();
            assert!(matches!(error, RunError::NoAnswer), "{error}");
        }
        rig.injector.heal();
        rig.load.retry(PATIENCE).unwrap();
        assert!(waiter.join().unwrap() == rig.snapshot.expected(0, PAGE_WANTED));
    });
    rig.release();
    rig.await_finish();
    rig.assert_loaded();
}
