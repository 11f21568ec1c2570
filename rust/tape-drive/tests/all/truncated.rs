// SPDX-License-Identifier: GPL-2.0-or-later
//! Images cut off at every byte: what is there in whole is read, nothing is
//! read in part, and a tape that can be written to goes on behind it.

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::{asc, Config, Key};

const OBJECTS: [&[u8]; 6] = [b"abc", b"defg", b"", b"hijkl", b"", b""];

/// The image up to the end of each object.
fn simh() -> Vec<Vec<u8>> {
    let mut image = Vec::new();
    let mut ends = vec![image.clone()];
    for object in OBJECTS {
        let length = (object.len() as u32).to_le_bytes();
        image.extend(length);
        if !object.is_empty() {
            image.extend(object);
            image.resize(image.len().next_multiple_of(2), 0);
            image.extend(length);
        }
        ends.push(image.clone());
    }
    ends
}

fn aws() -> Vec<Vec<u8>> {
    let mut image = Vec::new();
    let mut ends = vec![image.clone()];
    let mut before = 0;
    for object in OBJECTS {
        let length = (object.len() as u16).to_le_bytes();
        let flags = if object.is_empty() { 0x40 } else { 0xa0 };
        image.extend([length[0], length[1], before, 0, flags, 0]);
        image.extend(object);
        before = length[0];
        ends.push(image.clone());
    }
    ends
}

/// Reads objects up to something else, which it returns.
fn read_all(drive: &mut Runner<Vec<u8>>) -> (Vec<Vec<u8>>, (Key, u16)) {
    let mut objects = Vec::new();
    loop {
        let ended = drive.command(&read(SILI, 100), &[]);
        match ended.done.cause {
            None => objects.push(ended.data),
            Some(sense) if sense.filemark => objects.push(Vec::new()),
            Some(sense) => {
                assert_eq!(ended.data, b"");
                return (objects, (sense.key, sense.asc));
            }
        }
    }
}

#[test]
fn what_is_whole_is_read_and_the_rest_is_an_error() {
    for (ends, header) in [(simh(), 4), (aws(), 6)] {
        let image = ends.last().unwrap();
        for length in 0..=image.len() {
            let whole = ends.iter().filter(|end| end.len() <= length).count() - 1;
            let rest = length - ends[whole].len();
            let mut drive = Runner::with(Config::default(), image[..length].to_vec());
            let (objects, end) = read_all(&mut drive);
            assert_eq!(objects, OBJECTS[..whole], "{length}");
            let expected = match (whole, rest) {
                (0, 1..) => (Key::MediumError, asc::CANNOT_READ_FORMAT),
                (_, rest) if rest < header => (Key::BlankCheck, asc::END_OF_DATA),
                _ => (Key::MediumError, asc::MEDIUM_FORMAT_CORRUPTED),
            };
            assert_eq!(end, expected, "{length}");
            if whole == 0 && rest > 0 {
                assert_eq!(drive.medium, image[..length], "left alone");
                continue;
            }
            assert_eq!(drive.position(), whole as u32, "in front of it");
            if header == 4 || length == 0 {
                drive.record(b"new");
                drive.ok(UNLOAD);
                let mut again = Runner::with(Config::default(), drive.medium);
                let (objects, end) = read_all(&mut again);
                assert_eq!(objects, [&OBJECTS[..whole], &[b"new"]].concat());
                assert_eq!(end, (Key::BlankCheck, asc::END_OF_DATA));
            }
        }
    }
}
