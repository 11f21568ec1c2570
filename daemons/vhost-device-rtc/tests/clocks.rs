// SPDX-License-Identifier: GPL-2.0-or-later
//! Every kind of clock through leap seconds of both kinds, steps of the host's clock, and lists of
//! leap seconds.

use vhost_device_rtc::clocks::{knows_tai, Clocks, Deadline, Unreadable};
use vhost_device_rtc::host::{Host, SECOND};
use vhost_device_rtc::kind::{Kind, Smearing};
use vhost_device_rtc::leap::{Leap, List, DAY};
use vhost_device_rtc::testing::FakeHost;

const KINDS: [Kind; 7] = [
    Kind::Utc,
    Kind::Tai,
    Kind::Monotonic,
    Kind::Smeared(Smearing::NoonLinear),
    Kind::Smeared(Smearing::UtcSls),
    Kind::Smeared(Smearing::Unspecified),
    Kind::MaybeSmeared,
];
const NTP: u64 = 2_208_988_800;

/// A list in which `leap` changes the offset from 37.
fn list(leap: Leap) -> List {
    let midnight = leap.midnight / SECOND + NTP;
    let after = if leap.inserted { 38 } else { 36 };
    let text = format!(
        "#@ {}\n2272060800 37\n{midnight} {after}\n",
        midnight + 200 * 86400
    );
    List::parse(&text).unwrap()
}

fn read(clocks: &mut Clocks, host: &mut FakeHost) -> Vec<u64> {
    (0..clocks.number())
        .map(|id| clocks.read(id, host).unwrap())
        .collect()
}

#[test]
fn through_leap_seconds_of_both_kinds() {
    for inserted in [true, false] {
        for (tai, listed) in [(37, false), (37, true), (0, true)] {
            let (mut host, leap) = FakeHost::before_leap(inserted, DAY * 3 / 4, tai);
            host.tick_late = 4_000_000;
            let mut clocks = Clocks::new(&KINDS, listed.then(|| list(leap)));
            let mut last = read(&mut clocks, &mut host);
            let first = last.clone();
            let offset = last[1] - last[0];
            assert_eq!(offset, 37 * SECOND);
            let mut steps = 0;
            let (mut passed, step) = (0, SECOND / 2);
            while passed < DAY * 3 / 2 {
                // By half seconds around what happens, by minutes elsewhere.
                let near = [DAY * 3 / 4, DAY / 4, DAY * 5 / 4]
                    .iter()
                    .any(|event| passed.abs_diff(*event) < 1100 * SECOND);
                let step = if near { step } else { 60 * SECOND };
                host.advance(step);
                passed += step;
                let now = read(&mut clocks, &mut host);
                for id in [1, 2] {
                    assert_eq!(now[id] - first[id], passed, "{} is even", KINDS[id]);
                }
                for id in [3, 4, 5] {
                    let moved = now[id] - last[id];
                    assert!(
                        moved.abs_diff(step) <= step / 900,
                        "{} steps at {passed}",
                        KINDS[id]
                    );
                    let off = now[id].abs_diff(now[0]);
                    assert!(off <= SECOND, "{} is {off} ns off UTC", KINDS[id]);
                }
                let moved = now[0] as i64 - last[0] as i64 - step as i64;
                if moved != 0 {
                    assert_eq!(moved, if inserted { -1 } else { 1 } * SECOND as i64);
                    let begins = if inserted {
                        DAY * 3 / 4
                    } else {
                        DAY * 3 / 4 - SECOND
                    };
                    assert_eq!(passed, begins, "UTC steps when the leap second begins");
                    steps += 1;
                }
                assert_eq!(now[6], now[0]);
                last = now;
            }
            assert_eq!(steps, 1);
            assert_eq!(last[3..6], [last[0]; 3], "smeared clocks are on UTC again");
            let off = if inserted { 38 } else { 36 };
            assert_eq!(last[1] - last[0], off * SECOND);
        }
    }
}

