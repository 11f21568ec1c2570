// SPDX-License-Identifier: GPL-2.0-or-later
//! Formatting, partitions, explicit addresses, SET CAPACITY.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Config, Task};

const FORMAT: [u8; 6] = [0x04, 0, 1, 0, 0, 0];

/// Asks for partitions of so many megabytes, and formats.
fn partition(drive: &mut Runner<Vec<u8>>, megabytes: &[u16]) {
    const IDP_PSUM_MEGABYTES: u8 = 0x34;
    let additional = megabytes.len() as u8 - 1;
    let mut page = vec![0x11, 6 + 2 * megabytes.len() as u8, 15, additional];
    page.extend([IDP_PSUM_MEGABYTES, 3, 0, 0]);
    page.extend(megabytes.iter().flat_map(|size| size.to_be_bytes()));
    let mut list = vec![0, 0, 0x10, 0];
    list.extend(page);
    drive.ok_with([0x15, 0x10, 0, 0, list.len() as u8, 0], &list);
    drive.ok(FORMAT);
}

fn four() -> Runner<Vec<u8>> {
    let mut drive = small(10_000_000, 0);
    partition(&mut drive, &[2, 3, 1, 0xffff]);
    drive
}

#[test]
fn each_has_its_own_tape_and_capacity() {
    let mut drive = four();
    for number in 0..4 {
        drive.ok(locate_partition(number, 0));
        drive.record(&[number; 9]);
        drive.ok(marks(1));
        assert_eq!(drive.ok(POSITION)[1], number);
    }
    drive.ok(locate_partition(2, 1));
    let kilobyte = [7; 1000];
    let fits = (0..).take_while(|_| {
        drive
            .command(&write(0, 1000), &kilobyte)
            .done
            .cause
            .is_none()
    });
    assert_eq!(fits.count(), (1_000_000 - 17) / 1008);
    for number in 0..4 {
        drive.ok(locate_partition(number, 0));
        assert_eq!(drive.ok(read(0, 9)), [number; 9]);
    }
    let (told, _) = drive.fails(locate_partition(4, 0));
    assert_eq!(told.1, asc::INVALID_FIELD_IN_CDB);
    // What a host sees of them.
    let page = drive.ok([0x1a, 8, 0x11, 0, 255, 0]);
    assert_eq!(page[4 + 3], 3);
}

#[test]
fn they_are_there_when_it_is_loaded_again() {
    let mut drive = four();
    drive.ok(locate_partition(3, 0));
    drive.record(b"last");
    drive.ok(locate_partition(1, 0));
    drive.record(b"second");
    assert_eq!(drive.task(Task::Unload).cause, None);
    let state = drive.drive.save();
    let config = drive.drive.config().clone();
    let mut other = Runner::with(config.clone(), drive.medium.clone());
    other.ok(locate_partition(3, 0));
    assert_eq!(other.ok(read(0, 4)), b"last");
    let mut moved = Runner::with(config, drive.medium);
    moved.drive.restore(&state).unwrap();
    let position = moved.ok(POSITION);
    assert_eq!((position[1], position[7]), (1, 1));
    moved.ok(REWIND);
    assert_eq!(moved.ok(read(0, 6)), b"second");
}

#[test]
fn explicit_addresses() {
    let mut drive = four();
    drive.ok_with(long(0x8a, 0x0c, 1, 0, 3), b"abc");
    drive.ok_with(long(0x8a, 0x0c, 1, 1, 3), b"def");
    drive.ok(long(0x80, 0x0c, 1, 2, 1));
    drive.ok_with(long(0x8a, 0x0c, 0, 0, 3), b"ghi");
    assert_eq!(drive.ok(long(0x88, 0, 1, 1, 3)), b"def");
    assert_eq!(drive.ok(long(0x81, 4, 1, 1, 3)), b"abc");
    assert_eq!(drive.ok(long(0x88, 0, 0, 0, 3)), b"ghi");
    drive.ok(long(0x8f, 0, 1, 0, 3));
    let (told, _) = drive.fails(long(0x88, 0, 1, 9, 3));
    assert_eq!((told.0, told.1), (BlankCheck, asc::END_OF_DATA));
    drive.ok(long(0x93, 0, 1, 1, 0));
    let (told, _) = drive.fails(long(0x88, 0, 1, 1, 3));
    assert_eq!((told.0, told.1), (BlankCheck, asc::END_OF_DATA));
    // SPACE(16): no address, a longer count.
    drive.ok(locate_partition(1, 1));
    let mut back = [0; 16];
    back[0] = 0x91;
    back[4..12].copy_from_slice(&(-1i64).to_be_bytes());
    drive.ok(back);
    assert_eq!(drive.position(), 0);
}

