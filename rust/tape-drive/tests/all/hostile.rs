// SPDX-License-Identifier: GPL-2.0-or-later
//! Any bytes at all as commands, images and saved states. The same as the fuzz
//! target, for as long as a test may take.

use crate::support::*;
use proptest::prelude::*;
use tape_drive::driver::Runner;
use tape_drive::exercise::exercise;
use tape_drive::{Config, Drive, RestoreError};

/// A tape with something on it.
fn image() -> Vec<u8> {
    let mut drive = tape(&[b"abcd", b"", b"efgh", b"ij", b""]);
    drive.ok(UNLOAD);
    drive.medium
}

/// Three partitions, each with something on it, and an attribute.
fn partitioned() -> Vec<u8> {
    let mut drive = small(100_000, 0);
    let equal = [0, 0, 0x10, 0, 0x11, 10, 15, 2, 0x5c, 3, 0, 0, 0, 0, 0, 0];
    drive.ok_with([0x15, 0x10, 0, 0, 16, 0], &equal);
    drive.ok([4, 0, 1, 0, 0, 0]);
    for partition in 0..3 {
        drive.ok(locate_partition(partition, 0));
        drive.record(b"abcd");
        drive.ok(marks(1));
        drive.record(b"ef");
    }
    let list = [0, 0, 0, 6, 0x0c, 0, 0, 0, 1, 7];
    drive.ok_with([0x8d, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 10, 0, 0], &list);
    drive.ok(UNLOAD);
    drive.medium
}

fn state() -> Vec<u8> {
    let mut drive = tape(&[b"abcd", b"", b"efgh"]);
    drive.set_block_length(4);
    drive.ok([0x1e, 0, 0, 0, 1, 0]);
    drive.ok(read(FIXED, 1));
    drive.drive.save()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn commands(
        habits in any::<u8>(),
        commands in prop::collection::vec(any::<[u8; 20]>(), 0..40),
        tape in 0..3,
    ) {
        let mut input = vec![habits, commands.len() as u8];
        input.extend(commands.concat());
        match tape {
            0 => {}
            1 => input.extend(image()),
            _ => input.extend(partitioned()),
        }
        exercise(&input);
    }

    #[test]
    fn anything(input in prop::collection::vec(any::<u8>(), 0..2000)) {
        exercise(&input);
    }

    #[test]
    fn states(at in any::<prop::sample::Index>(), bits in any::<u8>(), end in any::<bool>()) {
        let mut state = state();
        let at = at.index(state.len());
        if end {
            state.truncate(at);
        } else {
            state[at] ^= bits;
        }
        let mut drive = Runner::with(Config::default(), image());
        let before = drive.drive.save();
        match drive.drive.restore(&state) {
            Ok(()) => {
                let saved = drive.drive.save();
                let mut other = Runner::with(Config::default(), image());
                prop_assert_eq!(other.drive.restore(&saved), Ok(()));
                prop_assert_eq!(other.drive.save(), saved);
            }
            Err(_) => prop_assert_eq!(drive.drive.save(), before),
        }
        drive.command(&read(0, 4), &[]);
        drive.command(&POSITION, &[]);
    }

    #[test]
    fn states_of_anything(state in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut drive = Drive::new(Config::default()).unwrap();
        prop_assert_eq!(drive.restore(&state), Err(RestoreError::Foreign));
    }
}
