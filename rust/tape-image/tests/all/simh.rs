// SPDX-License-Identifier: GPL-2.0-or-later
//! Round trips with tools that nobody here wrote: the PDP-11 of SIMH with its
//! TM11 tape controller, and SIMH's mtdump, both of Debian's package simh.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{read_all, Object};
use tape_image::driver::Drive;
use tape_image::{Config, Operation, Outcome};

/// Runs a program of the package; what it says.
fn simh(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} of Debian's package simh, which scripts/deps installs: {error}")
    });
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Two files, then an empty one: lengths odd and even, 1, and those of a
/// sector and a page, with what could be taken for words of the format.
fn objects() -> Vec<Object> {
    let mut objects = Vec::new();
    for (number, length) in [80, 81, 1, 2, 512, 4999, 4096, 513, 3]
        .into_iter()
        .enumerate()
    {
        let data = (0..length).map(|at| match number {
            4 => 0,
            5 => 0xff,
            _ => (at * 7 + number) as u8,
        });
        objects.push(Object::Record(data.collect()));
        if number == 3 {
            objects.push(Object::Mark);
        }
    }
    objects.extend([Object::Mark, Object::Mark]);
    objects
}

fn written(objects: &[Object], save_index: bool) -> Vec<u8> {
    let config = Config {
        save_index,
        ..Config::new(0)
    };
    let mut drive = Drive::load(Vec::new(), config).expect("blank");
    for object in objects {
        let outcome = match object {
            Object::Record(data) => drive.write(data),
            Object::Mark => drive.run(Operation::WriteMarks(1)),
        };
        assert_eq!(outcome, Ok(Outcome::Done));
    }
    assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
    drive.medium
}

/// A script for the PDP-11: the operator's console writes to the registers of
/// the controller, and the processor runs in a circle meanwhile.
struct Console(String);

impl Console {
    fn new(attach: &str) -> Self {
        Self(format!(
            "set cpu 11/70\nset tm enable\n{attach}\n\
             deposit 1000 777\ndeposit pc 1000\nstep 1\n"
        ))
    }

    /// Byte count, as a negative number, then address, then command.
    fn tell(&mut self, count: usize, command: &str) {
        let count = ((1 << 16) - count) & 0xffff;
        let script = writeln!(
            self.0,
            "deposit 17772524 {count:o}\ndeposit 17772526 10000\n\
             deposit 17772522 {command}\nstep 20000\nexamine 17772522"
        );
        script.expect("writing to a string");
    }

    fn run(self, folder: &Path) -> String {
        fs::write(folder.join("console.ini"), self.0 + "quit\n").expect("room");
        simh("pdp11", &["console.ini"], folder)
    }
}

#[test]
fn simh_reads_what_is_written_here_and_the_other_way_round() {
    let folder = tempfile::tempdir().expect("a folder");
    for save_index in [false, true] {
        let objects = objects();
        let ours = written(&objects, save_index);
        fs::write(folder.path().join("ours.tap"), &ours).expect("room");
        // Each object is read from drive 0 and written to drive 1.
        let mut console = Console::new("attach -r tm0 ours.tap\nattach tm1 theirs.tap");
        for object in &objects {
            console.tell(0, "60003");
            match object {
                Object::Record(data) => console.tell(data.len(), "60405"),
                Object::Mark => console.tell(0, "60407"),
            }
        }
        let said = console.run(folder.path());
        let theirs = fs::read(folder.path().join("theirs.tap"))
            .unwrap_or_else(|e| panic!("{e}; pdp11 said: {said}"));
        let length = theirs.len() as u64;
        let mut drive = Drive::load(theirs, Config::new(length)).expect("SIMH's image");
        assert_eq!(read_all(&mut drive).as_ref(), Ok(&objects), "{said}");
        // Byte for byte the same, but for SIMH's pads, which are what its buffer
        // held, and the end marker, which it doesn't write.
        let length = length as usize;
        let mut theirs = drive.medium;
        let mut at = 0;
        for object in &objects {
            if let Object::Record(data) = object {
                if data.len() % 2 == 1 {
                    theirs[at + 4 + data.len()] = 0;
                }
                at += 4 + data.len().next_multiple_of(2);
            }
            at += 4;
        }
        assert!(theirs == ours[..length]);
        assert_eq!(ours[length..length + 4], [0xff; 4]);
        fs::remove_file(folder.path().join("theirs.tap")).expect("it was there");
    }
}

/// SIMH overwrites the end marker, writes none of its own, and leaves what is
/// left of our index behind its objects.
#[test]
fn simh_appends_to_a_tape_with_an_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ours.tap");
    for more in 1..4 {
        // Records of a hundred lengths make an index of some length.
        let mut objects: Vec<_> = (0..100)
            .map(|number| Object::Record(vec![number as u8; 60 + number * 2]))
            .collect();
        let ours = written(&objects, true);
        fs::write(&path, &ours).expect("room");
        let mut console = Console::new("attach tm0 ours.tap");
        for _ in &objects {
            console.tell(0, "60003");
        }
        for _ in 0..more {
            console.tell(2 * more, "60005");
            objects.push(Object::Record(vec![99; 2 * more]));
        }
        let said = console.run(folder.path());
        let theirs = fs::read(&path).expect("it was there");
        assert_eq!(theirs.len(), ours.len(), "it leaves what is behind: {said}");
        let config = Config::new(theirs.len() as u64);
        let mut drive = Drive::load(theirs, config).expect("a tape");
        assert_eq!(read_all(&mut drive).as_ref(), Ok(&objects), "{said}");
        // And it can go on from there.
        assert_eq!(drive.write(b"ours again"), Ok(Outcome::Done));
        objects.push(Object::Record(b"ours again".to_vec()));
        assert_eq!(drive.run(Operation::Unload), Ok(Outcome::Done));
        let config = Config::new(drive.medium.len() as u64);
        let mut drive = Drive::load(drive.medium, config).expect("a tape");
        assert!(drive.tape.end().is_some(), "an index of its own");
        assert_eq!(read_all(&mut drive).as_ref(), Ok(&objects));
    }
}

#[test]
fn mtdump_sees_the_objects_and_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for save_index in [false, true] {
        let objects = objects();
        let image = written(&objects, save_index);
        fs::write(folder.path().join("ours.tap"), &image).expect("room");
        let said = simh("mtdump", &["ours.tap"], folder.path());
        let (mut position, mut lengths) = (0, Vec::new());
        let seen = said.lines().filter_map(|line| {
            let mut fields = line.strip_prefix("Obj ")?.split(", ");
            fields.next()?;
            let at: usize = fields.next()?.strip_prefix("position ")?.parse().ok()?;
            let length = line.split("length = ").nth(1);
            let length = length.and_then(|l| l.split(' ').next()?.parse::<usize>().ok());
            Some((at, length))
        });
        let seen: Vec<_> = seen.collect();
        for object in &objects {
            let length = match object {
                Object::Record(data) => Some(data.len()),
                Object::Mark => None,
            };
            lengths.push((position, length));
            position += length.map_or(4, |length| 8 + length.next_multiple_of(2));
        }
        // Two marks in a row end the tape, as far as it is concerned.
        assert_eq!(seen, lengths, "{said}");
        assert!(said.contains("end of logical tape"), "{said}");
    }
}
