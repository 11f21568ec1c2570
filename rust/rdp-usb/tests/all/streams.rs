// SPDX-License-Identifier: GPL-2.0-or-later
//! Endpoints that are read or written continuously.

use rdp_usb::testing::{IsoLoop, Keyboard, Rig, Serial, Step};
use rdp_usb::Limits;
use usbredir::{Packet, Status};

use crate::bulk_out;

const OK: Status = Status::SUCCESS;

fn iso(alt: u8) -> Rig<IsoLoop> {
    let mut rig = Rig::with(IsoLoop::default());
    rig.ask(Packet::SetAltSetting { interface: 0, alt });
    rig
}

#[test]
fn a_keyboard_is_polled() {
    let mut rig = Rig::with(Keyboard::default());
    rig.guest
        .tell(0, Packet::StartInterruptReceiving { endpoint: 0x81 });
    // A second start changes nothing.
    rig.guest
        .tell(0, Packet::StartInterruptReceiving { endpoint: 0x81 });
    rig.settle();
    let started = Packet::InterruptReceivingStatus {
        status: OK,
        endpoint: 0x81,
    };
    assert_eq!(rig.guest.others, [started.clone(), started.clone()]);
    rig.guest.others.clear();
    for key in 0..9 {
        rig.device().reports.push_back([0, 0, key, 0, 0, 0, 0, 0]);
    }
    rig.settle();
    let report = |key| {
        let data = vec![0, 0, key, 0, 0, 0, 0, 0];
        Packet::Interrupt {
            endpoint: 0x81,
            status: OK,
            length: 8,
            data,
        }
    };
    assert_eq!(rig.guest.others, (0..9).map(report).collect::<Vec<_>>());
    rig.guest.others.clear();
    rig.guest
        .tell(0, Packet::StopInterruptReceiving { endpoint: 0x81 });
    rig.settle();
    rig.device().reports.push_back([1; 8]);
    rig.settle();
    assert_eq!(rig.guest.others, [started]);
    assert_eq!(rig.device().reports.len(), 1);
}

#[test]
fn bulk_data_is_received_without_being_asked_for() {
    let mut rig = Rig::with(Serial::default());
    let start = |endpoint, bytes_per_transfer| Packet::StartBulkReceiving {
        stream: 0,
        bytes_per_transfer,
        endpoint,
        transfers: 5,
    };
    let status = |endpoint, status| Packet::BulkReceivingStatus {
        stream: 0,
        endpoint,
        status,
    };
    rig.guest.tell(0, start(0x81, 64));
    rig.guest.tell(0, start(0x85, 64));
    rig.guest.tell(0, start(0x81, 0));
    rig.settle();
    let invalid = Status::INVALID;
    let expected = [
        status(0x81, OK),
        status(0x85, invalid),
        status(0x81, invalid),
    ];
    assert_eq!(rig.guest.others, expected);
    rig.guest.others.clear();
    rig.ask(bulk_out(2, &[7; 100]));
    let data = |count| {
        let data = vec![7; count];
        Packet::BufferedBulk {
            stream: 0,
            endpoint: 0x81,
            status: OK,
            data,
        }
    };
    assert_eq!(rig.guest.others, [data(64), data(36)]);
    rig.guest.others.clear();
    rig.guest.tell(
        0,
        Packet::StopBulkReceiving {
            stream: 0,
            endpoint: 0x81,
        },
    );
    rig.settle();
    assert_eq!(rig.guest.others, [status(0x81, OK)]);
    rig.ask(bulk_out(2, b"stays"));
    assert_eq!(rig.device().line.len(), 5);
}

#[test]
fn a_stream_that_is_started_again_isnt_ended_by_the_last() {
    let mut rig = Rig::with(Serial::default());
    let start = Packet::StartBulkReceiving {
        stream: 0,
        bytes_per_transfer: 64,
        endpoint: 0x81,
        transfers: 2,
    };
    rig.guest.tell(0, start.clone());
    rig.settle();
    rig.guest.tell(
        0,
        Packet::StopBulkReceiving {
            stream: 0,
            endpoint: 0x81,
        },
    );
    rig.guest.tell(0, start);
    rig.settle();
    rig.guest.others.clear();
    rig.ask(bulk_out(2, b"new"));
    let data = b"new".to_vec();
    let expected = Packet::BufferedBulk {
        stream: 0,
        endpoint: 0x81,
        status: OK,
        data,
    };
    assert_eq!(rig.guest.others, [expected]);
}

