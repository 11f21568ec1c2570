// SPDX-License-Identifier: GPL-2.0-or-later
//! Control, bulk and interrupt transfers, stalls and cancellations.

use rdp_usb::testing::{Device, Keyboard, Rig, Serial, Stick, BLOCK};
use rdp_usb::{Done, Limits, Operation, Request};
use usbredir::{Endpoint, Packet, Status};

use crate::{bulk_in, bulk_out, command, control_in, control_out, outcome, wrapped};

/// A command without data, or whose data has been moved: its status.
fn status(rig: &mut Rig<Stick>, tag: u8) -> u8 {
    let answer = rig.ask(bulk_in(0x81, 13));
    let (status, length, data) = outcome(&answer);
    assert_eq!(
        (status, length, &data[..4], data[4]),
        (Status::SUCCESS, 13, &b"USBS"[..], tag)
    );
    data[12]
}

#[test]
fn a_stick_is_written_and_read() {
    let mut rig = Rig::with(Stick::new(4096));
    let data: Vec<u8> = (0..1 << 20).map(|i: u32| ((i * 7) >> 3) as u8).collect();
    let blocks = (data.len() / BLOCK) as u16;
    let done = (Status::SUCCESS, data.len() as u32);
    rig.ask(bulk_out(
        2,
        &wrapped(1, false, data.len(), &command(0x2a, 100, blocks)),
    ));
    let (status_of, length, _) = outcome(&rig.ask(bulk_out(2, &data))).to_owned();
    assert_eq!((status_of, length), done);
    assert_eq!(status(&mut rig, 1), 0);
    assert_eq!(rig.device().blocks[100 * BLOCK..][..data.len()], data);
    rig.ask(bulk_out(
        2,
        &wrapped(2, true, data.len(), &command(0x28, 100, blocks)),
    ));
    let answer = rig.ask(bulk_in(0x81, data.len() as u32));
    assert!(outcome(&answer) == (done.0, done.1, &data[..]));
    assert_eq!(status(&mut rig, 2), 0);
}

#[test]
fn a_stall_stays_until_it_is_cleared() {
    let mut rig = Rig::with(Stick::new(8));
    // No such command, with data expected.
    rig.ask(bulk_out(2, &wrapped(5, true, 36, &[0xee; 6])));
    for _ in 0..2 {
        let answer = rig.ask(bulk_in(0x81, 36));
        assert_eq!(outcome(&answer), (Status::STALL, 0, &[][..]));
    }
    let clear = |endpoint| control_out(0x02, 1, 0, endpoint, &[]);
    assert_eq!(outcome(&rig.ask(clear(0x85))).0, Status::STALL);
    assert_eq!(outcome(&rig.ask(clear(0x81))).0, Status::SUCCESS);
    assert_eq!(status(&mut rig, 5), 1);
    rig.ask(bulk_out(2, &wrapped(6, true, 36, &[0x12, 0, 0, 0, 36, 0])));
    let answer = rig.ask(bulk_in(0x81, 36));
    assert!(outcome(&answer)
        .2
        .ends_with(b"ANNEX   STICK           1.0 "));
}

#[test]
fn control_transfers_go_both_ways() {
    let mut rig = Rig::with(Keyboard::default());
    assert_eq!(
        outcome(&rig.ask(control_out(0x21, 9, 0x200, 0, &[5]))),
        (Status::SUCCESS, 1, &[][..])
    );
    assert_eq!(rig.device().leds, 5);
    // Short, stalled, and at most as long as was asked for.
    assert_eq!(
        outcome(&rig.ask(control_in(0x80, 0, 0, 100))),
        (Status::SUCCESS, 2, &[0, 0][..])
    );
    assert_eq!(
        outcome(&rig.ask(control_in(0xa1, 3, 0, 8))).0,
        Status::STALL
    );
    assert_eq!(outcome(&rig.ask(control_in(0x80, 6, 0x200, 9))).1, 9);
}

#[test]
fn what_changes_the_device_has_a_packet_of_its_own() {
    let mut rig = Rig::with(Keyboard::default());
    for packet in [control_out(0, 9, 1, 0, &[]), control_out(1, 11, 1, 0, &[])] {
        assert_eq!(outcome(&rig.ask(packet)).0, Status::INVALID);
    }
    assert_eq!(
        outcome(&rig.ask(control_out(0, 5, 3, 0, &[]))).0,
        Status::SUCCESS
    );
    // Data the other way than the request says.
    let lie = control_in(0x21, 9, 0x200, 1);
    assert_eq!(outcome(&rig.ask(lie)).0, Status::INVALID);
}

