// SPDX-License-Identifier: GPL-2.0-or-later
//! A program that mounts tapes, and what it sends. The offsets are those of
//! MODE SENSE(10) with a block descriptor: pages begin at byte 16.

use tape_drive::driver::Runner;
use tape_drive::Key::*;
use tape_drive::{asc, Config, Status};

use crate::support::*;

pub const KEY: [u8; 8] = *b"node 1  ";
const CAPACITY: u64 = 8_000_000;

/// A mounting program, and what it knows.
pub struct Host {
    pub drive: Runner<Vec<u8>>,
    append_only: bool,
}

/// READ POSITION, long.
#[derive(Debug, PartialEq)]
pub struct Place {
    pub partition: u32,
    pub block: u64,
    pub marks: u64,
    pub early_warning: bool,
    pub programmable: bool,
}

fn at(partition: u32, block: u64, marks: u64) -> Place {
    Place {
        partition,
        block,
        marks,
        early_warning: false,
        programmable: false,
    }
}

pub fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &b| value << 8 | u64::from(b))
}

impl Host {
    pub fn new(image: Vec<u8>) -> Self {
        let config = Config {
            capacity: CAPACITY,
            early_warning: CAPACITY / 16,
            serial: Some("1013000001".into()),
            ..Config::default()
        };
        let drive = Runner::with(config, image);
        Self {
            drive,
            append_only: false,
        }
    }

    pub fn reserve_out(&mut self, action: u8, kind: u8, key: [u8; 8], other: [u8; 8]) -> Status {
        let mut list = [key, other].concat();
        list.resize(24, 0);
        let cdb = [0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0];
        self.drive.command(&cdb, &list).done.status
    }

    /// The key of who holds the reservation, by READ FULL STATUS.
    pub fn holder(&mut self) -> Option<[u8; 8]> {
        let data = self.drive.ok([0x5e, 3, 0, 0, 0, 0, 0, 0, 255, 0]);
        let mut rest = &data[8..];
        assert_eq!(be(&data[4..8]), rest.len() as u64);
        while !rest.is_empty() {
            if rest[12] & 1 != 0 {
                return Some(rest[..8].try_into().unwrap());
            }
            rest = &rest[24 + be(&rest[20..24]) as usize..];
        }
        None
    }

