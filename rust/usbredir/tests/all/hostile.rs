// SPDX-License-Identifier: GPL-2.0-or-later
//! Packets that can't be: each is refused for its reason, and the next one is read.

use usbredir::testing::{connect, exercise};
use usbredir::{Caps, Connection, FilterError, Limits, Packet, Received, Refusal, Role, Status};

fn pair(role: Role, caps: Caps) -> (Connection, Connection) {
    let mut here = Connection::new(role, "here", caps, Limits::default());
    let mut there = Connection::new(role.peer(), "there", Caps::ALL, Limits::default());
    connect(&mut here, &mut there);
    (here, there)
}

/// A packet as it is on the wire, with ids of 64 bits.
fn raw(number: u32, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32;
    [
        &number.to_le_bytes()[..],
        &length.to_le_bytes(),
        &7u64.to_le_bytes(),
        body,
    ]
    .concat()
}

/// Has a side with `caps` read a packet and one that is good, which must be read.
fn refused(role: Role, caps: Caps, number: u32, body: &[u8]) -> Refusal {
    let (mut here, _) = pair(role, caps);
    let (good, id, packet) = match role {
        Role::Host => (raw(21, &[]), 7, Packet::CancelDataPacket {}),
        Role::Guest => (raw(2, &[]), 0, Packet::DeviceDisconnect {}),
    };
    let all = [raw(number, body), good].concat();
    let mut bytes = &all[..];
    let refusal = here
        .receive(&mut bytes)
        .expect("an answer")
        .expect_err("a refusal");
    assert_eq!(here.receive(&mut bytes), Some(Ok(Received { id, packet })));
    assert!(bytes.is_empty());
    refusal
}

#[test]
fn each_lie_is_named() {
    use Role::{Guest, Host};
    let all = Caps::ALL;
    let without = |caps: Caps| Caps::from_bits(Caps::ALL.bits() & !caps.bits());
    let cases = [
        (Host, all, 105, &[][..], Refusal::UnknownType(105)),
        (Host, all, 28, &[1, 2, 3], Refusal::UnknownType(28)),
        (Host, all, 2, &[], Refusal::WrongSide(2)),
        (Guest, all, 21, &[], Refusal::WrongSide(21)),
        (Host, all, 104, &[0; 10], Refusal::WrongSide(104)),
        (Host, all, 0, &[0; 68], Refusal::SecondHello),
        (
            Host,
            all,
            6,
            &[],
            Refusal::Length {
                number: 6,
                length: 0,
            },
        ),
        (
            Host,
            all,
            6,
            &[1, 2],
            Refusal::Length {
                number: 6,
                length: 2,
            },
        ),
        (
            Host,
            all,
            100,
            &[0; 9],
            Refusal::Length {
                number: 100,
                length: 9,
            },
        ),
        (
            Guest,
            all,
            1,
            &[0; 8],
            Refusal::Length {
                number: 1,
                length: 8,
            },
        ),
        (
            Guest,
            without(Caps::CONNECT_DEVICE_VERSION),
            1,
            &[0; 10],
            Refusal::Length {
                number: 1,
                length: 10,
            },
        ),
        (
            Guest,
            without(Caps::BULK_STREAMS),
            5,
            &[0; 288],
            Refusal::Length {
                number: 5,
                length: 288,
            },
        ),
        (
            Guest,
            all,
            4,
            &[&33u32.to_le_bytes()[..], &[0; 128]].concat(),
            Refusal::Interfaces(33),
        ),
        (
            Guest,
            all,
            4,
            &[255; 132],
            Refusal::Interfaces(u32::MAX.into()),
        ),
        (
            Host,
            without(Caps::FILTER),
            22,
            &[],
            Refusal::NoCapability(22),
        ),
        (
            Host,
            without(Caps::DEVICE_DISCONNECT_ACK),
            24,
            &[],
            Refusal::NoCapability(24),
        ),
        (
            Host,
            without(Caps::BULK_RECEIVING),
            25,
            &[0; 10],
            Refusal::NoCapability(25),
        ),
        (
            Host,
            all,
            15,
            &[1],
            Refusal::Direction {
                number: 15,
                endpoint: 1,
            },
        ),
        (
            Guest,
            all,
            17,
            &[0, 1],
            Refusal::Direction {
                number: 17,
                endpoint: 1,
            },
        ),
        (
            Host,
            all,
            25,
            &[0, 0, 0, 0, 1, 0, 0, 8, 0x81, 1],
            Refusal::TooLong {
                number: 25,
                length: (128 << 20) + 1,
                limit: 128 << 20,
            },
        ),
        // Data that is too short, too long, or of the wrong direction.
        (
            Host,
            all,
            101,
            &[2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9],
            Refusal::Data {
                endpoint: 2,
                data: 1,
                length: 2,
            },
        ),
        (
            Host,
            all,
            101,
            &[0x82, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9],
            Refusal::Data {
                endpoint: 0x82,
                data: 1,
                length: 1,
            },
        ),
        (
            Guest,
            all,
            101,
            &[0x82, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9],
            Refusal::Data {
                endpoint: 0x82,
                data: 1,
                length: 0x10000,
            },
        ),
        (
            Guest,
            all,
            100,
            &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9],
            Refusal::Data {
                endpoint: 0,
                data: 1,
                length: 1,
            },
        ),
        (
            Guest,
            all,
            101,
            &[2, 0, 1, 0, 0, 0, 0, 0, 0, 8],
            Refusal::TooLong {
                number: 101,
                length: (128 << 20) + 1,
                limit: 128 << 20,
            },
        ),
        (
            Host,
            all,
            102,
            &[0x81, 0, 1, 0, 9],
            Refusal::Direction {
                number: 102,
                endpoint: 0x81,
            },
        ),
        (
            Guest,
            all,
            102,
            &[0x81, 0, 2, 0, 9],
            Refusal::Data {
                endpoint: 0x81,
                data: 1,
                length: 2,
            },
        ),
        (
            Host,
            all,
            103,
            &[0x81, 0, 0, 0],
            Refusal::Direction {
                number: 103,
                endpoint: 0x81,
            },
        ),
        (
            Guest,
            all,
            104,
            &[0, 0, 0, 0, 2, 0, 0, 0, 0x81, 0, 9],
            Refusal::Data {
                endpoint: 0x81,
                data: 1,
                length: 2,
            },
        ),
        (
            Guest,
            all,
            104,
            &[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 9],
            Refusal::Direction {
                number: 104,
                endpoint: 1,
            },
        ),
        (Host, all, 23, b"", Refusal::Unterminated),
        (Host, all, 23, b"-1,-1,-1,-1,1", Refusal::Unterminated),
        (
            Host,
            all,
            23,
            b"-1,-1\0",
            Refusal::Filter(FilterError::Fields(1)),
        ),
        (
            Host,
            all,
            23,
            b"\xff\0",
            Refusal::Filter(FilterError::NotText),
        ),
    ];
    for (role, caps, number, body, expected) in cases {
        assert_eq!(
            refused(role, caps, number, body),
            expected,
            "{role:?} {number} {body:?}"
        );
    }
}

