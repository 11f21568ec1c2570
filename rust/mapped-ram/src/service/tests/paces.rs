// SPDX-License-Identifier: GPL-2.0-or-later
//! The background off and on, limited and in order, and what faults bring along.

use std::num::NonZeroU64;

use super::*;

fn pace(background: Background) -> Pace {
    Pace {
        background,
        max_bandwidth: None,
    }
}

fn rig(background: Background, pages: u64) -> Rig {
    let options = Options {
        pace: pace(background),
        ..Options::default()
    };
    Rig::new(vec![anonymous(full(pages))], options)
}

#[test]
fn without_background_only_what_is_touched_comes_until_it_is_switched_on() {
    let rig = rig(Background::Off, 4096);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    for page in [4000, 1, 3000, 1001] {
        assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
    }
    let stats = rig.load.stats();
    assert_eq!(stats.background, 0, "{stats:?}");
    assert_eq!(stats.faults, 4, "{stats:?}");
    rig.load.set_pace(pace(Background::Adaptive));
    rig.await_finish();
    rig.assert_loaded();
    let stats = rig.assert_accounts();
    assert!(stats.background > 0, "{stats:?}");
}

#[test]
fn without_background_a_load_ends_when_all_was_touched() {
    let rig = rig(Background::Off, 300);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig.assert_loaded();
    rig.await_finish();
    assert_eq!(rig.assert_accounts().background, 0);
}

#[test]
fn a_load_without_background_can_be_stopped() {
    let rig = rig(Background::Off, 300);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig.load.stop();
    assert_eq!(rig.load.stats().background, 0);
}

#[test]
fn the_pace_that_is_set_before_the_start_holds() {
    let rig = rig(Background::Full, 300);
    rig.load.set_pace(pace(Background::Off));
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    assert!(rig.memories[0].read_page(7) == rig.snapshot.expected(0, 7));
    assert_eq!(rig.load.stats().background, 0);
}

#[test]
fn a_limit_holds_the_background_back_and_no_fault() {
    // A byte a second: after its first read a thread would wait for a day.
    let rig = rig(Background::Adaptive, 4096);
    let limited = Pace {
        background: Background::Full,
        max_bandwidth: NonZeroU64::new(1),
    };
    rig.load.set_pace(limited);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    for page in (0..4096).rev().step_by(64) {
        assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
    }
    let stats = rig.load.stats();
    assert!(stats.background <= 2 * (128 << 10), "{stats:?}");
    rig.load.set_pace(pace(Background::Full));
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn linear_brings_one_page_after_the_other() {
    let snapshot = |background| {
        let rig = rig(background, 1024);
        let before = rig.injector.reads();
        rig.load_all();
        rig.assert_loaded();
        rig.injector.reads() - before
    };
    assert_eq!(snapshot(Background::Linear), 1024);
    assert!(snapshot(Background::Full) < 64);
}

#[test]
fn pages_behind_a_fault_come_along_while_a_thread_goes_through_memory() {
    let rig = rig(Background::Off, 1024);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    // Who waits goes on before the page is counted.
    let touch = |page, pages| {
        assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
        eventually("so many pages were brought", || {
            rig.load.stats().demand == pages * PAGE
        });
    };
    touch(100, 1);
    touch(101, 1 + 4);
    touch(104, 5);
    touch(105, 5 + 8);
    // Not in order.
    touch(50, 13 + 1);
    assert_eq!(rig.load.stats().faults, 4);
    // The same from storage.
    rig.injector.delay(Duration::from_micros(1));
    touch(500, 14 + 1);
    touch(502, 15 + 4);
}

#[test]
fn a_failure_among_the_pages_behind_a_fault_is_nobodys_until_it_is_touched() {
    let rig = rig(Background::Off, 1024);
    let offset = rig.file_offset(0, 103);
    rig.injector.fail(
        offset..offset + PAGE,
        crate::testing::Failure::Errno(libc::EIO),
    );
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    for page in 100..103 {
        assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
    }
    assert!(lock(&rig.failed).try_recv().is_err());
    rig.injector.heal();
    rig.load.set_pace(pace(Background::Full));
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
}

/// A million touches at random from four threads, of all backgrounds in turn.
#[test]
fn paces_may_change_at_any_time() {
    let pages = 8 * 1024;
    let shared = Memory::shared(pages * PAGE).unwrap();
    let options = Options {
        fault_threads: 2,
        pace: pace(Background::Off),
        ..Options::default()
    };
    let rig = Rig::new(vec![anonymous(full(pages)), (full(pages), shared)], options);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    std::thread::scope(|scope| {
        for seed in 0..4u64 {
            let memories = &rig.memories;
            scope.spawn(move || {
                let mut random = seed;
                for _ in 0..250_000 {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                    memories[(random >> 62) as usize % 2].touch((random >> 33) % pages);
                }
            });
        }
        for background in [
            Background::Adaptive,
            Background::Linear,
            Background::Off,
            Background::Full,
            Background::Adaptive,
        ] {
            rig.load.set_pace(pace(background));
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    rig.await_finish();
    rig.assert_loaded();
    rig.assert_accounts();
}
