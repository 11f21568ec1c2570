// SPDX-License-Identifier: GPL-2.0-or-later
//! Clients whose answers can't be, and devices whose descriptors can't be.

use rdp_usb::descriptor::{Configuration, DescriptorError};
use rdp_usb::testing::{exercise, Device, IsoLoop, Keyboard, Rig, Serial, Stick};
use rdp_usb::{
    Buffer, Completion, Event, Failure, IsoResult, Limits, Outcome, Request, RequestId, Slot,
    UsbdStatus,
};
use usbredir::{Packet, Speed, Status};

use crate::{bulk_in, bulk_out, outcome};

const OK: UsbdStatus = UsbdStatus::SUCCESS;

fn answer(request: RequestId, status: UsbdStatus, outcome: Outcome) -> Completion {
    Completion {
        request,
        status,
        outcome,
    }
}

/// The request of the guest's packet, which its client answers as it likes.
fn asked(rig: &mut Rig<Serial>, packet: Packet) -> (u64, RequestId) {
    use rdp_usb::testing::Step;
    let id = rig.guest.ask(packet);
    let unsent = rig.guest.connection.unsent().to_vec();
    rig.guest.connection.sent(unsent.len());
    rig.slot.receive(&mut &unsent[..]);
    let (request, _) = rig.slot.poll_request().expect("a request");
    rig.step(Step::ToGuest(0));
    (id, request)
}

#[test]
fn answers_that_dont_fit_end_the_transfer_only() {
    let cases = [
        // More than there is room for: cut off.
        (
            bulk_in(0x81, 4),
            OK,
            Outcome::Data(vec![1; 5]),
            Status::BABBLE,
            4,
            false,
        ),
        (
            bulk_in(0x81, 4),
            OK,
            Outcome::Sent(4),
            Status::IO_ERROR,
            0,
            true,
        ),
        (
            bulk_in(0x81, 4),
            OK,
            Outcome::Selected(vec![]),
            Status::IO_ERROR,
            0,
            true,
        ),
        (
            bulk_out(2, b"1234"),
            OK,
            Outcome::Sent(5),
            Status::IO_ERROR,
            0,
            true,
        ),
        (
            bulk_out(2, b"1234"),
            OK,
            Outcome::Data(vec![1]),
            Status::IO_ERROR,
            0,
            true,
        ),
        // Without a count nothing is known to have been sent.
        (
            bulk_out(2, b"1234"),
            OK,
            Outcome::None,
            Status::SUCCESS,
            0,
            false,
        ),
        (
            bulk_in(0x81, 4),
            UsbdStatus(0xdead_beef),
            Outcome::None,
            Status::IO_ERROR,
            0,
            false,
        ),
        (
            bulk_out(2, b"1234"),
            UsbdStatus::TIMEOUT,
            Outcome::None,
            Status::TIMEOUT,
            0,
            false,
        ),
        (
            bulk_in(0x81, 4),
            UsbdStatus::DATA_OVERRUN,
            Outcome::None,
            Status::BABBLE,
            0,
            false,
        ),
    ];
    for (packet, status, what, expected, length, wrong) in cases {
        let mut rig = Rig::with(Serial::default());
        let (id, request) = asked(&mut rig, packet);
        rig.slot.complete(answer(request, status, what));
        // And once more.
        rig.slot.complete(answer(request, OK, Outcome::None));
        rig.settle();
        let (status, count, _) = outcome(&rig.guest.answers[&id]);
        assert_eq!((status, count), (expected, length));
        let wrongs = rig
            .events
            .iter()
            .filter(|it| **it == Event::WrongAnswer(request))
            .count();
        assert_eq!(wrongs, 1 + usize::from(wrong), "{:?}", rig.events);
        assert!(rig.guest.device.is_some());
    }
}

#[test]
fn a_guest_cancels_a_transfer_once() {
    let mut rig = Rig::with(Serial::default());
    let (id, request) = asked(&mut rig, bulk_in(0x81, 4));
    for _ in 0..3 {
        rig.guest.tell(id, Packet::CancelDataPacket {});
    }
    let bytes = rig.guest.connection.unsent().to_vec();
    rig.slot.receive(&mut &bytes[..]);
    let cancels: Vec<Request> = std::iter::from_fn(|| rig.slot.poll_request())
        .map(|it| it.1)
        .collect();
    assert_eq!(cancels, [Request::Cancel { request }]);
}

