// SPDX-License-Identifier: GPL-2.0-or-later
//! The index beside a list of steps.

use proptest::prelude::*;
use tape_image::index::{extent, Index, Kind, Totals};
use tape_image::Format;

const START: u64 = 64;

/// The totals before each step, and behind the last.
fn totals(steps: &[(Kind, u32)]) -> Vec<Totals> {
    let mut at = Totals {
        offset: START,
        ..Totals::default()
    };
    let mut all = vec![at];
    for &(kind, len) in steps {
        at.offset += extent(Format::Simh, kind, len);
        at.objects += u64::from(kind != Kind::Skip);
        at.marks += u64::from(kind == Kind::Mark);
        all.push(at);
    }
    all
}

fn index_of(steps: &[(Kind, u32)]) -> Index {
    let mut index = Index::new(Format::Simh, START);
    steps
        .iter()
        .for_each(|&(kind, len)| index.append(kind, len));
    index
}

fn check(index: &Index, steps: &[(Kind, u32)]) -> Result<(), TestCaseError> {
    let totals = totals(steps);
    prop_assert_eq!(index.end(), totals[steps.len()]);
    for (number, &(kind, len)) in steps.iter().enumerate() {
        let at = totals[number];
        if kind == Kind::Skip {
            continue;
        }
        let found = index.find(at.objects).expect("it was added");
        prop_assert_eq!((found.at, found.kind, found.len), (at, kind, len));
        prop_assert_eq!(found.end, totals[number + 1].offset);
        prop_assert_eq!(index.place(at.objects + 1), totals[number + 1]);
        if kind == Kind::Mark {
            prop_assert_eq!(index.find_mark(at.marks), Some(at.objects));
        }
    }
    prop_assert_eq!(index.find(index.end().objects), None);
    prop_assert_eq!(index.find_mark(index.end().marks), None);
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<(Kind, u32)>> {
    let step = prop_oneof![
        (1..5u32).prop_map(|len| (Kind::Record, len * 1000)),
        (1..0x1000_0000u32).prop_map(|len| (Kind::Record, len)),
        (0..3u32).prop_map(|len| (Kind::Bad, len)),
        Just((Kind::Mark, 0)),
        (1..3u32).prop_map(|len| (Kind::Skip, len * 2)),
    ];
    let run = (step, 1..5usize).prop_map(|(step, count)| vec![step; count]);
    prop::collection::vec(run, 0..150).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_index_is_a_list_of_steps(before in steps(), after in steps(), keep: prop::sample::Index) {
        let mut index = index_of(&before);
        check(&index, &before)?;

        let objects = index.end().objects;
        let keep = keep.index(objects as usize + 1) as u64;
        index.truncate(keep);
        // What is left ends with object keep - 1.
        let totals = totals(&before);
        let left = totals.iter().position(|t| t.objects == keep).expect("counted up to it");
        let mut steps = before[..left].to_vec();
        if keep == 0 {
            steps.clear();
        }
        check(&index, &steps)?;

        after.iter().for_each(|&(kind, len)| index.append(kind, len));
        steps.extend(&after);
        check(&index, &steps)?;

        let bytes = index.to_bytes();
        let back = Index::from_bytes(Format::Simh, START, &bytes, index.end());
        check(&back.expect("own bytes"), &steps)?;
    }

    #[test]
    fn hostile_bytes_make_no_index_or_a_sound_one(
        bytes in prop::collection::vec(any::<u8>(), 0..40), offset: u64,
    ) {
        let end = Totals { objects: 3, marks: 1, offset };
        if let Some(index) = Index::from_bytes(Format::Simh, START, &bytes, end) {
            prop_assert_eq!(index.end(), end);
            prop_assert!(index.find(2).is_some());
        }
    }
}

#[test]
fn equal_records_take_no_memory() {
    let mut index = Index::new(Format::Simh, 0);
    (0..1_000_000).for_each(|_| index.append(Kind::Record, 10_240));
    index.append(Kind::Mark, 0);
    assert!(index.memory() < 200, "{} bytes", index.memory());
    assert_eq!(index.find_mark(0), Some(1_000_000));
    assert_eq!(
        index.find(999_999).expect("known").at.offset,
        999_999 * 10_248
    );
}
