// SPDX-License-Identifier: GPL-2.0-or-later
//! A medium that fails, and initiators that give up.

use std::io;

use crate::support::*;
use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Config, Drive, Io, Medium, Task};
use tape_image::driver::{carry_out, Data, Medium as Bytes};
use tape_image::Truncation;

/// Fails with an errno while it has one.
#[derive(Default)]
struct Failing {
    bytes: Vec<u8>,
    writes: Option<i32>,
    reads: Option<i32>,
    flushes: u32,
    /// Bytes that it holds.
    room: Option<usize>,
}

fn result(errno: Option<i32>) -> io::Result<()> {
    errno.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
}

impl Bytes for Failing {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        result(self.reads)?;
        self.bytes.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset as usize + data.len();
        let full = self.room.is_some_and(|room| end > room);
        result(self.writes.or(full.then_some(ENOSPC)))?;
        self.bytes.write_at(offset, data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        result(self.writes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        result(self.writes)?;
        Bytes::truncate(&mut self.bytes, length)
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn drive() -> Runner<Failing> {
    Runner::new(Config::default(), Failing::default(), 0)
}

#[test]
fn unbuffered_writes_fail_at_once() {
    let mut drive = drive();
    drive.set_buffered(false);
    drive.record(b"abc");
    assert!(!drive.drive.is_dirty());
    drive.medium.writes = Some(EIO);
    let ended = drive.command(&write(0, 3), b"def");
    let sense = ended.done.cause.expect("CHECK CONDITION");
    assert!(!sense.deferred);
    assert_eq!((sense.key, sense.asc), (MediumError, asc::WRITE_ERROR));
    drive.medium.writes = None;
    assert_eq!(drive.position(), 1);
    drive.record(b"def");
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(0, 3)), b"abc");
    assert_eq!(drive.ok(read(0, 3)), b"def");
}

#[test]
fn what_was_acknowledged_is_a_deferred_error() {
    let mut drive = drive();
    drive.record(b"synced");
    drive.ok(marks(1));
    drive.record(b"lost");
    drive.record(b"lost too");
    assert!(drive.drive.is_dirty());
    drive.medium.writes = Some(EIO);
    let ended = drive.command(&REWIND, &[]);
    assert_eq!(ended.done.sense[0], 0xf1, "deferred, with INFORMATION");
    let (told, text) = (told(ended.done.cause.unwrap()), drive.drive.failure());
    assert_eq!(told, (MediumError, asc::WRITE_ERROR, "", Some(2)));
    assert!(text.unwrap().to_string().contains("errno 5"), "{text:?}");
    drive.medium.writes = None;
    assert_eq!(drive.position(), 2, "behind what was synced");
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(0, 6)), b"synced");
}

#[test]
fn a_full_host_is_the_end_of_the_tape() {
    let mut drive = drive();
    drive.set_block_length(100_000);
    drive.medium.writes = Some(ENOSPC);
    let told = drive.fails_with(write(FIXED, 3), &vec![1; 300_000]);
    assert_eq!(
        told,
        (VolumeOverflow, asc::END_OF_PARTITION, "eom", Some(3))
    );
    drive.medium.writes = None;
    drive.ok_with(write(FIXED, 3), &vec![1; 300_000]);
    drive.medium.writes = Some(ENOSPC);
    let ended = drive.command(&marks(1), &[]);
    let sense = ended.done.cause.unwrap();
    assert!(sense.deferred, "acknowledged blocks are lost too");
    assert_eq!(sense.information, Some(4));
    assert!(!sense.eom && sense.key == MediumError);
}

/// Everything before the place that can't be written is on the tape, and the
/// initiator can tell how much that is.
#[test]
fn a_full_host_keeps_what_it_has() {
    const LENGTH: usize = 100_000;
    let mut drive = drive();
    drive.medium.room = Some(1_000_000);
    drive.set_block_length(LENGTH as u32);
    let data: Vec<u8> = (0..20 * LENGTH).map(|n| (n / LENGTH) as u8).collect();
    // All in one command: so many of its blocks are not written.
    let told = drive.fails_with(write(FIXED, 20), &data);
    let kept = drive.position() as usize;
    assert!(
        (8..10).contains(&kept),
        "{kept} blocks of a tenth of the room"
    );
    let expected = Some(20 - kept as i64);
    assert_eq!(
        told,
        (VolumeOverflow, asc::END_OF_PARTITION, "eom", expected)
    );
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(FIXED, kept as u32)), data[..kept * LENGTH]);
    // In several: some of those that were acknowledged are lost.
    drive.ok(REWIND);
    let (mut acknowledged, mut sense) = (0, None);
    while sense.is_none() {
        let ended = drive.command(&write(FIXED, 1), &data[acknowledged * LENGTH..][..LENGTH]);
        sense = ended.done.cause;
        acknowledged += usize::from(sense.is_none());
    }
    let (sense, kept) = (sense.unwrap(), drive.position() as usize);
    assert!((8..10).contains(&kept), "{kept} of {acknowledged} blocks");
    let lost = acknowledged - kept;
    assert_eq!(sense.deferred, lost > 0);
    let told = if lost > 0 { lost } else { 1 };
    assert_eq!(sense.information, Some(told as i64));
    assert_eq!(sense.eom, lost == 0);
    drive.ok(REWIND);
    assert_eq!(drive.ok(read(FIXED, kept as u32)), data[..kept * LENGTH]);
}

