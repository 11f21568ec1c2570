// SPDX-License-Identifier: GPL-2.0-or-later
//! What one side sends is what the other receives, in pieces of any length.

use proptest::collection::vec;
use proptest::prelude::*;
use usbredir::testing::{connect, transfer};
use usbredir::{Caps, Connection, Limits, Packet, Received, Refusal, Role};

use crate::packets::{caps, packets, roles};

/// What is left of a packet for a receiver, when both sides have `common`.
fn arrives(id: u64, mut packet: Packet, common: Caps) -> Received {
    match &mut packet {
        Packet::DeviceConnect { version, .. } if !common.has(Caps::CONNECT_DEVICE_VERSION) => {
            *version = 0;
        }
        Packet::EpInfo { endpoints } => {
            for endpoint in endpoints.iter_mut() {
                if !common.has(Caps::EP_INFO_MAX_PACKET_SIZE) {
                    endpoint.max_packet_size = 0;
                }
                if !common.has(Caps::BULK_STREAMS) {
                    endpoint.max_streams = 0;
                }
            }
        }
        _ => (),
    }
    let id = match packet {
        Packet::DeviceConnect { .. }
        | Packet::DeviceDisconnect {}
        | Packet::Reset {}
        | Packet::InterfaceInfo { .. }
        | Packet::EpInfo { .. }
        | Packet::FilterReject {}
        | Packet::FilterFilter { .. }
        | Packet::DeviceDisconnectAck {} => 0,
        _ => id,
    };
    let id = if common.has(Caps::IDS_64BIT) {
        id
    } else {
        u64::from(id as u32)
    };
    Received { id, packet }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn packets_arrive(
        (role, batch) in roles().prop_flat_map(|role| {
            (Just(role), vec((any::<u64>(), packets(role)), 1..8))
        }),
        ours in caps(),
        theirs in caps(),
        piece in 1..200usize,
    ) {
        let mut here = Connection::new(role, "one", ours, Limits::default());
        let mut there = Connection::new(role.peer(), "other", theirs, Limits::default());
        connect(&mut here, &mut there);
        let common = here.common();
        prop_assert_eq!(common, there.common());
        let mut expected = Vec::new();
        for (id, packet) in batch {
            match here.send(id, &packet) {
                Ok(()) => expected.push(Ok(arrives(id, packet, common))),
                Err(refusal) => {
                    prop_assert!(matches!(refusal, Refusal::NoCapability(_)), "{refusal}");
                }
            }
        }
        let mut arrived = Vec::new();
        for mut bytes in here.unsent().chunks(piece) {
            while let Some(answer) = there.receive(&mut bytes) {
                arrived.push(answer);
            }
            prop_assert!(bytes.is_empty());
        }
        prop_assert_eq!(arrived, expected);
    }
}

#[test]
fn hello_tells_name_and_capabilities() {
    let mut host = Connection::new(Role::Host, "a host", Caps::ALL, Limits::default());
    let mut guest = Connection::new(
        Role::Guest,
        &"long".repeat(30),
        Caps::NONE,
        Limits::default(),
    );
    let hello = |version: &str, caps| {
        let version = version.to_owned();
        vec![Ok(Received {
            id: 0,
            packet: Packet::Hello { version, caps },
        })]
    };
    assert_eq!(guest.peer(), None);
    assert_eq!(transfer(&mut host, &mut guest), hello("a host", Caps::ALL));
    assert_eq!(guest.peer(), Some(Caps::ALL));
    assert_eq!(
        transfer(&mut guest, &mut host),
        hello(&"long".repeat(16)[..63], Caps::NONE)
    );
    assert_eq!(host.common(), Caps::NONE);
}
