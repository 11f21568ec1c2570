// SPDX-License-Identifier: GPL-2.0-or-later
//! CDBs, and what tests look at in sense data.

use tape_drive::driver::Runner;
use tape_drive::{Config, Key, Sense};
use tape_image::driver::Medium as Bytes;

pub const FIXED: u8 = 1;
pub const SILI: u8 = 2;

pub const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];
pub const READY: [u8; 6] = [0; 6];
pub const ERASE: [u8; 6] = [0x19, 0, 0, 0, 0, 0];
pub const LOAD: [u8; 6] = [0x1b, 0, 0, 0, 1, 0];
pub const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
pub const TO_END: [u8; 6] = [0x11, 3, 0, 0, 0, 0];

fn six(opcode: u8, flags: u8, count: u32) -> [u8; 6] {
    let [_, a, b, c] = count.to_be_bytes();
    [opcode, flags, a, b, c, 0]
}

pub fn read(flags: u8, count: u32) -> [u8; 6] {
    six(0x08, flags, count)
}

pub fn reverse(flags: u8, count: u32) -> [u8; 6] {
    six(0x0f, flags, count)
}

pub fn verify(flags: u8, count: u32) -> [u8; 6] {
    six(0x13, flags, count)
}

pub fn write(flags: u8, count: u32) -> [u8; 6] {
    six(0x0a, flags, count)
}

pub fn marks(count: u32) -> [u8; 6] {
    six(0x10, 0, count)
}

pub fn space(code: u8, count: i32) -> [u8; 6] {
    six(0x11, code, count as u32)
}

pub fn locate(object: u32) -> [u8; 10] {
    let [a, b, c, d] = object.to_be_bytes();
    [0x2b, 0, 0, a, b, c, d, 0, 0, 0]
}

pub fn locate_partition(partition: u8, object: u32) -> [u8; 10] {
    let mut cdb = locate(object);
    cdb[1] = 2;
    cdb[8] = partition;
    cdb
}

/// A 16-byte READ, WRITE and the like.
pub fn long(opcode: u8, flags: u8, partition: u8, object: u64, count: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..4].copy_from_slice(&[opcode, flags, 0, partition]);
    cdb[4..12].copy_from_slice(&object.to_be_bytes());
    cdb[12..15].copy_from_slice(&count.to_be_bytes()[1..]);
    cdb
}

pub const POSITION: [u8; 10] = [0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What of sense data is about the tape: key, code, FM EOM ILI, INFORMATION.
pub type Told = (Key, u16, &'static str, Option<i64>);

pub fn told(sense: Sense) -> Told {
    let bits = match (sense.filemark, sense.eom, sense.ili) {
        (false, false, false) => "",
        (true, false, false) => "fm",
        (false, true, false) => "eom",
        (false, false, true) => "ili",
        _ => "several",
    };
    (sense.key, sense.asc, bits, sense.information)
}

pub trait Commands {
    /// A command that ends with CHECK CONDITION: what it says, and data in.
    fn fails(&mut self, cdb: impl AsRef<[u8]>) -> (Told, Vec<u8>);
    /// The same, with data out.
    fn fails_with(&mut self, cdb: impl AsRef<[u8]>, out: &[u8]) -> Told;
    /// Object number, by READ POSITION.
    fn position(&mut self) -> u32;
    /// MODE SELECT of a block length, and of buffered mode.
    fn set_block_length(&mut self, length: u32);
    fn set_buffered(&mut self, on: bool);
    /// Writes a variable block.
    fn record(&mut self, data: &[u8]);
}

impl<M: Bytes> Commands for Runner<M> {
    #[track_caller]
    fn fails(&mut self, cdb: impl AsRef<[u8]>) -> (Told, Vec<u8>) {
        let ended = self.command(cdb.as_ref(), &[]);
        let sense = ended.done.cause.expect("CHECK CONDITION");
        (told(sense), ended.data)
    }

    #[track_caller]
    fn fails_with(&mut self, cdb: impl AsRef<[u8]>, out: &[u8]) -> Told {
        let ended = self.command(cdb.as_ref(), out);
        told(ended.done.cause.expect("CHECK CONDITION"))
    }

    #[track_caller]
    fn position(&mut self) -> u32 {
        let data = self.ok(POSITION);
        u32::from_be_bytes(data[4..8].try_into().unwrap())
    }

    #[track_caller]
    fn set_block_length(&mut self, length: u32) {
        let [_, a, b, c] = length.to_be_bytes();
        let list = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, a, b, c];
        self.ok_with([0x15, 0x10, 0, 0, 12, 0], &list);
    }

    #[track_caller]
    fn set_buffered(&mut self, on: bool) {
        let list = [0, 0, u8::from(on) << 4, 0];
        self.ok_with([0x15, 0x10, 0, 0, 4, 0], &list);
    }

    #[track_caller]
    fn record(&mut self, data: &[u8]) {
        self.ok_with(write(0, data.len() as u32), data);
    }
}

/// A drive with a tape of so many bytes, early warning so many before its end.
pub fn small(capacity: u64, early_warning: u64) -> Runner<Vec<u8>> {
    let config = Config {
        capacity,
        early_warning,
        ..Config::default()
    };
    Runner::with(config, Vec::new())
}

/// Records, and `b""` for a filemark, at the beginning.
pub fn tape(objects: &[&[u8]]) -> Runner<Vec<u8>> {
    let mut drive = Runner::blank();
    for object in objects {
        match object.len() {
            0 => drive.ok(marks(1)),
            len => drive.ok_with(write(0, len as u32), object),
        };
    }
    drive.ok(REWIND);
    drive
}
