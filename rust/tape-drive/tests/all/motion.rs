// SPDX-License-Identifier: GPL-2.0-or-later
//! Moving the tape: SPACE, LOCATE, READ POSITION, addresses in commands, past
//! either end. SSC-3 6.4, 6.5, 6.10, 6.13 and 6.14.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Sense};

/// Objects:                  0     1    2    3    4    5    6    7    8    9
const OBJECTS: [&[u8]; 10] = [b"a", b"b", b"", b"c", b"", b"", b"d", b"", b"", b""];

const BLOCKS: u8 = 0;
const MARKS: u8 = 1;
const SEQUENTIAL_MARKS: u8 = 2;
const END: u8 = 3;

/// How a motion ends, and INFORMATION.
#[derive(Clone, Copy)]
enum Ends {
    Well,
    AtMark(i64),
    AtEnd(i64),
    AtBeginning(i64),
}
use Ends::*;

/// From an object, SPACE over what and how many, how it ends, and where.
const MOTIONS: [(u32, u8, i32, Ends, u32); 27] = [
    (0, BLOCKS, 2, Well, 2),
    (2, BLOCKS, -2, Well, 0),
    (0, BLOCKS, 3, AtMark(1), 3),
    (4, BLOCKS, -2, AtMark(1), 2),
    (9, BLOCKS, 2, AtMark(2), 10),
    (10, BLOCKS, 1, AtEnd(1), 10),
    (0, BLOCKS, -1, AtBeginning(1), 0),
    (2, BLOCKS, -8, AtBeginning(6), 0),
    (0, MARKS, 1, Well, 3),
    (0, MARKS, 6, Well, 10),
    (0, MARKS, 7, AtEnd(1), 10),
    (0, MARKS, 0x7f_ffff, AtEnd(0x7f_fff9), 10),
    (10, MARKS, -1, Well, 9),
    (9, MARKS, -3, Well, 5),
    (10, MARKS, -6, Well, 2),
    (10, MARKS, -8, AtBeginning(2), 0),
    (5, MARKS, -0x80_0000, AtBeginning(0x7f_fffe), 0),
    (0, SEQUENTIAL_MARKS, 1, Well, 3),
    (0, SEQUENTIAL_MARKS, 2, Well, 6),
    (0, SEQUENTIAL_MARKS, 3, Well, 10),
    (0, SEQUENTIAL_MARKS, 4, AtEnd(4), 10),
    (10, SEQUENTIAL_MARKS, -2, Well, 8),
    (7, SEQUENTIAL_MARKS, -2, Well, 4),
    (10, SEQUENTIAL_MARKS, -4, AtBeginning(4), 0),
    (0, END, 0, Well, 10),
    (3, END, -5, Well, 10),
    (10, END, 7, Well, 10),
];

fn space_16(code: u8, count: i64) -> [u8; 16] {
    long_count(0x91, code, count as u64)
}

/// LOCATE(16) of an object (0), a file (1), the end of data (3).
fn locate_16(kind: u8, number: u64) -> [u8; 16] {
    long_count(0x92, kind << 3, number)
}

fn long_count(opcode: u8, flags: u8, number: u64) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[opcode, flags]);
    cdb[4..12].copy_from_slice(&number.to_be_bytes());
    cdb
}

#[track_caller]
fn refused(drive: &mut Runner<Vec<u8>>, cdb: &[u8], byte: usize, bit: Option<u8>) {
    let cause = drive.command(cdb, b"abcd").done.cause;
    assert_eq!(cause, Some(Sense::cdb_field(byte, bit)), "{cdb:02x?}");
}

#[test]
fn space_over_everything() {
    let mut drive = tape(&OBJECTS);
    for (from, code, count, ends, to) in MOTIONS {
        for cdb in [
            space(code, count).to_vec(),
            space_16(code, count.into()).to_vec(),
        ] {
            drive.ok(locate(from));
            let told = drive.command(&cdb, &[]).done.cause.map(told);
            let expected = match ends {
                Well => None,
                AtMark(left) => Some((NoSense, asc::FILEMARK_DETECTED, "fm", Some(left))),
                AtEnd(left) => Some((BlankCheck, asc::END_OF_DATA, "", Some(left))),
                AtBeginning(left) => {
                    Some((NoSense, asc::BEGINNING_OF_PARTITION, "eom", Some(left)))
                }
            };
            assert_eq!(told, expected, "from {from}: {cdb:02x?}");
            assert_eq!(drive.position(), to, "from {from}: {cdb:02x?}");
        }
    }
    drive.ok(REWIND);
    assert_eq!(drive.fails(space_16(MARKS, i64::MAX)).0 .0, BlankCheck);
    assert_eq!(drive.position(), 10);
    let (told, _) = drive.fails(space_16(MARKS, i64::MIN));
    assert_eq!((told.0, told.2), (NoSense, "eom"));
    assert_eq!(drive.position(), 0);
    // In fixed mode, SPACE counts records all the same.
    drive.set_block_length(512);
    drive.ok(space(BLOCKS, 2));
    assert_eq!(drive.position(), 2);
}

