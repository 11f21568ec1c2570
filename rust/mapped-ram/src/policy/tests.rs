// SPDX-License-Identifier: GPL-2.0-or-later
//! Each rule by itself.

use super::rate::FIRST_GUESS;
use super::*;

const GIB: u64 = 1 << 30;

fn adaptive(threads: u32) -> (Policy, Instant) {
    let now = Instant::now();
    (Policy::new(Pace::default(), threads, GIB, now), now)
}

/// The size of a read that must be granted.
fn granted(turn: Turn) -> u64 {
    match turn {
        Turn::Read { bytes, .. } => bytes,
        other => panic!("{other:?}"),
    }
}

/// What is read within [`MAX_WAIT`], as a single thread reads it.
fn in_max_wait(policy: &Policy) -> u64 {
    let bytes = policy.rate.per_second() * MAX_WAIT.as_micros() as u64 / 1_000_000;
    (bytes / MIN_READ * MIN_READ).max(MIN_READ)
}

#[test]
fn reads_grow_while_nobody_faults_and_are_bounded_when_somebody_does() {
    let (mut policy, mut now) = adaptive(1);
    let mut sizes = Vec::new();
    for _ in 0..7 {
        let Turn::Read { bytes: size, ahead } = policy.poll_read(Part::Rest, now) else {
            panic!("nobody waits");
        };
        assert_eq!(ahead, size == MAX_READ);
        sizes.push(size);
        // 256 MiB/s.
        now += Duration::from_micros(size >> 8);
        policy.handle_read(size, size, now);
        now += GROWTH;
    }
    assert_eq!(
        sizes,
        [1, 2, 4, 8, 16, 32, 32].map(|factor| factor * MIN_READ)
    );
    policy.handle_fault();
    policy.handle_answer(Duration::ZERO, now);
    let Turn::WaitUntil(quiet) = policy.poll_read(Part::Rest, now) else {
        panic!("it stands back");
    };
    assert_eq!(quiet, now + QUIET);
    assert_eq!(
        granted(policy.poll_read(Part::Rest, quiet)),
        in_max_wait(&policy),
        "it begins small again"
    );
}

#[test]
fn reads_double_no_sooner_than_they_may() {
    let (mut policy, start) = adaptive(1);
    let at = |micros| start + Duration::from_micros(micros);
    let growth = GROWTH.as_micros() as u64;
    let mut size = |asked, done| {
        let size = granted(policy.poll_read(Part::Rest, at(asked)));
        policy.handle_read(size, size, at(done));
        size / MIN_READ
    };
    assert_eq!(size(0, 100), 1);
    assert_eq!(size(100, 200), 2, "there was no growth before");
    assert_eq!(size(200, 99 + growth), 2);
    assert_eq!(size(99 + growth, 100 + growth), 2);
    assert_eq!(size(100 + growth, 200 + growth), 4);
}

