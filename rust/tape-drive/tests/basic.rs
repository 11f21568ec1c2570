// SPDX-License-Identifier: GPL-2.0-or-later
//! A first walk: write, go back, read.
use tape_drive::driver::Runner;

#[test]
fn what_is_written_is_read() {
    let mut drive = Runner::blank();
    drive.ok([0, 0, 0, 0, 0, 0]);
    assert_eq!(drive.ok([0x12, 0, 0, 0, 36, 0]).len(), 36);
    drive.ok_with([0x0a, 0, 0, 0, 5, 0], b"hello");
    drive.ok_with([0x0a, 0, 0, 0, 3, 0], b"you");
    drive.ok([0x10, 0, 0, 0, 1, 0]);
    drive.ok([0x01, 0, 0, 0, 0, 0]);
    assert_eq!(drive.ok([0x08, 0, 0, 0, 5, 0]), b"hello");
    let pos = drive.ok([0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(pos[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(drive.ok([0x08, 2, 0, 0, 5, 0]), b"you");
    let mark = drive.command(&[0x08, 0, 0, 0, 5, 0], &[]);
    assert_eq!(mark.done.sense[..7], [0xf0, 0, 0x80, 0, 0, 0, 5]);
}

#[test]
fn the_position_moves_to_another_drive() {
    let mut drive = Runner::blank();
    drive.ok_with([0x0a, 0, 0, 0, 5, 0], b"hello");
    drive.ok_with([0x0a, 0, 0, 0, 3, 0], b"you");
    drive.ok([0x01, 0, 0, 0, 0, 0]);
    drive.ok([0x08, 0, 0, 0, 5, 0]);
    let saved = drive.drive.save();
    let mut other = Runner::with(Default::default(), drive.medium);
    other.drive.restore(&saved).unwrap();
    assert_eq!(other.drive.save(), saved);
    assert_eq!(other.ok([0x08, 0, 0, 0, 3, 0]), b"you");
}
