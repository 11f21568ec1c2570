// SPDX-License-Identifier: GPL-2.0-or-later
//! What fuzzing does to a tape: any bytes as an image and as operations, and to a
//! cartridge: any bytes as a header.

use std::vec;
use std::vec::Vec;

use crate::container::{self, Attribute, Cartridge, Partition, HEADER_LEN};
use crate::driver::{run, Data, Drive};
use crate::header::{empty_slot, seal};
use crate::{Config, Error, Format, Operation, Outcome, Truncation};

const BUFFER_LEN: usize = 4096;

/// Takes the first byte as the number of operations, as many bytes as
/// operations, and the rest as the image. Panics where a promise is broken:
///
/// * every operation comes to an end, and asks for nothing behind the medium;
/// * reading all of it forward and in reverse meets the same objects;
/// * what was written to it and synced is there when it's loaded again.
pub fn image(input: &[u8]) {
    let Some((&count, rest)) = input.split_first() else {
        return;
    };
    let (operations, image) = rest.split_at(rest.len().min(count.into()));
    let format = match count & 3 {
        0 => Some(Format::E11),
        1 => Some(Format::Aws),
        _ => None,
    };
    let config = Config {
        format,
        ..Config::new(image.len() as u64)
    };
    let Ok(mut drive) = Drive::load(image.to_vec(), config.clone()) else {
        return;
    };
    both_ways(&mut drive);
    let mut buffer = [0; BUFFER_LEN];
    for &byte in operations {
        let amount = i64::from(byte >> 4) - 8;
        let before = drive.tape.position();
        let result = match byte & 15 {
            0 | 1 => drive.write(&buffer[..1 + usize::from(byte)]),
            2 => drive.run(Operation::WriteMarks(u32::from(byte >> 4))),
            3 => drive.read(&mut buffer, true),
            4 => drive.run(Operation::SpaceRecords(amount)),
            5 => drive.run(Operation::SpaceMarks(amount)),
            6 => drive.run(Operation::SpaceSequentialMarks(amount)),
            7 => drive.run(Operation::Locate(u64::from(byte >> 4))),
            8 => drive.run(Operation::LocateMark(u64::from(byte >> 4))),
            9 => drive.run(Operation::SpaceEnd),
            10 => drive.run(Operation::Rewind),
            11 => drive.run(Operation::Erase),
            12 => drive.run(Operation::Sync),
            13 => drive.run(Operation::Unload),
            14 => drive.reread(usize::from(byte), &mut buffer),
            _ => drive.read(&mut buffer, false),
        };
        match result {
            Ok(_) | Err(Error::Damaged { .. } | Error::FormatReadOnly | Error::Changed { .. }) => {}
            Err(error) => panic!("operation {byte:#04x} at {before:?}: {error}"),
        }
    }
    let whole = both_ways(&mut drive);
    if drive.tape.format() != Format::Simh || drive.run(Operation::Unload).is_err() {
        return;
    }
    let length = drive.medium.len() as u64;
    let truncation = Truncation::Exact;
    // Another program may take E11 for SIMH without an odd record: so do we.
    let format = Some(Format::Simh);
    let config = Config {
        format,
        truncation,
        ..Config::new(length)
    };
    if let (Some(objects), Ok(mut again)) = (whole, Drive::load(drive.medium, config)) {
        assert_eq!(both_ways(&mut again), Some(objects), "loaded again");
    }
}

