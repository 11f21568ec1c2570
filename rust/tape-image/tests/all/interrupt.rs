// SPDX-License-Identifier: GPL-2.0-or-later
//! Interrupting an operation at each of its steps.

use crate::support::{read_all, Object};
use tape_image::driver::{carry_out, Data, Drive};
use tape_image::{Config, Error, Operation, Outcome, Position, Tape};

/// Bytes of the largest record.
const LIMIT: usize = 90_000;

/// Starts an operation and interrupts it when `steps` requests are done.
/// `None` if it came to its end before.
fn interrupted(
    tape: &mut Tape,
    medium: &mut Vec<u8>,
    operation: Operation,
    steps: usize,
) -> Option<Result<Outcome, Error>> {
    let mut data = vec![3; LIMIT];
    let mut data = match operation {
        Operation::Write { length } => Data::Out(&data[..length]),
        _ => Data::In(&mut data),
    };
    tape.start(operation);
    let mut done = 0;
    loop {
        if done == steps {
            tape.interrupt();
        }
        match tape.poll_request() {
            Some(request) => tape.handle(carry_out(request, medium, &mut data)),
            None => {
                let outcome = tape.poll_outcome().expect("no request, so an outcome");
                return (done >= steps).then_some(outcome);
            }
        }
        done += 1;
    }
}

/// 60 records of 5000 bytes in two files, and a large record.
fn image(save_index: bool) -> Vec<u8> {
    let config = Config {
        save_index,
        ..Config::new(0)
    };
    let mut drive = Drive::load(Vec::new(), config).expect("blank");
    for number in 0..60u32 {
        assert_eq!(drive.write(&[number as u8; 5000]), Ok(Outcome::Done));
        if number % 30 == 29 {
            assert_eq!(drive.run(Operation::WriteMarks(1)), Ok(Outcome::Done));
        }
    }
    assert_eq!(drive.write(&[9; LIMIT]), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    drive.medium
}

fn load(image: &[u8]) -> Drive<Vec<u8>> {
    Drive::load(image.to_vec(), Config::new(image.len() as u64)).expect("a tape")
}

#[test]
fn a_load_can_be_interrupted_and_started_again() {
    for save_index in [false, true] {
        let mut image = image(save_index);
        let mut tape = Tape::new(Config::new(image.len() as u64));
        let mut steps = 0;
        while let Some(outcome) = interrupted(&mut tape, &mut image, Operation::Load, steps) {
            if outcome == Ok(Outcome::Done) {
                break;
            }
            assert_eq!(outcome, Err(Error::Interrupted));
            tape.start(Operation::Rewind);
            assert_eq!(tape.poll_outcome(), Some(Err(Error::NotLoaded)));
            steps += 1;
        }
        assert!(steps >= 2, "interrupted {steps} times");
        let mut drive = Drive {
            tape,
            medium: image,
        };
        assert_eq!(drive.run(Operation::Load), Ok(Outcome::Done));
        assert_eq!(read_all(&mut drive).expect("readable").len(), 63);
    }
}

#[test]
fn reads_and_motions_leave_the_position() {
    let operations = [
        Operation::Read { limit: LIMIT },
        Operation::ReadReverse { limit: LIMIT },
        Operation::SpaceRecords(22),
        Operation::SpaceMarks(2),
        Operation::SpaceSequentialMarks(2),
        Operation::SpaceEnd,
        Operation::Locate(59),
        Operation::LocateMark(2),
    ];
    let plain = image(false);
    let mut interruptions = 0;
    for operation in operations {
        for steps in 0.. {
            let mut drive = load(&plain);
            let _: Outcome = drive.run(Operation::Locate(7)).expect("there");
            let here = drive.tape.position();
            let known = drive.tape.index().end();
            let Drive { tape, medium } = &mut drive;
            match interrupted(tape, medium, operation, steps) {
                Some(Err(error)) => {
                    assert_eq!(error, Error::Interrupted);
                    assert_eq!(drive.tape.position(), here, "{operation:?}");
                    assert!(drive.tape.index().end().offset >= known.offset);
                    interruptions += 1;
                    // It can be done now, or something else.
                    let mut other = load(&plain);
                    let _: Outcome = other.run(Operation::Locate(7)).expect("there");
                    let mut data = [vec![0; LIMIT], vec![0; LIMIT]];
                    for (drive, data) in [&mut drive, &mut other].into_iter().zip(&mut data) {
                        let reverse = matches!(operation, Operation::ReadReverse { .. });
                        let _: Outcome = match operation {
                            Operation::Read { .. } | Operation::ReadReverse { .. } => {
                                drive.read(data, reverse)
                            }
                            motion => drive.run(motion),
                        }
                        .expect("undamaged");
                    }
                    assert!(data[0] == data[1]);
                    assert_eq!(drive.tape.position(), other.tape.position());
                    assert_eq!(read_all(&mut drive).expect("readable").len(), 63);
                }
                Some(Ok(_)) | None => break,
            }
        }
    }
    assert!(interruptions > 10, "{interruptions}");
}

#[test]
fn what_changes_the_tape_goes_on() {
    let changes = [
        Operation::Write { length: LIMIT },
        Operation::WriteMarks(3),
        Operation::Erase,
        Operation::Unload,
    ];
    let image = image(true);
    for change in changes {
        for steps in 0..12 {
            let mut drive = load(&image);
            let _: Outcome = drive.run(Operation::Locate(7)).expect("there");
            let Drive { tape, medium } = &mut drive;
            let outcome = interrupted(tape, medium, change, steps);
            assert!(matches!(outcome, None | Some(Ok(Outcome::Done))));
        }
    }
    // A rewind first syncs what was written, to its end.
    for steps in 0..8 {
        let mut drive = load(&[]);
        assert_eq!(drive.write(b"acknowledged"), Ok(Outcome::Done));
        let here = drive.tape.position();
        let Drive { tape, medium } = &mut drive;
        match interrupted(tape, medium, Operation::Rewind, steps) {
            Some(Err(error)) => {
                assert_eq!(error, Error::Interrupted);
                assert_eq!(drive.tape.position(), here);
            }
            _ => assert_eq!(drive.tape.position(), Position::default()),
        }
        assert!(!drive.tape.is_dirty());
        let objects = read_all(&mut load(&drive.medium)).expect("readable");
        assert_eq!(objects, [Object::Record(b"acknowledged".to_vec())]);
    }
}

#[test]
fn an_idle_tape_takes_no_notice() {
    let mut drive = load(&image(true));
    drive.tape.interrupt();
    assert_eq!(drive.run(Operation::SpaceRecords(1)).map(drop), Ok(()));
    assert_eq!(drive.tape.position().object, 1);
}
