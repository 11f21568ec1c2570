// SPDX-License-Identifier: GPL-2.0-or-later
//! Cartridges: partitions, attributes and the proportion of SET CAPACITY.

use std::io;

use crate::support::{read_all, Object};
use tape_image::container::{Attribute, Cartridge, Operation, HEADER_LEN, PARTITIONS_MAX, WHOLE};
use tape_image::driver::{self, Data, Drive, Medium};
use tape_image::{Config, Error, Format, IoError, Outcome, Truncation};

const NO_LIMIT: u64 = u64::MAX;

fn load(medium: &mut Vec<u8>) -> Cartridge {
    let mut cartridge = Cartridge::new(Config::new(medium.len() as u64));
    run(&mut cartridge, medium, Operation::Load).expect("a cartridge");
    cartridge
}

fn run(
    cartridge: &mut Cartridge,
    medium: &mut impl Medium,
    operation: Operation,
) -> Result<(), Error> {
    driver::run(cartridge, medium, operation, Data::None)
}

fn format(partitions: &[u64]) -> Operation {
    let partitions = partitions.to_vec();
    Operation::Format { partitions }
}

fn attribute(id: u16, value: &[u8]) -> Attribute {
    Attribute {
        id,
        format: 1,
        value: value.to_vec(),
    }
}

fn set(partition: usize, attributes: &[Attribute]) -> Operation {
    Operation::SetAttributes {
        partition,
        attributes: attributes.to_vec(),
    }
}

/// Does something on a partition's tape, and unloads it.
fn on_tape<T>(
    cartridge: &mut Cartridge,
    medium: &mut Vec<u8>,
    partition: usize,
    what: impl FnOnce(&mut Drive<Vec<u8>>) -> T,
) -> T {
    let config = cartridge.tape_config(partition);
    let mut drive = Drive::load(std::mem::take(medium), config).expect("a tape");
    let result = what(&mut drive);
    assert_eq!(drive.run(tape_image::Operation::Unload), Ok(Outcome::Done));
    if partition + 1 == cartridge.partitions().len() {
        cartridge.set_length(drive.tape.length());
    }
    *medium = drive.medium;
    result
}

fn write(cartridge: &mut Cartridge, medium: &mut Vec<u8>, partition: usize, data: &[u8]) {
    let outcome = on_tape(cartridge, medium, partition, |drive| drive.write(data));
    assert_eq!(outcome, Ok(Outcome::Done));
}

fn read(cartridge: &mut Cartridge, medium: &mut Vec<u8>, partition: usize) -> Vec<Object> {
    on_tape(cartridge, medium, partition, read_all).expect("undamaged")
}

#[test]
fn a_plain_image_is_one_partition() {
    let mut medium = Vec::new();
    let mut cartridge = load(&mut medium);
    assert!(!cartridge.has_header());
    assert_eq!(cartridge.partitions().len(), 1);
    assert_eq!(cartridge.tape_config(0).start, 0);
    assert_eq!(cartridge.proportion(), WHOLE);
    write(&mut cartridge, &mut medium, 0, b"plain");
    // Nothing that needs no header makes one.
    assert_eq!(run(&mut cartridge, &mut medium, set(0, &[])), Ok(()));
    let whole = Operation::SetProportion(WHOLE);
    assert_eq!(run(&mut cartridge, &mut medium, whole), Ok(()));
    assert_eq!(medium[..4], 5u32.to_le_bytes());
    // What does is refused, as there's data in its place.
    let half = Operation::SetProportion(WHOLE / 2);
    for operation in [half, set(0, &[attribute(1, b"x")])] {
        let before = medium.clone();
        let result = run(&mut cartridge, &mut medium, operation);
        assert_eq!(result, Err(Error::NoRoom));
        assert_eq!(medium, before);
    }
}

#[test]
fn partitions_keep_to_themselves() {
    let mut medium = Vec::new();
    let mut cartridge = load(&mut medium);
    let capacities = [10_000, 0, 1 << 20, 5000];
    run(&mut cartridge, &mut medium, format(&capacities)).expect("room");
    for (partition, capacity) in capacities.into_iter().enumerate() {
        let config = cartridge.tape_config(partition);
        assert_eq!(config.capacity, Some(capacity));
        assert_eq!(config.truncation == Truncation::Exact, partition == 3);
    }
    // Filled to the last byte, in an order that isn't theirs.
    for partition in [2, 0, 3] {
        let capacity = capacities[partition] as usize;
        let data = vec![partition as u8; capacity - 8];
        write(&mut cartridge, &mut medium, partition, &data);
        on_tape(&mut cartridge, &mut medium, partition, |drive| {
            let _: Outcome = drive
                .run(tape_image::Operation::SpaceEnd)
                .expect("undamaged");
            assert_eq!(drive.write(b"x"), Ok(Outcome::Full { left: 1 }));
        });
    }
    let mut again = load(&mut medium);
    assert_eq!(again.partitions(), cartridge.partitions());
    for (partition, capacity) in capacities.into_iter().enumerate() {
        let expected: Vec<_> = (capacity > 0)
            .then(|| Object::Record(vec![partition as u8; capacity as usize - 8]))
            .into_iter()
            .collect();
        assert_eq!(read(&mut again, &mut medium, partition), expected);
    }
    // A tool that knows classes and no cartridges sees partition 0.
    let plain = Config::new(medium.len() as u64);
    let mut drive = Drive::load(medium, plain).expect("SIMH");
    assert_eq!(read_all(&mut drive).expect("undamaged").len(), 1);
}

