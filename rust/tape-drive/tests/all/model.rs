// SPDX-License-Identifier: GPL-2.0-or-later
//! Random commands to a drive and to a list of objects give the same data,
//! sense, residues and positions.

use crate::support::*;
use proptest::prelude::*;
use tape_drive::driver::Runner;
use tape_drive::{asc, Config, Key, Task};

#[derive(Clone, Debug, PartialEq)]
enum Object {
    Record(Vec<u8>),
    Mark,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    /// So many fixed blocks.
    WriteBlocks(u32, u8),
    Marks(u32),
    Read {
        way: Way,
        sili: bool,
        length: u32,
    },
    ReadBlocks(Way, u32),
    Space(u8, i32),
    Locate(u32),
    LocateMark(u64),
    Rewind,
    Erase,
    BlockLength(u32),
    Buffered(bool),
    Sync,
    /// To another drive, with what was saved or after an unload.
    Move(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Forward,
    Reverse,
    /// VERIFY, with or without data.
    Verify,
}

/// The naive drive.
#[derive(Default)]
struct Model {
    objects: Vec<Object>,
    at: usize,
    block_length: u32,
}

/// What a command says, and its data.
type Said = (Option<Told>, Vec<u8>);

const GOOD: Said = (None, Vec::new());

fn mark(residue: i64) -> Told {
    (Key::NoSense, asc::FILEMARK_DETECTED, "fm", Some(residue))
}

fn end(residue: i64) -> Told {
    (Key::BlankCheck, asc::END_OF_DATA, "", Some(residue))
}

fn beginning(residue: i64) -> Told {
    let code = asc::BEGINNING_OF_PARTITION;
    (Key::NoSense, code, "eom", Some(residue))
}

fn ili(information: i64) -> Told {
    (Key::NoSense, 0, "ili", Some(information))
}

impl Model {
    fn add(&mut self, object: Object) {
        self.objects.truncate(self.at);
        self.objects.push(object);
        self.at += 1;
    }

    /// Passes the next object.
    fn pass(&mut self, reverse: bool) -> Option<Object> {
        if reverse {
            self.at = self.at.checked_sub(1)?;
            return Some(self.objects[self.at].clone());
        }
        let object = self.objects.get(self.at)?.clone();
        self.at += 1;
        Some(object)
    }

    /// READ and the like of `count` blocks of `length`.
    fn read(&mut self, way: Way, fixed: bool, sili: bool, count: u32, length: usize) -> Said {
        let mut data = Vec::new();
        for done in 0..count {
            let residue = match fixed {
                true => i64::from(count - done),
                false => length as i64,
            };
            let reverse = way == Way::Reverse;
            match self.pass(reverse) {
                None if reverse => return (Some(beginning(residue)), data),
                None => return (Some(end(residue)), data),
                Some(Object::Mark) => return (Some(mark(residue)), data),
                Some(Object::Record(record)) => {
                    let information = match fixed {
                        true => residue,
                        false => length as i64 - record.len() as i64,
                    };
                    let mut part = record[..length.min(record.len())].to_vec();
                    if reverse {
                        part.reverse();
                    }
                    let whole = record.len() == length;
                    if way != Way::Verify && (whole || !fixed) {
                        data.extend(part);
                    }
                    let hidden = sili && (record.len() < length || self.block_length == 0);
                    if !whole && !hidden {
                        return (Some(ili(information)), data);
                    }
                }
            }
        }
        (None, data)
    }

    fn space(&mut self, code: u8, count: i32) -> Said {
        let reverse = count < 0;
        let wanted = count.unsigned_abs();
        let mut left = i64::from(wanted);
        let mut row = 0;
        let stopped = |left| if reverse { beginning(left) } else { end(left) };
        while left > 0 {
            match (self.pass(reverse), code) {
                (None, 2) => return (Some(stopped(wanted.into())), vec![]),
                (None, _) => return (Some(stopped(left)), vec![]),
                (Some(Object::Mark), 0) => return (Some(mark(left)), vec![]),
                (Some(Object::Record(_)), 0) | (Some(Object::Mark), 1) => left -= 1,
                (Some(Object::Mark), _) => {
                    row += 1;
                    if row == wanted {
                        break;
                    }
                }
                (Some(Object::Record(_)), _) => row = 0,
            }
        }
        GOOD
    }

    fn marks_before(&self) -> u64 {
        let before = &self.objects[..self.at];
        before.iter().filter(|o| **o == Object::Mark).count() as u64
    }