#[test]
fn a_transfer_is_cancelled() {
    let mut rig = Rig::with(Serial::default());
    let [first, second] = [(); 2].map(|()| rig.guest.ask(bulk_in(0x81, 64)));
    rig.settle();
    rig.guest.tell(first, Packet::CancelDataPacket {});
    // One that never was: nothing happens.
    rig.guest.tell(77, Packet::CancelDataPacket {});
    rig.settle();
    assert_eq!(
        outcome(&rig.guest.answers[&first]),
        (Status::CANCELLED, 0, &[][..])
    );
    assert!(!rig.guest.answers.contains_key(&second));
    rig.ask(bulk_out(2, b"here"));
    assert_eq!(
        outcome(&rig.guest.answers[&second]),
        (Status::SUCCESS, 4, &b"here"[..])
    );
}

#[test]
fn an_endpoint_that_isnt_there_is_refused() {
    let mut rig = Rig::with(Keyboard::default());
    let too_long = bulk_in(0x81, Limits::default().transfer as u32 + 1);
    for packet in [
        bulk_in(0x82, 1),
        bulk_in(0x81, 1),
        bulk_in(0xf1, 1),
        bulk_out(1, b"x"),
        too_long,
    ] {
        assert_eq!(outcome(&rig.ask(packet)).0, Status::INVALID);
    }
    // There are no streams of USB 3.
    let mut rig = Rig::with(Stick::new(8));
    let stream = Packet::Bulk {
        endpoint: 0x81,
        status: Status::SUCCESS,
        length: 13,
        stream: 1,
        data: vec![],
    };
    assert_eq!(outcome(&rig.ask(stream)).0, Status::INVALID);
    let interrupt = Packet::Interrupt {
        endpoint: 3,
        status: Status::SUCCESS,
        length: 1,
        data: vec![1],
    };
    let answer = rig.ask(interrupt);
    assert!(
        matches!(
            answer,
            Packet::Interrupt {
                status: Status::INVALID,
                ..
            }
        ),
        "{answer:?}"
    );
    let streams = Packet::AllocBulkStreams {
        endpoints: 2,
        streams: 4,
    };
    assert!(matches!(
        rig.ask(streams),
        Packet::BulkStreamsStatus {
            status: Status::INVALID,
            ..
        }
    ));
}

#[test]
fn the_guest_waits_while_too_much_is_in_flight() {
    let limits = Limits {
        bytes: 1 << 16,
        requests: 4,
        ..Limits::default()
    };
    let mut rig = Rig::new(limits, None);
    rig.plug(Serial::default());
    rig.settle();
    let ids: Vec<u64> = (0..10).map(|_| rig.guest.ask(bulk_in(0x81, 64))).collect();
    rig.settle();
    assert!(!rig.slot.is_ready());
    // They are read from the guest as others end.
    for id in ids {
        rig.device().line.push_back(1);
        rig.settle();
        assert_eq!(outcome(&rig.guest.answers[&id]).1, 1);
    }
    assert!(rig.slot.is_ready());
    // By bytes.
    for _ in 0..3 {
        rig.guest.ask(bulk_in(0x81, 1 << 15));
    }
    rig.settle();
    assert!(!rig.slot.is_ready());
}

#[test]
fn requests_have_numbers_of_31_bits_in_order() {
    let mut rig = Rig::new(Limits::default(), None);
    rig.slot.plug(usbredir::Speed::FULL);
    let (number, request) = rig.slot.poll_request().expect("the first request");
    assert_eq!(number, 1);
    let setup = [0x80, 6, 0, 1, 0, 0, 18, 0];
    assert_eq!(
        request,
        Request::Control {
            setup,
            buffer: rdp_usb::Buffer::In(18)
        }
    );
    rig.client = None::<(Stick, _)>;
}

/// A stick at a SuperSpeed port.
struct Fast(Stick);

impl Device for Fast {
    fn descriptor(&self) -> Vec<u8> {
        let mut bytes = self.0.descriptor();
        bytes[2..4].copy_from_slice(&[0, 3]);
        bytes[7] = 9;
        bytes
    }

    fn configuration(&self) -> Vec<u8> {
        let mut bytes = self.0.configuration();
        for at in 0..bytes.len() - 6 {
            if bytes[at..at + 2] == [7, 5] {
                bytes[at + 4..at + 6].copy_from_slice(&[0, 4]);
            }
        }
        bytes
    }

    fn transfer(&mut self, operation: &Operation) -> Option<Done> {
        self.0.transfer(operation)
    }
}

#[test]
fn a_superspeed_device_is_a_high_speed_one_to_the_guest() {
    let mut rig = Rig::with(Fast(Stick::new(8)));
    let first = rig.ask(control_in(0x80, 6, 0x100, 8));
    assert_eq!(outcome(&first).2, [18, 1, 0x10, 2, 0, 0, 0, 64]);
    let length = rig.device().configuration().len();
    let configuration = rig.ask(control_in(0x80, 6, 0x200, length as u16));
    assert_eq!(outcome(&configuration).2, Stick::new(8).configuration());
    let endpoint = rig.guest.endpoints[Endpoint::index(0x81)];
    assert_eq!(endpoint.max_packet_size, 512);
}
