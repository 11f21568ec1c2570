// SPDX-License-Identifier: GPL-2.0-or-later
//! What hosts of old expect, and the configuration grants: blocks that don't
//! end where records do, EOM at the end of data, loading after an UNLOAD.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Config, Drive, Status};

const PREVENT: [u8; 6] = [0x1e, 0, 0, 0, 1, 0];
const SENSE_MODES: [u8; 6] = [0x1a, 0, 0x3f, 0, 255, 0];

fn bytes(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|at| (at * 5 + at / 256) as u8).collect()
}

/// Records that share 2,000 bytes, a filemark, and 100 bytes more.
fn records(config: &Config) -> Runner<Vec<u8>> {
    let mut drive = Runner::with(config.clone(), Vec::new());
    drive.record(&bytes(0, 700));
    drive.record(&bytes(700, 1700));
    drive.record(&bytes(1700, 2000));
    drive.ok(marks(1));
    drive.record(&bytes(2000, 2100));
    drive.ok(REWIND);
    drive.set_block_length(512);
    drive
}

fn joining() -> Config {
    Config {
        join_records: true,
        ..Config::default()
    }
}

#[test]
fn blocks_are_cut_from_consecutive_records() {
    let mut drive = records(&joining());
    assert_eq!(drive.ok(read(FIXED, 1)), bytes(0, 512));
    assert_eq!(drive.ok(read(FIXED, 2)), bytes(512, 1536));
    // What doesn't move the tape doesn't move it inside of the record either.
    drive.ok(READY);
    drive.ok(SENSE_MODES);
    assert_eq!(
        drive.ok(POSITION)[..12],
        [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(drive.fails(read(FIXED | SILI, 1)).0 .0, IllegalRequest);
    // The last block isn't whole: it is sent, and counts as not read.
    let (told, data) = drive.fails(read(FIXED, 3));
    assert_eq!(data, bytes(1536, 2000));
    assert_eq!(told, (NoSense, asc::FILEMARK_DETECTED, "several", Some(3)));
    let (told, data) = drive.fails(read(FIXED, 1));
    assert_eq!(data, bytes(2000, 2100));
    assert_eq!(told, (BlankCheck, asc::END_OF_DATA, "ili", Some(1)));
    let (told, data) = drive.fails(read(FIXED, 1));
    assert_eq!((told.2, told.3, data.len()), ("", Some(1), 0));
}

#[test]
fn a_block_that_ends_with_a_record_and_one_over_many() {
    let mut drive = Runner::with(joining(), Vec::new());
    for at in 0..64 {
        drive.record(&bytes(at * 16, at * 16 + 16));
    }
    drive.ok(REWIND);
    drive.set_block_length(512);
    assert_eq!(drive.ok(read(FIXED, 1)), bytes(0, 512));
    assert_eq!(drive.position(), 32, "between records");
    assert_eq!(drive.ok(read(FIXED, 1)), bytes(512, 1024));
    let (told, data) = drive.fails(read(FIXED, 1));
    assert_eq!((told.0, told.2, data.len()), (BlankCheck, "", 0));
}

#[test]
fn motions_and_other_reads_leave_the_rest_behind() {
    for cdb in [
        read(0, 4096),
        space(0, 1),
        verify(0, 4096),
        [0x10, 0, 0, 0, 0, 0],
    ] {
        let mut drive = records(&joining());
        drive.ok(read(FIXED, 1));
        let _ = drive.command(&cdb, &[]);
        // Behind the second record, or (no filemark was written) the first.
        let next = if cdb[0] == 0x10 { 700 } else { 1700 };
        let (_, data) = drive.fails(read(0, 100));
        assert_eq!(data, bytes(next, next + 100), "{cdb:02x?}");
    }
    let mut drive = records(&joining());
    drive.ok(read(FIXED, 1));
    drive.ok(space(0, -1));
    assert_eq!(drive.ok(read(FIXED, 1)), bytes(0, 512));
    drive.ok(locate(1));
    assert_eq!(drive.ok(read(FIXED, 1)), bytes(700, 1212));
    drive.ok_with(write(0, 4), b"over");
    drive.ok(REWIND);
    drive.ok(space(0, 2));
    assert_eq!(drive.ok(read(0, 4)), b"over");
}

#[test]
fn without_it_a_record_is_a_block() {
    let mut drive = records(&Config::default());
    let (told, data) = drive.fails(read(FIXED, 1));
    assert_eq!((told.2, data.len()), ("ili", 0));
}

#[test]
fn the_place_inside_of_a_record_migrates() {
    let mut drive = records(&joining());
    drive.ok(read(FIXED, 1));
    let state = drive.drive.save();
    let mut other = Runner::with(joining(), drive.medium.clone());
    other.drive.restore(&state).unwrap();
    assert_eq!(other.drive.save(), state);
    assert_eq!(other.ok(read(FIXED, 1)), bytes(512, 1024));

    // The cartridge may come afterwards.
    let mut late = Drive::new(joining()).unwrap();
    late.restore(&state).unwrap();
    assert_eq!(late.save(), state);
    // Another cartridge doesn't begin inside of a record.
    let mut changed = Runner::with(joining(), drive.medium.clone());
    changed.drive.restore(&state).unwrap();
    changed.drive.remove();
    assert_ne!(changed.drive.save(), state);
    for end in 0..state.len() {
        assert!(late.restore(&state[..end]).is_err(), "{end}");
    }
}

#[test]
fn an_interrupted_read_begins_inside_of_the_record_again() {
    let mut config = joining();
    config.index = false;
    let mut drive = Runner::with(config, Vec::new());
    drive.record(&bytes(0, 200_000));
    drive.record(&bytes(200_000, 400_000));
    drive.ok(REWIND);
    drive.set_block_length(512);
    assert_eq!(drive.ok(read(FIXED, 1)), bytes(0, 512));
    let cdb = read(FIXED, 600);
    let mut buffer = vec![0; drive.drive.buffer_length(&cdb)];
    drive.drive.start(&cdb, buffer.len());
    drive.drive.interrupt();
    let done = drive.finish(&mut buffer);
    assert!(done.interrupted, "{done:?}");
    assert_eq!(drive.ok(cdb), bytes(512, 512 + 600 * 512));
}

#[test]
fn eom_goes_with_every_end_of_data() {
    let config = Config {
        eom_at_eod: true,
        ..Config::default()
    };
    let mut drive = Runner::with(config, Vec::new());
    drive.record(b"one");
    let eod = |count| (BlankCheck, asc::END_OF_DATA, "eom", Some(count));
    assert_eq!(drive.fails(read(0, 9)).0, eod(9));
    assert_eq!(drive.fails(space(0, 2)).0, eod(2));
    assert_eq!(drive.fails(space(1, 1)).0, eod(1));
    drive.ok(TO_END);
    let mut plain = tape(&[b"one"]);
    plain.ok(TO_END);
    assert_eq!(plain.fails(read(0, 9)).0 .2, "");
}

fn unloaded(autoload: bool) -> Runner<Vec<u8>> {
    let config = Config {
        autoload_after_unload: autoload,
        ..Config::default()
    };
    let mut drive = Runner::with(config, Vec::new());
    drive.record(b"first");
    drive.record(b"second");
    drive.ok(PREVENT);
    drive
}

#[test]
fn an_unload_under_prevent_keeps_the_cartridge() {
    let mut drive = unloaded(true);
    let ended = drive.command(&UNLOAD, &[]);
    assert_eq!((ended.done.status, ended.done.tray), (Status::Good, None));
    assert!(!drive.drive.removal_prevented() && !drive.drive.is_dirty());
    let (told, _) = drive.fails(READY);
    assert_eq!(
        (told.0, told.1),
        (NotReady, asc::INITIALIZING_COMMAND_REQUIRED)
    );
    drive.ok(SENSE_MODES);
    assert_eq!(drive.fails(READY).0 .0, NotReady);
    // What needs the tape has it again, at its beginning.
    assert_eq!(drive.ok(read(0, 5)), b"first");
    drive.ok(READY);
    // Without PREVENT, an UNLOAD pushes it out.
    drive.ok(UNLOAD);
    assert_eq!(drive.fails(read(0, 5)).0 .0, NotReady);
}

#[test]
fn every_command_that_needs_the_tape_loads_it() {
    for cdb in [
        &REWIND[..],
        &space(0, 1),
        &locate(1),
        &POSITION,
        &marks(0),
        &ERASE,
        &LOAD,
    ] {
        let mut drive = unloaded(true);
        drive.ok(UNLOAD);
        drive.ok(cdb);
        drive.ok(READY);
    }
    let mut drive = unloaded(true);
    drive.ok(UNLOAD);
    drive.drive.reset();
    drive.ok(READY);
}

#[test]
fn a_parked_cartridge_migrates() {
    let mut drive = unloaded(true);
    drive.ok(UNLOAD);
    let state = drive.drive.save();
    let mut other = Runner::with(drive.drive.config().clone(), drive.medium.clone());
    other.drive.restore(&state).unwrap();
    assert_eq!(other.fails(READY).0 .0, NotReady);
    assert_eq!(other.ok(read(0, 5)), b"first");
}

#[test]
fn without_it_prevent_keeps_the_tape_where_it_is() {
    let mut drive = unloaded(false);
    let (told, _) = drive.fails(UNLOAD);
    assert_eq!((told.0, told.1), (IllegalRequest, asc::REMOVAL_PREVENTED));
    drive.ok(READY);
    assert_eq!(drive.position(), 2);
}
