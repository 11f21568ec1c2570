// SPDX-License-Identifier: GPL-2.0-or-later
//! One test for each rule about what sense data says, and where the tape is
//! then: SSC-3 4.2 and 5.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Config, Sense, Status};

const MARK: &[u8] = b"";

#[test]
fn filemark_variable() {
    let mut drive = tape(&[b"abc", MARK, b"def"]);
    assert_eq!(drive.ok(read(0, 3)), b"abc");
    let (told, data) = drive.fails(read(0, 3));
    assert_eq!(told, (NoSense, asc::FILEMARK_DETECTED, "fm", Some(3)));
    assert!(data.is_empty());
    assert_eq!(drive.ok(read(0, 3)), b"def", "positioned behind it");
}

#[test]
fn filemark_fixed() {
    let mut drive = tape(&[b"abcd", b"efgh", MARK, b"ijkl"]);
    drive.set_block_length(4);
    let (told, data) = drive.fails(read(FIXED, 5));
    assert_eq!(told, (NoSense, asc::FILEMARK_DETECTED, "fm", Some(3)));
    assert_eq!(data, b"abcdefgh");
    assert_eq!(drive.position(), 3);
}

#[test]
fn shorter_variable_block() {
    let mut drive = tape(&[b"abc", b"de"]);
    let (told, data) = drive.fails(read(0, 10));
    assert_eq!(told, (NoSense, 0, "ili", Some(7)));
    assert_eq!(data, b"abc");
    assert_eq!(drive.ok(read(SILI, 10)), b"de");
}

#[test]
fn longer_variable_block() {
    let mut drive = tape(&[b"abcde", b"fg", b"hijkl"]);
    let (told, data) = drive.fails(read(0, 2));
    assert_eq!(told, (NoSense, 0, "ili", Some(-3)));
    assert_eq!(data, b"ab");
    assert_eq!(drive.ok(read(0, 2)), b"fg", "positioned behind it");
    // SILI suppresses it if there is no block length …
    assert_eq!(drive.ok(read(SILI, 1)), b"h");
    // … and not if there is one.
    drive.ok(locate(2));
    drive.set_block_length(512);
    let (told, data) = drive.fails(read(SILI, 1));
    assert_eq!(told, (NoSense, 0, "ili", Some(-4)));
    assert_eq!(data, b"h");
    // A shorter one is suppressed all the same.
    drive.ok(locate(2));
    assert_eq!(drive.ok(read(SILI, 9)), b"hijkl");
}

#[test]
fn wrong_length_in_fixed_mode() {
    for bad in [&b"ij"[..], b"ijklmn"] {
        let mut drive = tape(&[b"abcd", b"efgh", bad, b"opqr"]);
        drive.set_block_length(4);
        let (told, data) = drive.fails(read(FIXED, 4));
        assert_eq!(told, (NoSense, 0, "ili", Some(2)));
        assert_eq!(data, b"abcdefgh", "the bad block doesn't count");
        assert_eq!(drive.ok(read(FIXED, 1)), b"opqr", "positioned behind it");
    }
}

#[test]
fn sili_with_fixed_is_wrong() {
    let mut drive = tape(&[b"abcd"]);
    drive.set_block_length(4);
    let ended = drive.command(&read(FIXED | SILI, 1), &[]);
    assert_eq!(ended.done.cause, Some(Sense::cdb_field(1, Some(1))));
    assert_eq!(drive.position(), 0);
}

#[test]
fn fixed_without_a_block_length_is_wrong() {
    let mut drive = tape(&[b"abcd"]);
    for cdb in [read(FIXED, 1), write(FIXED, 1), verify(FIXED, 1)] {
        let ended = drive.command(&cdb, &[]);
        assert_eq!(ended.done.cause, Some(Sense::cdb_field(1, Some(0))));
    }
}

#[test]
fn length_zero_moves_nothing() {
    let mut drive = tape(&[b"abcd"]);
    drive.set_block_length(4);
    for flags in [0, FIXED] {
        assert_eq!(drive.ok(read(flags, 0)), b"");
        assert_eq!(drive.ok(reverse(flags, 0)), b"");
        drive.ok(write(flags, 0));
        drive.ok(verify(flags, 0));
    }
    for code in 0..3 {
        drive.ok(space(code, 0));
    }
    drive.ok(marks(0));
    assert_eq!(drive.position(), 0);
    assert_eq!(drive.ok(read(FIXED, 1)), b"abcd", "nothing was cut off");
}

