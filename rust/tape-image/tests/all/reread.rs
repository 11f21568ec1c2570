// SPDX-License-Identifier: GPL-2.0-or-later
//! The record before the position, once more and in part.

use crate::support::build::{aws, e11, simh};
use tape_image::driver::Drive;
use tape_image::{Config, Format, Operation, Outcome};

/// As long as any of the ways in which records are read wants them.
const LENGTHS: [usize; 5] = [1, 513, 40_000, 70_000, 300_001];

fn record(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// An AWS record in segments, of which none has more than 65,535 bytes.
fn segments(data: &[u8]) -> Vec<u8> {
    const FIRST: u8 = 0x80;
    const LAST: u8 = 0x20;
    let mut image = Vec::new();
    let count = data.chunks(30_000).count();
    let mut previous = 0;
    for (number, chunk) in data.chunks(30_000).enumerate() {
        let first = if number == 0 { FIRST } else { 0 };
        let last = if number + 1 == count { LAST } else { 0 };
        image.extend(aws(previous, first | last, chunk));
        previous = chunk.len() as u16;
    }
    image
}

fn image(format: Format, data: &[u8]) -> Vec<u8> {
    let mut image = match format {
        Format::Simh => simh(data.len() as u32, data),
        Format::E11 => e11(data.len() as u32, data),
        Format::Aws => segments(data),
    };
    if format != Format::Aws {
        image.extend([0; 4]);
    }
    image
}

#[test]
fn any_part_of_a_record_of_any_format() {
    for format in [Format::Simh, Format::E11, Format::Aws] {
        for length in LENGTHS {
            let data = record(length);
            let image = image(format, &data);
            let config = Config {
                format: Some(format),
                ..Config::new(image.len() as u64)
            };
            let mut drive = Drive::load(image, config).unwrap();
            assert!(matches!(
                drive.reread(0, &mut [0; 9]),
                Ok(Outcome::Beginning)
            ));
            let _: Outcome = drive.read(&mut [0; 1], false).unwrap();
            for skip in [
                0,
                1,
                511,
                29_999,
                30_000,
                65_536,
                length - 1,
                length,
                length + 9,
            ] {
                for limit in [1, 512, 35_000, length] {
                    let mut buffer = vec![0xee; limit];
                    let outcome = drive.reread(skip, &mut buffer).unwrap();
                    let case = format!("{format:?}, {length} bytes, {skip}.., {limit}");
                    assert!(
                        matches!(outcome, Outcome::Record { length: all, .. } if all as usize == length),
                        "{case}: {outcome:?}"
                    );
                    let rest = &data[skip.min(length)..];
                    let rest = &rest[..limit.min(rest.len())];
                    assert!(buffer[..rest.len()] == *rest, "{case}");
                    assert!(buffer[rest.len()..].iter().all(|&b| b == 0xee), "{case}");
                    assert_eq!(drive.tape.position().object, 1, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_mark_has_no_parts() {
    let mut drive = Drive::load(Vec::new(), Config::new(0)).unwrap();
    let _: Outcome = drive.write(b"one").unwrap();
    let _: Outcome = drive.run(Operation::WriteMarks(1)).unwrap();
    assert_eq!(drive.reread(0, &mut [0; 3]), Ok(Outcome::Mark));
    let _: Outcome = drive.run(Operation::SpaceMarks(-1)).unwrap();
    let mut buffer = [0; 2];
    let _: Outcome = drive.reread(1, &mut buffer).unwrap();
    assert_eq!(&buffer, b"ne");
}
