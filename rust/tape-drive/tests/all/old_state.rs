// SPDX-License-Identifier: GPL-2.0-or-later
//! Images and states that version 0.2 made, before its frame was rebuilt: they
//! load, go on where they were, and are saved as they were.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Config;

/// Two partitions of 600,000 and 400,000 bytes: 10 blocks of 20 bytes, a mark and
/// 10 more; and one block. 512 bytes behind each offset; the rest is zeros.
fn partitions() -> Vec<u8> {
    let (length, blocks) = include_bytes!("../data/partitions-0.2").split_at(4);
    let offset = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap()) as usize;
    let mut image = vec![0; offset(length)];
    for block in blocks.chunks(516) {
        let at = offset(&block[..4]);
        let end = image.len().min(at + 512);
        image[at..end].copy_from_slice(&block[4..][..end - at]);
    }
    image
}

fn config() -> Config {
    Config {
        capacity: 1_000_000,
        early_warning: 10_000,
        join_records: true,
        ..Config::default()
    }
}

#[test]
fn a_state_goes_on_where_it_was() {
    let state = include_bytes!("../data/state-2-0.2");
    let mut drive = Runner::with(config(), partitions());
    drive.drive.restore(state).expect("a state of version 0.2");
    assert_eq!(drive.drive.save(), state);
    assert!(drive.drive.removal_prevented());
    assert_eq!(drive.drive.block_length(), 8);
    assert_eq!(drive.position(), 15);
    assert_eq!(drive.ok(read(0, 20)), [14; 20], "objects 0 to 9, a mark, …");
    // PERSISTENT RESERVE IN, READ RESERVATION: exclusive access, with key 9.
    let held = drive.ok([0x5e, 1, 0, 0, 0, 0, 0, 0, 24, 0]);
    assert_eq!((held[15], held[21]), (9, 3));
    assert_eq!(drive.ok([0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 4, 0]), b"echo");
    let time = drive.ok([0xa3, 0x0f, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0]);
    assert_eq!(time[4..10], [1, 2, 3, 4, 5, 6]);
    // The other partition, and the barcode.
    drive.ok([0x92, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(drive.ok(read(0, 5)), b"other");
    let number = drive.ok([0xab, 1, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0]);
    assert_eq!(number[4..], *b"OLD001L5");
}

#[test]
fn a_state_inside_of_a_record_goes_on_there() {
    let state = include_bytes!("../data/state-2-partly-0.2");
    let mut drive = Runner::with(config(), partitions());
    drive.drive.restore(state).expect("a state of version 0.2");
    assert_eq!(drive.drive.save(), state);
    let block = drive.ok(read(FIXED, 1));
    assert_eq!(block, [14, 14, 14, 14, 15, 15, 15, 15]);
}

#[test]
fn an_image_with_an_index_and_a_state_of_the_first_version() {
    let state = include_bytes!("../data/state-1-0.2");
    let image = include_bytes!("../data/index-0.2.tap");
    let mut drive = Runner::with(Config::default(), image.to_vec());
    drive.drive.restore(state).expect("a state of version 1");
    assert_eq!(drive.drive.save(), state);
    assert_eq!(drive.position(), 41);
    drive.ok(locate(39));
    assert_eq!(drive.ok(read(0, 9)), [39; 9]);
    drive.ok(locate(41));
    drive.record(b"more");
    drive.ok(locate(41));
    assert_eq!(drive.ok(read(0, 4)), b"more");
}