#[test]
fn formatting_to_one_leaves_what_other_tools_read() {
    let mut drive = four();
    drive.ok(locate_partition(1, 0));
    drive.record(b"goes away");
    let (told, _) = drive.fails(FORMAT);
    assert_eq!((told.0, told.1), (IllegalRequest, asc::NOT_AT_BEGINNING));
    drive.ok(locate_partition(0, 0));
    drive.ok([0x04, 0, 0, 0, 0, 0]);
    drive.record(b"abcd");
    drive.ok(UNLOAD);
    // They skip the header, which has the attributes.
    let length = drive.medium.len() as u64;
    let config = tape_image::Config::new(length);
    let mut plain = tape_image::driver::Drive::load(drive.medium, config).unwrap();
    let mut data = [0; 4];
    let _: tape_image::Outcome = plain.read(&mut data, false).unwrap();
    assert_eq!(&data, b"abcd");
    assert_eq!(plain.read(&mut data, false), Ok(tape_image::Outcome::End));
}

/// An attribute: its identifier and value.
fn attribute(drive: &mut Runner<Vec<u8>>, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let cdb = [0x8c, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 1, 0, 0, 0];
    let data = drive.ok(cdb);
    assert_eq!(data[4..6], [high, low]);
    let length = usize::from(data[8]);
    data[9..9 + length].to_vec()
}

fn write_attribute(drive: &mut Runner<Vec<u8>>, value: &[u8]) -> tape_drive::driver::Ended {
    // User medium text label.
    let mut list = vec![
        0,
        0,
        0,
        value.len() as u8 + 5,
        0x08,
        0x03,
        2,
        0,
        value.len() as u8,
    ];
    list.extend(value);
    let cdb = [
        0x8d,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        list.len() as u8,
        0,
        0,
    ];
    drive.command(&cdb, &list)
}

#[test]
fn attributes_stay_with_the_tape() {
    let mut drive = Runner::blank();
    let mut label = b"monday".to_vec();
    label.resize(160, b' ');
    assert_eq!(write_attribute(&mut drive, &label).done.cause, None);
    assert_eq!(attribute(&mut drive, 0x0803), label);
    drive.record(b"abc");
    assert_eq!(attribute(&mut drive, 0x0803), label);
    drive.ok(UNLOAD);
    let mut again = Runner::with(Config::default(), drive.medium);
    assert_eq!(attribute(&mut again, 0x0803), label);
    assert_eq!(
        attribute(&mut again, 0x0003),
        [0, 0, 0, 0, 0, 0, 0, 2],
        "loads"
    );
    assert_eq!(again.ok(read(0, 3)), b"abc");
}

/// Whoever takes it out: the guest, or the host.
#[test]
fn each_load_is_counted() {
    let mut drive = four();
    let loads = |drive: &mut Runner<Vec<u8>>| attribute(drive, 0x0003)[7];
    assert_eq!(loads(&mut drive), 1);
    drive.ok(UNLOAD);
    assert_eq!(drive.task(Task::Unload).cause, None);
    let mut drive = Runner::with(drive.drive.config().clone(), drive.medium);
    assert_eq!(loads(&mut drive), 2);
    drive.record(&[0; 1 << 20]);
    assert_eq!(drive.task(Task::Unload).cause, None);
    let mut drive = Runner::with(drive.drive.config().clone(), drive.medium);
    assert_eq!(loads(&mut drive), 3);
    assert_eq!(attribute(&mut drive, 0x0220)[7], 1, "MiB written");
}

