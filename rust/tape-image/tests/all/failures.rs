// SPDX-License-Identifier: GPL-2.0-or-later
//! A medium that fails for good leaves the tape at its last sync, and says so.

use std::io;

use crate::support::{read_all, Object};
use tape_image::driver::{Drive, Medium};
use tape_image::{Config, Error, IoError, Operation, Outcome, Truncation};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Fails from its `left`th change on, until it's mended.
struct Faulty {
    bytes: Vec<u8>,
    left: usize,
}

impl Faulty {
    fn change(&mut self) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(io::Error::from_raw_os_error(ENOSPC))?;
        Ok(())
    }
}

impl Medium for Faulty {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.bytes.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change()?;
        self.bytes.write_at(offset, data)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.change()
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.change()?;
        Medium::truncate(&mut self.bytes, length)
    }
}

fn record(number: u8, length: usize) -> Object {
    Object::Record(vec![number; length])
}

/// Two records synced, then more in mid-tape, with the `fault`th change failing.
fn with_fault(fault: usize, length: usize) -> bool {
    let medium = Faulty {
        bytes: Vec::new(),
        left: usize::MAX,
    };
    let mut drive = Drive::load(medium, Config::new(0)).expect("blank");
    for number in 0..3 {
        assert_eq!(drive.write(&vec![number; length]), Ok(Outcome::Done));
    }
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    let _: Outcome = drive.run(Operation::Locate(2)).expect("there");
    drive.medium.left = fault;
    let mut failed = false;
    for number in 7..9 {
        match drive.write(&vec![number; length]) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Done),
            Err(error) => {
                assert!(
                    matches!(
                        error,
                        Error::Write {
                            error: IoError(ENOSPC),
                            ..
                        }
                    ),
                    "{error}"
                );
                failed = true;
                break;
            }
        }
    }
    if !failed {
        match drive.run(Operation::Sync) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Done),
            Err(error) => {
                assert_eq!(
                    error,
                    Error::Write {
                        error: IoError(ENOSPC),
                        lost: 2
                    }
                );
                failed = true;
            }
        }
    }
    drive.medium.left = usize::MAX;
    let left = read_all(&mut drive).expect("readable");
    if failed {
        // The word that commits, or what replaces object 2, may be there.
        let kept = [record(0, length), record(1, length)];
        assert_eq!(left[..2], kept, "fault {fault}");
    } else {
        assert_eq!(left.len(), 4);
    }
    // It can be written again, and is what it says after a reload.
    let _: Outcome = drive.run(Operation::Locate(2)).expect("there");
    assert_eq!(drive.write(b"again"), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    let bytes = drive.medium.bytes;
    let mut drive = Drive::load(bytes.clone(), Config::new(bytes.len() as u64)).expect("a tape");
    let expected = [
        record(0, length),
        record(1, length),
        Object::Record(b"again".to_vec()),
    ];
    assert_eq!(read_all(&mut drive).expect("readable"), expected);
    failed
}

#[test]
fn any_change_may_fail() {
    for length in [10, 100_000] {
        let faults = (0..).take_while(|fault| with_fault(*fault, length)).count();
        assert!(faults >= 7, "{faults} changes");
    }
}

#[test]
fn a_full_tape_takes_nothing_and_loses_nothing() {
    let config = Config {
        capacity: Some(100),
        ..Config::new(0)
    };
    let mut drive = Drive::load(Vec::new(), config).expect("blank");
    assert_eq!(drive.write(&[1; 80]), Ok(Outcome::Done));
    assert_eq!(drive.write(&[2; 5]), Ok(Outcome::Full { left: 1 }));
    assert_eq!(
        drive.run(Operation::WriteMarks(5)),
        Ok(Outcome::Full { left: 2 })
    );
    assert_eq!(drive.tape.position().object, 4);
    let objects = [vec![record(1, 80)], vec![Object::Mark; 3]].concat();
    assert_eq!(read_all(&mut drive), Ok(objects));
    assert_eq!(drive.tape.used(), 100);
}