    fn step(&mut self, step: &Step) -> Said {
        match step {
            Step::Write(data) => self.add(Object::Record(data.clone())),
            Step::WriteBlocks(count, fill) => {
                for _ in 0..*count {
                    self.add(Object::Record(vec![*fill; self.block_length as usize]));
                }
            }
            Step::Marks(count) => (0..*count).for_each(|_| self.add(Object::Mark)),
            Step::Read { way, sili, length } => {
                let count = (*length).min(1);
                let sili = *sili && *way != Way::Verify;
                return self.read(*way, false, sili, count, *length as usize);
            }
            Step::ReadBlocks(way, count) => {
                return self.read(*way, true, false, *count, self.block_length as usize);
            }
            Step::Space(3, _) => self.at = self.objects.len(),
            Step::Space(code, count) => return self.space(*code, *count),
            Step::Locate(object) => {
                let left = i64::from(*object) - self.objects.len() as i64;
                self.at = self.objects.len().min(*object as usize);
                if left > 0 {
                    return (Some(end(left)), vec![]);
                }
            }
            Step::LocateMark(number) => {
                self.at = 0;
                return self.space(1, *number as i32);
            }
            Step::Rewind => self.at = 0,
            Step::Erase => self.objects.truncate(self.at),
            Step::BlockLength(length) => self.block_length = *length,
            Step::Move(saved) => {
                if !saved {
                    self.at = 0;
                    self.block_length = 0;
                }
            }
            Step::Buffered(_) | Step::Sync => {}
        }
        GOOD
    }
}

fn said(drive: &mut Runner<Vec<u8>>, cdb: impl AsRef<[u8]>, out: &[u8]) -> Said {
    let ended = drive.command(cdb.as_ref(), out);
    (ended.done.cause.map(told), ended.data)
}

fn take(drive: &mut Runner<Vec<u8>>, model: &Model, step: &Step) -> Said {
    let opcode = |way: &Way| match way {
        Way::Forward => read,
        Way::Reverse => reverse,
        Way::Verify => verify,
    };
    match step {
        Step::Write(data) => said(drive, write(0, data.len() as u32), data),
        Step::WriteBlocks(count, fill) => {
            let data = vec![*fill; (count * model.block_length) as usize];
            said(drive, write(FIXED, *count), &data)
        }
        Step::Marks(count) => said(drive, marks(*count), &[]),
        Step::Read { way, sili, length } => {
            let sili = *sili && *way != Way::Verify;
            said(
                drive,
                opcode(way)(if sili { SILI } else { 0 }, *length),
                &[],
            )
        }
        Step::ReadBlocks(way, count) => said(drive, opcode(way)(FIXED, *count), &[]),
        Step::Space(code, count) => said(drive, space(*code, *count), &[]),
        Step::Locate(object) => said(drive, locate(*object), &[]),
        Step::LocateMark(mark) => said(drive, long(0x92, 8, 0, *mark, 0), &[]),
        Step::Rewind => said(drive, REWIND, &[]),
        Step::Erase => said(drive, ERASE, &[]),
        Step::BlockLength(length) => {
            drive.set_block_length(*length);
            GOOD
        }
        Step::Buffered(on) => {
            drive.set_buffered(*on);
            GOOD
        }
        Step::Sync => {
            assert_eq!(drive.task(Task::Sync).cause, None);
            assert!(!drive.drive.is_dirty());
            GOOD
        }
        Step::Move(saved) => {
            let task = if *saved { Task::Sync } else { Task::Unload };
            assert_eq!(drive.task(task).cause, None);
            let state = drive.drive.save();
            let medium = std::mem::take(&mut drive.medium);
            *drive = Runner::with(Config::default(), medium);
            if *saved {
                drive.drive.restore(&state).expect("its own state");
            }
            GOOD
        }
    }
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![3 => Just(Way::Forward), 1 => Just(Way::Reverse), 1 => Just(Way::Verify)]
}

fn step() -> impl Strategy<Value = Step> {
    let data = prop_oneof![
        8 => (1..40usize, any::<u8>()),
        2 => (Just(8), any::<u8>()),
        1 => (60_000..70_000usize, any::<u8>()),
    ]
    .prop_map(|(length, seed)| (0..length).map(|i| seed.wrapping_add(i as u8)).collect());
    let length = prop_oneof![6 => 0..40u32, 1 => 50_000..80_000u32];
    prop_oneof![
        6 => data.prop_map(Step::Write),
        3 => (0..5u32, any::<u8>()).prop_map(|(count, fill)| Step::WriteBlocks(count, fill)),
        3 => (0..4u32).prop_map(Step::Marks),
        6 => (way(), any::<bool>(), length)
            .prop_map(|(way, sili, length)| Step::Read { way, sili, length }),
        3 => (way(), 0..6u32).prop_map(|(way, count)| Step::ReadBlocks(way, count)),
        4 => (0..4u8, -6..7i32).prop_map(|(code, count)| Step::Space(code, count)),
        2 => (0..30u32).prop_map(Step::Locate),
        1 => (0..6u64).prop_map(Step::LocateMark),
        1 => Just(Step::Rewind),
        1 => Just(Step::Erase),
        2 => prop_oneof![Just(8u32), 1..30u32, Just(0)].prop_map(Step::BlockLength),
        1 => any::<bool>().prop_map(Step::Buffered),
        1 => Just(Step::Sync),
        1 => any::<bool>().prop_map(Step::Move),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_tape_is_a_list_of_objects(steps in prop::collection::vec(step(), 1..60)) {
        let mut drive = Runner::blank();
        let mut model = Model::default();
        for step in &steps {
            let fixed = matches!(step, Step::WriteBlocks(..) | Step::ReadBlocks(..));
            if fixed && model.block_length == 0 {
                continue;
            }
            let told = take(&mut drive, &model, step);
            let expected = model.step(step);
            prop_assert_eq!(&told.0, &expected.0, "{:?}", step);
            prop_assert!(told.1 == expected.1, "data of {:?}", step);
            let position = drive.ok([0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
            let number = |at: usize| u64::from_be_bytes(position[at..at + 8].try_into().unwrap());
            prop_assert_eq!(number(8), model.at as u64, "after {:?}", step);
            prop_assert_eq!(number(16), model.marks_before());
            prop_assert_eq!(position[0], if model.at == 0 { 0x80 } else { 0 });
        }
    }
}