#[test]
fn end_of_data() {
    let mut drive = tape(&[b"abcd"]);
    drive.set_block_length(4);
    let (told, data) = drive.fails(read(FIXED, 3));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(2)));
    assert_eq!(data, b"abcd");
    let (told, _) = drive.fails(read(0, 100));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(100)));
    let (told, _) = drive.fails(locate(9));
    assert_eq!((told.0, told.1), (BlankCheck, asc::END_OF_DATA));
    assert_eq!(drive.position(), 1);
}

#[test]
fn a_blank_tape() {
    let mut drive = Runner::blank();
    let end = |left| (BlankCheck, asc::END_OF_DATA, "", Some(left));
    assert_eq!(drive.fails(read(0, 10)).0, end(10));
    assert_eq!(drive.fails(space(0, 1)).0, end(1));
    drive.ok(TO_END);
    assert_eq!(drive.position(), 0);
}

#[test]
fn beginning_in_reverse() {
    let mut drive = tape(&[b"abcd", b"efgh"]);
    let (told, _) = drive.fails(reverse(0, 4));
    assert_eq!(told, (NoSense, asc::BEGINNING_OF_PARTITION, "eom", Some(4)));
    drive.set_block_length(4);
    drive.ok(TO_END);
    let (told, data) = drive.fails(reverse(FIXED, 3));
    assert_eq!(told, (NoSense, asc::BEGINNING_OF_PARTITION, "eom", Some(1)));
    assert_eq!(data, b"hgfedcba", "bytes in reverse too");
    drive.ok(TO_END);
    const BYTORD: u8 = 4;
    assert_eq!(drive.ok(reverse(FIXED | BYTORD, 2)), b"efghabcd");
    let (told, _) = drive.fails(reverse(0, 4));
    assert_eq!(told, (NoSense, asc::BEGINNING_OF_PARTITION, "eom", Some(4)));
}

#[test]
fn spacing_over_blocks_stops_at_a_filemark() {
    let mut drive = tape(&[b"a", b"b", MARK, b"c", b"d"]);
    let (told, _) = drive.fails(space(0, 4));
    assert_eq!(told, (NoSense, asc::FILEMARK_DETECTED, "fm", Some(2)));
    assert_eq!(drive.position(), 3, "behind it");
    drive.ok(TO_END);
    let (told, _) = drive.fails(space(0, -4));
    assert_eq!(told, (NoSense, asc::FILEMARK_DETECTED, "fm", Some(2)));
    assert_eq!(drive.position(), 2, "in front of it");
}

#[test]
fn spacing_stops_at_the_ends() {
    let mut drive = tape(&[b"a", MARK, b"b", MARK, MARK, b"c"]);
    drive.ok(space(1, 2));
    assert_eq!(drive.position(), 4);
    let (told, _) = drive.fails(space(1, 3));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(2)));
    assert_eq!(drive.position(), 6);
    let (told, _) = drive.fails(space(0, 1));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "", Some(1)));
    let (told, _) = drive.fails(space(1, -5));
    assert_eq!(told, (NoSense, asc::BEGINNING_OF_PARTITION, "eom", Some(2)));
    assert_eq!(drive.position(), 0);
    let (told, _) = drive.fails(space(0, -1));
    assert_eq!(told, (NoSense, asc::BEGINNING_OF_PARTITION, "eom", Some(1)));
    drive.ok(space(2, 2));
    assert_eq!(drive.position(), 5, "behind two filemarks in a row");
    drive.ok(space(2, -2));
    assert_eq!(drive.position(), 3);
    // What MTEOM of old sends.
    let (told, _) = drive.fails(space(1, 0x7f_ffff));
    assert_eq!(
        told,
        (BlankCheck, asc::END_OF_DATA, "", Some(0x7f_ffff - 2))
    );
}

#[test]
fn early_warning() {
    // Framing takes 8 bytes of each block.
    let mut drive = small(1000, 500);
    drive.record(&[1; 400]);
    let warned = (NoSense, asc::END_OF_PARTITION, "eom", Some(0));
    assert_eq!(drive.fails_with(write(0, 100), &[2; 100]), warned);
    assert_eq!(
        drive.fails_with(write(0, 10), &[3; 10]),
        warned,
        "and again"
    );
    assert_eq!(drive.fails(marks(1)).0, warned);
    assert_eq!(drive.ok(POSITION)[0], 0x40, "EOP");
    drive.ok(marks(0));
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(0, 400)), [1; 400]);
    assert_eq!(drive.ok(read(0, 100)), [2; 100], "the data was written");
    assert_eq!(drive.ok(read(0, 10)), [3; 10]);
    drive.fails(read(0, 10));
    let (told, _) = drive.fails(read(0, 10));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "eom", Some(10)));
}

