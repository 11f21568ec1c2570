// SPDX-License-Identifier: GPL-2.0-or-later
//! Random operations on an image and on a list give the same.

use crate::support::{read_all, step, Model, Object, Step};
use proptest::prelude::*;
use tape_image::driver::Drive;
use tape_image::{Config, Operation, Outcome, Truncation};

const PART: u64 = 13 << 20;

fn config(length: u64, truncation: Truncation, save_index: bool) -> Config {
    Config {
        truncation,
        save_index,
        ..Config::new(length)
    }
}

fn check(steps: &[Step], truncation: Truncation, save_index: bool) -> Result<(), TestCaseError> {
    let empty = match truncation {
        Truncation::Never => {
            let mut part = vec![0x5a; PART as usize];
            part[..4].fill(0xff);
            part
        }
        _ => Vec::new(),
    };
    let load = |mut medium: Vec<u8>| {
        if truncation == Truncation::Sectors {
            medium.resize(medium.len().next_multiple_of(512), 0);
        }
        let length = medium.len() as u64;
        Drive::load(medium, config(length, truncation, save_index)).expect("an image of ours")
    };
    let (mut drive, mut model) = (load(empty), Model::default());
    let mut buffer = vec![0; 1 << 20];
    for step in steps {
        match step {
            Step::Write(data) => {
                prop_assert_eq!(drive.write(data), Ok(Outcome::Done));
                model.add(Object::Record(data.clone()));
            }
            Step::Marks(count) => {
                prop_assert_eq!(drive.run(Operation::WriteMarks(*count)), Ok(Outcome::Done));
                (0..*count).for_each(|_| model.add(Object::Mark));
            }
            Step::Read { limit, reverse } => {
                let outcome = drive
                    .read(&mut buffer[..*limit], *reverse)
                    .expect("undamaged");
                match (model.read(*reverse), outcome) {
                    (Err(end), outcome) => prop_assert_eq!(end, outcome),
                    (Ok(Object::Mark), outcome) => prop_assert_eq!(outcome, Outcome::Mark),
                    (
                        Ok(Object::Record(data)),
                        Outcome::Record {
                            length, bad: false, ..
                        },
                    ) => {
                        prop_assert_eq!(length as usize, data.len());
                        let len = data.len().min(*limit);
                        prop_assert!(buffer[..len] == data[..len], "data differs");
                    }
                    (expected, outcome) => prop_assert!(false, "{expected:?}, {outcome:?}"),
                }
            }
            Step::Do(Operation::Erase) => {
                prop_assert_eq!(drive.run(Operation::Erase), Ok(Outcome::Done));
                model.objects.truncate(model.at);
            }
            Step::Do(operation @ (Operation::Sync | Operation::Unload)) => {
                prop_assert_eq!(drive.run(*operation), Ok(Outcome::Done));
            }
            Step::Do(operation) => {
                let expected = model.motion(*operation);
                prop_assert_eq!(drive.run(*operation), Ok(expected), "{:?}", operation);
            }
            Step::Reload => {
                prop_assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
                drive = load(drive.medium);
                model.at = 0;
            }
        }
        prop_assert_eq!(drive.tape.position(), model.position(), "after {:?}", step);
    }
    prop_assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    prop_assert!(read_all(&mut load(drive.medium)).expect("undamaged") == model.objects);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_image_is_a_list_of_objects(
        steps in prop::collection::vec(step(), 1..40),
        truncation in prop_oneof![
            Just(Truncation::Exact), Just(Truncation::Sectors), Just(Truncation::Never)
        ],
        save_index in any::<bool>(),
    ) {
        check(&steps, truncation, save_index)?;
    }
}