#[test]
fn isochronous_data_comes_in_order_while_the_guest_takes_it() {
    let mut rig = iso(1);
    let status = Packet::IsoStreamStatus {
        status: OK,
        endpoint: 0x83,
    };
    rig.guest.tell(
        0,
        Packet::StartIsoStream {
            endpoint: 0x83,
            packets_per_urb: 4,
            urbs: 3,
        },
    );
    rig.settle();
    assert_eq!(rig.guest.others.remove(0), status);
    assert!(rig.guest.others.len() > 100);
    for (i, packet) in rig.guest.others.drain(..).enumerate() {
        let Packet::Iso {
            endpoint: 0x83,
            status: OK,
            data,
        } = packet
        else {
            panic!("{packet:?}");
        };
        assert_eq!(data, vec![i as u8; 1 + i % 4]);
    }
    rig.guest.tell(0, Packet::StopIsoStream { endpoint: 0x83 });
    rig.settle();
    assert_eq!(rig.guest.others.pop(), Some(status));
    rig.guest.others.clear();
    rig.settle();
    assert_eq!(rig.guest.others, []);
}

#[test]
fn a_guest_that_doesnt_read_stops_the_stream() {
    let limits = Limits {
        bytes: 1 << 16,
        ..Limits::default()
    };
    let mut rig = Rig::new(limits, None);
    rig.plug(IsoLoop::default());
    rig.settle();
    rig.ask(Packet::SetAltSetting {
        interface: 0,
        alt: 1,
    });
    rig.guest.tell(
        0,
        Packet::StartIsoStream {
            endpoint: 0x83,
            packets_per_urb: 32,
            urbs: 16,
        },
    );
    let all_but_reading = [
        Step::FromGuest(usize::MAX),
        Step::Request,
        Step::Device(0),
        Step::Answer,
    ];
    let mut rounds = 0;
    while all_but_reading.map(|step| rig.step(step)).contains(&true) {
        rounds += 1;
        assert!(rounds < 10_000, "it goes on");
    }
    // As much as may wait, and what was in flight.
    assert!(rig.slot.unsent().len() < 2 * (limits.bytes + limits.transfer));
    rig.step(Step::ToGuest(usize::MAX));
    let received = rig.guest.others.len();
    assert!(received > 0);
    rig.settle();
    assert!(rig.guest.others.len() > received);
    assert_eq!(rig.events.len(), 1);
}

#[test]
fn isochronous_data_goes_in_order() {
    let mut rig = iso(1);
    rig.guest.tell(
        0,
        Packet::StartIsoStream {
            endpoint: 4,
            packets_per_urb: 2,
            urbs: 4,
        },
    );
    for i in 0..8 {
        rig.guest.tell(
            0,
            Packet::Iso {
                endpoint: 4,
                status: OK,
                data: vec![i; 3],
            },
        );
        rig.settle();
    }
    let expected: Vec<u8> = (0..8).flat_map(|i| [i; 3]).collect();
    assert_eq!(rig.device().sink, expected);
    // Without a stream packets go nowhere.
    rig.guest.tell(0, Packet::StopIsoStream { endpoint: 4 });
    rig.guest.tell(
        0,
        Packet::Iso {
            endpoint: 4,
            status: OK,
            data: vec![9],
        },
    );
    rig.settle();
    assert_eq!(rig.device().sink.len(), 24);
}

#[test]
fn another_setting_ends_streams() {
    let mut rig = iso(1);
    rig.guest.tell(
        0,
        Packet::StartIsoStream {
            endpoint: 0x83,
            packets_per_urb: 1,
            urbs: 1,
        },
    );
    rig.settle();
    rig.ask(Packet::SetAltSetting {
        interface: 0,
        alt: 0,
    });
    let is_status = |packet: &Packet| matches!(packet, Packet::IsoStreamStatus { .. });
    // That it has started; that it ended isn't told.
    assert_eq!(rig.guest.others.drain(..).filter(is_status).count(), 1);
    rig.settle();
    assert_eq!(rig.guest.others, []);
    // There is no such endpoint now.
    rig.guest.tell(
        0,
        Packet::StartIsoStream {
            endpoint: 0x83,
            packets_per_urb: 1,
            urbs: 1,
        },
    );
    rig.settle();
    let refused = Packet::IsoStreamStatus {
        status: Status::INVALID,
        endpoint: 0x83,
    };
    assert_eq!(rig.guest.others, [refused]);
}
