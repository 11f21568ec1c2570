// SPDX-License-Identifier: GPL-2.0-or-later
//! Images built by hand are read, and written images are what the
//! specification says, byte for byte.

use crate::support::build::{aws, e11, simh};
use crate::support::{read_all, Object};
use tape_image::driver::Drive;
use tape_image::{Config, Error, Format, Operation, Outcome, Reason};

fn load(image: &[u8]) -> Drive<Vec<u8>> {
    let config = Config::new(image.len() as u64);
    Drive::load(image.to_vec(), config).unwrap_or_else(|e| panic!("{e}"))
}

fn refusal(image: &[u8], format: Option<Format>) -> Error {
    let config = Config {
        format,
        ..Config::new(image.len() as u64)
    };
    match Drive::load(image.to_vec(), config) {
        Err(error) => error,
        Ok(drive) => panic!("taken for {:?}", drive.tape.format()),
    }
}

fn record(data: &[u8]) -> Object {
    Object::Record(data.to_vec())
}

#[test]
fn what_is_written_is_the_specifications() {
    let config = Config {
        save_index: false,
        ..Config::new(0)
    };
    let mut drive = Drive::load(Vec::new(), config).expect("blank");
    assert_eq!(drive.write(b"abc"), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::WriteMarks(1)), Ok(Outcome::Done));
    assert_eq!(drive.write(b"defg"), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    #[rustfmt::skip]
    let expected = [
        3, 0, 0, 0,  b'a', b'b', b'c', 0,  3, 0, 0, 0,  // an odd record is padded
        0, 0, 0, 0,                                     // a mark
        4, 0, 0, 0,  b'd', b'e', b'f', b'g',  4, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff,                         // end of medium, and of the file
    ];
    assert_eq!(drive.medium, expected);
}

#[test]
fn classes_are_kept_apart() {
    let image = [
        simh(0x1000_0003, b"prv"),             // private: skipped
        simh(5, b"hello"),                     // object 0
        0x7000_1234u32.to_le_bytes().to_vec(), // private marker: skipped
        simh(0x8000_0002, b"xy"),              // object 1, bad
        0xffff_fffeu32.to_le_bytes().to_vec(), // gap
        simh(0xe000_0004, b"desc"),            // description: skipped
        simh(0x9000_0001, b"r"),               // reserved: skipped
        0u32.to_le_bytes().to_vec(),           // object 2, a mark
        simh(0x8000_0000, b""),                // object 3, bad without data
        0xffff_ffffu32.to_le_bytes().to_vec(),
        simh(4, b"gone"), // behind the end: not on the tape
    ]
    .concat();
    let mut drive = load(&image);
    let mut data = [0; 16];
    let read = |drive: &mut Drive<_>, data: &mut [u8], reverse| match drive.read(data, reverse) {
        Ok(Outcome::Record { length, bad, .. }) => Ok((data[..length as usize].to_vec(), bad)),
        other => Err(other.expect("undamaged")),
    };
    let objects = [
        Ok((b"hello".to_vec(), false)),
        Ok((b"xy".to_vec(), true)),
        Err(Outcome::Mark),
        Ok((b"".to_vec(), true)),
    ];
    for object in &objects {
        assert_eq!(&read(&mut drive, &mut data, false), object);
    }
    assert_eq!(read(&mut drive, &mut data, false), Err(Outcome::End));
    for object in objects.iter().rev() {
        assert_eq!(&read(&mut drive, &mut data, true), object);
    }
    assert_eq!(read(&mut drive, &mut data, true), Err(Outcome::Beginning));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    assert_eq!(drive.medium, image, "reading leaves the image alone");
}

#[test]
fn half_gaps_are_skipped_from_either_side() {
    // Two gap markers of which the first has lost its first half.
    let image = [
        simh(2, b"ab"),
        vec![0xff, 0xff],
        0xffff_fffeu32.to_le_bytes().to_vec(),
        simh(2, b"cd"),
    ]
    .concat();
    let mut drive = load(&image);
    assert_eq!(read_all(&mut drive), Ok(vec![record(b"ab"), record(b"cd")]));
    let mut data = [0; 2];
    for expected in [b"cd", b"ab"] {
        assert!(drive.read(&mut data, true).is_ok());
        assert_eq!(&data, expected);
    }
}

#[test]
fn the_ends_of_tapes() {
    let marker = 0x7353_3250u32.to_le_bytes();
    for end in [&[][..], &marker, &[0xff; 4], &[0xff; 2]] {
        let mut drive = load(&[&simh(2, b"ab"), end].concat());
        assert_eq!(read_all(&mut drive), Ok(vec![record(b"ab")]), "{end:?}");
        assert_eq!(drive.write(b"cd"), Ok(Outcome::Done));
        assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done));
        let expected = [simh(2, b"ab"), simh(2, b"cd"), vec![0xff; 4]].concat();
        assert_eq!(drive.medium, expected, "{end:?}");
    }
}

