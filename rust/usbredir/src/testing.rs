// SPDX-License-Identifier: GPL-2.0-or-later
//! What the fuzz target runs, and a test with its seeds.

use crate::{Caps, Connection, Limits, Packet, Role};

/// Lets a connection read what a peer has sent, in pieces; the first four bytes of `input` choose
/// the side, the capabilities, and where it is cut.
///
/// What comes is sent by a connection of the other side and must come again.
///
/// # Panics
///
/// It doesn't, or more memory is used than is allowed.
pub fn exercise(input: &[u8]) {
    let Some((&[side, caps, cut, small], mut bytes)) = input.split_first_chunk() else {
        return;
    };
    let role = if side & 1 == 0 {
        Role::Host
    } else {
        Role::Guest
    };
    let caps = Caps::from_bits(caps.into());
    let limits = match small & 1 {
        0 => Limits::default(),
        _ => Limits {
            packet: 300,
            unsent: 300,
        },
    };
    let mut here = Connection::new(role, "fuzz", caps, limits);
    let mut there = Connection::new(role.peer(), "fuzz", Caps::ALL, Limits::default());
    let mut back = Connection::new(role, "fuzz", caps, Limits::default());
    connect(&mut there, &mut back);
    while !bytes.is_empty() {
        let (mut piece, rest) = bytes.split_at(bytes.len().min(1 + usize::from(cut)));
        bytes = rest;
        while !piece.is_empty() {
            let before = piece.len();
            let answer = here.receive(&mut piece);
            assert!(answer.is_some() || piece.is_empty());
            assert!(piece.len() < before || answer.is_some());
            assert!(here.memory() <= limits.packet.max(64) * 2 + (1 << 17));
            let Some(Ok(received)) = answer else {
                continue;
            };
            // With other capabilities there, it may not be one that can be sent.
            if here.common() != back.common() || matches!(received.packet, Packet::Hello { .. }) {
                continue;
            }
            there
                .send(received.id, &received.packet)
                .expect("a packet that came");
            let again = transfer(&mut there, &mut back);
            assert_eq!(again, [Ok(received)]);
        }
    }
}

/// Lets two sides say hello to each other.
pub fn connect(one: &mut Connection, other: &mut Connection) {
    let hellos = [transfer(one, other), transfer(other, one)].concat();
    assert!(hellos.iter().all(Result::is_ok), "{hellos:?}");
}

/// Moves all that one side has to send to the other.
pub fn transfer(
    from: &mut Connection,
    to: &mut Connection,
) -> Vec<Result<crate::Received, crate::Refusal>> {
    let mut bytes = from.unsent();
    let mut answers = Vec::new();
    while let Some(answer) = to.receive(&mut bytes) {
        answers.push(answer);
    }
    let count = from.unsent().len();
    from.sent(count);
    answers
}

impl Connection {
    /// How many bytes of memory it holds for packets that come.
    pub fn memory(&self) -> usize {
        self.received_capacity()
    }
}

/// Tests of a fuzz target: its seeds in `fuzz/seeds/` of the crate, of which there are some, and
/// inputs near them. The crate that uses it has proptest.
#[macro_export]
macro_rules! seed_tests {
    ($target:literal, $least:literal, $exercise:path) => {
        fn seeds() -> Vec<Vec<u8>> {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/", $target);
            std::fs::read_dir(folder)
                .expect("the seeds' folder")
                .map(|entry| std::fs::read(entry.expect("a seed").path()).expect("a seed"))
                .collect()
        }

        #[test]
        fn the_seeds() {
            let seeds = seeds();
            assert!(seeds.len() >= $least, "{} seeds", seeds.len());
            seeds.iter().for_each(|seed| $exercise(seed));
        }

        proptest::proptest! {
            #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

            /// Inputs of the fuzz target that are near a seed.
            #[test]
            fn damaged_seeds(
                which in proptest::prelude::any::<proptest::sample::Index>(),
                damage in proptest::collection::vec(
                    (
                        proptest::prelude::any::<proptest::sample::Index>(),
                        proptest::prelude::any::<u8>(),
                    ),
                    0..12,
                ),
                tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            ) {
                let seeds = seeds();
                let mut input = seeds[which.index(seeds.len())].clone();
                for (at, byte) in damage {
                    let at = at.index(input.len());
                    input[at] = byte;
                }
                input.extend(tail);
                $exercise(&input);
            }
        }
    };
}
