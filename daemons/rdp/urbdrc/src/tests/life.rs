// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that come and go, and `usb-redir`s and sessions that do.

use std::time::Duration;

use rdp_usb::testing::{command_block, Keyboard, Serial, Stick, BLOCK};
use rdp_usb::Limits;
use usbredir::{Filter, Packet, Status};

use crate::hub::{Config, MAX_DEVICES};
use crate::testing::{channel, words, Rig, CONTROL};

const OK: Status = Status::SUCCESS;
const STICK: Option<(u16, u16)> = Some((0x46f4, 1));
const KEYBOARD: Option<(u16, u16)> = Some((0x0627, 1));

fn seen(rig: &Rig) -> Vec<Option<(u16, u16)>> {
    rig.guests.iter().map(|guest| guest.device).collect()
}

fn bulk(endpoint: u8, length: usize, data: &[u8]) -> Packet {
    Packet::Bulk {
        endpoint,
        status: OK,
        length: length as u32,
        stream: 0,
        data: data.to_vec(),
    }
}

/// A SCSI command by bulk-only transport: its data, and whether it went well.
fn scsi(rig: &mut Rig, cdb: &[u8], out: &[u8], room: usize) -> (Vec<u8>, bool) {
    let wrapper = command_block(cdb, out.len(), room);
    let id = rig.ask(bulk(2, 31, &wrapper));
    assert_eq!(rig.answered(id), bulk(2, 31, b""));
    if !out.is_empty() {
        let id = rig.ask(bulk(2, out.len(), out));
        assert_eq!(rig.answered(id), bulk(2, out.len(), b""));
    }
    let mut read = |room: usize| {
        let id = rig.ask(bulk(0x81, room, b""));
        match rig.answered(id) {
            Packet::Bulk {
                status: Status::STALL,
                ..
            } => {
                let clear = Packet::Control {
                    endpoint: 0,
                    request: 1,
                    request_type: 2,
                    status: OK,
                    value: 0,
                    index: 0x81,
                    length: 0,
                    data: vec![],
                };
                let id = rig.ask(clear.clone());
                assert_eq!(rig.answered(id), clear);
                None
            }
            Packet::Bulk { data, .. } => Some(data),
            other => panic!("{other:?}"),
        }
    };
    let data = if room > 0 { read(room) } else { None };
    let status = read(13).expect("a status");
    (data.unwrap_or_default(), status[12] == 0)
}

#[test]
fn a_stick_is_read_and_written() {
    let (mut rig, _) = Rig::with(Stick::new(64));
    let (inquiry, good) = scsi(&mut rig, &[0x12, 0, 0, 0, 36, 0], &[], 36);
    assert!(good && inquiry.windows(5).any(|it| it == b"STICK"));
    let blocks: Vec<u8> = (0..8 * BLOCK).map(|i| ((i * 7) >> 3) as u8).collect();
    let (_, good) = scsi(&mut rig, &[0x2a, 0, 0, 0, 0, 5, 0, 0, 8, 0], &blocks, 0);
    assert!(good);
    let read = [0x28, 0, 0, 0, 0, 5, 0, 0, 8, 0];
    assert_eq!(scsi(&mut rig, &read, &[], 8 * BLOCK), (blocks, true));
    // Beyond its end: a stall, which is cleared, and the next command goes well.
    let beyond = [0x28, 0, 0, 0, 0, 60, 0, 0, 8, 0];
    assert_eq!(scsi(&mut rig, &beyond, &[], 8 * BLOCK), (vec![], false));
    assert!(scsi(&mut rig, &[0; 6], &[], 0).1);
}

#[test]
fn each_device_has_a_usb_redir_until_there_are_none() {
    let mut rig = Rig::new(Config::default(), 2);
    let stick = rig.plug(Stick::new(8));
    rig.plug(Keyboard::default());
    assert_eq!(seen(&rig), [STICK, KEYBOARD]);
    let third = rig.plug(Stick::new(8));
    assert_eq!(rig.retracted, [third]);
    assert_eq!(rig.closed, [third]);
    rig.close(stick);
    assert_eq!(seen(&rig), [None, KEYBOARD]);
    rig.plug(Stick::new(8));
    assert_eq!(seen(&rig), [STICK, KEYBOARD]);
}

