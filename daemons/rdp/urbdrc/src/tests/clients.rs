// SPDX-License-Identifier: GPL-2.0-or-later
//! A test for each row of the table of `clients`. Each answers as that client does.

use std::time::Duration;

use rdp_usb::testing::{Keyboard, Serial, Stick};
use usbredir::{Packet, Status};

use crate::clients::{self, Expected};
use crate::testing::{
    channel, completion, words, Asked, Rig, URB_COMPLETION, URB_COMPLETION_NO_DATA,
};

const OK: Status = Status::SUCCESS;

fn bulk(endpoint: u8, length: u32, data: &[u8]) -> Packet {
    Packet::Bulk {
        endpoint,
        status: OK,
        length,
        stream: 0,
        data: data.to_vec(),
    }
}

fn control(endpoint: u8, request_type: u8, length: u16) -> Packet {
    Packet::Control {
        endpoint,
        request: 0x42,
        request_type,
        status: OK,
        value: 0,
        index: 0,
        length,
        data: if endpoint == 0 {
            vec![1; length.into()]
        } else {
            vec![]
        },
    }
}

/// A rig with a serial adapter whose guest asks for something, and what the client is asked for.
fn asked(packet: Packet) -> (Rig, u64, Asked) {
    let (mut rig, _) = Rig::with(Serial::default());
    rig.manual = true;
    let id = rig.ask(packet);
    let asked = rig.asked.pop_front().expect("a request");
    (rig, id, asked)
}

/// What the guest is told when its packet is answered so.
fn told(packet: Packet, answer: impl FnOnce(&Asked) -> Vec<u8>) -> Packet {
    let (mut rig, id, asked) = asked(packet);
    let answer = answer(&asked);
    rig.client(asked.channel, &answer);
    assert_eq!(rig.closed, []);
    rig.answered(id)
}

#[test]
fn data_to_the_device_that_comes_back() {
    let answer = |asked: &Asked| completion(asked, URB_COMPLETION, 0, &[], 5, b"hello");
    assert_eq!(told(bulk(2, 5, b"hello"), answer), bulk(2, 5, b""));
    let answer = |asked: &Asked| completion(asked, URB_COMPLETION, 0, &[], 3, &[1; 3]);
    let expected = Packet::Control {
        endpoint: 0,
        request: 0x42,
        request_type: 0x40,
        status: OK,
        value: 0,
        index: 0,
        length: 3,
        data: vec![],
    };
    assert_eq!(told(control(0, 0x40, 3), answer), expected);
}

#[test]
fn a_reset_that_says_that_it_has_data() {
    let (mut rig, channel) = Rig::with(Serial::default());
    rig.manual = true;
    for round in 0..200 {
        rig.guests[0].tell(0, Packet::Reset {});
        rig.settle();
        let asked = rig.asked.pop_front().expect("a reset");
        // As many as would end the device, if each were a fault.
        let answer = words(&[asked.head[0], asked.head[1], 0x100, asked.request, 0, 4, 4]);
        rig.client(channel, &answer);
        assert!(rig.guests[0].device.is_some(), "after {round}");
    }
}

#[test]
fn libusbs_status_of_a_transfer() {
    let cases = [
        (1, Status::IO_ERROR),
        (4, Status::STALL),
        (5, Status::IO_ERROR),
        (6, Status::BABBLE),
    ];
    for (status, expected) in cases {
        let answer = |asked: &Asked| completion(asked, URB_COMPLETION_NO_DATA, status, &[], 0, &[]);
        let told = told(bulk(0x81, 64, b""), answer);
        let Packet::Bulk { status, length, .. } = told else {
            panic!("{told:?}");
        };
        assert_eq!((status, length), (expected, 0));
    }
}

#[test]
fn libusbs_status_of_packets() {
    let packets = |status| words(&[0, 2, 1, 0, 3, 0, 3, 2, status]);
    let head = |body: &[u8]| {
        let asked = Asked {
            channel: channel(1, 2),
            head: [0x4000_0004, 1],
            request: 7,
            what: ironrdp_rdpeusb::pdu::UrbdrcServerDevicePdu::Caps(
                ironrdp_rdpeusb::pdu::caps::RimExchangeCapabilityRequest {
                    msg_id: 0,
                    capability: ironrdp_rdpeusb::pdu::caps::Capability::RimCapabilityVersion01,
                },
            ),
        };
        completion(&asked, URB_COMPLETION, 0, body, 3, &[1; 3])
    };
    let mended = clients::mend(&head(&packets(1)), Expected::IsoIn).into_owned();
    assert_eq!(mended, head(&packets(0xc000_0011)));
    // Only for packets.
    let other = head(&packets(1));
    assert_eq!(clients::mend(&other, Expected::In), &other[..]);
}