#[test]
fn early_warning_in_the_midst_of_blocks() {
    let mut drive = small(10_000, 5000);
    drive.set_block_length(1024);
    let told = drive.fails_with(write(FIXED, 8), &[0; 8 * 1024]);
    assert_eq!(told, (NoSense, asc::END_OF_PARTITION, "eom", Some(0)));
    assert_eq!(drive.position(), 8);
}

#[test]
fn programmable_early_warning_is_given_once() {
    let mut drive = small(10_000_000, 1_000_000);
    // Device configuration extension: PEWS, 4 megabytes.
    let mut page = vec![0, 0, 0x10, 0, 0x50, 1, 0, 28, 0, 0, 0, 4];
    page.resize(4 + 32, 0);
    let mode = drive.ok([0x1a, 8, 0x10, 1, 255, 0]);
    page[8..].copy_from_slice(&mode[8..]);
    page[4] &= 0x7f;
    page[10..12].copy_from_slice(&[0, 4]);
    drive.ok_with([0x15, 0x10, 0, 0, page.len() as u8, 0], &page);
    let megabyte = vec![0; 1 << 20];
    for _ in 0..4 {
        drive.record(&megabyte);
    }
    let cdb = write(0, 1 << 20);
    let warned = (NoSense, asc::PROGRAMMABLE_EARLY_WARNING, "eom", Some(0));
    assert_eq!(drive.fails_with(cdb, &megabyte), warned);
    drive.record(&megabyte);
}

#[test]
fn full() {
    let mut drive = small(1000, 0);
    drive.set_block_length(92);
    let blocks = vec![7; 92 * 12];
    let overflow = |residue| (VolumeOverflow, asc::END_OF_PARTITION, "eom", Some(residue));
    assert_eq!(drive.fails_with(write(FIXED, 12), &blocks), overflow(2));
    assert_eq!(drive.position(), 10, "what fits is written");
    assert_eq!(drive.fails_with(write(0, 50), &blocks[..50]), overflow(50));
    drive.ok(locate(9));
    drive.record(&[1; 84]);
    assert_eq!(drive.fails(marks(5)).0, overflow(3));
    assert_eq!(drive.position(), 12);
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(FIXED, 9)), blocks[..9 * 92]);
}

#[test]
fn verify_compares() {
    const BYTCMP: u8 = 2;
    let mut drive = tape(&[b"abcd", b"efgh", b"ij"]);
    drive.set_block_length(4);
    drive.ok(verify(FIXED, 2));
    drive.ok(REWIND);
    drive.ok_with(verify(FIXED | BYTCMP, 2), b"abcdefgh");
    drive.ok(REWIND);
    let told = drive.fails_with(verify(FIXED | BYTCMP, 2), b"abcdefgx");
    assert_eq!(told, (Miscompare, asc::MISCOMPARE, "", Some(1)));
    assert_eq!(drive.position(), 2);
    let (told, _) = drive.fails(verify(0, 3));
    assert_eq!(told, (NoSense, 0, "ili", Some(1)));
    let (told, _) = drive.fails(verify(0, 3));
    assert_eq!(told.0, BlankCheck);
    let ended = drive.command(&verify(BYTCMP | 4, 1), b"a");
    assert_eq!(ended.done.cause, Some(Sense::cdb_field(1, Some(2))));
}

#[test]
fn nothing_is_left_to_recover() {
    let mut drive = tape(&[b"abcd"]);
    let (told, _) = drive.fails([0x14, 0, 0, 0, 4, 0]);
    assert_eq!(told, (NoSense, asc::END_OF_DATA, "eom", Some(4)));
}