#[test]
fn patience_has_an_end_and_what_follows_is_bounded() {
    let (mut policy, start) = adaptive(2);
    policy.handle_fault();
    let (mut end, mut in_flight) = (start, 0);
    loop {
        match policy.poll_read(Part::Rest, end) {
            Turn::WaitUntil(until) if until > end => end = until,
            Turn::Read { bytes, ahead } => {
                assert!(!ahead);
                break in_flight += bytes;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(end - start, Duration::from_millis(500) / PATIENCE_SHARE);
    while let Turn::Read { bytes, .. } = policy.poll_read(Part::Rest, end) {
        in_flight += bytes;
    }
    let bound = FIRST_GUESS * MAX_WAIT.as_micros() as u64 / 1_000_000;
    assert!((MIN_READ..=bound).contains(&in_flight), "{in_flight}");
    // It isn't given back.
    policy.handle_answer(Duration::ZERO, end);
    policy.handle_fault();
    assert!(policy.stood >= policy.patience());
}

#[test]
fn patience_counts_only_while_it_stands() {
    let (mut policy, start) = adaptive(1);
    policy.handle_fault();
    let at = |millis| start + Duration::from_millis(millis);
    assert!(matches!(
        policy.poll_read(Part::Rest, at(0)),
        Turn::WaitUntil(_)
    ));
    policy.handle_answer(Duration::ZERO, at(50));
    let size = granted(policy.poll_read(Part::Rest, at(60)));
    policy.handle_read(size, size, at(1000));
    assert_eq!(policy.stood, Duration::from_millis(60));
}

#[test]
fn each_background_has_its_own_rule() {
    let (mut policy, now) = adaptive(2);
    let pace = |background, policy: &mut Policy| {
        policy.set_pace(
            Pace {
                background,
                max_bandwidth: None,
            },
            now,
        );
    };
    policy.handle_fault();
    pace(Background::Off, &mut policy);
    assert_eq!(policy.poll_read(Part::Rest, now), Turn::Wait);
    pace(Background::Full, &mut policy);
    for _ in 0..2 {
        let full = Turn::Read {
            bytes: MAX_READ,
            ahead: true,
        };
        assert_eq!(policy.poll_read(Part::Rest, now), full);
    }
    pace(Background::Linear, &mut policy);
    assert_eq!(
        policy.poll_read(Part::Rest, now),
        Turn::Wait,
        "two are at it"
    );
    policy.handle_read(MAX_READ, MAX_READ, now);
    policy.handle_read(MAX_READ, 0, now);
    assert_eq!(granted(policy.poll_read(Part::Rest, now)), MIN_READ);
    assert_eq!(policy.poll_read(Part::Rest, now), Turn::Wait);
}

#[test]
fn a_limit_holds_for_any_second_and_whatever_the_size_of_reads() {
    for (limit, overrun) in [(64 << 10, 256 << 10), (10 << 20, 0), (3 << 30, 0)] {
        let (mut policy, start) = adaptive(1);
        policy.set_pace(
            Pace {
                background: Background::Full,
                max_bandwidth: NonZeroU64::new(limit),
            },
            start,
        );
        let (mut now, mut read) = (start, 0);
        let end = start + Duration::from_secs(100);
        while now < end {
            match policy.poll_read(Part::Rest, now) {
                Turn::Read { bytes: granted, .. } => {
                    // A huge page is read whole.
                    let bytes = granted.max(overrun);
                    now += Duration::from_nanos(bytes / 4);
                    policy.handle_read(granted, bytes, now);
                    read += bytes;
                }
                Turn::WaitUntil(until) => {
                    assert!(until > now);
                    now = until;
                }
                Turn::Wait => panic!("one thread"),
            }
        }
        let per_second = read as f64 / (now - start).as_secs_f64();
        let share = per_second / limit as f64;
        assert!((0.95..=1.05).contains(&share), "{share} of {limit}");
    }
}

#[test]
fn a_working_set_is_read_whoever_waits_and_whatever_the_background() {
    for background in [Background::Off, Background::Adaptive, Background::Full] {
        let (mut policy, mut now) = adaptive(1);
        policy.set_pace(
            Pace {
                background,
                max_bandwidth: None,
            },
            now,
        );
        for _ in 0..2 {
            let full = Turn::Read {
                bytes: MAX_READ,
                ahead: false,
            };
            assert_eq!(policy.poll_read(Part::WorkingSet, now), full);
            // 256 MiB/s.
            now += Duration::from_micros(MAX_READ >> 8);
            policy.handle_read(MAX_READ, MAX_READ, now);
        }
        policy.handle_fault();
        let bytes = granted(policy.poll_read(Part::WorkingSet, now));
        if background == Background::Full {
            assert_eq!(bytes, MAX_READ);
            continue;
        }
        assert_eq!(bytes, in_max_wait(&policy));
        assert_eq!(policy.poll_read(Part::WorkingSet, now), Turn::Wait);
        let rest = policy.poll_read(Part::Rest, now);
        assert!(!matches!(rest, Turn::Read { .. }), "{rest:?}");
    }
}

#[test]
fn a_working_set_keeps_to_the_limit() {
    let (mut policy, now) = adaptive(1);
    policy.set_pace(
        Pace {
            background: Background::Off,
            max_bandwidth: NonZeroU64::new(1 << 20),
        },
        now,
    );
    let bytes = granted(policy.poll_read(Part::WorkingSet, now));
    policy.handle_read(bytes, 1 << 20, now);
    assert!(matches!(
        policy.poll_read(Part::WorkingSet, now + Duration::from_millis(900)),
        Turn::WaitUntil(_)
    ));
}
