// SPDX-License-Identifier: GPL-2.0-or-later
//! The whole status matrix: each message, known or not, at each length of request and room, with
//! clocks and counters that are there and that aren't.

use vhost_device_rtc::clocks::Clocks;
use vhost_device_rtc::counter::Counter;
use vhost_device_rtc::device::Device;
use vhost_device_rtc::host::SECOND;
use vhost_device_rtc::kind::{Kind, Smearing};
use vhost_device_rtc::protocol::{answer, message, Answer, MAX_ANSWER, MESSAGES};
use vhost_device_rtc::testing::{counter_message, FakeHost};

const OK: u8 = 0;
const EOPNOTSUPP: u8 = 2;
const ENODEV: u8 = 3;
const EINVAL: u8 = 4;
const EIO: u8 = 5;

const KINDS: [Kind; 3] = [Kind::Utc, Kind::Monotonic, Kind::Smeared(Smearing::UtcSls)];

fn device(alarms: bool) -> Device {
    let mut device = Device::new(Clocks::new(&KINDS, None));
    device.set_has_alarms(alarms);
    device
}

fn request(kind: u16) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes
}

fn ask(device: &mut Device, request: &[u8], room: usize) -> Answer {
    answer(device, &mut FakeHost::new(), request, room)
}

#[test]
fn every_message_at_every_length() {
    // The lengths once more, as the specification's structs have them.
    let lengths = [
        (0x0001, 16, 16),
        (0x0002, 16, 24),
        (0x1000, 8, 16),
        (0x1001, 16, 16),
        (0x1002, 16, 16),
        (0x1003, 16, 24),
        (0x1004, 24, 8),
        (0x1005, 16, 8),
    ];
    assert_eq!(
        MESSAGES
            .each_ref()
            .map(|row| (row.kind, row.request, row.answer)),
        lengths
    );
    for alarms in [false, true] {
        for (kind, request_length, answer_length) in lengths {
            for length in 0..=40 {
                for room in 0..=40 {
                    let mut bytes = [0xff; 40];
                    bytes[..24].copy_from_slice(&request(kind));
                    let answer = ask(&mut device(alarms), &bytes[..length], room);
                    let written = room.min(if length < 8 { 8 } else { answer_length });
                    assert_eq!(answer.bytes().len(), written, "{kind:#x} {length} {room}");
                    let Some(status) = answer.bytes().first() else {
                        continue;
                    };
                    let want = if length < request_length || room < answer_length {
                        EINVAL
                    } else if !alarms && kind >= 0x1003 {
                        ENODEV
                    } else if kind == 0x0002 {
                        EOPNOTSUPP
                    } else {
                        OK
                    };
                    assert_eq!(*status, want, "{kind:#x} {length} {room} {alarms}");
                    if want != OK {
                        assert!(answer.bytes()[1..].iter().all(|byte| *byte == 0));
                    }
                    assert!(answer.bytes().iter().skip(1).take(7).all(|byte| *byte == 0));
                }
            }
        }
    }
}

#[test]
fn every_unknown_message() {
    let mut device = device(true);
    for kind in (0..=u16::MAX).filter(|kind| message(*kind).is_none()) {
        for (length, room, status, written) in [
            (24, 24, EOPNOTSUPP, 8),
            (8, 8, EOPNOTSUPP, 8),
            (8, 1, EOPNOTSUPP, 1),
            (7, 24, EINVAL, 8),
        ] {
            let answer = ask(&mut device, &request(kind)[..length], room);
            assert_eq!(
                (answer.bytes()[0], answer.bytes().len()),
                (status, written),
                "{kind:#x}"
            );
        }
    }
}

#[test]
fn every_clock_that_isnt_there() {
    let mut device = device(true);
    device.set_counter(Counter::parse(0, &counter_message(1, 1, 0, 1, 0)).unwrap());
    for row in MESSAGES.iter().filter(|row| row.name != "CFG") {
        let at = if row.name == "SET_ALARM" { 16 } else { 8 };
        for id in 0..=u16::MAX {
            let mut bytes = request(row.kind);
            bytes[at..at + 2].copy_from_slice(&id.to_le_bytes());
            if row.name.contains("CROSS") {
                bytes[10] = 1;
            }
            let want = if usize::from(id) < KINDS.len() {
                OK
            } else {
                ENODEV
            };
            let answer = ask(&mut device, &bytes, MAX_ANSWER);
            assert_eq!(answer.bytes()[0], want, "{} {id}", row.name);
        }
    }
}