#[test]
fn a_leap_second_that_is_announced_late_is_waited_for() {
    let (mut host, leap) = FakeHost::before_leap(true, DAY / 4, 37);
    host.leap = None;
    let mut clocks = Clocks::new(&[Kind::Smeared(Smearing::NoonLinear)], None);
    let before = clocks.read(0, &mut host).unwrap();
    host.leap = Some(leap);
    let mut last = clocks.read(0, &mut host).unwrap();
    assert_eq!(last, before, "not back");
    for _ in 0..DAY / SECOND {
        host.advance(SECOND);
        let now = clocks.read(0, &mut host).unwrap();
        assert!(now >= last);
        last = now;
    }
    assert_eq!(last, host.realtime());
}

#[test]
fn a_list_knows_of_a_leap_second_before_the_kernel_and_after_a_restart() {
    let (host, leap) = FakeHost::before_leap(true, DAY / 4, 37);
    let kind = [Kind::Smeared(Smearing::NoonLinear)];
    let smeared = |host: &FakeHost, list: Option<List>| {
        let mut host = host.clone();
        let now = Clocks::new(&kind, list).read(0, &mut host).unwrap();
        now != host.realtime()
    };
    let untold = FakeHost {
        leap: None,
        ..host.clone()
    };
    assert!(smeared(&untold, Some(list(leap))), "half a day before");
    assert!(!smeared(&untold, None));
    let unkept = FakeHost { tai: 0, ..untold };
    assert!(
        !smeared(&unkept, Some(list(leap))),
        "nobody keeps this host's offset"
    );
    let mut after = host;
    after.advance(DAY / 2);
    assert!(
        smeared(&after, Some(list(leap))),
        "started half a day after"
    );
    assert!(!smeared(&after, None), "the kernel has forgotten");
}

#[test]
fn tai_is_never_guessed() {
    let (mut host, leap) = FakeHost::before_leap(true, 10 * DAY, 37);
    host.leap = None;
    for tai in [0, 1, 9, -1] {
        host.tai = tai;
        assert!(!knows_tai(&mut host, None), "{tai}");
    }
    assert!(knows_tai(&mut host, Some(&list(leap))));
    host.tai = 37;
    assert!(knows_tai(&mut host, None));
    // An expired list.
    host.tai = 0;
    host.advance(1000 * DAY);
    assert!(!knows_tai(&mut host, Some(&list(leap))));
    let mut clocks = Clocks::new(&[Kind::Tai], Some(list(leap)));
    assert_eq!(clocks.read(0, &mut host), Err(Unreadable));
    assert!(matches!(
        clocks.deadline(0, u64::MAX, &mut host),
        Deadline::Realtime(_)
    ));
}

#[test]
fn the_hosts_steps_are_followed_by_all_but_monotonic_clocks() {
    let mut host = FakeHost::new();
    let mut clocks = Clocks::new(&KINDS, None);
    let before = read(&mut clocks, &mut host);
    for step in [3600, -7200, -1, 1] {
        let last = read(&mut clocks, &mut host);
        host.step(step);
        let now = read(&mut clocks, &mut host);
        for id in [0, 1, 3, 4, 5, 6] {
            assert_eq!(
                now[id] as i64 - last[id] as i64,
                step * SECOND as i64,
                "{}",
                KINDS[id]
            );
        }
        assert_eq!(now[2], before[2]);
    }
}

#[test]
fn cross_timestamps_are_of_one_instant() {
    let mut host = FakeHost {
        runs: 1000,
        ..FakeHost::new()
    };
    let mut clocks = Clocks::new(&KINDS, None);
    for id in 0..clocks.number() {
        let (reading, counter) = clocks.read_cross(id, &mut host).unwrap();
        assert_eq!(counter, host.elapsed * 3);
        let now = match KINDS[usize::from(id)] {
            Kind::Monotonic => host.elapsed,
            Kind::Tai => host.civil,
            _ => host.realtime(),
        };
        assert_eq!(reading, now);
    }
    host.counter_rate = None;
    assert!(!host.has_counter());
    assert_eq!(clocks.read_cross(0, &mut host), Err(Unreadable));
}
