// SPDX-License-Identifier: GPL-2.0-or-later
//! Random sequences of commands on a cartridge of several partitions, against
//! a list of lists: what each reads, and where each leaves the tape, also when
//! it fails; over loads, changes of the drive, and migrations.

use crate::support::*;
use proptest::prelude::*;
use tape_drive::driver::Runner;
use tape_drive::{asc, Config, Task};

const PARTITIONS: u8 = 3;

/// A record's bytes; none: a filemark.
type Object = Vec<u8>;

#[derive(Clone, Debug)]
enum Step {
    Locate(u8, u64),
    LocateMark(u8, u64),
    Write(Object),
    /// A 16-byte WRITE, with its address.
    WriteAt(u8, u64, Object),
    Marks(u8),
    Read,
    Reverse,
    Space(u8, i64),
    Erase,
    Rewind,
    Load,
    Unload,
    /// Into another drive.
    Carry,
    Migrate,
    Attribute(u8, Vec<u8>),
    Logs,
}

/// The end of a command: what it met, and what is left.
#[derive(Debug, PartialEq)]
enum Said {
    Good(Vec<u8>),
    Met(u16, i64),
}

fn good() -> Said {
    Said::Good(Vec::new())
}

#[derive(Default)]
struct Model {
    partitions: [Vec<Object>; PARTITIONS as usize],
    attributes: [Vec<u8>; PARTITIONS as usize],
    partition: usize,
    at: usize,
}

impl Model {
    fn objects(&self) -> &[Object] {
        &self.partitions[self.partition]
    }

    fn go_to(&mut self, partition: u8, object: u64) -> Said {
        self.partition = partition.into();
        let end = self.objects().len();
        self.at = end.min(object as usize);
        let left = object - self.at as u64;
        match left {
            0 => good(),
            left => Said::Met(asc::END_OF_DATA, left as i64),
        }
    }

    fn write(&mut self, objects: impl IntoIterator<Item = Object>) -> Said {
        let tape = &mut self.partitions[self.partition];
        let before = self.at;
        let mut objects = objects.into_iter().peekable();
        if objects.peek().is_some() {
            tape.truncate(before);
            tape.extend(objects);
            self.at = tape.len();
        }
        good()
    }

    /// The next object, or the last.
    fn pass(&mut self, back: bool) -> Option<Object> {
        let index = match back {
            true => self.at.checked_sub(1)?,
            false => self.at,
        };
        let object = self.objects().get(index)?.clone();
        self.at = if back { index } else { index + 1 };
        Some(object)
    }

    fn read(&mut self, back: bool) -> Said {
        match self.pass(back) {
            Some(mark) if mark.is_empty() => Said::Met(asc::FILEMARK_DETECTED, 99),
            Some(record) => Said::Good(record),
            None if back => Said::Met(asc::BEGINNING_OF_PARTITION, 99),
            None => Said::Met(asc::END_OF_DATA, 99),
        }
    }

    fn space(&mut self, marks: bool, count: i64) -> Said {
        let mut left = count.abs();
        while left > 0 {
            match self.pass(count < 0) {
                None if count < 0 => return Said::Met(asc::BEGINNING_OF_PARTITION, left),
                None => return Said::Met(asc::END_OF_DATA, left),
                Some(object) if object.is_empty() == marks => left -= 1,
                Some(_) if marks => {}
                Some(_) => return Said::Met(asc::FILEMARK_DETECTED, left),
            }
        }
        good()
    }

    fn step(&mut self, step: &Step) -> Said {
        match step {
            Step::Locate(partition, object) => self.go_to(*partition, *object),
            Step::LocateMark(partition, mark) => {
                (self.partition, self.at) = (usize::from(*partition), 0);
                self.space(true, *mark as i64)
            }
            Step::Write(data) => self.write([data.clone()]),
            Step::WriteAt(partition, object, data) => match self.go_to(*partition, *object) {
                Said::Good(_) => self.write([data.clone()]),
                met => met,
            },
            Step::Marks(count) => self.write(vec![Vec::new(); usize::from(*count)]),
            Step::Read => self.read(false),
            Step::Reverse => self.read(true),
            Step::Space(0, count) => self.space(false, *count),
            Step::Space(1, count) => self.space(true, *count),
            Step::Space(..) => {
                self.at = self.objects().len();
                good()
            }
            Step::Erase => {
                let at = self.at;
                self.partitions[self.partition].truncate(at);
                good()
            }
            Step::Rewind => {
                self.at = 0;
                good()
            }
            Step::Load | Step::Unload | Step::Carry => {
                (self.partition, self.at) = (0, 0);
                good()
            }
            Step::Attribute(partition, value) => {
                self.attributes[usize::from(*partition)].clone_from(value);
                good()
            }
            Step::Migrate | Step::Logs => good(),
        }
    }
}

fn config() -> Config {
    Config {
        capacity: 3_000_000,
        ..Config::default()
    }
}

fn said(drive: &mut Runner<Vec<u8>>, cdb: impl AsRef<[u8]>, out: &[u8]) -> Said {
    let ended = drive.command(cdb.as_ref(), out);
    match ended.done.cause {
        None => Said::Good(ended.data),
        Some(sense) => Said::Met(sense.asc, sense.information.unwrap_or(i64::MIN)),
    }
}