#[test]
fn a_control_transfer_that_fails_with_data() {
    let answer = |asked: &Asked| completion(asked, URB_COMPLETION, 0xc000_0004, &[], 8, &[0; 8]);
    let Packet::Control {
        status,
        length,
        data,
        ..
    } = told(control(0x80, 0xc0, 8), answer)
    else {
        panic!("another packet");
    };
    assert_eq!((status, length, data), (Status::STALL, 0, vec![]));
}

#[test]
fn a_configuration_that_fails_as_done() {
    let packet = Packet::SetConfiguration { configuration: 1 };
    let (mut rig, id, asked) = asked(packet);
    let answer = completion(&asked, URB_COMPLETION_NO_DATA, 0, &words(&[0, 1]), 0, &[]);
    rig.client(asked.channel, &answer);
    let Packet::ConfigurationStatus { status, .. } = rig.answered(id) else {
        panic!("another packet");
    };
    assert_eq!(status, Status::INVALID);
}

#[test]
fn a_transfer_that_is_never_answered() {
    let (mut rig, id, asked) = asked(bulk(0x81, 64, b""));
    rig.guests[0].tell(id, Packet::CancelDataPacket {});
    rig.settle();
    assert_eq!(rig.cancelled, [asked.request]);
    rig.later(clients::UNANSWERED - Duration::from_millis(1));
    assert!(rig.guests[0].answers.is_empty());
    rig.later(Duration::from_millis(1));
    let Packet::Bulk { status, .. } = rig.answered(id) else {
        panic!("another packet");
    };
    assert_eq!(status, Status::CANCELLED);
    // Should it come after all, nothing comes of it.
    let answer = completion(&asked, URB_COMPLETION, 0, &[], 1, b"x");
    rig.client(asked.channel, &answer);
    assert_eq!(rig.guests[0].answers.len(), 0);
    assert_eq!(rig.closed, []);
}

#[test]
fn transfers_that_end_after_ten_seconds() {
    let (mut rig, channel) = Rig::with(Keyboard::default());
    rig.manual = true;
    rig.guests[0].tell(0, Packet::StartInterruptReceiving { endpoint: 0x81 });
    rig.settle();
    rig.guests[0].others.clear();
    // Twice as often as would be too often.
    for _ in 0..200 {
        let asked = rig.asked.pop_front().expect("a transfer");
        let answer = completion(&asked, URB_COMPLETION_NO_DATA, 2, &[], 0, &[]);
        rig.client(channel, &answer);
    }
    assert_eq!(rig.guests[0].others, []);
    let asked = rig.asked.pop_front().expect("a transfer");
    rig.client(
        channel,
        &completion(&asked, URB_COMPLETION, 0, &[], 8, &[1; 8]),
    );
    assert_eq!(rig.guests[0].others.len(), 1);
}

#[test]
fn a_pipes_reset_that_cancels_all_others() {
    let (mut rig, id, asked) = asked(bulk(0x81, 64, b""));
    let answer = completion(&asked, URB_COMPLETION_NO_DATA, 3, &[], 0, &[]);
    rig.client(asked.channel, &answer);
    let again = rig.asked.pop_front().expect("the same transfer");
    let answer = completion(&again, URB_COMPLETION, 0, &[], 2, b"ab");
    rig.client(asked.channel, &answer);
    assert_eq!(rig.answered(id), bulk(0x81, 2, b"ab"));
}

#[test]
fn a_device_that_isnt_wanted_loses_its_channel() {
    let (mut rig, _) = Rig::with(Stick::new(8));
    let second = rig.plug(Stick::new(8));
    assert_eq!(
        (&rig.retracted[..], &rig.closed[..]),
        (&[second][..], &[second][..])
    );
}

/// All that isn't a departure is left as it is.
#[test]
fn what_the_standard_says_is_left_alone() {
    let (_rig, _, asked) = asked(bulk(0x81, 64, b""));
    let good = [
        (
            completion(&asked, URB_COMPLETION, 0, &[], 2, b"ab"),
            Expected::In,
        ),
        (
            completion(&asked, URB_COMPLETION_NO_DATA, 0, &[], 9, b""),
            Expected::Out,
        ),
        (
            completion(&asked, URB_COMPLETION, 0xc000_0004, &[], 2, b"ab"),
            Expected::In,
        ),
        (
            words(&[asked.head[0], 1, 0x100, 1, 0, 4, 4, 3]),
            Expected::IoControl(4),
        ),
        (
            words(&[asked.head[0], 1, 0x100, 1, 0x8007_007a, 9, 0]),
            Expected::IoControl(4),
        ),
    ];
    for (message, expected) in good {
        assert!(matches!(
            clients::mend(&message, expected),
            std::borrow::Cow::Borrowed(_)
        ));
    }
}