#[test]
fn a_failed_task_is_told_to_the_next_command() {
    let mut drive = drive();
    drive.record(b"lost");
    drive.medium.writes = Some(EIO);
    assert!(drive.task(Task::Sync).cause.is_some());
    drive.medium.writes = None;
    let state = drive.drive.save();
    drive.ok([0x12, 0, 0, 0, 96, 0]);
    assert_eq!(drive.command(&READY, &[]).done.sense[0], 0xf1);
    drive.ok(READY);
    // It moves along.
    let mut other = Runner::new(Config::default(), Failing::default(), 0);
    other.drive.restore(&state).unwrap();
    let sense = other.ok([0x03, 0, 0, 0, 18, 0]);
    assert_eq!((sense[0], sense[2]), (0xf1, MediumError as u8));
    other.ok(READY);
}

#[test]
fn reads_fail_and_can_be_repeated() {
    let image = tape(&[&[1; 5000], &[2; 100_000], &[3; 10]]).medium;
    let length = image.len() as u64;
    let medium = Failing {
        bytes: image,
        ..Failing::default()
    };
    let mut drive = Runner::new(Config::default(), medium, length);
    drive.medium.reads = Some(EIO);
    assert_eq!(drive.fails(READY).0 .1, asc::UNRECOVERED_READ_ERROR);
    drive.medium.reads = None;
    assert_eq!(drive.ok(read(0, 5000)), [1; 5000]);
    drive.medium.reads = Some(EIO);
    let (told, data) = drive.fails(read(0, 100_000));
    let expected = (MediumError, asc::UNRECOVERED_READ_ERROR, "", Some(100_000));
    assert_eq!((told, data.len()), (expected, 0));
    drive.medium.reads = None;
    assert_eq!(drive.ok(read(0, 100_000)), [2; 100_000]);
}

#[test]
fn a_load_that_fails_does_not_lose_the_place() {
    let mut first = tape(&[b"abc", b"def"]);
    first.ok(read(0, 3));
    let state = first.drive.save();
    let length = first.medium.len() as u64;
    let medium = Failing {
        bytes: first.medium,
        ..Failing::default()
    };
    let mut drive = Runner::new(Config::default(), medium, length);
    drive.drive.restore(&state).unwrap();
    drive.medium.reads = Some(EIO);
    assert_eq!(drive.fails(READY).0 .1, asc::UNRECOVERED_READ_ERROR);
    drive.medium.reads = None;
    assert_eq!(drive.ok(read(0, 3)), b"def");
}

#[test]
fn a_drive_that_moves_on_without_a_command_keeps_the_place() {
    let mut first = tape(&[b"abc", b"def"]);
    first.ok(read(0, 3));
    let state = first.drive.save();
    // Its cartridge comes with the first command.
    let mut second = Drive::new(Config::default()).unwrap();
    second.restore(&state).unwrap();
    assert_eq!(second.save(), state);
    let length = first.medium.len() as u64;
    let mut third = Runner::new(Config::default(), first.medium.clone(), length);
    third.drive.restore(&second.save()).unwrap();
    assert_eq!(third.ok(read(0, 3)), b"def");
    // Another cartridge isn't there.
    second.remove();
    assert_ne!(second.save(), state);
}

#[test]
fn a_tape_that_became_shorter_is_noticed_once() {
    let mut drive = tape(&[b"abc", b"def"]);
    drive.ok(TO_END);
    let state = drive.drive.save();
    let mut other = tape(&[b"xyz"]);
    other.drive.restore(&state).unwrap();
    let (told, _) = other.fails(READY);
    assert_eq!((told.0, told.1), (MediumError, asc::BLOCK_SEQUENCE_ERROR));
    assert_eq!(other.position(), 1);
}

