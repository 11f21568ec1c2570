// SPDX-License-Identifier: GPL-2.0-or-later
//! One test for each rule about what sense data says of the cartridge: that it
//! is protected, isn't there, or isn't at the heads (SSC-3 4.2 and 5).

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Config, Medium};
use tape_image::Truncation;

#[test]
fn write_protected() {
    let mut drive = tape(&[b"abcd"]);
    let length = drive.medium.len() as u64;
    drive.drive.insert(Medium {
        length,
        truncation: Truncation::Exact,
        read_only: true,
    });
    let refused = (DataProtect, asc::WRITE_PROTECTED, "", None);
    assert_eq!(drive.fails_with(write(0, 1), b"x"), refused);
    assert_eq!(drive.fails(marks(1)).0, refused);
    assert_eq!(drive.fails(ERASE).0, refused);
    assert_eq!(drive.fails([0x04, 0, 0, 0, 0, 0]).0, refused);
    assert_eq!(drive.ok([0x1a, 0, 0, 0, 12, 0])[2] & 0x80, 0x80, "WP");
    drive.ok(marks(0));
    assert_eq!(drive.ok(read(0, 4)), b"abcd");
}

#[test]
fn worm() {
    let config = Config {
        worm: true,
        ..Config::default()
    };
    let mut drive = Runner::with(config, Vec::new());
    drive.record(b"abc");
    drive.record(b"def");
    drive.ok(marks(2));
    let refused = (DataProtect, asc::WORM_OVERWRITE, "", None);
    for object in 0..3 {
        drive.ok(locate(object));
        assert_eq!(drive.fails_with(write(0, 1), b"x"), refused);
        assert_eq!(drive.fails(ERASE).0, refused);
        assert_eq!(drive.position(), object);
    }
    // The second filemark may go.
    drive.ok(locate(3));
    drive.record(b"ghi");
    drive.ok(locate(3));
    assert_eq!(drive.ok(read(0, 3)), b"ghi");
    drive.record(b"at the end");
    drive.ok(REWIND);
    assert_eq!(drive.fails([0x04, 0, 0, 0, 0, 0]).0, refused);
}

#[test]
fn append_only() {
    let mut drive = tape(&[b"abc", b"def"]);
    let mut page = drive.ok([0x1a, 8, 0x10, 1, 255, 0]);
    let length = page.len() as u8;
    page[0] = 0;
    page[2] = 0x10;
    page[4] &= 0x7f;
    page[4 + 5] |= 0x10;
    drive.ok_with([0x15, 0x10, 0, 0, length, 0], &page);
    let refused = (DataProtect, asc::WRITE_PROTECTED, "", None);
    assert_eq!(drive.fails_with(write(0, 1), b"x"), refused);
    let mut allow = [0; 16];
    allow[0] = 0x82;
    allow[2] = 1;
    allow[11] = 1;
    assert_eq!(
        drive.fails(allow).0 .1,
        asc::INVALID_FIELD_IN_CDB,
        "not there"
    );
    drive.ok(locate(1));
    drive.ok(allow);
    drive.ok([0x1a, 0, 0x10, 0, 255, 0]);
    drive.record(b"x");
    drive.record(b"y");
    drive.ok(locate(1));
    assert_eq!(
        drive.fails_with(write(0, 1), b"x"),
        refused,
        "it was for once"
    );
}

#[test]
fn no_cartridge() {
    let mut drive = tape(&[b"abc"]);
    let absent = (NotReady, asc::MEDIUM_NOT_PRESENT, "", None);
    let done = drive.command(&UNLOAD, &[]).done;
    assert_eq!(done.tray, Some(tape_drive::Tray::Unloaded));
    assert!(!drive.drive.has_medium());
    for cdb in [READY, read(0, 3), REWIND, UNLOAD, marks(1)] {
        assert_eq!(drive.fails(cdb).0, absent);
    }
    let done = drive.command(&LOAD, &[]).done;
    assert_eq!(done.tray, Some(tape_drive::Tray::Loaded));
    assert_eq!(drive.ok(read(0, 3)), b"abc");
    drive.drive.remove();
    assert_eq!(drive.fails(READY).0, absent);
    assert_eq!(drive.fails(LOAD).0, absent);
    assert!(!drive.ok([0x12, 0, 0, 0, 96, 0]).is_empty());
}

#[test]
fn held_and_unloaded() {
    const HOLD: [u8; 6] = [0x1b, 0, 0, 0, 9, 0];
    let mut drive = tape(&[b"abcd"]);
    drive.ok(HOLD);
    drive.ok(UNLOAD);
    let none = (NotReady, asc::MEDIUM_NOT_PRESENT, "", None);
    assert_eq!(drive.fails(UNLOAD).0, none);
    drive.ok(LOAD);
    assert_eq!(drive.ok(read(0, 4)), b"abcd");
}

#[test]
fn held_and_prevented() {
    let mut drive = tape(&[b"abc"]);
    drive.ok([0x1e, 0, 0, 0, 1, 0]);
    assert!(drive.drive.removal_prevented());
    let (told, _) = drive.fails(UNLOAD);
    assert_eq!(told, (IllegalRequest, asc::REMOVAL_PREVENTED, "", None));
    drive.ok([0x1b, 0, 0, 0, 8, 0]);
    let (told, _) = drive.fails(READY);
    assert_eq!(
        told,
        (NotReady, asc::INITIALIZING_COMMAND_REQUIRED, "", None)
    );
    assert!(drive.drive.has_medium());
    drive.ok(LOAD);
    drive.ok([0x1e, 0, 0, 0, 0, 0]);
    drive.ok(UNLOAD);
}

/// READ MEDIA SERIAL NUMBER tells the barcode that was written to the cartridge.
#[test]
fn the_media_serial_number_is_the_barcode() {
    const NUMBER: [u8; 12] = [0xab, 1, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0];
    let mut drive = Runner::blank();
    assert_eq!(drive.ok(NUMBER), [0; 4], "there is none");
    let barcode = [&[0, 0, 0, 37, 8, 6, 1, 0, 32][..], b"ABC123L5"].concat();
    let list = [&barcode[..], &[b' '; 24]].concat();
    drive.ok_with([0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0], &list);
    assert_eq!(drive.ok(NUMBER), b"\0\0\0\x08ABC123L5");
    let mut short = NUMBER;
    short[9] = 6;
    assert_eq!(
        drive.ok(short),
        b"\0\0\0\x08AB",
        "as much as there is room for"
    );
    drive.drive.remove();
    assert_eq!(
        drive.fails(NUMBER).0 .1,
        asc::MEDIUM_NOT_PRESENT,
        "and without a cartridge, nothing"
    );
}
