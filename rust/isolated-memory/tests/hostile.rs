// SPDX-License-Identifier: GPL-2.0-or-later
//! No back-end ends the process, reads what it wasn't lent, or reaches what wasn't lent to it: the
//! fuzz target's function over random doings, and over those of a back-end that works.

use isolated_memory::testing::exercise;
use proptest::prelude::*;

/// Options but those that leave hardly a request possible, then operations with their operands;
/// so many of a hundred are a bad back-end's.
fn doings(bad: u32) -> impl Strategy<Value = Vec<u8>> {
    let operand = prop::collection::vec(any::<u8>(), 0..8);
    let code = prop_oneof![
        // Guests lend, back-ends answer, and what came back is taken.
        (100 - bad) => prop::sample::select(vec![0, 1, 2, 4, 5, 6, 8, 8, 9, 12, 13, 14]),
        bad => prop::sample::select(vec![10, 11, 15]),
    ];
    let operation = (code, any::<u8>(), operand).prop_map(|(code, high, operand)| {
        let mut bytes = operand;
        bytes.insert(0, code | high & 0xf0);
        bytes
    });
    (any::<u8>(), prop::collection::vec(operation, 0..150))
        .prop_map(|(options, operations)| [vec![options], operations.concat()].concat())
}

#[test]
fn the_seeds() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/queue");
    let mut count = 0;
    for entry in std::fs::read_dir(seeds).expect("the seeds' folder") {
        exercise(&std::fs::read(entry.expect("an entry").path()).expect("a seed"));
        count += 1;
    }
    assert!(count >= 16, "{count} seeds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_doings(input in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&input);
    }

    #[test]
    fn a_back_end_that_works(input in doings(0)) {
        exercise(&input);
    }

    #[test]
    fn a_back_end_that_is_bad_at_times(input in doings(5)) {
        exercise(&input);
    }
}