#[test]
fn a_length_is_bounded_before_its_bytes_come() {
    for length in [Limits::default().packet as u32 + 1, u32::MAX] {
        let (mut here, _) = pair(Role::Host, Caps::ALL);
        let mut head = raw(101, &[]);
        head[4..8].copy_from_slice(&length.to_le_bytes());
        let limit = Limits::default().packet as u64;
        let refusal = Refusal::TooLong {
            number: 101,
            length: length.into(),
            limit,
        };
        assert_eq!(here.receive(&mut &head[..]), Some(Err(refusal)));
        // All of it is skipped, in pieces, and keeps no memory.
        let mut left = length as usize;
        let piece = vec![0; 1 << 20];
        while left > 0 {
            let mut bytes = &piece[..left.min(piece.len())];
            left -= bytes.len();
            assert_eq!(here.receive(&mut bytes), None);
        }
        assert!(here.memory() < 1000);
        let mut next = &raw(21, &[])[..];
        assert!(matches!(here.receive(&mut next), Some(Ok(_))));
    }
}

#[test]
fn memory_comes_with_the_bytes() {
    let (mut here, _) = pair(Role::Host, Caps::ALL);
    let mut head = raw(101, &[]);
    head[4..8].copy_from_slice(&(1u32 << 20).to_le_bytes());
    assert_eq!(here.receive(&mut &head[..]), None);
    assert_eq!(here.receive(&mut &[0; 100][..]), None);
    assert!(here.memory() < 1000, "{}", here.memory());
}

#[test]
fn hello_comes_first() {
    let mut here = Connection::new(Role::Host, "", Caps::ALL, Limits::default());
    // Ids have 32 bits until then.
    let mut early = &[&21u32.to_le_bytes()[..], &[0; 8]].concat()[..];
    assert_eq!(here.receive(&mut early), Some(Err(Refusal::NoHello(21))));
    let early = here.send(1, &Packet::DeviceDisconnect {});
    assert_eq!(early, Err(Refusal::NoHello(2)));
}

#[test]
fn what_cant_be_sent_is_refused() {
    let (mut host, _) = pair(Role::Host, Caps::from_bits(0x3f));
    let cases = [
        (Packet::Reset {}, Refusal::WrongSide(3)),
        (
            Packet::Hello {
                version: String::new(),
                caps: Caps::ALL,
            },
            Refusal::SecondHello,
        ),
        (
            Packet::Bulk {
                endpoint: 2,
                status: Status::SUCCESS,
                length: 0x10000,
                stream: 0,
                data: vec![],
            },
            Refusal::TooLong {
                number: 101,
                length: 0x10000,
                limit: 0xffff,
            },
        ),
        (
            Packet::Iso {
                endpoint: 0x81,
                status: Status::SUCCESS,
                data: vec![0; 0x10000],
            },
            Refusal::TooLong {
                number: 102,
                length: 0x10000,
                limit: 0xffff,
            },
        ),
        (
            Packet::InterfaceInfo {
                interfaces: vec![Default::default(); 33],
            },
            Refusal::Interfaces(33),
        ),
    ];
    for (packet, refusal) in cases {
        assert_eq!(host.send(1, &packet), Err(refusal), "{packet:?}");
    }
    assert!(host.unsent().is_empty());
}

#[test]
fn a_peer_that_doesnt_read_is_sent_no_more() {
    let (mut host, _) = pair(Role::Host, Caps::ALL);
    let packet = Packet::Iso {
        endpoint: 0x81,
        status: Status::SUCCESS,
        data: vec![0; 0xffff],
    };
    let mut count = 0;
    while host.send(0, &packet).is_ok() {
        count += 1;
    }
    assert_eq!(count, Limits::default().unsent / (0xffff + 20) + 1);
    assert_eq!(host.send(0, &packet), Err(Refusal::Full));
    host.sent(2 * (0xffff + 20));
    assert_eq!(host.send(0, &packet), Ok(()));
}

usbredir::seed_tests!("usbredir", 6, exercise);
