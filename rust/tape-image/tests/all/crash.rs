// SPDX-License-Identifier: GPL-2.0-or-later
//! A crash between any two writes leaves a readable tape with everything that
//! a sync has acknowledged.

use crate::support::power::{crashed, Coin};

use crate::support::{data, read_all, Change, Logged, Object};
use proptest::prelude::*;
use tape_image::driver::{Drive, Medium};
use tape_image::{Config, Error, Operation, Outcome, Truncation};

/// Bytes of a medium that can't be cut.
const FIXED: usize = 32 << 10;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Marks(u32),
    Locate(usize),
    Erase,
    Sync,
    Unload,
}

fn step(data: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => data.prop_map(Step::Write),
        2 => (1..3u32).prop_map(Step::Marks),
        3 => (0..12usize).prop_map(Step::Locate),
        1 => Just(Step::Erase),
        2 => Just(Step::Sync),
        1 => Just(Step::Unload),
    ]
}

/// What may be on the tape from this length of the log on. They alternate:
/// a step is done, a step is under way.
struct Epoch {
    from: usize,
    acceptable: Vec<Vec<Object>>,
}

/// A blank medium.
fn blank(truncation: Truncation) -> Vec<u8> {
    match truncation {
        Truncation::Never => [vec![0xff; 4], vec![0x5a; FIXED - 4]].concat(),
        _ => Vec::new(),
    }
}

fn load<M: Medium>(medium: M, length: usize, truncation: Truncation) -> Result<Drive<M>, Error> {
    let config = Config {
        truncation,
        ..Config::new(length as u64)
    };
    Drive::load(medium, config)
}

/// Does the steps, and notes what a crash may leave at each point of the log.
fn history(steps: &[Step], truncation: Truncation) -> (Vec<Change>, Vec<Epoch>) {
    let bytes = blank(truncation);
    let length = bytes.len();
    let log = Vec::new();
    let mut drive = load(Logged { bytes, log }, length, truncation).expect("a blank tape");
    // `tape` as the drive has it, `synced` as the last sync left it.
    let (mut tape, mut synced) = (Vec::new(), Vec::new());
    let mut at = 0;
    let mut epochs = vec![Epoch {
        from: 0,
        acceptable: vec![Vec::new()],
    }];
    for step in steps {
        let from = drive.medium.log.len();
        let begun = drive.tape.position().object as usize;
        match step {
            Step::Write(data) => {
                assert_eq!(drive.write(data), Ok(Outcome::Done));
                tape.truncate(at);
                tape.push(Object::Record(data.clone()));
            }
            Step::Marks(count) => {
                assert_eq!(drive.run(Operation::WriteMarks(*count)), Ok(Outcome::Done));
                tape.truncate(at);
                tape.extend((0..*count).map(|_| Object::Mark));
            }
            Step::Locate(object) => drop(drive.run(Operation::Locate(*object as u64)).unwrap()),
            Step::Erase => {
                assert_eq!(drive.run(Operation::Erase), Ok(Outcome::Done));
                tape.truncate(at);
            }
            Step::Sync => assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done)),
            Step::Unload => assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done)),
        }
        at = drive.tape.position().object as usize;
        // In the middle of a step: as synced, cut where writing begins, or as
        // the next sync will have it.
        let mut cut: Vec<Object> = synced.clone();
        let writes = matches!(step, Step::Write(_) | Step::Marks(_) | Step::Erase);
        if writes {
            cut.truncate(begun);
        }
        epochs.push(Epoch {
            from,
            acceptable: vec![synced.clone(), cut.clone(), tape.clone()],
        });
        synced = if drive.tape.is_dirty() {
            cut
        } else {
            tape.clone()
        };
        let from = drive.medium.log.len();
        epochs.push(Epoch {
            from,
            acceptable: vec![synced.clone()],
        });
    }
    (drive.medium.log, epochs)
}

fn check(steps: &[Step], truncation: Truncation, seed: u64) -> Result<(), TestCaseError> {
    let (log, epochs) = history(steps, truncation);
    let before = blank(truncation);
    let mut coin = Coin(seed | 1);
    for length in 0..=log.len() {
        // What held when the last step was done, and the step under way.
        let done = (0..epochs.len())
            .step_by(2)
            .rev()
            .find(|e| epochs[*e].from <= length);
        let done = done.expect("the first begins at 0");
        let under_way = epochs.get(done + 1).filter(|e| e.from < length);
        let mut acceptable: Vec<_> = epochs[done].acceptable.iter().collect();
        acceptable.extend(under_way.iter().flat_map(|e| &e.acceptable));
        for variant in 0..4 {
            let mut medium = crashed(&before, &log[..length], || match variant {
                0 => true,
                1 => false,
                _ => coin.toss(),
            });
            if truncation == Truncation::Sectors {
                medium.resize(medium.len().next_multiple_of(512), 0);
            }
            let size = medium.len();
            let drive = load(medium, size, truncation);
            let mut drive = drive.map_err(|e| TestCaseError::fail(format!("{length}: {e}")))?;
            let left = read_all(&mut drive);
            let left = left.map_err(|e| TestCaseError::fail(format!("{length}: {e}")))?;
            prop_assert!(
                acceptable.contains(&&left),
                "after {} of {} changes, {} objects are left",
                length,
                log.len(),
                left.len()
            );
        }
    }
    Ok(())
}

const TRUNCATIONS: [Truncation; 3] = [Truncation::Exact, Truncation::Sectors, Truncation::Never];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_prefix_of_the_log_is_a_good_tape(
        steps in prop::collection::vec(step(data()), 1..14), seed: u64,
    ) {
        check(&steps, Truncation::Exact, seed)?;
    }

    /// Even lengths around that of a sector: much lies across boundaries.
    #[test]
    fn however_the_medium_can_be_cut(
        steps in prop::collection::vec(step(short()), 1..30), seed: u64,
    ) {
        for truncation in TRUNCATIONS {
            check(&steps, truncation, seed)?;
        }
    }
}

fn short() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        Just(494usize),
        Just(502),
        Just(498),
        1..9usize,
        400..600usize
    ];
    (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length])
}

/// Two-byte records put the write position at 510 of a sector.
#[test]
fn a_commit_across_a_sector_boundary() {
    let mut steps: Vec<_> = (0..51).map(|_| Step::Write(vec![1, 2])).collect();
    steps.extend([Step::Sync, Step::Write(vec![9; 700]), Step::Sync]);
    steps.extend([
        Step::Locate(51),
        Step::Write(vec![8; 30]),
        Step::Marks(1),
        Step::Unload,
        Step::Locate(51),
        Step::Erase,
    ]);
    // Here, a record lies where an end marker has to be.
    steps.extend((0..20).map(|_| Step::Write(vec![3, 4])));
    steps.extend([Step::Locate(40), Step::Write(vec![5, 6])]);
    steps.extend((0..20).map(|_| Step::Write(vec![7, 8])));
    steps.extend([Step::Unload, Step::Locate(51), Step::Write(vec![9; 20])]);
    steps.extend([Step::Sync, Step::Locate(51), Step::Erase]);
    for truncation in TRUNCATIONS {
        for seed in 0..20 {
            check(&steps, truncation, seed * 0x9e37_79b9).expect("readable");
        }
    }
}