/// Reads to the end and back. The outcomes, unless there is damage.
fn both_ways(drive: &mut Drive<Vec<u8>>) -> Option<Vec<(Outcome, u32)>> {
    let mut buffer = vec![0; BUFFER_LEN];
    let _: Outcome = drive
        .run(Operation::Rewind)
        .expect("rewinding needs no medium");
    let mut forward = Vec::new();
    let damaged = loop {
        match drive.read(&mut buffer, false) {
            Ok(Outcome::End) => break false,
            Ok(outcome) => forward.push(summary(outcome, &buffer)),
            Err(Error::Damaged { .. }) => break true,
            Err(error) => panic!("{error}"),
        }
    };
    for expected in forward.iter().rev() {
        let outcome = drive.read(&mut buffer, true).expect("read before");
        assert_eq!(&summary(outcome, &buffer), expected);
    }
    assert_eq!(drive.read(&mut buffer, true), Ok(Outcome::Beginning));
    (!damaged).then_some(forward)
}

/// An outcome without what may differ, and a CRC of the data.
fn summary(outcome: Outcome, buffer: &[u8]) -> (Outcome, u32) {
    match outcome {
        Outcome::Record { length, bad, .. } => {
            let data = &buffer[..buffer.len().min(length as usize)];
            (
                Outcome::Record {
                    length,
                    bad,
                    buffered: 0,
                },
                crc32fast::hash(data),
            )
        }
        other => (other, 0),
    }
}

/// Takes the input as the body of a header, puts a length and a checksum there
/// that are right, and uses the cartridge if it is one. Panics where a promise
/// is broken:
///
/// * partitions have no byte in common;
/// * what is written to one stays there, and in the others nothing changes;
/// * attributes that are set are there when it's loaded again.
pub fn header(input: &[u8]) {
    let mut medium = seal(input);
    medium.extend_from_slice(&empty_slot());
    medium.extend_from_slice(&[0xff; 4]);
    let Ok(mut cartridge) = load(&mut medium) else {
        return;
    };
    let mut free = HEADER_LEN;
    for partition in cartridge.partitions() {
        assert!(
            partition.start >= free,
            "{partition:?} begins before {free}"
        );
        free = partition.end().unwrap_or(u64::MAX);
    }
    let count = cartridge.partitions().len();
    // A medium in memory can't have holes.
    let near = |p: &&Partition| p.start < 1 << 22 && p.length.is_none_or(|l| l < 1 << 22);
    let near = cartridge.partitions().iter().take_while(near).count();
    let mut written = Vec::new();
    for number in 0..near {
        let config = cartridge.tape_config(number);
        let mut drive = Drive::load(medium, config).expect("blank, or as it was cut");
        let erased = drive
            .run(Operation::Erase)
            .expect("a medium without faults");
        let outcome = drive.write(&[number as u8; 20]).expect("no fault");
        let unloaded = drive.run(Operation::Unload).expect("no fault");
        assert_eq!((erased, unloaded), (Outcome::Done, Outcome::Done));
        written.push(outcome == Outcome::Done);
        if number + 1 == count {
            cartridge.set_length(drive.tape.length());
        }
        medium = drive.medium;
    }
    let attributes = vec![Attribute {
        id: 1,
        format: 2,
        value: vec![3; 4],
    }];
    let set = container::Operation::SetAttributes {
        partition: count - 1,
        attributes: attributes.clone(),
    };
    let full = match run(&mut cartridge, &mut medium, set, Data::None) {
        Ok(()) => false,
        Err(Error::AttributesFull { .. }) => true,
        Err(error) => panic!("{error}"),
    };
    let again = load(&mut medium).expect("it was one before");
    assert_eq!(again.partitions(), cartridge.partitions());
    assert!(full || again.attributes(count - 1) == attributes);
    for (number, written) in written.into_iter().enumerate() {
        let mut drive = Drive::load(medium, again.tape_config(number)).expect("a tape");
        let objects = both_ways(&mut drive).expect("undamaged");
        assert_eq!(objects.len(), usize::from(written));
        medium = drive.medium;
    }
}

fn load(medium: &mut Vec<u8>) -> Result<Cartridge, Error> {
    let mut cartridge = Cartridge::new(Config::new(medium.len() as u64));
    run(
        &mut cartridge,
        medium,
        container::Operation::Load,
        Data::None,
    )?;
    Ok(cartridge)
}