#[test]
fn too_many_wrong_answers_end_the_device() {
    let mut rig = Rig::with(Serial::default());
    for request in 0..Limits::default().faults {
        assert!(rig.guest.device.is_some());
        rig.slot
            .complete(answer(request + 1_000_000, OK, Outcome::None));
    }
    rig.settle();
    assert_eq!(rig.guest.device, None);
    assert_eq!(rig.events.last(), Some(&Event::Failed(Failure::Answers)));
    // The next one begins anew, and is treated the same.
    rig.unplug(false);
    rig.settle();
    rig.plug(Serial::default());
    rig.settle();
    for request in 0..Limits::default().faults {
        assert!(rig.guest.device.is_some());
        rig.slot
            .complete(answer(request + 2_000_000, OK, Outcome::None));
    }
    rig.settle();
    assert_eq!(rig.guest.device, None);
}

#[test]
fn too_many_refused_packets_end_the_device() {
    let mut rig = Rig::with(Serial::default());
    // A packet of a type that there isn't, with an id of 64 bits.
    let bad = [&99u32.to_le_bytes()[..], &[0; 12]].concat();
    for _ in 0..Limits::default().faults {
        rig.slot.receive(&mut &bad[..]);
    }
    rig.settle();
    assert_eq!(rig.guest.device, None);
    assert!(matches!(
        rig.events.last(),
        Some(Event::Failed(Failure::Packets(_)))
    ));
}

