// SPDX-License-Identifier: GPL-2.0-or-later
//! A tape as a list, to compare with, and a medium that remembers.

pub mod build;
pub mod power;

use std::io;

use proptest::prelude::*;
use tape_image::driver::{Drive, Medium};
use tape_image::{Error, Operation, Outcome, Position, Stop};

/// An object of the naive tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    Record(Vec<u8>),
    Mark,
}

/// What a test does to a tape.
#[derive(Clone, Debug)]
pub enum Step {
    Write(Vec<u8>),
    Marks(u32),
    Read {
        limit: usize,
        reverse: bool,
    },
    Do(Operation),
    /// Take the tape out and put it in again.
    Reload,
}

/// The naive tape.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub objects: Vec<Object>,
    pub at: usize,
}

impl Model {
    pub fn position(&self) -> Position {
        let marks = self.objects[..self.at]
            .iter()
            .filter(|o| **o == Object::Mark)
            .count();
        Position {
            object: self.at as u64,
            marks: marks as u64,
        }
    }

    pub fn add(&mut self, object: Object) {
        self.objects.truncate(self.at);
        self.objects.push(object);
        self.at += 1;
    }

    /// The next object in a direction, or where there is none.
    pub fn read(&mut self, reverse: bool) -> Result<Object, Outcome> {
        if reverse {
            self.at = self.at.checked_sub(1).ok_or(Outcome::Beginning)?;
            Ok(self.objects[self.at].clone())
        } else {
            let object = self.objects.get(self.at).cloned().ok_or(Outcome::End)?;
            self.at += 1;
            Ok(object)
        }
    }

    /// Moves one object at a time, as a drive does.
    pub fn motion(&mut self, operation: Operation) -> Outcome {
        let moved = |left: u64, stop| Outcome::Moved { left, stop };
        match operation {
            Operation::Rewind => self.at = 0,
            Operation::SpaceEnd => self.at = self.objects.len(),
            Operation::Locate(object) => {
                let end = self.objects.len() as u64;
                self.at = object.min(end) as usize;
                if object > end {
                    return moved(object - end, Stop::End);
                }
            }
            Operation::LocateMark(mark) => {
                self.at = 0;
                return self.motion(Operation::SpaceMarks(mark as i64));
            }
            Operation::SpaceRecords(n) => {
                for done in 0..n.unsigned_abs() {
                    let left = n.unsigned_abs() - done;
                    match self.read(n < 0) {
                        Ok(Object::Mark) => return moved(left, Stop::Mark),
                        Ok(_) => {}
                        Err(end) => return moved(left, edge(end)),
                    }
                }
            }
            Operation::SpaceMarks(n) => {
                let mut left = n.unsigned_abs();
                while left > 0 {
                    match self.read(n < 0) {
                        Ok(Object::Mark) => left -= 1,
                        Ok(_) => {}
                        Err(end) => return moved(left, edge(end)),
                    }
                }
            }
            Operation::SpaceSequentialMarks(n) => {
                let count = n.unsigned_abs();
                let mut run = 0;
                while run < count {
                    match self.read(n < 0) {
                        Ok(Object::Mark) => run += 1,
                        Ok(_) => run = 0,
                        Err(end) => return moved(count, edge(end)),
                    }
                }
            }
            other => panic!("{other:?} isn't a motion"),
        }
        moved(0, Stop::Done)
    }
}

fn edge(outcome: Outcome) -> Stop {
    if outcome == Outcome::Beginning {
        Stop::Beginning
    } else {
        Stop::End
    }
}

/// Random data whose length is small, odd, large or at a limit of the code.
pub fn data() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        4 => 1..100usize,
        2 => Just(2), // keeps objects at odd multiples of 2
        2 => 400..1500usize,
        1 => 65_530..65_545usize,
        1 => 100_000..300_000usize,
    ];
    (length, any::<u8>()).prop_map(|(length, seed)| {
        (0..length)
            .map(|i| seed.wrapping_add(((i * 31) >> 3) as u8))
            .collect()
    })
}

pub fn step() -> impl Strategy<Value = Step> {
    let limit = prop_oneof![3 => Just(1 << 20), 1 => 0..200usize, 1 => 60_000..70_000usize];
    prop_oneof![
        8 => data().prop_map(Step::Write),
        3 => (0..4u32).prop_map(Step::Marks),
        6 => (limit, any::<bool>()).prop_map(|(limit, reverse)| Step::Read { limit, reverse }),
        2 => (-6..7i64).prop_map(|n| Step::Do(Operation::SpaceRecords(n))),
        2 => (-4..5i64).prop_map(|n| Step::Do(Operation::SpaceMarks(n))),
        1 => (-3..4i64).prop_map(|n| Step::Do(Operation::SpaceSequentialMarks(n))),
        2 => (0..30u64).prop_map(|n| Step::Do(Operation::Locate(n))),
        1 => (0..6u64).prop_map(|n| Step::Do(Operation::LocateMark(n))),
        1 => Just(Step::Do(Operation::SpaceEnd)),
        1 => Just(Step::Do(Operation::Rewind)),
        1 => Just(Step::Do(Operation::Sync)),
        1 => Just(Step::Do(Operation::Unload)),
        1 => Just(Step::Do(Operation::Erase)),
        1 => Just(Step::Reload),
    ]
}

/// Reads everything from the beginning; an error ends it.
pub fn read_all<M: Medium>(drive: &mut Drive<M>) -> Result<Vec<Object>, Error> {
    let mut data = vec![0; 1 << 20];
    let mut objects = Vec::new();
    let _: Outcome = drive.run(Operation::Rewind)?;
    loop {
        match drive.read(&mut data, false)? {
            Outcome::Record { length, .. } => {
                objects.push(Object::Record(data[..length as usize].to_vec()));
            }
            Outcome::Mark => objects.push(Object::Mark),
            _ => return Ok(objects),
        }
    }
}

/// A change to a medium.
#[derive(Clone, Debug)]
pub enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Flush,
}

/// A medium that keeps a log of its changes.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    pub bytes: Vec<u8>,
    pub log: Vec<Change>,
}

impl Medium for Logged {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.bytes.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.log.push(Change::Write(offset, data.to_vec()));
        self.bytes.write_at(offset, data)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.log.push(Change::Flush);
        Ok(())
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.log.push(Change::Truncate(length));
        Medium::truncate(&mut self.bytes, length)
    }
}