#[test]
fn formatting_leaves_nothing() {
    let layouts: [&[u64]; 6] = [
        &[1000, 2000],
        &[NO_LIMIT],
        &[700_000],
        &[5, 5, NO_LIMIT],
        &[100_000; PARTITIONS_MAX],
        &[NO_LIMIT],
    ];
    let mut medium = Vec::new();
    let mut cartridge = load(&mut medium);
    for layout in layouts {
        run(&mut cartridge, &mut medium, format(layout)).expect("room");
        assert_eq!(cartridge.length(), medium.len() as u64);
        let mut again = load(&mut medium);
        assert_eq!(again.partitions(), cartridge.partitions());
        assert_eq!(again.partitions().len(), layout.len());
        assert_eq!(again.has_header(), layout != [NO_LIMIT]);
        for (partition, &capacity) in layout.iter().enumerate() {
            assert_eq!(read(&mut again, &mut medium, partition), []);
            if capacity > 100 {
                write(&mut again, &mut medium, partition, &[1; 90]);
            }
        }
        cartridge = again;
    }
    assert_eq!(medium[..4], 90u32.to_le_bytes(), "a plain image again");
}

#[test]
fn attributes_stay_with_the_tape() {
    let mut medium = Vec::new();
    let mut cartridge = load(&mut medium);
    let list = [attribute(0x806, b"barcode"), attribute(0x400, b"maker")];
    run(&mut cartridge, &mut medium, set(0, &list)).expect("blank");
    assert!(cartridge.has_header());
    write(&mut cartridge, &mut medium, 0, b"data");
    // With a header, data is no obstacle.
    let more = [&list[..], &[attribute(0x803, &[7; 160])]].concat();
    run(&mut cartridge, &mut medium, set(0, &more)).expect("room");
    let half = Operation::SetProportion(0x8000);
    run(&mut cartridge, &mut medium, half).expect("room");
    let mut again = load(&mut medium);
    let ids: Vec<_> = again.attributes(0).iter().map(|a| a.id).collect();
    assert_eq!(ids, [0x400, 0x803, 0x806]);
    assert_eq!(again.attributes(0)[2], list[0]);
    assert_eq!(again.attributes(1), []);
    assert_eq!(again.proportion(), 0x8000);
    let data = Object::Record(b"data".to_vec());
    assert_eq!(read(&mut again, &mut medium, 0), [data]);
    // Formatting keeps partition 0's, and halves each capacity.
    run(&mut again, &mut medium, format(&[65_535, 1000])).expect("room");
    run(&mut again, &mut medium, set(1, &list[..1])).expect("room");
    let again = load(&mut medium);
    assert_eq!(again.attributes(0).len(), 3);
    assert_eq!(again.attributes(1), &list[..1]);
    assert_eq!(again.tape_config(0).capacity, Some(0x8000));
}

#[test]
fn a_fixed_medium_has_to_hold_it() {
    let config = Config {
        truncation: Truncation::Never,
        ..Config::new(1 << 20)
    };
    let mut medium = vec![0xff; 1 << 20];
    let mut cartridge = Cartridge::new(config.clone());
    run(&mut cartridge, &mut medium, Operation::Load).expect("blank");
    let two = format(&[100_000, 700_000]);
    run(&mut cartridge, &mut medium, two.clone()).expect("room");
    let end = cartridge.partitions()[1].end().expect("bounded");
    assert!(cartridge.tape_config(1).length == end && end <= 1 << 20);
    let before = medium.clone();
    let result = run(&mut cartridge, &mut medium, format(&[100_000, 900_000]));
    assert!(matches!(
        result,
        Err(Error::TooSmall {
            length: 0x10_0000,
            ..
        })
    ));
    assert_eq!(medium, before);
    // The medium of another size, and what is in no place there.
    let short = Config {
        length: end - 1,
        ..config
    };
    let mut cartridge = Cartridge::new(short);
    let result = run(&mut cartridge, &mut medium, Operation::Load);
    let message = result.expect_err("too short").to_string();
    assert!(message.contains("partition 1 has no place"), "{message}");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut medium = Vec::new();
    let mut cartridge = load(&mut medium);
    run(&mut cartridge, &mut medium, format(&[1, 2])).expect("room");
    let twice = [attribute(5, b"a"), attribute(6, b""), attribute(5, b"b")];
    let cases = [
        (format(&[]), Error::Partitions),
        (format(&[1; PARTITIONS_MAX + 1]), Error::Partitions),
        (format(&[NO_LIMIT, 1]), Error::Partitions),
        (format(&[1 << 62, 1 << 62]), Error::Partitions),
        (format(&[NO_LIMIT - 1]), Error::Partitions),
        (set(2, &[]), Error::NoPartition { count: 2 }),
        (set(0, &twice), Error::AttributeTwice { id: 5 }),
    ];
    let before = medium.clone();
    for (operation, error) in cases {
        assert_eq!(run(&mut cartridge, &mut medium, operation), Err(error));
    }
    for large in [32 << 10, 1 << 16, 100_000] {
        let result = run(
            &mut cartridge,
            &mut medium,
            set(1, &[attribute(9, &vec![0; large])]),
        );
        assert!(matches!(result, Err(Error::AttributesFull { .. })));
    }
    assert_eq!(medium, before);
    let Err(Error::AttributesFull { excess }) = run(
        &mut cartridge,
        &mut medium,
        set(0, &[attribute(9, &[0; 32 << 10])]),
    ) else {
        panic!("32 KiB don't fit");
    };
    let fits = [attribute(9, &vec![0; (32 << 10) - excess])];
    run(&mut cartridge, &mut medium, set(0, &fits)).expect("it says it fits");
    let result = run(&mut cartridge, &mut medium, format(&[1; 3]));
    assert_eq!(result, Err(Error::AttributesFull { excess: 24 }));
    assert_eq!(load(&mut medium).attributes(0), fits);
}