#[test]
fn space_over_what_there_is_not() {
    let mut drive = tape(&OBJECTS);
    for code in 4..16 {
        refused(&mut drive, &space(code, 1), 1, Some(3));
        refused(&mut drive, &space_16(code, 1), 1, Some(3));
    }
    let mut with_list = space_16(BLOCKS, 1);
    with_list[13] = 4;
    refused(&mut drive, &with_list, 12, None);
    assert_eq!(drive.position(), 0);
}

#[test]
fn locate_objects() {
    let mut drive = tape(&OBJECTS);
    for object in 0..=10 {
        for object in [object, 10 - object] {
            drive.ok(locate(object));
            assert_eq!(drive.position(), object);
            drive.ok(locate_16(0, object.into()));
            assert_eq!(drive.position(), object);
        }
    }
    drive.ok(locate(6));
    assert_eq!(drive.ok(read(0, 1)), b"d");
    for (object, left) in [(11, 1), (u32::MAX, i64::from(u32::MAX) - 10)] {
        drive.ok(REWIND);
        let (told, _) = drive.fails(locate(object));
        assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(left)));
        assert_eq!(drive.position(), 10);
    }
    // BT and IMMED make no difference.
    drive.ok([0x2b, 5, 0, 0, 0, 0, 3, 0, 0, 0]);
    assert_eq!(drive.position(), 3);
    // Partition 0 is there, 1 isn't; PARTITION counts with CP only.
    drive.ok(locate_partition(0, 1));
    refused(&mut drive, &locate_partition(1, 0), 8, None);
    assert_eq!(drive.position(), 1);
    drive.ok([0x2b, 0, 0, 0, 0, 0, 2, 0, 7, 0]);
    assert_eq!(drive.position(), 2);
    let mut elsewhere = locate_16(0, 0);
    elsewhere[1] |= 2;
    elsewhere[3] = 1;
    refused(&mut drive, &elsewhere, 3, None);
}

#[test]
fn locate_files_and_the_end() {
    let mut drive = tape(&OBJECTS);
    for (mark, object) in [(0, 0), (1, 3), (6, 10), (2, 5)] {
        drive.ok(locate_16(1, mark));
        assert_eq!(drive.position(), object);
    }
    let (told, _) = drive.fails(locate_16(1, 7));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(1)));
    drive.ok(REWIND);
    drive.ok(locate_16(3, 0));
    assert_eq!(drive.position(), 10);
    refused(&mut drive, &locate_16(2, 0), 1, Some(5));
}

fn position_form(action: u8, length: u16) -> [u8; 10] {
    let [high, low] = length.to_be_bytes();
    [0x34, action, 0, 0, 0, 0, 0, high, low, 0]
}

#[test]
fn the_forms_of_read_position() {
    let mut drive = tape(&OBJECTS);
    drive.ok(locate(6));
    let mut short = [0; 20];
    (short[7], short[11]) = (6, 6);
    assert_eq!(drive.ok(position_form(0, 0)), short);
    assert_eq!(drive.ok(position_form(1, 0)), short);
    let mut long = [0; 32];
    (long[15], long[23]) = (6, 3);
    assert_eq!(drive.ok(position_form(6, 0)), long);
    let mut extended = [0; 32];
    (extended[3], extended[15], extended[23]) = (28, 6, 6);
    assert_eq!(drive.ok(position_form(8, 100)), extended);
    assert_eq!(drive.ok(position_form(8, 5)), extended[..5]);
    assert!(drive.ok(position_form(8, 0)).is_empty());
    // The allocation length is the extended form's.
    refused(&mut drive, &position_form(0, 20), 7, None);
    refused(&mut drive, &position_form(6, 32), 7, None);
}