#[test]
fn e11_is_known_by_its_first_odd_record() {
    let image = [e11(2, b"ab"), vec![0; 4], e11(3, b"odd"), e11(5, b"again")].concat();
    let mut drive = load(&image);
    let objects = [
        record(b"ab"),
        Object::Mark,
        record(b"odd"),
        record(b"again"),
    ];
    assert_eq!(read_all(&mut drive), Ok(objects.to_vec()));
    assert_eq!(drive.tape.format(), Format::E11);
    assert_eq!(drive.write(b"no"), Err(Error::FormatReadOnly));
    assert!(matches!(
        refusal(&e11(3, b"odd"), Some(Format::Simh)),
        Error::NotATape { .. }
    ));
}

#[test]
fn aws_is_read_in_both_directions() {
    let long: Vec<u8> = (0..150_000u32).map(|i| (i % 251) as u8).collect();
    let image = [
        aws(0, 0xa0, b"odd"),
        aws(3, 0x40, b""),
        aws(0, 0x80, &long[..65_535]), // a record in three segments
        aws(65_535, 0x00, &long[65_535..131_070]),
        aws(65_535, 0x20, &long[131_070..]),
        aws(18_930, 0xa0, b"last"),
    ]
    .concat();
    let mut drive = load(&image);
    let objects = [record(b"odd"), Object::Mark, record(&long), record(b"last")];
    assert_eq!(read_all(&mut drive), Ok(objects.to_vec()));
    assert_eq!(drive.tape.format(), Format::Aws);
    let mut data = vec![0; 200_000];
    assert!(drive.read(&mut data, true).is_ok());
    assert!(drive.read(&mut data, true).is_ok());
    assert!(data[..150_000] == long);
    assert_eq!(
        drive.run(Operation::WriteMarks(1)),
        Err(Error::FormatReadOnly)
    );
}

#[test]
fn what_is_no_tape_is_refused_with_offset_and_reason() {
    let header = u32::from_le_bytes(*b"#!/b");
    assert_eq!(
        refusal(b"#!/bin/sh\nexit 0\n", None),
        Error::NotATape {
            offset: 0,
            reason: Reason::Truncated { header }
        }
    );
    // Marks alone don't make a tape if something follows that isn't one.
    let mut disc = vec![0; 32_768];
    disc.extend_from_slice(b"\x04\0\0\0CD001\0\0\0");
    assert!(matches!(
        refusal(&disc, None),
        Error::NotATape { offset: 32_768, .. }
    ));
    for length in 1..=5 {
        assert!(matches!(
            refusal(&b"hello"[..length], None),
            Error::NotATape { offset: 0, .. }
        ));
    }
    let message = refusal(&[1, 2, 3], None).to_string();
    assert!(
        message.contains("at offset 0") && message.contains("blank tape"),
        "{message}"
    );
    assert_eq!(
        load(&[]).run(Operation::Read { limit: 0 }),
        Ok(Outcome::End)
    );
}

#[test]
fn a_wrong_trailer_stops_in_front_of_the_record() {
    let mut image = [simh(2, b"ab"), simh(4, b"cdef"), simh(2, b"gh")].concat();
    image[10 + 8] = 5; // the trailer's low byte
    let mut drive = load(&image);
    let mut data = [0; 8];
    assert!(drive.read(&mut data, false).is_ok());
    let damage = Error::Damaged {
        offset: 10,
        reason: Reason::Trailer {
            header: 4,
            trailer: 5,
        },
    };
    assert_eq!(drive.read(&mut data, false), Err(damage));
    assert_eq!(drive.tape.position().object, 1);
    assert_eq!(drive.run(Operation::SpaceEnd), Err(damage));
    assert_eq!(
        drive.write(b"xy"),
        Ok(Outcome::Done),
        "the damage can be overwritten"
    );
    assert_eq!(read_all(&mut drive), Ok(vec![record(b"ab"), record(b"xy")]));
}

#[test]
fn lengths_on_both_conventions() {
    let big = vec![1; 0x0100_0000];
    let mut drive = load(&[]);
    assert!(matches!(
        drive.write(&big),
        Err(Error::RecordLength {
            max: 0x00ff_ffff,
            ..
        })
    ));
    assert!(matches!(
        drive.write(&[]),
        Err(Error::RecordLength { length: 0, .. })
    ));
    let longest = tape_image::word::EXTENDED_MAX;
    let mut drive = Drive::load(
        Vec::new(),
        Config {
            longest,
            ..Config::new(0)
        },
    )
    .expect("blank");
    assert_eq!(drive.write(&big), Ok(Outcome::Done));
    assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done));
    let mut drive = load(&drive.medium.clone());
    let mut back = vec![0; big.len()];
    assert!(drive.read(&mut back, false).is_ok());
    assert!(back == big);
}