#[test]
fn a_protected_cartridge_stays_as_it_is() {
    for config in [
        Config {
            read_only: true,
            ..Config::new(0)
        },
        Config {
            format: Some(Format::Aws),
            ..Config::new(0)
        },
    ] {
        let expected = match config.read_only {
            true => Error::ReadOnly,
            false => Error::FormatReadOnly,
        };
        let mut cartridge = Cartridge::new(config);
        let mut medium = Vec::new();
        let two = format(&[1, 1]);
        let result = run(&mut cartridge, &mut medium, two.clone());
        assert_eq!(result, Err(Error::NotLoaded));
        run(&mut cartridge, &mut medium, Operation::Load).expect("blank");
        for operation in [two, set(0, &[]), Operation::SetProportion(1)] {
            let result = run(&mut cartridge, &mut medium, operation);
            assert_eq!(result, Err(expected));
        }
        assert_eq!(medium, []);
    }
}

#[test]
fn one_damaged_slot_is_no_loss() {
    let mut medium = Vec::new();
    let mut cartridge = load(&mut medium);
    run(&mut cartridge, &mut medium, format(&[1000, 1000])).expect("room");
    run(&mut cartridge, &mut medium, set(1, &[attribute(1, b"old")])).expect("room");
    run(&mut cartridge, &mut medium, set(1, &[attribute(1, b"new")])).expect("room");
    let mut values = Vec::new();
    for slot in [0, 1] {
        let mut damaged = medium.clone();
        damaged[slot * 32_768 + 20] ^= 1;
        values.push(load(&mut damaged).attributes(1)[0].value.clone());
    }
    values.sort();
    assert_eq!(values, [b"new", b"old"]);
    medium[20] ^= 1;
    medium[HEADER_LEN as usize - 32_768 + 20] ^= 1;
    let mut cartridge = Cartridge::new(Config::new(medium.len() as u64));
    let result = run(&mut cartridge, &mut medium, Operation::Load);
    let message = result.expect_err("both slots are damaged").to_string();
    assert!(message.contains("checksum"), "{message}");
}

/// Fails from its `left`th change on.
struct Faulty(Vec<u8>, usize);

impl Medium for Faulty {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.0.write_at(offset, data)
    }
    fn flush(&mut self) -> io::Result<()> {
        let left = self.1.checked_sub(1);
        self.1 = left.ok_or(io::Error::from_raw_os_error(28))?;
        Ok(())
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.flush()?;
        Medium::truncate(&mut self.0, length)
    }
}

#[test]
fn after_a_failed_change_it_is_loaded_again() {
    for fault in 0.. {
        let mut medium = Faulty(Vec::new(), usize::MAX);
        let mut cartridge = Cartridge::new(Config::new(0));
        run(&mut cartridge, &mut medium, Operation::Load).expect("blank");
        run(&mut cartridge, &mut medium, format(&[1000, 1000])).expect("room");
        medium.1 = fault;
        let result = run(&mut cartridge, &mut medium, format(&[5; 3]));
        if result.is_ok() {
            assert!(fault > 8, "{fault} changes");
            return;
        }
        let error = IoError(28);
        assert_eq!(result, Err(Error::Write { error, lost: 0 }));
        medium.1 = usize::MAX;
        let next = run(&mut cartridge, &mut medium, format(&[5; 3]));
        assert_eq!(next, Err(Error::NotLoaded));
        run(&mut cartridge, &mut medium, Operation::Load).expect("never damaged");
        assert!((1..=3).contains(&cartridge.partitions().len()));
        run(&mut cartridge, &mut medium, format(&[5; 3])).expect("it works again");
        assert_eq!(load(&mut medium.0).partitions().len(), 3);
    }
}
