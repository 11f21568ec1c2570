// SPDX-License-Identifier: GPL-2.0-or-later
//! What fuzzing does to a drive: any bytes as an image, commands, their data,
//! failures of the medium, interruptions and saved states.

use std::io;

use tape_image::driver::Medium as Bytes;
use tape_image::Truncation;

use crate::cartridge::{Place, Slot};
use crate::driver::Runner;
use crate::spc::opcodes::ascending;
use crate::table::TABLE;
use crate::{Config, Drive, Medium, Status, Task, Transfer};

/// Larger buffers take time and show nothing new.
const BUFFER_MAX: usize = 256 << 10;
/// Bytes of an image, at most: a hole is as long as a LOCATE of a partition.
const IMAGE_MAX: u64 = 16 << 20;

/// Takes two bytes for the drive's configuration and the number of commands,
/// 20 bytes for each, and the rest as the image. Panics where a promise is
/// broken:
///
/// * every command ends, with sense data if and only if it says so;
/// * data stays within the buffer, and data in within the room;
/// * an interrupted command has changed nothing;
/// * a drive that is clean can be saved, and what it saved restores the same.
pub fn exercise(input: &[u8]) {
    let Some(([habits, count], rest)) = input.split_first_chunk() else {
        return;
    };
    let commands = rest.chunks_exact(20).take(usize::from(*count));
    let image = &rest[20 * commands.len()..];
    let config = Config {
        capacity: if habits & 1 != 0 { 100_000 } else { u64::MAX },
        early_warning: if habits & 1 != 0 { 20_000 } else { 0 },
        worm: habits & 2 != 0,
        block_length: if habits & 4 != 0 { 64 } else { 0 },
        index: habits & 8 != 0,
        join_records: habits & 32 != 0,
        eom_at_eod: habits & 64 != 0,
        autoload_after_unload: habits & 128 != 0,
        ..Config::default()
    };
    let medium = Medium {
        length: image.len() as u64,
        truncation: Truncation::Exact,
        read_only: habits & 16 != 0,
    };
    let mut drive = Drive::new(config.clone()).expect("a good configuration");
    drive.insert(medium);
    let mut runner = Runner {
        drive,
        medium: Faulty {
            bytes: image.to_vec(),
            fails_in: None,
        },
    };
    for bytes in commands {
        step(&mut runner, bytes, &config);
    }
    runner.medium.fails_in = None;
    while runner.task(Task::Unload).status != Status::Good {
        // The first may report what an earlier failure has lost.
        assert!(
            !runner.drive.is_dirty(),
            "clean after a failure was reported"
        );
    }
}

/// One command; the last four bytes say how it goes.
fn step(runner: &mut Runner<Faulty>, bytes: &[u8], config: &Config) {
    let (cdb, how) = bytes.split_at(16);
    let mut cdb = cdb.to_vec();
    if how[0] & 1 != 0 {
        let rows = ascending(TABLE);
        let entry = rows[usize::from(cdb[0]) % rows.len()];
        for (byte, usage) in cdb.iter_mut().zip(entry.usage) {
            *byte &= usage;
        }
        cdb[0] = entry.opcode;
        cdb[1] |= entry.action.unwrap_or(0);
        clamp_cdb(&mut cdb);
    }
    // Millions of filemarks take time and show nothing new either.
    match cdb[0] {
        0x10 => cdb[2] = 0,
        0x80 => cdb[12] = 0,
        _ => {}
    }
    runner.medium.fails_in = (how[1] >= 0xf0).then_some(u32::from(how[1] & 0x0f));
    let drive = &mut runner.drive;
    let length = drive.buffer_length(&cdb);
    if length > BUFFER_MAX {
        return;
    }
    let mut buffer = vec![how[2]; length];
    let announced = drive.transfer(&cdb).bytes() as usize;
    let room = announced.min(length) - usize::from(how[0] >> 4).min(announced.min(length));
    let before = place(drive);
    drive.start(&cdb, room);
    let done = runner.finish_interrupted(&mut buffer, how[3].into());
    let drive = &mut runner.drive;
    assert!(done.data_in <= room || matches!(drive.transfer(&cdb), Transfer::Out(_)));
    let told = done.status == Status::CheckCondition;
    assert_eq!(told, !done.sense.is_empty(), "{done:?}");
    if done.interrupted {
        let after = place(drive);
        assert_eq!(after.map(|p| p.resume), before.map(|p| p.resume));
    }
    if how[0] & 0x0c == 0x0c && !drive.is_dirty() {
        let saved = drive.save();
        let mut again = Drive::new(config.clone()).expect("as before");
        again.restore(&saved).expect("what a drive saved");
        if place(drive).is_some() {
            again.insert(Medium {
                length: runner.medium.bytes.len() as u64,
                truncation: Truncation::Exact,
                read_only: false,
            });
        }
        assert_eq!(again.save(), saved);
    }
}

fn place(drive: &mut Drive) -> Option<Place> {
    drive.idle_mut().slot.as_ref().map(Slot::place)
}

/// Numbers that mean something: where there are partitions and objects, and
/// blocks that a buffer has room for.
fn clamp_cdb(cdb: &mut [u8]) {
    match cdb[0] {
        0x08 | 0x0a | 0x0f | 0x13 => cdb[2] = 0,
        0x2b => {
            cdb[3..6].fill(0);
            cdb[6] &= 7;
            cdb[8] &= 3;
        }
        0x8c | 0x8d => {
            cdb[7] &= 3;
            cdb[10..12].fill(0);
        }
        0x80..=0x93 => {
            cdb[3] &= 3;
            cdb[4..11].fill(0);
            cdb[11] &= 7;
            cdb[12] = 0;
        }
        _ => {}
    }
}

/// An image whose requests fail once, when so many have been carried out.
struct Faulty {
    bytes: Vec<u8>,
    fails_in: Option<u32>,
}

impl Faulty {
    fn fail(&mut self) -> io::Result<()> {
        const ENOSPC: i32 = 28;
        const EIO: i32 = 5;
        let Some(left) = &mut self.fails_in else {
            return Ok(());
        };
        let odd = *left & 1 != 0;
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => {
                self.fails_in = None;
                let errno = if odd { ENOSPC } else { EIO };
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        Ok(())
    }
}

impl Bytes for Faulty {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.fail()?;
        self.bytes.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        const EFBIG: i32 = 27;
        self.fail()?;
        if offset + data.len() as u64 > IMAGE_MAX {
            return Err(io::Error::from_raw_os_error(EFBIG));
        }
        self.bytes.write_at(offset, data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fail()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.fail()?;
        Bytes::truncate(&mut self.bytes, length)
    }
}