#[test]
fn a_protected_tape_stays_as_it_is() {
    let mut drive = Drive::load(Vec::new(), Config::new(0)).expect("blank");
    assert_eq!(drive.write(b"ab"), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done));
    let image = drive.medium;
    let config = Config {
        read_only: true,
        ..Config::new(image.len() as u64)
    };
    let mut drive = Drive::load(image.clone(), config).expect("a tape");
    for operation in [Operation::WriteMarks(1), Operation::Erase] {
        assert_eq!(drive.run(operation), Err(Error::ReadOnly));
    }
    assert_eq!(drive.write(b"cd"), Err(Error::ReadOnly));
    assert_eq!(read_all(&mut drive).map(|objects| objects.len()), Ok(1));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    assert_eq!(drive.medium, image);
}

/// What another tool filled to the brim, without a marker.
#[test]
fn nothing_is_written_behind_a_fixed_medium() {
    let config = Config {
        truncation: Truncation::Never,
        ..Config::new(4096)
    };
    let mut drive = Drive::load(vec![0; 4096], config).expect("1024 marks");
    let _: Outcome = drive.run(Operation::SpaceEnd).expect("readable");
    assert_eq!(drive.tape.position().object, 1024);
    assert_eq!(drive.run(Operation::Erase), Ok(Outcome::Done));
    for object in [1024, 1023] {
        let _: Outcome = drive.run(Operation::Locate(object)).expect("there");
        let full = Ok(Outcome::Full { left: 1 });
        assert_eq!(drive.run(Operation::WriteMarks(1)), full);
        assert_eq!(drive.write(b"a"), full);
        assert_eq!(drive.medium, vec![0; 4096]);
    }
    assert_eq!(drive.run(Operation::Erase), Ok(Outcome::Done));
    assert_eq!(read_all(&mut drive).expect("readable").len(), 1023);
    assert_eq!(drive.medium[4092..], [0xff; 4]);
    assert_eq!(drive.medium.len(), 4096);
}

/// Can't read one byte.
struct Scratched {
    bytes: Vec<u8>,
    scratch: u64,
}

impl Medium for Scratched {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = offset + buf.len() as u64;
        if (offset..end).contains(&self.scratch) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.bytes.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.bytes.write_at(offset, data)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Medium::truncate(&mut self.bytes, length)
    }
}

/// Reading ahead meets a place that can't be read, far from what is asked for.
#[test]
fn only_the_record_that_cannot_be_read_is_lost() {
    for length in [100, 3000, 70_000, 150_000] {
        let mut whole = Drive::load(Vec::new(), Config::new(0)).expect("blank");
        for number in 0..20 {
            assert_eq!(whole.write(&vec![number; length]), Ok(Outcome::Done));
        }
        assert_eq!(whole.run(Operation::Sync), Ok(Outcome::Done));
        let bytes = whole.medium;
        // Record 10 has it, in its middle.
        let scratch = 10 * (length as u64 + 8) + 4 + length as u64 / 2;
        let config = Config::new(bytes.len() as u64);
        let mut drive = Drive::load(Scratched { bytes, scratch }, config).expect("a tape");
        let mut data = vec![0; length];
        for number in 0..20 {
            let result = drive.read(&mut data, false);
            if number == 10 {
                assert!(matches!(result, Err(Error::Read { .. })), "{result:?}");
                let _: Outcome = drive
                    .run(Operation::Locate(11))
                    .expect("its header is fine");
                continue;
            }
            assert!(
                matches!(result, Ok(Outcome::Record { .. })),
                "{number}: {result:?}"
            );
            assert_eq!(data, vec![number; length]);
        }
        for number in (11..20).rev() {
            let result = drive.read(&mut data, true);
            assert!(
                matches!(result, Ok(Outcome::Record { .. })),
                "{number}: {result:?}"
            );
            assert_eq!(data, vec![number; length]);
        }
        let result = drive.read(&mut data, true);
        assert!(matches!(result, Err(Error::Read { .. })), "{result:?}");
    }
}
