// SPDX-License-Identifier: GPL-2.0-or-later
//! What fuzzing does to a tape: any bytes as an image and as operations.

use std::vec;
use std::vec::Vec;

use crate::driver::Drive;
use crate::{Config, Error, Format, Operation, Outcome, Truncation};

const BUFFER_LEN: usize = 4096;

/// Takes the first byte as the number of operations, as many bytes as
/// operations, and the rest as the image. Panics where a promise is broken:
///
/// * every operation comes to an end, and asks for nothing behind the medium;
/// * reading all of it forward and in reverse meets the same objects;
/// * what was written to it and synced is there when it's loaded again.
pub fn exercise(input: &[u8]) {
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
