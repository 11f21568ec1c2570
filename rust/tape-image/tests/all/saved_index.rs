// SPDX-License-Identifier: GPL-2.0-or-later
//! The index that is kept with the tape: used when it's right, never when not.

use crate::support::build::simh;
use crate::support::{read_all, Object};
use tape_image::driver::Drive;
use tape_image::saved::FOOTER_LEN;
use tape_image::{Config, Operation, Outcome};

fn load(image: &[u8]) -> Drive<Vec<u8>> {
    Drive::load(image.to_vec(), Config::new(image.len() as u64)).expect("a tape")
}

fn objects() -> Vec<Object> {
    (0..200u32)
        .map(|n| match n % 10 {
            9 => Object::Mark,
            _ => Object::Record(vec![n as u8; 1 + (n as usize * 37) % 90]),
        })
        .collect()
}

fn unloaded() -> Vec<u8> {
    let mut drive = load(&[]);
    for object in objects() {
        let done = match object {
            Object::Record(data) => drive.write(&data),
            Object::Mark => drive.run(Operation::WriteMarks(1)),
        };
        assert_eq!(done, Ok(Outcome::Done));
    }
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    drive.medium
}

fn is_used(image: &[u8]) -> bool {
    load(image).tape.end().is_some()
}

#[test]
fn it_is_there_after_a_load_and_reads_the_same() {
    let image = unloaded();
    let mut drive = load(&image);
    let (end, _) = drive.tape.end().expect("known without a scan");
    assert_eq!((end.object, end.marks), (200, 20));
    assert_eq!(read_all(&mut drive), Ok(objects()));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    assert_eq!(drive.medium, image, "reading leaves it alone");
}

#[test]
fn any_damage_to_it_is_noticed() {
    let image = unloaded();
    let (end, used) = load(&image).tape.end().expect("indexed");
    assert_eq!(end.object, 200);
    for at in used as usize + 4..image.len() {
        let mut damaged = image.clone();
        damaged[at] ^= 0x10;
        assert!(!is_used(&damaged), "byte {at}");
    }
    let mut damaged = image.clone();
    let at = image.len() - FOOTER_LEN;
    damaged[at..].fill(0);
    assert_eq!(read_all(&mut load(&damaged)), Ok(objects()));
}

#[test]
fn a_tool_that_appends_is_noticed() {
    let mut image = unloaded();
    let (_, used) = load(&image).tape.end().expect("indexed");
    let record = [simh(2, b"ab"), vec![0xff; 4]].concat();
    image[used as usize..used as usize + record.len()].copy_from_slice(&record);
    assert!(!is_used(&image));
    let mut expected = objects();
    expected.push(Object::Record(b"ab".to_vec()));
    let mut drive = load(&image);
    assert_eq!(read_all(&mut drive), Ok(expected.clone()));
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    assert!(is_used(&drive.medium), "a stale index is replaced");
    assert_eq!(read_all(&mut load(&drive.medium)), Ok(expected));
}

#[test]
fn a_tool_that_writes_anywhere_is_noticed_on_the_way() {
    let image = unloaded();
    for object in 0..199 {
        let drive = load(&image);
        let at = drive.tape.index().find(object).expect("indexed").at.offset as usize;
        // As SIMH does it: two marks here, and what follows stays.
        let mut changed = image.clone();
        changed[at..at + 8].fill(0);
        changed[at + 8..at + 12].fill(0xff);
        let mut drive = load(&changed);
        let expected = [&objects()[..object as usize], &[Object::Mark, Object::Mark]].concat();
        assert_eq!(read_all(&mut drive), Ok(expected), "object {object}");
    }
}

#[test]
fn it_goes_when_the_tape_is_written() {
    let mut drive = load(&unloaded());
    let _: Outcome = drive.run(Operation::Locate(100)).expect("there");
    assert_eq!(drive.write(b"new"), Ok(Outcome::Done));
    let crashed = drive.medium.clone();
    assert!(!is_used(&crashed), "struck out before anything else");
    assert_eq!(read_all(&mut load(&crashed)), Ok(objects()[..100].to_vec()));
    assert_eq!(drive.run(Operation::Sync), Ok(Outcome::Done));
    let (_, used) = drive.tape.end().expect("just written");
    assert_eq!(drive.medium.len() as u64, used + 4, "stale data is gone");
}
