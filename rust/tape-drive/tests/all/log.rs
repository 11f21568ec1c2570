// SPDX-License-Identifier: GPL-2.0-or-later
//! What the drive counts and raises while it works.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::{asc, Key};

/// A log parameter's value.
fn parameter(drive: &mut Runner<Vec<u8>>, page: u8, code: u16) -> u64 {
    let [high, low] = code.to_be_bytes();
    let data = drive.ok([0x4d, 0, 0x40 | page, 0, 0, high, low, 1, 0, 0]);
    assert_eq!(data[4..6], [high, low]);
    let value = &data[8..8 + usize::from(data[7])];
    value
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

const SEQUENTIAL_ACCESS: u8 = 0x0c;
const TAPE_ALERT: u8 = 0x2e;

#[test]
fn bytes_are_counted_both_ways() {
    let mut drive = Runner::blank();
    drive.record(&[1; 1000]);
    drive.record(&[1; 500]);
    drive.ok(REWIND);
    drive.ok(read(0, 1000));
    drive.ok(verify(0, 500));
    assert_eq!(
        parameter(&mut drive, SEQUENTIAL_ACCESS, 0),
        1500,
        "from the initiator"
    );
    assert_eq!(
        parameter(&mut drive, SEQUENTIAL_ACCESS, 1),
        1500,
        "to the medium"
    );
    assert_eq!(
        parameter(&mut drive, SEQUENTIAL_ACCESS, 2),
        1500,
        "from the medium"
    );
    assert_eq!(
        parameter(&mut drive, SEQUENTIAL_ACCESS, 3),
        1000,
        "to the initiator"
    );
    let other = {
        let state = drive.drive.save();
        let mut other = Runner::with(Default::default(), drive.medium);
        other.drive.restore(&state).unwrap();
        parameter(&mut other, SEQUENTIAL_ACCESS, 0)
    };
    assert_eq!(other, 1500, "it moves along");
}

#[test]
fn alerts_are_raised() {
    let mut drive = tape(&[b"abc"]);
    drive.ok([0x1e, 0, 0, 0, 1, 0]);
    let (told, _) = drive.fails(UNLOAD);
    assert_eq!(
        (told.0, told.1),
        (Key::IllegalRequest, asc::REMOVAL_PREVENTED)
    );
    assert_eq!(parameter(&mut drive, TAPE_ALERT, 10), 1, "no removal");
    assert_eq!(parameter(&mut drive, TAPE_ALERT, 10), 0, "told once");
    assert_eq!(parameter(&mut drive, TAPE_ALERT, 9), 0, "write protect");
}

#[test]
fn read_position_in_all_forms() {
    let mut drive = tape(&[b"abc", b"", b"", b"def"]);
    assert_eq!(drive.ok(POSITION)[0], 0x80, "BOP");
    drive.ok(locate(3));
    let long = drive.ok([0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((long.len(), long[0], long[15], long[23]), (32, 0, 3, 2));
    let extended = drive.ok([0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0]);
    assert_eq!(extended[..4], [0, 0, 0, 28]);
    assert_eq!((extended.len(), extended[15], extended[23]), (32, 3, 3));
    assert_eq!(drive.ok([0x34, 8, 0, 0, 0, 0, 0, 0, 4, 0]).len(), 4);
    for wrong in [
        [0x34, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        [0x34, 6, 0, 0, 0, 0, 0, 0, 32, 0],
    ] {
        assert_eq!(drive.fails(wrong).0 .1, asc::INVALID_FIELD_IN_CDB);
    }
}

#[test]
fn block_limits_tell_the_truth() {
    let mut drive = Runner::blank();
    let limits = drive.ok([0x05, 0, 0, 0, 0, 0]);
    assert_eq!(limits, [0, 0xff, 0xff, 0xff, 0, 1]);
    let longest = vec![7; 0xff_ffff];
    drive.record(&longest);
    drive.record(b"x");
    drive.ok(REWIND);
    assert!(drive.ok(read(0, 0xff_ffff)) == longest);
    assert_eq!(drive.ok(read(0, 1)), b"x");
}

/// LTFS asks for them, as a measure of wear.
#[test]
fn passes_over_beginning_and_middle() {
    const VOLUME: u8 = 0x17;
    const BEGINNING: u16 = 0x0101;
    const MIDDLE: u16 = 0x0102;
    let mut drive = small(100_000, 0);
    let passes = |drive: &mut Runner<Vec<u8>>| {
        [BEGINNING, MIDDLE].map(|code| parameter(drive, VOLUME, code))
    };
    drive.record(&[1; 40_000]);
    assert_eq!(passes(&mut drive), [1, 0], "it was loaded");
    drive.record(&[2; 40_000]);
    assert_eq!(passes(&mut drive), [1, 1]);
    drive.ok(REWIND);
    drive.ok(REWIND);
    assert_eq!(passes(&mut drive), [2, 2]);
    drive.ok(TO_END);
    drive.ok(space(0, -1));
    assert_eq!(passes(&mut drive), [2, 4]);
    let state = drive.drive.save();
    let mut other = Runner::with(drive.drive.config().clone(), drive.medium.clone());
    other.drive.restore(&state).unwrap();
    assert_eq!(passes(&mut other), [2, 4]);
    for end in 0..state.len() {
        assert!(drive.drive.restore(&state[..end]).is_err(), "{end}");
    }
}
