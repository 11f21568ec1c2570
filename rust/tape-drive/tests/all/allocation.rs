// SPDX-License-Identifier: GPL-2.0-or-later
//! Every command that answers with parameters, at every allocation length: what
//! comes is the beginning of the whole answer, and nothing else changes.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::{Config, Transfer};

/// Two partitions, data, an attribute and a reservation.
fn drive() -> Runner<Vec<u8>> {
    let config = Config {
        capacity: 10_000_000,
        serial: Some("1".into()),
        ..Config::default()
    };
    let mut drive = Runner::with(config, Vec::new());
    let page = [0x11, 10, 15, 1, 0x3c, 3, 6, 0, 0, 4, 0, 5];
    let list = [&[0, 0, 0x10, 0][..], &page].concat();
    drive.ok_with([0x15, 0x10, 0, 0, 16, 0], &list);
    drive.ok([4, 0, 1, 0, 0, 0]);
    drive.record(b"abcd");
    drive.ok(marks(1));
    let barcode = [&[0, 0, 0, 37, 8, 6, 1, 0, 32][..], &[b'x'; 32]].concat();
    drive.ok_with(
        [0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0],
        &barcode,
    );
    let mut list = [0; 24];
    list[15] = 1;
    drive.ok_with([0x5f, 6, 0, 0, 0, 0, 0, 0, 24, 0], &list);
    let echo = [0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 4, 0];
    drive.ok_with(echo, b"echo");
    drive
}

/// The CDB with ALLOCATION LENGTH 0, and where that is and how long.
fn questions() -> Vec<(Vec<u8>, usize, usize)> {
    let mut all = vec![
        (vec![0x03, 0, 0, 0, 0, 0], 4, 1),
        (vec![0x03, 1, 0, 0, 0, 0], 4, 1),
    ];
    let mut add = |cdb: &[u8], at, bytes| all.push((cdb.to_vec(), at, bytes));
    add(&[0x12, 0, 0, 0, 0, 0], 3, 2);
    for page in [0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2] {
        add(&[0x12, 1, page, 0, 0, 0], 3, 2);
    }
    for control in 0..4 {
        for (page, subpage) in [(0x00, 0), (0x10, 1), (0x11, 0), (0x3f, 0), (0x3f, 0xff)] {
            let code = control << 6 | page;
            if subpage != 0xff {
                add(&[0x1a, 0, code, subpage, 0, 0], 4, 1);
            }
            add(&[0x5a, 8, code, subpage, 0, 0, 0, 0, 0, 0], 7, 2);
        }
    }
    add(&[0x1c, 0, 0, 0, 0, 0], 3, 2);
    for mode in [0x02, 0x03, 0x0a, 0x0b] {
        add(&[0x3c, mode, 0, 0, 0, 0, 0, 0, 0, 0], 6, 3);
    }
    add(&[0x34, 8, 0, 0, 0, 0, 0, 0, 0, 0], 7, 2);
    for bits in 0..4 {
        add(&[0x44, bits, 0, 0, 0, 0, 0, 0, 0, 0], 7, 2);
    }
    for page in [0x00, 0x02, 0x03, 0x0c, 0x17, 0x1b, 0x2e, 0x30, 0x31] {
        add(&[0x4d, 0, 0x40 | page, 0, 0, 0, 0, 0, 0, 0], 7, 2);
    }
    for action in 0..4 {
        add(&[0x5e, action, 0, 0, 0, 0, 0, 0, 0, 0], 7, 2);
    }
    for action in [0, 1, 2, 3, 5] {
        for partition in 0..2 {
            let cdb = [
                0x8c, action, 0, 0, 0, 0, 0, partition, 0, 0, 0, 0, 0, 0, 0, 0,
            ];
            add(&cdb, 10, 4);
        }
    }
    for specific in 0..2 {
        add(&[0xa2, 0, 0, specific, 0, 0, 0, 0, 0, 0, 0, 0], 6, 4);
    }
    for (options, opcode) in [(0, 0), (0x80, 0), (1, 0x12), (0x83, 0x0a)] {
        add(&[0xa3, 0x0c, options, opcode, 0, 0, 0, 0, 0, 0, 0, 0], 6, 4);
    }
    add(&[0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0], 6, 4);
    add(&[0xa3, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 6, 4);
    all
}

fn with_length(cdb: &[u8], at: usize, bytes: usize, length: usize) -> Vec<u8> {
    let mut cdb = cdb.to_vec();
    let number = (length as u64).to_be_bytes();
    cdb[at..at + bytes].copy_from_slice(&number[8 - bytes..]);
    cdb
}

#[test]
fn less_room_is_the_beginning_of_the_answer() {
    let mut drive = drive();
    for (cdb, at, bytes) in questions() {
        let most = if bytes == 1 { 0xff } else { 0x1fff };
        let whole = drive.ok(with_length(&cdb, at, bytes, most));
        assert!(whole.len() < most, "{cdb:02x?}: {} bytes", whole.len());
        // Long answers are no different in the middle.
        let short = (0..=whole.len() + 1).filter(|n| *n < 300 || n + 40 > whole.len());
        for length in short {
            let cdb = with_length(&cdb, at, bytes, length);
            let announced = match length {
                0 => Transfer::None,
                length => Transfer::In(length as u64),
            };
            assert_eq!(drive.drive.transfer(&cdb), announced);
            let some = drive.ok(&cdb);
            assert_eq!(some, whole[..length.min(whole.len())], "{cdb:02x?}");
        }
    }
    assert_eq!(drive.position(), 2);
}

/// Room that the initiator hasn't got, whatever the CDB says.
#[test]
fn a_short_buffer_is_not_exceeded() {
    let mut drive = drive();
    for (cdb, at, bytes) in questions() {
        let cdb = with_length(&cdb, at, bytes, 0xff);
        for room in 0..40 {
            let mut buffer = vec![0; drive.drive.buffer_length(&cdb)];
            drive.drive.start(&cdb, room);
            let done = drive.finish(&mut buffer);
            assert!(done.cause.is_none() && done.data_in <= room, "{cdb:02x?}");
        }
    }
}