#[test]
fn the_position_tells_of_the_buffer() {
    let mut drive = small(10_000, 5000);
    drive.record(b"abc");
    drive.record(b"defg");
    let mut short = [0; 20];
    (short[7], short[15], short[19]) = (2, 2, 7);
    assert_eq!(drive.ok(POSITION), short);
    let mut extended = [0; 32];
    (extended[3], extended[7], extended[15], extended[31]) = (28, 2, 2, 7);
    assert_eq!(drive.ok(position_form(8, 32)), extended);
    drive.ok(marks(0));
    let mut synced = [0; 20];
    (synced[7], synced[11]) = (2, 2);
    assert_eq!(drive.ok(POSITION), synced);
    drive.fails_with(write(0, 6000), &[0; 6000]);
    assert_eq!(drive.ok(POSITION)[0], 0x40, "EOP");
}

/// READ and others of 16 bytes say where.
#[test]
fn addresses_of_reads() {
    let mut drive = tape(&OBJECTS);
    assert_eq!(drive.ok(long(0x88, 0, 0, 6, 1)), b"d");
    assert_eq!(drive.position(), 7);
    assert_eq!(drive.ok(long(0x88, 0, 0, 1, 1)), b"b");
    assert_eq!(drive.ok(long(0x81, 0, 0, 7, 1)), b"d");
    assert_eq!(drive.position(), 6);
    let (told, _) = drive.fails(long(0x88, 0, 0, 2, 1));
    assert_eq!(told, (NoSense, asc::FILEMARK_DETECTED, "fm", Some(1)));
    drive.ok(long(0x8f, 0, 0, 3, 1));
    assert_eq!(drive.position(), 4);
    refused(&mut drive, &long(0x88, 0, 1, 2, 1), 3, None);
    assert_eq!(drive.position(), 4);
    let (told, _) = drive.fails(long(0x88, 0, 0, 11, 1));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(1)));
    assert_eq!(drive.position(), 10);
}

#[test]
fn addresses_of_writes() {
    let mut drive = tape(&OBJECTS);
    drive.ok_with(long(0x8a, 0, 0, 4, 3), b"new");
    drive.ok(long(0x80, 0, 0, 5, 2));
    assert_eq!(drive.position(), 7);
    drive.ok(REWIND);
    drive.ok(long(0x93, 1, 0, 6, 0));
    assert_eq!(drive.position(), 6);
    // Nothing is written where there is nothing in front of it.
    let told = drive.fails_with(long(0x8a, 0, 0, 99, 3), b"far");
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(93)));
    drive.ok(locate(4));
    assert_eq!(drive.ok(read(0, 3)), b"new");
}

#[test]
fn load_hold_and_unload() {
    let mut drive = tape(&OBJECTS);
    drive.ok(locate(4));
    // EOT and LOAD exclude each other.
    refused(&mut drive, &[0x1b, 0, 0, 0, 5, 0], 4, Some(2));
    assert_eq!(drive.position(), 4);
    // RETEN, LOAD; IMMED.
    drive.ok([0x1b, 1, 0, 0, 3, 0]);
    assert_eq!(drive.position(), 0);
    drive.ok([0x1b, 0, 0, 0, 8, 0]);
    for cdb in [READY, read(0, 1)] {
        let (told, _) = drive.fails(cdb);
        assert_eq!(
            told,
            (NotReady, asc::INITIALIZING_COMMAND_REQUIRED, "", None)
        );
    }
    for _ in 0..2 {
        drive.ok(LOAD);
        assert_eq!(drive.ok(read(0, 1)), b"a");
        drive.ok(UNLOAD);
        assert_eq!(drive.fails(READY).0 .1, asc::MEDIUM_NOT_PRESENT);
        assert_eq!(drive.fails(UNLOAD).0 .1, asc::MEDIUM_NOT_PRESENT);
    }
}

/// IMMED of WRITE FILEMARKS: nothing is lost, whenever it is written.
#[test]
fn filemarks_immediately() {
    let mut drive = Runner::blank();
    drive.record(b"one");
    drive.ok([0x10, 1, 0, 0, 2, 0]);
    assert_eq!(drive.position(), 3);
    drive.ok(space(MARKS, -2));
    assert_eq!(drive.position(), 1);
}
