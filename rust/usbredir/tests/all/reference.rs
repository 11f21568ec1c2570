// SPDX-License-Identifier: GPL-2.0-or-later
//! The same bytes as libusbredirparser's, and the same packets refused.

use proptest::collection::vec;
use proptest::prelude::*;
use usbredir::{Caps, Connection, Limits, Packet, Received, Role, MAX_BULK};

use crate::packets::{caps, packets, roles};
use crate::parser::{Echo, AUTOMATIC_ACK};

/// The reference's limit: the longest transfer and its header.
const LIMITS: Limits = Limits {
    packet: MAX_BULK as usize + 10,
    unsent: usize::MAX,
};

/// Sides that have said hello: ours; and the reference's, which sends on what it is sent.
fn sides(role: Role, ours: Caps, theirs: Caps) -> (Connection, Echo) {
    let mut echo = Echo::new(role, ours, theirs);
    let mut here = Connection::new(role, "", ours, LIMITS);
    echo.hello(here.unsent());
    here.sent(here.unsent().len());
    let hello = echo.own_hello();
    let answer = here.receive(&mut &hello[..]);
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
    (here, echo)
}

/// What the reference's guests always say that they can.
fn with_ack(role: Role, caps: Caps) -> Caps {
    if role == Role::Guest {
        caps.with(AUTOMATIC_ACK)
    } else {
        caps
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_reference_sends_the_same_bytes(
        (role, batch) in roles().prop_flat_map(|role| {
            (Just(role), vec((any::<u64>(), packets(role)), 1..8))
        }),
        ours in caps(),
        theirs in caps(),
    ) {
        let (ours, theirs) = (with_ack(role, ours), with_ack(role.peer(), theirs));
        let (mut here, mut echo) = sides(role, ours, theirs);
        for (id, packet) in batch {
            // The reference sends these by itself, when it is told of a disconnection.
            if packet != (Packet::DeviceDisconnectAck {}) {
                let _ = here.send(id, &packet);
            }
        }
        prop_assert_eq!(echo.echo(here.unsent()), here.unsent());
    }

    #[test]
    fn the_reference_refuses_the_same(
        (role, batch) in roles().prop_flat_map(|role| {
            (Just(role), vec((any::<u64>(), packets(role)), 1..6))
        }),
        ours in caps(),
        theirs in caps(),
        // No lengths of 2 GiB and more, which the reference doesn't skip: they are negative there.
        damage in vec((any::<prop::sample::Index>(), 0..0x80u8), 1..4),
    ) {
        let (ours, theirs) = (with_ack(role, ours), with_ack(role.peer(), theirs));
        let (mut here, mut echo) = sides(role, ours, theirs);
        for (id, packet) in batch {
            if packet != (Packet::DeviceDisconnectAck {}) {
                let _ = here.send(id, &packet);
            }
        }
        let mut bytes = here.unsent().to_vec();
        here.sent(bytes.len());
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        // Our reader of the same stream sends on what it has taken, too.
        let mut reader = Connection::new(role.peer(), "", theirs, LIMITS);
        let hello = Connection::new(role, "", ours, LIMITS);
        let _ = reader.receive(&mut hello.unsent());
        let mut piece = &bytes[..];
        while let Some(answer) = reader.receive(&mut piece) {
            match answer {
                // The reference ignores a second hello, and sends no acknowledgement.
                Ok(received) if received.packet != (Packet::DeviceDisconnectAck {}) => {
                    here.send(received.id, &received.packet).expect("a packet that came");
                }
                _ => (),
            }
        }
        // The reference passes on bytes that no field has, behind the last interface.
        let reference = again(role, ours, theirs, &echo.echo(&bytes));
        prop_assert_eq!(reference, again(role, ours, theirs, here.unsent()));
    }
}

/// The packets that a side with `role` and `ours` has sent.
fn again(role: Role, ours: Caps, theirs: Caps, mut bytes: &[u8]) -> Vec<Received> {
    let mut reader = Connection::new(role.peer(), "", theirs, LIMITS);
    let hello = Connection::new(role, "", ours, LIMITS);
    let _ = reader.receive(&mut hello.unsent());
    std::iter::from_fn(|| reader.receive(&mut bytes))
        .map(|it| it.expect("a good one"))
        .collect()
}