#[test]
fn a_tape_with_data_and_no_header_has_no_place_for_attributes() {
    let mut drive = Runner::blank();
    drive.record(b"abc");
    let ended = write_attribute(&mut drive, &[b' '; 160]);
    let sense = ended.done.cause.expect("no room");
    assert_eq!(
        (sense.key, sense.asc),
        (IllegalRequest, asc::MAM_OUT_OF_SPACE)
    );
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(0, 3)), b"abc");
}

#[test]
fn a_change_is_noted_once_for_each_load() {
    let mut drive = four();
    let reference = |drive: &mut Runner<Vec<u8>>| attribute(drive, 0x0009)[3];
    let formatted = reference(&mut drive);
    drive.record(b"abc");
    drive.record(b"abc");
    assert_eq!(reference(&mut drive), formatted);
    for _ in 0..2 {
        drive.ok(UNLOAD);
        drive.ok(LOAD);
    }
    assert_eq!(reference(&mut drive), formatted);
    drive.record(b"abc");
    drive.record(b"abc");
    assert_eq!(reference(&mut drive), formatted + 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut drive = small(10_000_000, 0);
    drive.record(b"stays");
    drive.ok(REWIND);
    let list = [0, 0, 0x10, 0, 0x11, 10, 15, 1, 0x34, 3, 0, 0, 0, 9, 0, 9];
    drive.ok_with([0x15, 0x10, 0, 0, 16, 0], &list);
    let (told, _) = drive.fails(FORMAT);
    assert_eq!(
        (told.0, told.1),
        (IllegalRequest, asc::PARAMETER_VALUE_INVALID)
    );
    assert_eq!(drive.ok(read(0, 5)), b"stays");
}

#[test]
fn without_a_bound_all_partitions_but_the_last_get_a_share() {
    // The second begins far behind what a Vec can be long.
    let file = tempfile::tempfile().unwrap();
    let mut drive = Runner::new(Config::default(), file, 0);
    const SDP: u8 = 0x44;
    let list = [0, 0, 0x10, 0, 0x11, 10, 15, 1, SDP, 3, 0, 0, 0, 0, 0, 0];
    drive.ok_with([0x15, 0x10, 0, 0, 16, 0], &list);
    drive.ok(FORMAT);
    drive.ok(locate_partition(0, 0));
    drive.record(b"abc");
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(0, 3)), b"abc");
    assert_eq!(drive.ok([0x1a, 8, 0x11, 0, 255, 0])[4 + 3], 1);
}

#[test]
fn set_capacity() {
    let config = Config {
        capacity: 100_000,
        ..Config::default()
    };
    let mut drive = Runner::with(config.clone(), Vec::new());
    drive.record(&[1; 60_000]);
    let half = [0x0b, 0, 0, 0x80, 0, 0];
    let (told, _) = drive.fails(half);
    assert_eq!((told.0, told.1), (IllegalRequest, asc::NOT_AT_BEGINNING));
    drive.ok(REWIND);
    drive.ok(half);
    let (told, _) = drive.fails(read(0, 1));
    assert_eq!(told.0, BlankCheck, "what was there is gone");
    let told = drive.fails_with(write(0, 60_000), &[1; 60_000]);
    assert_eq!((told.0, told.2), (VolumeOverflow, "eom"));
    drive.record(&[2; 40_000]);
    drive.ok(UNLOAD);
    let mut again = Runner::with(config, drive.medium);
    again.ok(TO_END);
    let told = again.fails_with(write(0, 20_000), &[1; 20_000]);
    assert_eq!((told.0, told.2), (VolumeOverflow, "eom"), "it stays so");
    again.ok(REWIND);
    again.ok([0x0b, 0, 0, 0xff, 0xff, 0]);
    again.record(&[1; 90_000]);
}