#[test]
fn without_a_usb_redir_every_device_is_refused() {
    let mut rig = Rig::new(Config::default(), 0);
    let channel = rig.plug(Stick::new(8));
    assert_eq!(rig.closed, [channel]);
}

/// A client may be there before QEMU, and devices before the `usb-redir` that is for them.
#[test]
fn devices_wait_until_all_usb_redirs_are_known() {
    let mut rig = Rig::new(Config::default(), 0);
    rig.hub.set_complete(false, rig.now);
    rig.plug(Stick::new(8));
    rig.plug(Keyboard::default());
    let third = rig.plug(Serial::default());
    for link in 0..2 {
        rig.hub.add_link(&format!("usb{link}"));
        rig.guests.push(rdp_usb::testing::Guest::new());
        rig.hub.connected(link, rig.now);
        rig.settle();
    }
    assert_eq!(seen(&rig), [STICK, KEYBOARD]);
    assert_eq!(rig.closed, []);
    rig.hub.set_complete(true, rig.now);
    rig.settle();
    assert_eq!(rig.closed, [third]);
}

#[test]
fn a_device_comes_back_while_its_transfers_are_out() {
    let (mut rig, channel) = Rig::with(Serial::default());
    let ids: Vec<u64> = (0..3).map(|_| rig.ask(bulk(0x81, 64, b""))).collect();
    rig.frozen = true;
    rig.close(channel);
    // The guest hasn't seen that it is gone: the next one waits.
    let again = rig.plug(Serial::default());
    assert_eq!(rig.closed, []);
    rig.frozen = false;
    rig.settle();
    for id in ids {
        let Packet::Bulk { status, length, .. } = rig.answered(id) else {
            panic!("another packet");
        };
        assert_eq!((status, length), (Status::CANCELLED, 0));
    }
    assert!(rig.guests[0].device.is_some());
    let id = rig.ask(bulk(2, 2, b"hi"));
    assert_eq!(rig.answered(id), bulk(2, 2, b""));
    let id = rig.ask(bulk(0x81, 64, b""));
    assert_eq!(rig.answered(id), bulk(0x81, 2, b"hi"));
    assert_eq!(rig.closed, [], "{again:?}");
}

#[test]
fn a_device_waits_for_qemu_to_come_back() {
    let (mut rig, channel) = Rig::with(Serial::default());
    rig.ask(bulk(0x81, 64, b""));
    let asked = rig.asked.front().expect("a transfer").request;
    rig.hub.disconnected(0, rig.now);
    rig.settle();
    assert_eq!(rig.cancelled, [asked]);
    rig.guests[0] = rdp_usb::testing::Guest::new();
    // Meanwhile another one comes, and there is room for one.
    let second = rig.plug(Keyboard::default());
    assert_eq!(rig.closed, []);
    rig.hub.connected(0, rig.now);
    rig.settle();
    assert_eq!(seen(&rig), [Some((0x10c4, 0xea60))]);
    assert_eq!(rig.closed, [second]);
    let id = rig.ask(bulk(2, 2, b"hi"));
    assert_eq!(rig.answered(id), bulk(2, 2, b""));
    assert!(rig.devices.contains_key(&channel));
}

#[test]
fn the_next_session_finds_all_free() {
    let mut rig = Rig::new(Config::default(), 2);
    rig.plug(Stick::new(8));
    rig.plug(Keyboard::default());
    for _ in 0..3 {
        rig.end();
        assert_eq!(seen(&rig), [None, None]);
        rig.control();
        rig.plug(Keyboard::default());
        rig.plug(Stick::new(8));
        assert_eq!(seen(&rig), [KEYBOARD, STICK]);
    }
    assert_eq!(rig.closed, []);
}