fn long_locate(kind: u8, partition: u8, object: u64) -> [u8; 16] {
    let mut cdb = long(0x92, kind << 3 | 2, partition, object, 0);
    cdb[12..].fill(0);
    cdb
}

fn take(drive: &mut Runner<Vec<u8>>, step: &Step) -> Said {
    match step {
        Step::Locate(partition, object) => said(drive, long_locate(0, *partition, *object), &[]),
        Step::LocateMark(partition, mark) => said(drive, long_locate(1, *partition, *mark), &[]),
        Step::Write(data) => said(drive, write(0, data.len() as u32), data),
        Step::WriteAt(partition, object, data) => {
            let cdb = long(0x8a, 0, *partition, *object, data.len() as u32);
            said(drive, cdb, data)
        }
        Step::Marks(count) => said(drive, marks((*count).into()), &[]),
        Step::Read => said(drive, read(SILI, 99), &[]),
        // BYTORD: bytes in their order.
        Step::Reverse => said(drive, reverse(SILI | 4, 99), &[]),
        Step::Space(code, count) => said(drive, space(*code, *count as i32), &[]),
        Step::Erase => said(drive, ERASE, &[]),
        Step::Rewind => said(drive, REWIND, &[]),
        Step::Load => said(drive, LOAD, &[]),
        Step::Unload => {
            drive.ok(UNLOAD);
            said(drive, LOAD, &[])
        }
        Step::Carry => {
            assert_eq!(drive.task(Task::Unload).cause, None);
            *drive = Runner::with(config(), std::mem::take(&mut drive.medium));
            good()
        }
        Step::Migrate => {
            assert_eq!(drive.task(Task::Sync).cause, None);
            let state = drive.drive.save();
            *drive = Runner::with(config(), std::mem::take(&mut drive.medium));
            drive.drive.restore(&state).unwrap();
            good()
        }
        Step::Attribute(partition, value) => {
            let length = value.len() as u8;
            let mut list = vec![0, 0, 0, length + 5, 0x0c, 0x01, 0, 0, length];
            list.extend(value);
            let mut cdb = [0; 16];
            (cdb[0], cdb[1], cdb[7], cdb[13]) = (0x8d, 1, *partition, length + 9);
            said(drive, cdb, &list)
        }
        Step::Logs => {
            drive.ok([0x4d, 0, 0x57, 0, 0, 0, 0, 255, 255, 0]);
            good()
        }
    }
}

fn attribute(drive: &mut Runner<Vec<u8>>, partition: usize) -> Vec<u8> {
    let cdb = [
        0x8c,
        0,
        0,
        0,
        0,
        0,
        0,
        partition as u8,
        0x0c,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
    ];
    let data = drive.command(&cdb, &[]).data;
    data.get(9..).map(<[u8]>::to_vec).unwrap_or_default()
}

fn step() -> impl Strategy<Value = Step> {
    let partition = || 0..PARTITIONS;
    let object = || prop_oneof![9 => 0..8_u64, 1 => Just(u64::MAX >> 1)];
    let record = || prop::collection::vec(any::<u8>(), 1..99);
    prop_oneof![
        4 => (partition(), object()).prop_map(|(p, o)| Step::Locate(p, o)),
        1 => (partition(), 0..4_u64).prop_map(|(p, o)| Step::LocateMark(p, o)),
        8 => record().prop_map(Step::Write),
        1 => (partition(), object(), record()).prop_map(|(p, o, r)| Step::WriteAt(p, o, r)),
        3 => (0..4_u8).prop_map(Step::Marks),
        4 => Just(Step::Read),
        2 => Just(Step::Reverse),
        3 => (0..2_u8, -5..6_i64).prop_map(|(code, count)| Step::Space(code, count)),
        1 => Just(Step::Space(3, 0)),
        1 => Just(Step::Erase),
        1 => Just(Step::Rewind),
        1 => Just(Step::Load),
        1 => Just(Step::Unload),
        1 => Just(Step::Carry),
        1 => Just(Step::Migrate),
        1 => (partition(), prop::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(p, v)| Step::Attribute(p, v)),
        1 => Just(Step::Logs),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_cartridge_is_a_list_of_lists(steps in prop::collection::vec(step(), 1..60)) {
        let mut drive = Runner::with(config(), Vec::new());
        let equal = [0, 0, 0x10, 0, 0x11, 10, 15, PARTITIONS - 1, 0x5c, 3, 0, 0, 0, 0, 0, 0];
        drive.ok_with([0x15, 0x10, 0, 0, 16, 0], &equal);
        drive.ok([4, 0, 1, 0, 0, 0]);
        let mut model = Model::default();
        for step in &steps {
            prop_assert_eq!(take(&mut drive, step), model.step(step), "{:?}", step);
            let place = drive.ok([0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
            let number = |at: usize| u64::from_be_bytes(place[at..at + 8].try_into().unwrap());
            let marks = model.objects()[..model.at].iter().filter(|o| o.is_empty()).count();
            prop_assert_eq!(
                (usize::from(place[7]), number(8), number(16)),
                (model.partition, model.at as u64, marks as u64),
                "after {:?}", step
            );
        }
        for partition in 0..PARTITIONS.into() {
            let kept = attribute(&mut drive, partition);
            prop_assert_eq!(&kept, &model.attributes[partition]);
        }
    }
}