#[test]
fn descriptor_format() {
    let mut drive = tape(&[MARK]);
    // Control page, D_SENSE.
    let mut page = drive.ok([0x1a, 8, 0x0a, 0, 255, 0]);
    let length = page.len() as u8;
    page[0] = 0;
    page[4] &= 0x7f;
    page[6] |= 4;
    drive.ok_with([0x15, 0x10, 0, 0, length, 0], &page);
    let sense = drive.command(&read(0, 9), &[]).done.sense;
    assert_eq!(sense[..4], [0x72, 0, 0, 1]);
    assert_eq!(
        sense[8..],
        [0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 9, 4, 2, 0, 0x80]
    );
}

#[test]
fn what_is_no_tape() {
    let text = b"This is a text, and not a tape image, whatever it was given as.";
    let mut drive = Runner::with(Config::default(), text.to_vec());
    let incompatible = (MediumError, asc::CANNOT_READ_FORMAT, "", None);
    assert_eq!(drive.fails(READY).0, incompatible);
    let text = drive.drive.failure().expect("the reason").to_string();
    assert!(text.starts_with("not a tape image: at offset"), "{text}");
    assert_eq!(drive.fails(read(0, 4)).0, incompatible);
    drive.ok([0x12, 0, 0, 0, 96, 0]);
    drive.ok(UNLOAD);
}

#[test]
fn bad_records_and_damage() {
    let mut image = Vec::new();
    for (word, data) in [(4u32, b"abcd"), (0x8000_0004, b"efgh"), (4, b"ijkl")] {
        image.extend(word.to_le_bytes());
        image.extend(data);
        image.extend(word.to_le_bytes());
    }
    image.extend([4, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0]);
    let mut drive = Runner::with(Config::default(), image);
    drive.set_block_length(4);
    let (told, data) = drive.fails(read(FIXED, 3));
    assert_eq!(
        told,
        (MediumError, asc::UNRECOVERED_READ_ERROR, "", Some(2))
    );
    assert_eq!(data, b"abcd");
    assert_eq!(drive.ok(read(FIXED, 1)), b"ijkl", "positioned behind it");
    let (told, _) = drive.fails(read(FIXED, 2));
    assert_eq!(
        told,
        (MediumError, asc::MEDIUM_FORMAT_CORRUPTED, "", Some(2))
    );
    assert_eq!(drive.position(), 3);
}

#[test]
fn aws_images_are_write_protected() {
    let aws = [4, 0, 0, 0, 0xa0, 0, b'a', b'b', b'c', b'd'];
    let mut drive = Runner::with(Config::default(), aws.to_vec());
    assert_eq!(drive.ok(read(0, 4)), b"abcd");
    let told = drive.fails_with(write(0, 1), b"x");
    assert_eq!(told, (DataProtect, asc::WRITE_PROTECTED, "", None));
    assert_eq!(drive.ok([0x1a, 0, 0, 0, 12, 0])[2] & 0x80, 0x80, "WP");
}

#[test]
fn what_cannot_be_transferred() {
    let mut drive = tape(&[b"abcd"]);
    drive.set_block_length(0xff_ffff);
    let cdb = read(FIXED, 5);
    assert_eq!(drive.drive.buffer_length(&cdb), 0);
    assert_eq!(drive.fails(cdb).0 .1, asc::INVALID_FIELD_IN_CDB);
    let told = drive.fails_with(write(0, 4), b"abc");
    assert_eq!(told, (AbortedCommand, asc::DATA_PHASE_ERROR, "", None));
    assert_eq!(drive.position(), 0);
}

/// RESERVE and RELEASE are in the way of who is registered and holds nothing.
#[test]
fn a_reservation_conflict_has_no_sense() {
    let mut drive = tape(&[b"abcd"]);
    drive.ok([0x16, 0, 0, 0, 0, 0]);
    assert_eq!(drive.ok(read(0, 4)), b"abcd");
    drive.drive.reset();
    let mut list = [0; 24];
    list[15] = 1;
    drive.ok_with([0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0], &list);
    let ended = drive.command(&[0x16, 0, 0, 0, 0, 0], &[]);
    assert_eq!(ended.done.status, Status::ReservationConflict);
    assert_eq!(ended.done.sense, b"");
    drive.ok([0x12, 0, 0, 0, 96, 0]);
}

#[test]
fn block_limits() {
    let mut drive = Runner::blank();
    assert_eq!(drive.ok([5, 0, 0, 0, 0, 0]), [0, 0xff, 0xff, 0xff, 0, 1]);
    let mloi = drive.ok([5, 1, 0, 0, 0, 0]);
    assert_eq!(mloi.len(), 20);
}