/// Two clients at once, whose channels have the same numbers.
#[test]
fn a_session_has_its_devices_beside_anothers() {
    let mut rig = Rig::new(Config::default(), 2);
    let stick = rig.plug(Stick::new(8));
    rig.session = 2;
    rig.control();
    let keyboard = rig.plug(Keyboard::default());
    assert_eq!(stick.number, keyboard.number);
    assert_eq!(seen(&rig), [STICK, KEYBOARD]);
    // Whoever has a usb-redir keeps it.
    let third = rig.plug(Stick::new(8));
    assert_eq!(rig.retracted, [third]);
    // What is wrong with one client is not the other's fault.
    for _ in 0..200 {
        rig.client(channel(2, CONTROL.number), b"no message at all");
        rig.client(keyboard, b"nor this");
    }
    assert_eq!(seen(&rig), [STICK, None]);
    assert!(scsi(&mut rig, &[0; 6], &[], 0).1);
    rig.end();
    assert_eq!(seen(&rig), [STICK, None]);
    // The first one ends while the second waits for what it has.
    rig.session = 3;
    rig.control();
    rig.plug(Keyboard::default());
    assert_eq!(seen(&rig), [STICK, KEYBOARD]);
    rig.session = 1;
    rig.frozen = true;
    rig.end();
    rig.session = 3;
    let again = rig.plug(Stick::new(8));
    assert!(!rig.closed.contains(&again));
    rig.frozen = false;
    rig.settle();
    assert_eq!(seen(&rig), [STICK, KEYBOARD]);
    assert!(scsi(&mut rig, &[0; 6], &[], 0).1);
}

#[test]
fn a_filter_keeps_devices_out() {
    let filter = Filter::parse("0x08,-1,-1,-1,0|-1,-1,-1,-1,1", ',').expect("a filter");
    let config = Config {
        filter: Some(filter),
        ..Config::default()
    };
    let mut rig = Rig::new(config, 1);
    let stick = rig.plug(Stick::new(8));
    assert_eq!(
        (&rig.retracted[..], &rig.closed[..]),
        (&[stick][..], &[stick][..])
    );
    rig.plug(Keyboard::default());
    assert_eq!(seen(&rig), [KEYBOARD]);
}

#[test]
fn a_client_has_only_so_many_channels() {
    let mut rig = Rig::new(Config::default(), 1);
    let one_more = words(&[0x4000_0001, 0, 0x100]);
    for _ in 0..MAX_DEVICES {
        rig.channel();
    }
    rig.client(CONTROL, &one_more);
    assert_eq!(rig.channels(), MAX_DEVICES);
    rig.close(channel(1, CONTROL.number + 1));
    rig.channel();
    assert_eq!(rig.channels(), MAX_DEVICES);
    // And another client as many.
    rig.session = 2;
    rig.control();
    for _ in 0..MAX_DEVICES {
        rig.channel();
    }
    rig.client(channel(2, CONTROL.number), &one_more);
    assert_eq!(rig.channels(), 2 * MAX_DEVICES);
}

#[test]
fn what_is_in_flight_is_bounded() {
    let limits = Limits {
        transfer: 4096,
        bytes: 16384,
        requests: 16,
        faults: 10,
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let mut rig = Rig::new(config, 1);
    rig.plug(Serial::default());
    rig.manual = true;
    for _ in 0..100 {
        rig.guests[0].ask(bulk(2, 4000, &[0; 4000]));
    }
    for _ in 0..50 {
        rig.guests[0].ask(bulk(0x81, 64, b""));
    }
    rig.settle();
    let asked = rig.asked.len();
    assert!((4..=5).contains(&asked), "{asked}");
    // Once they are answered, all others come.
    rig.manual = false;
    rig.settle();
    assert!(rig.guests[0].waiting.is_empty());
}

/// A QEMU that was migrated never says hello.
#[test]
fn a_usb_redir_that_says_no_hello_is_connected_anew() {
    let mut rig = Rig::new(Config::default(), 1);
    let mute = rig.hub.add_link("mute");
    let is_mute = |rig: &Rig| {
        let links = [0, mute];
        links.map(|link| rig.hub.is_mute(link, rig.now))
    };
    assert_eq!(is_mute(&rig), [false, false], "it isn't connected");
    rig.hub.connected(mute, rig.now);
    rig.later(Duration::from_millis(4999));
    assert_eq!(is_mute(&rig), [false, false]);
    rig.later(Duration::from_millis(1));
    assert_eq!(is_mute(&rig), [false, true]);
    rig.hub.disconnected(mute, rig.now);
    rig.hub.connected(mute, rig.now);
    assert_eq!(is_mute(&rig), [false, false]);
}