    pub fn open(&mut self) {
        let inquiry = self.drive.ok([0x12, 0, 0, 0, 255, 0]);
        assert_eq!(inquiry[0] & 0x1f, 1);
        let serial = self.drive.ok([0x12, 1, 0x80, 0, 255, 0]);
        assert_eq!(&serial[4..4 + usize::from(serial[3])], b"1013000001");
        self.drive.ok(READY);
        assert_eq!(self.holder(), None);
        // All commands with their timeouts: each as long as the others.
        let codes = [0xa3, 0x0c, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let codes = self.drive.ok(codes);
        assert_eq!(be(&codes[..4]) as usize, codes.len() - 4);
        assert_eq!((codes.len() - 4) % 20, 0);
        assert_eq!(self.reserve_out(6, 0, [0; 8], KEY), Status::Good);
        assert_eq!(self.reserve_out(1, 3, KEY, [0; 8]), Status::Good);
        assert_eq!(self.holder(), Some(KEY));
        self.drive.ok([0x1e, 0, 0, 0, 0, 0]);
    }

    pub fn close(&mut self) {
        self.drive.ok([0x1e, 0, 0, 0, 0, 0]);
        self.set_append_only(false);
        assert_eq!(self.reserve_out(2, 3, KEY, [0; 8]), Status::Good);
        assert_eq!(self.reserve_out(6, 0, [0; 8], [0; 8]), Status::Good);
        assert_eq!(self.holder(), None);
    }

    pub fn mode(&mut self, page: u8, subpage: u8, room: u8) -> Vec<u8> {
        self.drive.ok([0x5a, 0, page, subpage, 0, 0, 0, 0, room, 0])
    }

    /// Sends back what it got, but for MODE DATA LENGTH and what is `changed`.
    pub fn select(&mut self, mut list: Vec<u8>, changed: &[(usize, u8)]) {
        list[..2].fill(0);
        for &(byte, value) in changed {
            list[byte] = value;
        }
        let cdb = [0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8, 0];
        self.drive.ok_with(cdb, &list);
    }

    pub fn place(&mut self) -> Place {
        let data = self.drive.ok([0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        Place {
            partition: be(&data[4..8]) as u32,
            block: be(&data[8..16]),
            marks: be(&data[16..24]),
            early_warning: data[0] & 0x40 != 0,
            programmable: data[0] & 0x01 != 0,
        }
    }

    pub fn load(&mut self) {
        self.drive.ok(READY);
        self.drive.ok(LOAD);
        assert_eq!(self.place(), at(0, 0, 0));
        self.kind_of_cartridge();
        self.drive.ok([0x1e, 0, 0, 0, 1, 0]);
        // Logical block protection off: the control data protection page.
        let page = self.mode(0x0a, 0xf0, 48);
        assert_eq!(page.len(), 48);
        self.select(page, &[(20, 0), (21, 0), (22, 0)]);
        assert_eq!(self.mode(0x10, 0, 32)[3] & 0x80, 0, "writable");
        assert_eq!(be(&self.drive.ok([5, 0, 0, 0, 0, 0])[1..4]), 0xff_ffff);
        // Compression.
        let page = self.mode(0x0f, 0, 32);
        let on = (18, page[18] | 0x80);
        self.select(page, &[on]);
    }

    pub fn kind_of_cartridge(&mut self) {
        let pages = self.mode(0x3f, 0, 255);
        assert_eq!((pages[2], pages[8]), (0x58, 0x58), "an LTO-5 cartridge");
    }

    pub fn unload(&mut self) {
        self.drive.ok([0x1e, 0, 0, 0, 0, 0]);
        self.drive.ok(REWIND);
        self.drive.ok(UNLOAD);
    }

    /// A parameter of a log page.
    pub fn log(&mut self, page: u8, code: u16) -> Vec<u8> {
        let cdb = [0x4d, 0, 0x40 | page, 0, 0, 0, 0, 255, 255, 0];
        let data = self.drive.ok(cdb);
        let mut rest = &data[4..];
        while rest[..2] != code.to_be_bytes() {
            rest = &rest[4 + usize::from(rest[3])..];
        }
        rest[4..4 + usize::from(rest[3])].to_vec()
    }

    /// MiB left in both partitions.
    pub fn remaining(&mut self) -> [u64; 2] {
        [1, 2].map(|code| be(&self.log(0x31, code)))
    }

    pub fn set_append_only(&mut self, on: bool) {
        let loaded = self.drive.command(&READY, &[]).done.cause.is_none();
        let page = self.mode(0x10, 1, 48);
        assert_eq!(page.len(), 48);
        let reload = loaded && !on && page[21] & 0xf0 == 0x10;
        if reload {
            self.drive.ok(UNLOAD);
        } else if loaded && on {
            self.drive.ok(LOAD);
        }
        let mode = page[21] & 0x0f | u8::from(on) << 4;
        let page_code = page[16] & 0x7f;
        self.select(page, &[(16, page_code), (21, mode)]);
        if reload {
            self.drive.ok(LOAD);
        }
        self.append_only = on;
    }

    /// Programmable early warning, in 10^6 bytes.
    pub fn set_early_warning(&mut self, size: u8) {
        let page = self.mode(0x10, 1, 48);
        let code = page[16] & 0x7f;
        self.select(page, &[(16, code), (22, 0), (23, size)]);
    }

    /// Two partitions, the first as small as the drive makes it.
    pub fn format(&mut self) {
        self.drive.ok(LOAD);
        self.drive.ok([0x0b, 0, 0, 0xff, 0xff, 0]);
        self.drive.ok(READY);
        let page = self.mode(0x11, 0, 28);
        assert!(page[18] >= 1, "it can have a second partition");
        let flags = 0x20 | page[20] & 0x1f;
        let sizes = [(24, 0), (25, 1), (26, 0xff), (27, 0xff)];
        let changed = [&[(19, 1), (20, flags), (22, 0)][..], &sizes].concat();
        self.select(page, &changed);
        self.drive.ok([0x04, 0, 2, 0, 0, 0]);
        self.kind_of_cartridge();
        assert_eq!(self.mode(0x11, 0, 28)[19], 1);
        for partition in 0..2 {
            self.seek(partition, 0);
            let after = self.place().block;
            assert_eq!(after, 0);
            self.write(b"VOL1", false);
            self.mark();
            self.write(b"<label>", false);
            self.mark();
        }
    }

    /// LOCATE(16), with CP where the partition changes.
    pub fn seek(&mut self, partition: u32, block: u64) {
        let change = self.place().partition != partition;
        let mut cdb = [0; 16];
        cdb[..4].copy_from_slice(&[0x92, u8::from(change) << 1, 0, partition as u8]);
        cdb[4..12].copy_from_slice(&block.to_be_bytes());
        if block == u64::MAX {
            let (told, _) = self.drive.fails(cdb);
            assert_eq!((told.0, told.1), (BlankCheck, asc::END_OF_DATA));
        } else {
            self.drive.ok(cdb);
            assert_eq!(self.place().block, block);
        }
        assert_eq!(self.place().partition, partition);
    }

    /// In front of something, if that has to be allowed.
    pub fn write(&mut self, data: &[u8], over: bool) {
        if self.append_only && over {
            let place = self.place();
            let mut cdb = [0; 16];
            cdb[..4].copy_from_slice(&[0x82, 0, 1, place.partition as u8]);
            cdb[4..12].copy_from_slice(&place.block.to_be_bytes());
            self.drive.ok(cdb);
        }
        self.drive.record(data);
    }

    pub fn mark(&mut self) {
        self.drive.ok(marks(1));
    }

    /// A record of unknown length.
    pub fn read(&mut self) -> Vec<u8> {
        self.drive.ok(read(SILI, 4096))
    }

    pub fn read_mark(&mut self) {
        let (told, _) = self.drive.fails(read(SILI, 4096));
        assert_eq!((told.0, told.2), (NoSense, "fm"));
    }

    pub fn space_marks(&mut self, count: i64) {
        let mut cdb = [0; 16];
        cdb[..2].copy_from_slice(&[0x91, 1]);
        cdb[4..12].copy_from_slice(&count.to_be_bytes());
        self.drive.ok(cdb);
    }

    /// An index behind the end of the data, or over the last one.
    pub fn write_index(&mut self, partition: u32, block: u64, text: &[u8]) {
        self.seek(partition, block);
        let place = self.place();
        let mut cdb = [0; 16];
        cdb[..4].copy_from_slice(&[0x82, 0, 1, place.partition as u8]);
        cdb[4..12].copy_from_slice(&place.block.to_be_bytes());
        self.drive.ok(cdb);
        self.mark();
        self.write(text, false);
        self.mark();
    }

    pub fn last_index(&mut self, partition: u32) -> Vec<u8> {
        self.seek(partition, u64::MAX);
        self.space_marks(-2);
        self.space_marks(1);
        self.read()
    }

    pub fn attribute(&mut self, partition: u8, id: u16) -> Option<Vec<u8>> {
        let [high, low] = id.to_be_bytes();
        let cdb = [
            0x8c, 0, 0, 0, 0, 0, 0, partition, high, low, 0, 0, 2, 0, 0, 0,
        ];
        let ended = self.drive.command(&cdb, &[]);
        if let Some(sense) = ended.done.cause {
            assert_eq!(sense.asc, asc::INVALID_FIELD_IN_CDB);
            return None;
        }
        assert_eq!(be(&ended.data[4..6]), id.into());
        let length = be(&ended.data[7..9]) as usize;
        Some(ended.data[9..9 + length].to_vec())
    }

    pub fn set_attribute(&mut self, partition: u8, id: u16, format: u8, value: &[u8]) {
        let mut list = (value.len() as u32 + 9).to_be_bytes().to_vec();
        list.extend(id.to_be_bytes());
        list.push(format);
        list.extend((value.len() as u16).to_be_bytes());
        list.extend(value);
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[7]) = (0x8d, 1, partition);
        cdb[10..14].copy_from_slice(&(list.len() as u32).to_be_bytes());
        self.drive.ok_with(cdb, &list);
        assert_eq!(self.attribute(partition, id).as_deref(), Some(value));
    }

    /// The volume's change reference.
    pub fn changes(&mut self) -> Vec<u8> {
        let reference = self.attribute(0, 0x0009).expect("a reference");
        assert_eq!(reference.len(), 4);
        assert_ne!(reference, [0xff; 4]);
        reference
    }
}
