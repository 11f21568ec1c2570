// SPDX-License-Identifier: GPL-2.0-or-later
//! Saved states, and lists and states that nobody sane would send.

use super::tests::{drive, list, page, select10, tape};
use super::*;
use crate::state::part;
use proptest::prelude::*;

#[test]
fn state_is_saved_and_restored() {
    let mut pages = drive();
    let mut bytes = page(&pages, None, 0, 0x10, 1);
    bytes[7] = 9;
    pages
        .select(None, &[0x55, 0x11, 0, 0, 0, 0, 0, 0, 40, 0], &list(&bytes))
        .unwrap();
    let restore = |state: &[u8]| part::restore(drive(), ModePages::state, state);
    let mut state = part::save(&pages, ModePages::state);
    let mut other = restore(&state).unwrap();
    assert_eq!(other.early_warning_size(), 9_000_000);
    other.reset();
    assert_eq!(other.early_warning_size(), 9_000_000);
    for length in 0..state.len() {
        assert!(restore(&state[..length]).is_none());
    }
    // Capabilities aren't state.
    state[5] ^= 1;
    assert!(restore(&state).is_none());
}

proptest! {
    #[test]
    fn nothing_panics(
        mut cdb in prop::array::uniform10(any::<u8>()),
        opcode in prop::sample::select(vec![0x15u8, 0x1a, 0x55, 0x5a]),
        data in prop::collection::vec(any::<u8>(), 0..80),
        partitions in 1usize..=16,
    ) {
        cdb[0] = opcode;
        let tape = tape(partitions);
        let mut pages = drive();
        let _ = pages.sense(Some(&tape), &cdb);
        let _ = pages.select(Some(&tape), &cdb, &data);
        let _ = pages.partition_plan(1000);
        let pages = part::restore(pages.clone(), ModePages::state, &data).unwrap_or(pages);
        let _ = pages.sense(Some(&tape), &[0x1a, 0, 0x3f, 0xff, 0, 0]);
    }

    /// A page that is almost right, to get behind the header's checks.
    #[test]
    fn no_page_panics(
        code in 0u8..=0x3f,
        subpage in any::<bool>(),
        contents in prop::collection::vec(any::<u8>(), 0..48),
        partitions in 1usize..=16,
    ) {
        let header = match subpage {
            false => vec![code, contents.len() as u8],
            true => vec![0x40 | code, 1, 0, contents.len() as u8],
        };
        let tape = tape(partitions);
        let mut pages = drive();
        let list = list(&[header, contents].concat());
        let _ = select10(&mut pages, Some(&tape), &list);
        for capacity in [0, 1, 64_000_000, u64::MAX] {
            if let Ok(plan) = pages.partition_plan(capacity) {
                prop_assert!(plan.len() <= partition::PARTITIONS_MAX);
            }
        }
    }
}