#[test]
fn filemarks_sync_unless_immediate() {
    let mut drive = drive();
    drive.record(b"abc");
    let before = drive.medium.flushes;
    drive.ok([0x10, 1, 0, 0, 1, 0]);
    assert_eq!(drive.medium.flushes, before);
    assert!(drive.drive.is_dirty());
    let position = drive.ok(POSITION);
    assert_eq!(position[4..16], [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(position[16..], [0, 0, 0, 3]);
    drive.ok(marks(0));
    assert!(drive.medium.flushes > before);
    assert!(!drive.drive.is_dirty());
    assert_eq!(
        drive.ok(POSITION)[8..],
        [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}

/// Begins a command, and interrupts it at its `at`th request. `None`: it ended
/// before.
fn interrupted(drive: &mut Runner<Vec<u8>>, cdb: &[u8], at: usize) -> Option<bool> {
    let mut buffer = vec![0; drive.drive.buffer_length(cdb)];
    let room = buffer.len();
    drive.drive.start(cdb, room);
    let mut seen = 0;
    let mut asked = false;
    while let Some(request) = drive.drive.poll() {
        seen += usize::from(!matches!(request.io, Io::Put { .. }));
        if seen == at && !asked {
            drive.drive.interrupt();
            asked = true;
        }
        let mut data = match request.io {
            Io::Read { .. } | Io::Put { .. } => Data::In(&mut buffer),
            _ => Data::Out(&buffer),
        };
        let completion = carry_out(request, &mut drive.medium, &mut data);
        drive.drive.handle(completion);
    }
    let done = drive.drive.poll_done().expect("it ends");
    asked.then_some(done.interrupted)
}

#[test]
fn an_interrupted_command_has_not_happened() {
    let record = vec![1; 100_000];
    let objects: Vec<&[u8]> = vec![&record; 8];
    let mut image = tape(&objects).medium;
    let length = image.len() as u64;
    for cdb in [read(FIXED, 6), verify(FIXED, 6), space(0, 7), TO_END] {
        let mut ended_early = 0;
        for at in 1.. {
            let mut drive = Runner::new(
                Config {
                    block_length: 100_000,
                    ..Config::default()
                },
                image,
                length,
            );
            drive.ok(read(FIXED, 1));
            let ended = interrupted(&mut drive, &cdb, at);
            if ended == Some(true) {
                ended_early += 1;
                assert_eq!(drive.position(), 1, "{cdb:02x?} at request {at}");
            }
            image = drive.medium;
            if ended.is_none() {
                break;
            }
        }
        assert!(ended_early > 0, "{cdb:02x?}");
    }
}

#[test]
fn an_interrupted_write_goes_on() {
    let mut drive = Runner::blank();
    assert_eq!(interrupted(&mut drive, &write(0, 100_000), 1), Some(false));
    assert_eq!(drive.position(), 1);
}

#[test]
fn completions_of_a_cartridge_that_is_gone_are_taken() {
    let mut drive = Runner::blank();
    let data = vec![1; 60_000];
    drive.ok(READY);
    let mut held = Vec::new();
    while held.is_empty() {
        let mut buffer = data.clone();
        drive.drive.start(&write(0, 60_000), buffer.len());
        loop {
            while let Some(request) = drive.drive.poll() {
                // A write behind: nobody waits for it.
                if drive.drive.is_dirty() && matches!(request.io, Io::Write { .. }) {
                    held.push(request);
                    continue;
                }
                let completion = carry_out(request, &mut drive.medium, &mut Data::Out(&buffer));
                drive.drive.handle(completion);
            }
            if drive.drive.poll_done().is_some() {
                break;
            }
        }
        buffer.clear();
    }
    drive.drive.remove();
    for request in held {
        let completion = carry_out(request, &mut drive.medium, &mut Data::None);
        drive.drive.handle(completion);
    }
    let length = drive.medium.len() as u64;
    drive.drive.insert(Medium {
        length,
        truncation: Truncation::Exact,
        read_only: false,
    });
    drive.command(&READY, &[]);
}

/// The first command after a migration reads the tape to where it was; to
/// interrupt that isn't to forget it.
#[test]
fn an_interrupted_first_command_keeps_the_place() {
    let mut drive = tape(&[&[1; 100_000], &[2; 100_000], &[3; 100_000]]);
    drive.ok(locate(2));
    let state = drive.drive.save();
    let mut ended_early = 0;
    for at in 1.. {
        let mut other = Runner::with(drive.drive.config().clone(), drive.medium.clone());
        other.drive.restore(&state).unwrap();
        match interrupted(&mut other, &read(0, 100_000), at) {
            Some(true) => {
                ended_early += 1;
                let again = other.ok(read(0, 100_000));
                assert_eq!(again, [3; 100_000], "at request {at}");
            }
            Some(false) => {}
            None => break,
        }
    }
    assert!(ended_early > 2, "{ended_early}");
}