#[test]
fn every_counter() {
    for (own, valid) in [
        (None, false),
        (Some(0), true),
        (Some(1), true),
        (Some(1), false),
    ] {
        let mut device = device(true);
        let message = counter_message(own.unwrap_or(0xff), u8::from(valid), 0, 2, 7);
        device.set_counter(Counter::parse(0, &message).unwrap());
        for counter in 0..=0xff {
            let known = counter <= 1;
            let there = own == Some(counter);
            let mut bytes = request(0x1002);
            bytes[10] = counter;
            let cap = ask(&mut device, &bytes, 16);
            assert_eq!(
                cap.bytes()[0],
                if known { OK } else { EOPNOTSUPP },
                "{counter}"
            );
            assert_eq!(cap.bytes()[8], u8::from(there), "{counter}");
            bytes[..2].copy_from_slice(&2u16.to_le_bytes());
            let read = ask(&mut device, &bytes, 24);
            let want = match (there, valid) {
                (false, _) => EOPNOTSUPP,
                (true, false) => EIO,
                (true, true) => OK,
            };
            assert_eq!(read.bytes()[0], want, "{counter}");
            if want == OK {
                let host = FakeHost::new();
                let cycles = host.elapsed * host.counter_rate.unwrap() * 2 + 7;
                assert_eq!(read.bytes()[16..24], cycles.to_le_bytes());
                assert_eq!(
                    read.bytes()[8..16],
                    FakeHost::new().realtime().to_le_bytes()
                );
            }
        }
    }
}

#[test]
fn a_host_without_a_counter_has_no_cross_timestamps() {
    let mut device = device(true);
    device.set_counter(Counter::parse(0, &counter_message(1, 1, 0, 1, 0)).unwrap());
    let mut host = FakeHost {
        counter_rate: None,
        ..FakeHost::new()
    };
    let mut bytes = request(0x1002);
    bytes[10] = 1;
    let cap = answer(&mut device, &mut host, &bytes, 16);
    assert_eq!((cap.bytes()[0], cap.bytes()[8]), (OK, 0));
    bytes[..2].copy_from_slice(&2u16.to_le_bytes());
    assert_eq!(
        answer(&mut device, &mut host, &bytes, 24).bytes()[0],
        EOPNOTSUPP
    );
}

#[test]
fn every_flag() {
    let mut device = device(true);
    for flags in 0..=0xff {
        for (kind, at) in [(0x1004, 18), (0x1005, 10)] {
            let mut bytes = request(kind);
            bytes[at] = flags;
            let want = if flags <= 1 { OK } else { EINVAL };
            assert_eq!(
                ask(&mut device, &bytes, 8).bytes()[0],
                want,
                "{kind:#x} {flags}"
            );
            let alarm = ask(&mut device, &request(0x1003), 24);
            // What was refused has changed nothing: the last one taken is flag 1.
            assert_eq!(alarm.bytes()[16], flags.min(1), "{kind:#x} {flags}");
        }
    }
}

#[test]
fn what_the_answers_say() {
    let (mut device, mut host) = (device(true), FakeHost::new());
    let mut tell = |bytes: &[u8]| {
        answer(&mut device, &mut host, bytes, MAX_ANSWER)
            .bytes()
            .to_vec()
    };
    assert_eq!(tell(&request(0x1000))[8..], [3, 0, 0, 0, 0, 0, 0, 0]);
    let cap = |id: u8| {
        let mut bytes = request(0x1001);
        bytes[8] = id;
        bytes
    };
    assert_eq!(tell(&cap(0))[8..], [0, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(tell(&cap(1))[8..], [2, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(tell(&cap(2))[8..], [3, 2, 1, 0, 0, 0, 0, 0]);
    let mut set = request(0x1004);
    set[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    set[16] = 1;
    set[18] = 1;
    assert_eq!(tell(&set), [0; 8]);
    let mut read = request(0x1003);
    read[8] = 1;
    let mut want = vec![0; 24];
    want[8..17].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    assert_eq!(tell(&read), want);
    device.set_has_alarms(false);
    assert_eq!(
        answer(&mut device, &mut host, &cap(0), 16).bytes()[10],
        0,
        "no ALARM_CAP"
    );
}

#[test]
fn a_clock_that_cant_be_read_is_an_error_of_its_own() {
    // Nobody has set the kernel's TAI offset, and there is no list.
    let mut host = FakeHost {
        tai: 0,
        ..FakeHost::new()
    };
    let mut device = Device::new(Clocks::new(&[Kind::Tai], None));
    device.set_has_alarms(true);
    assert_eq!(
        answer(&mut device, &mut host, &request(1), 16).bytes()[0],
        EIO
    );
    let mut set = request(0x1004);
    set[18] = 1;
    assert_eq!(answer(&mut device, &mut host, &set, 8).bytes()[0], EIO);
    set[18] = 0;
    assert_eq!(
        answer(&mut device, &mut host, &set, 8).bytes()[0],
        OK,
        "nothing to wait for"
    );
    host.advance(SECOND);
    host.tai = 37;
    assert_eq!(
        answer(&mut device, &mut host, &request(1), 16).bytes()[0],
        OK
    );
}
