// SPDX-License-Identifier: GPL-2.0-or-later
//! What reached the medium before a write failed stays on the tape.

use std::io;

use crate::support::power::{crashed, Coin};
use crate::support::{read_all, Logged, Object};
use proptest::prelude::*;
use tape_image::driver::{carry_out, Data, Drive, Medium};
use tape_image::stage::STAGE_LEN;
use tape_image::{Completion, Config, Error, Io, IoError, Operation, Outcome, Request, Tape};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Has room for so many bytes, and fails now and then besides.
#[derive(Clone, Debug, Default)]
struct Faulty {
    medium: Logged,
    room: usize,
    /// How many more changes succeed before each failure, the next one last.
    good: Vec<usize>,
}

impl Faulty {
    fn with_room(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    fn change(&mut self) -> io::Result<()> {
        match self.good.last_mut() {
            Some(0) => {
                self.good.pop();
                Err(io::Error::from_raw_os_error(EIO))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Medium for Faulty {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.medium.read_at(offset, buf)
    }

    /// What fails has been written in part, to the end of a sector.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let fits = self.room.saturating_sub(offset as usize).min(data.len());
        let result = self.change();
        let half = (offset as usize + data.len() / 2) / 512 * 512;
        let part = match &result {
            Ok(()) => fits,
            Err(_) => half.saturating_sub(offset as usize).min(fits),
        };
        if part > 0 {
            self.medium.write_at(offset, &data[..part])?;
        }
        result?;
        match fits == data.len() {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(ENOSPC)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.change()?;
        self.medium.flush()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.change()?;
        Medium::truncate(&mut self.medium, length)
    }
}

fn record(number: usize, length: usize) -> Object {
    Object::Record(vec![number as u8; length])
}

/// Writes records until the medium is full; what the failure says is lost.
fn fill(drive: &mut Drive<Faulty>, length: usize) -> (usize, u64) {
    for number in 0.. {
        let Object::Record(data) = record(number, length) else {
            unreachable!()
        };
        match drive.write(&data) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Done),
            Err(Error::Write { error, lost }) => {
                assert_eq!(error, IoError(ENOSPC));
                return (number, lost);
            }
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!()
}

#[test]
fn a_full_medium_keeps_what_it_has() {
    const ROOM: usize = 3 << 20;
    // Of 65,528 bytes, one ends where the room does.
    for length in [100, 10_240, 65_528, 65_536, 300_001] {
        let mut drive = Drive::load(Faulty::with_room(ROOM), Config::new(0)).expect("blank");
        let (accepted, lost) = fill(&mut drive, length);
        let kept = accepted - lost as usize;
        assert_eq!(drive.tape.position().object, kept as u64);
        let used = kept * (length + 8);
        // One write is lost, or a record.
        let least = ROOM - STAGE_LEN.max(length + 8) - (64 << 10) - length - 8;
        assert!(used >= least, "{length}: only {used} of {ROOM} are kept");
        assert!(!drive.tape.is_dirty(), "it is committed");
        let left = drive.medium.medium.bytes.clone();
        let mut reloaded = Drive::load(left.clone(), Config::new(left.len() as u64)).unwrap();
        for tape in [
            read_all(&mut reloaded).expect("readable"),
            read_all(&mut drive).expect("readable"),
        ] {
            let expected: Vec<_> = (0..kept).map(|number| record(number, length)).collect();
            assert!(tape == expected, "{length}: {} of {kept}", tape.len());
        }
        // There is room for a mark, which ends it.
        assert_eq!(drive.run(Operation::WriteMarks(1)), Ok(Outcome::Done));
        assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done));
        assert_eq!(read_all(&mut drive).expect("readable").len(), kept + 1);
    }
}

/// A power failure while the rest is being saved: it is there, or the tape is
/// as the last sync left it.
#[test]
fn a_crash_meanwhile_takes_nothing_that_was_synced() {
    const ROOM: usize = 1 << 20;
    let mut drive = Drive::load(Faulty::with_room(ROOM), Config::new(0)).expect("blank");
    let synced = Object::Record(b"synced".to_vec());
    assert_eq!(drive.write(b"synced"), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done));
    let from = drive.medium.medium.log.len();
    let (accepted, lost) = fill(&mut drive, 20_000);
    let kept = accepted - lost as usize;
    assert!(kept > 20, "{kept} of {accepted}");
    let mut all = vec![synced.clone()];
    all.extend((0..kept).map(|number| record(number, 20_000)));
    let log = &drive.medium.medium.log;
    let mut coin = Coin(7);
    for length in from..=log.len() {
        for _ in 0..8 {
            let bytes = crashed(&[], &log[..length], || coin.toss());
            let config = Config::new(bytes.len() as u64);
            let mut drive = Drive::load(bytes, config).expect("a tape");
            let left = read_all(&mut drive).expect("readable");
            let whole = left == all;
            assert!(
                whole || left == [synced.clone()],
                "{length}: {}",
                left.len()
            );
            assert!(whole || length < log.len(), "the failure was reported");
        }
    }
}

/// Writes behind fail in any order.
#[test]
fn the_first_place_that_failed_counts() {
    const LENGTH: usize = 10_000;
    for fails in [[1, 2], [2, 1], [3, 1]] {
        let mut drive = Drive::load(Vec::new(), Config::new(0)).expect("blank");
        let Drive { tape, medium } = &mut drive;
        // Each is some 50 records: nobody carries them out yet.
        let mut behind = Vec::new();
        let mut accepted = 0;
        while behind.len() < 4 {
            tape.start(Operation::Write { length: LENGTH });
            while let Some(request) = tape.poll_request() {
                match request.io {
                    Io::Write { offset, .. } if offset > 4 => behind.push(request),
                    _ => {
                        let data = vec![accepted as u8; LENGTH];
                        tape.handle(carry_out(request, medium, &mut Data::Out(&data)));
                    }
                }
            }
            assert_eq!(tape.poll_outcome(), Some(Ok(Outcome::Done)));
            accepted += 1;
        }
        let from = match behind[*fails.iter().min().unwrap()].io {
            Io::Write { offset, .. } => offset as usize,
            _ => unreachable!(),
        };
        let mut order: Vec<usize> = vec![0];
        order.extend(fails);
        order.extend((1..4).filter(|number| !fails.contains(number)));
        let mut requests: Vec<_> = behind.into_iter().map(Some).collect();
        for number in order {
            let request = requests[number].take().expect("once");
            let id = request.id;
            let mut completion = carry_out(request, medium, &mut Data::None);
            if fails.contains(&number) {
                completion = Completion {
                    id,
                    result: Err(IoError(EIO)),
                    buf: Vec::new(),
                };
            }
            tape.handle(completion);
        }
        let kept = (from - 4) / (LENGTH + 8);
        let lost = (accepted - kept) as u64;
        let error = IoError(EIO);
        assert_eq!(
            drive.run(Operation::Sync),
            Err(Error::Write { error, lost })
        );
        assert_eq!(drive.tape.position().object, kept as u64);
        let expected: Vec<_> = (0..kept).map(|number| record(number, LENGTH)).collect();
        assert!(
            read_all(&mut drive).expect("readable") == expected,
            "{fails:?}"
        );
    }
}

/// Carries out what a tape asks for, in any order; what the tape doesn't wait
/// for may be left.
fn run(
    tape: &mut Tape,
    medium: &mut Faulty,
    operation: Operation,
    data: &[u8],
    (left, coin): (&mut Vec<Request>, &mut Coin),
) -> Result<Outcome, Error> {
    tape.start(operation);
    loop {
        left.extend(std::iter::from_fn(|| tape.poll_request()));
        if let Some(outcome) = tape.poll_outcome() {
            return outcome;
        }
        let mut which = 0;
        while which + 1 < left.len() && coin.toss() {
            which += 1;
        }
        let request = left.remove(which);
        tape.handle(carry_out(request, medium, &mut Data::Out(data)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Marks(u32),
    Sync,
    Back(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![1..600usize, 50_000..200_000usize, Just(65_536)];
    prop_oneof![
        12 => length.prop_map(Step::Write),
        2 => (1..4u32).prop_map(Step::Marks),
        1 => Just(Step::Sync),
        1 => (0..3u64).prop_map(Step::Back),
    ]
}

/// The steps, with failures; the tape is what the reports leave of the objects.
fn check(steps: &[Step], medium: Faulty, seed: u64) -> Result<(), TestCaseError> {
    let mut medium = medium;
    let (mut left, mut coin) = (Vec::new(), Coin(seed | 1));
    let mut tape = Tape::new(Config::new(0));
    let faults = std::mem::take(&mut medium.good);
    let loaded = run(
        &mut tape,
        &mut medium,
        Operation::Load,
        &[],
        (&mut left, &mut coin),
    );
    prop_assert!(loaded.is_ok());
    medium.good = faults;
    // What is on the tape, and whether that is all of it.
    let (mut expected, mut whole) = (Vec::new(), true);
    let mut synced = 0;
    for (number, step) in steps.iter().chain([&Step::Sync, &Step::Sync]).enumerate() {
        let at = tape.position().object as usize;
        let (operation, data, objects) = carried_out(step, number, at);
        let how = (&mut left, &mut coin);
        let result = run(&mut tape, &mut medium, operation, &data, how);
        let now = tape.position().object as usize;
        match result {
            Ok(_) if objects.is_empty() => {}
            Ok(_) => {
                expected.truncate(at);
                expected.extend(objects);
                whole = true;
                synced = synced.min(at);
            }
            Err(Error::Write { lost, .. }) => {
                prop_assert!(now >= synced.min(at), "{now} of {synced} synced");
                if at == expected.len() {
                    prop_assert!(now + lost as usize >= at, "{now} and {lost} of {at}");
                }
                if now > at {
                    expected.truncate(at);
                    expected.extend(objects.into_iter().take(now - at));
                }
                expected.truncate(now);
                // What the sync did that failed, nobody knows.
                whole = tape.end().is_some();
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
        if !tape.is_dirty() {
            synced = expected.len();
        }
    }
    let bytes = medium.medium.bytes;
    let config = Config::new(bytes.len() as u64);
    let found = Drive::load(bytes, config).and_then(|mut drive| read_all(&mut drive));
    let found = found.map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert!(found.starts_with(&expected), "{} objects", found.len());
    prop_assert!(
        !whole || found.len() == expected.len(),
        "{} objects",
        found.len()
    );
    Ok(())
}

/// The operation, its data, and what it puts on the tape.
fn carried_out(step: &Step, number: usize, at: usize) -> (Operation, Vec<u8>, Vec<Object>) {
    match *step {
        Step::Write(length) => {
            let data = vec![number as u8; length];
            (
                Operation::Write { length },
                data,
                vec![record(number, length)],
            )
        }
        Step::Marks(count) => {
            let marks = vec![Object::Mark; count as usize];
            (Operation::WriteMarks(count), Vec::new(), marks)
        }
        Step::Sync => (Operation::Sync, Vec::new(), Vec::new()),
        Step::Back(by) => {
            let to = (at as u64).saturating_sub(by);
            (Operation::Locate(to), Vec::new(), Vec::new())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_fails_and_whenever(
        steps in prop::collection::vec(step(), 1..40),
        good in prop::collection::vec(0..20usize, 0..4),
        room in prop_oneof![Just(usize::MAX), (0..8192usize).prop_map(|sectors| sectors * 512)],
        seed: u64,
    ) {
        let medium = Faulty { room, good, ..Faulty::default() };
        check(&steps, medium, seed)?;
    }
}