/// Answers a new device's requests by `client`, until it fails.
fn failure(mut client: impl FnMut(Request) -> (UsbdStatus, Outcome)) -> Option<Failure> {
    let mut slot = Slot::new(Limits::default(), None);
    slot.plug(Speed::HIGH);
    while let Some((number, request)) = slot.poll_request() {
        let (status, what) = client(request);
        slot.complete(answer(number, status, what));
    }
    match slot.poll_event() {
        Some(Event::Failed(failure)) => Some(failure),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

/// What a good client says, but for selections.
fn good(device: &impl Device, request: &Request) -> (UsbdStatus, Outcome) {
    match request {
        Request::Control {
            setup,
            buffer: Buffer::In(room),
        } => {
            let mut data = match setup[3] {
                1 => device.descriptor(),
                _ => device.configuration(),
            };
            data.truncate(*room as usize);
            (OK, Outcome::Data(data))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_cant_be_set_up_fails() {
    let stick = Stick::new(8);
    let stall = UsbdStatus::STALL_PID;
    assert_eq!(
        failure(|_| (stall, Outcome::None)),
        Some(Failure::Setup(stall))
    );
    assert_eq!(failure(|_| (OK, Outcome::None)), Some(Failure::Answers));
    let short = Failure::Descriptor(DescriptorError::Short);
    assert_eq!(failure(|_| (OK, Outcome::Data(vec![18, 1]))), Some(short));
    let other = Failure::Descriptor(DescriptorError::Type(0));
    assert_eq!(failure(|_| (OK, Outcome::Data(vec![0; 64]))), Some(other));
    // Interfaces without the endpoints that the descriptors have.
    let without = failure(|request| match request {
        Request::SelectConfiguration { descriptor } => {
            assert_eq!(descriptor, Some(stick.configuration()));
            (OK, Outcome::Selected(vec![]))
        }
        other => good(&stick, &other),
    });
    assert_eq!(without, Some(Failure::Answers));
}

#[test]
fn descriptors_are_bounded() {
    let parse =
        |bytes: Vec<u8>| Configuration::parse(bytes, Speed::HIGH).map(|it| it.settings.len());
    let good = Stick::new(1).configuration();
    assert_eq!(parse(good.clone()), Ok(1));
    for cut in 0..good.len() {
        assert_eq!(
            parse(good[..cut].to_vec()),
            Err(DescriptorError::Short),
            "{cut}"
        );
    }
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        parse(bytes)
    };
    // An interface's number, an endpoint's address, a length of nothing, and one beyond the end.
    assert_eq!(with(11, 32), Err(DescriptorError::TooMany));
    assert_eq!(with(20, 0x80), Err(DescriptorError::Endpoint(0x80)));
    assert_eq!(with(20, 0x02), Err(DescriptorError::Endpoint(0x02)));
    assert_eq!(with(20, 0x91), Err(DescriptorError::Endpoint(0x91)));
    assert_eq!(with(18, 0), Err(DescriptorError::Short));
    assert_eq!(with(25, 8), Err(DescriptorError::Short));
    assert_eq!(with(10, 5), Err(DescriptorError::Endpoint(0)));
    let many = [0; 300].map(|_| [9, 4, 0, 0, 0, 0, 0, 0, 0]).concat();
    let [low, high] = (9 + many.len() as u16).to_le_bytes();
    let all = [&[9, 2, low, high, 1, 1, 0, 0, 0][..], &many].concat();
    assert_eq!(parse(all), Err(DescriptorError::TooMany));
}

#[test]
fn isochronous_answers_are_bounded() {
    let result = |length| IsoResult { length, status: OK };
    let cases = [
        Outcome::None,
        Outcome::Iso {
            packets: vec![result(1)],
            data: vec![0; 384],
        },
        Outcome::Iso {
            packets: vec![result(193), result(1)],
            data: vec![0; 384],
        },
        Outcome::Iso {
            packets: vec![result(1), result(192)],
            data: vec![0; 383],
        },
    ];
    for what in cases {
        let mut rig = Rig::with(IsoLoop::default());
        rig.ask(Packet::SetAltSetting {
            interface: 0,
            alt: 1,
        });
        let start = Packet::StartIsoStream {
            endpoint: 0x83,
            packets_per_urb: 2,
            urbs: 1,
        };
        rig.guest.tell(0, start);
        let unsent = rig.guest.connection.unsent().to_vec();
        rig.guest.connection.sent(unsent.len());
        rig.slot.receive(&mut &unsent[..]);
        let (request, _) = rig.slot.poll_request().expect("a request");
        rig.slot.complete(answer(request, OK, what));
        assert_eq!(rig.slot.poll_event(), Some(Event::WrongAnswer(request)));
        // The stream goes on.
        assert!(matches!(
            rig.slot.poll_request(),
            Some((_, Request::Iso { .. }))
        ));
    }
}

#[test]
fn what_a_client_gives_up_by_itself_is_asked_for_again() {
    for status in [UsbdStatus::TIMEOUT, UsbdStatus::CANCELED] {
        let mut rig = Rig::with(Serial::default());
        let (id, request) = asked(&mut rig, bulk_in(0x81, 4));
        rig.slot.complete(answer(request, status, Outcome::None));
        let (again, what) = rig.slot.poll_request().expect("the same request");
        assert!(matches!(
            what,
            Request::Transfer {
                buffer: Buffer::In(4),
                ..
            }
        ));
        // Not if the guest wants it cancelled.
        rig.guest.tell(id, Packet::CancelDataPacket {});
        let unsent = rig.guest.connection.unsent().to_vec();
        rig.guest.connection.sent(unsent.len());
        rig.slot.receive(&mut &unsent[..]);
        let (_, cancel) = rig.slot.poll_request().expect("a cancellation");
        assert_eq!(cancel, Request::Cancel { request: again });
        rig.slot
            .complete(answer(again, status, Outcome::Data(vec![])));
        assert_eq!(rig.slot.poll_request(), None);
        rig.settle();
        assert!(rig.guest.answers.contains_key(&id));
        assert_eq!(rig.events.len(), 1, "{:?}", rig.events);
    }
}

#[test]
fn a_stream_outlives_transfers_that_its_client_gives_up() {
    let mut rig = Rig::with(Keyboard::default());
    let start = Packet::StartInterruptReceiving { endpoint: 0x81 };
    rig.guest.tell(0, start);
    let unsent = rig.guest.connection.unsent().to_vec();
    rig.guest.connection.sent(unsent.len());
    rig.slot.receive(&mut &unsent[..]);
    let (mut request, _) = rig.slot.poll_request().expect("a transfer");
    assert!(rig.slot.poll_request().is_some(), "and another");
    // Twice as often as would be too often.
    for _ in 0..200 {
        let answer = answer(request, UsbdStatus::TIMEOUT, Outcome::None);
        rig.slot.complete(answer);
        request = rig.slot.poll_request().expect("the same transfer").0;
    }
    rig.slot
        .complete(answer(request, OK, Outcome::Data(vec![1; 8])));
    rig.settle();
    let started = Packet::InterruptReceivingStatus {
        status: Status::SUCCESS,
        endpoint: 0x81,
    };
    let report = Packet::Interrupt {
        endpoint: 0x81,
        status: Status::SUCCESS,
        length: 8,
        data: vec![1; 8],
    };
    assert_eq!(rig.guest.others, [started, report]);
    assert_eq!(rig.events.len(), 1, "{:?}", rig.events);
}

usbredir::seed_tests!("rdp-usb", 4, exercise);
