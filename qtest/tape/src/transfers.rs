// SPDX-License-Identifier: GPL-2.0-or-later
//! Commands that transfer less than they might, nothing at all, or end with
//! sense data after data: each is a way of its own through an HBA.

use annex_qtest::stream;
use anyhow::{ensure, Result};

use crate::drive::Tape;

/// The length of each record, the stream of which has its number for a seed; 0
/// is a filemark.
const OBJECTS: [usize; 7] = [100, 513, 2048, 1000, 2048, 0, 2048];

/// A command, and what comes of it.
struct Case {
    /// What it tries.
    name: &'static str,
    /// The block length that MODE SELECT has set.
    block: u32,
    /// The object that the tape is at.
    at: u8,
    /// The command as guest/tape.c takes it: direction, room, CDB, data out.
    command: &'static str,
    /// Bytes transferred.
    bytes: usize,
    /// What of these is the beginning of objects from this one on.
    records: &'static [u8],
    /// Status, and sense data.
    status: &'static str,
}

const fn case(
    name: &'static str,
    (block, at): (u32, u8),
    command: &'static str,
    (bytes, records): (usize, &'static [u8]),
    status: &'static str,
) -> Case {
    Case {
        name,
        block,
        at,
        command,
        bytes,
        records,
        status,
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // READ of a record of any length.
    case("exact", (0, 0), "i:100:080000006400", (100, &[0]), "GOOD"),
    case("short", (0, 1), "i:4096:080000100000", (513, &[1]), "CHECK 0/0000 ILI 3583"),
    case("short, of many pages", (0, 3), "i:65536:080001000000", (1000, &[3]), "CHECK 0/0000 ILI 64536"),
    case("short, SILI", (0, 1), "i:4096:080200100000", (513, &[1]), "GOOD"),
    case("long", (0, 1), "i:512:080000020000", (512, &[1]), "CHECK 0/0000 ILI -1"),
    case("long, SILI", (0, 1), "i:512:080200020000", (512, &[1]), "GOOD"),
    case("no byte", (0, 0), "n:0:080000000000", (0, &[]), "GOOD"),
    case("no byte, with room", (0, 0), "i:512:080000000000", (0, &[]), "GOOD"),
    case("mark", (0, 5), "i:4096:080000100000", (0, &[]), "CHECK 0/0001 FM 4096"),
    case("mark, SILI", (0, 5), "i:4096:080200100000", (0, &[]), "CHECK 0/0001 FM 4096"),
    case("end of data", (0, 7), "i:4096:080000100000", (0, &[]), "CHECK 8/0005 4096"),
    case("end of data, SILI", (0, 7), "i:4096:080200100000", (0, &[]), "CHECK 8/0005 4096"),
    case("reverse, beginning", (0, 0), "i:4096:0f0000100000", (0, &[]), "CHECK 0/0004 EOM 4096"),
    // READ of blocks.
    case("block", (2048, 4), "i:2048:080100000100", (2048, &[4]), "GOOD"),
    case("short block", (2048, 3), "i:2048:080100000100", (0, &[]), "CHECK 0/0000 ILI 1"),
    case("short block, of many", (2048, 3), "i:65536:080100002000", (0, &[]), "CHECK 0/0000 ILI 32"),
    case("block, then a short one", (2048, 2), "i:8192:080100000400", (2048, &[2]), "CHECK 0/0000 ILI 3"),
    case("long block", (512, 1), "i:512:080100000100", (0, &[]), "CHECK 0/0000 ILI 1"),
    case("no block", (2048, 4), "n:0:080100000000", (0, &[]), "GOOD"),
    case("block, SILI", (2048, 4), "i:2048:080300000100", (0, &[]), "CHECK 5/2400"),
    case("mark, blocks", (2048, 5), "i:4096:080100000200", (0, &[]), "CHECK 0/0001 FM 2"),
    case("block, then a mark", (2048, 4), "i:8192:080100000400", (2048, &[4]), "CHECK 0/0001 FM 3"),
    case("end of data, blocks", (2048, 7), "i:4096:080100000200", (0, &[]), "CHECK 8/0005 2"),
    case("block, then the end of data", (2048, 6), "i:4096:080100000200", (2048, &[6]), "CHECK 8/0005 1"),
    case("blocks, block length 0", (0, 0), "i:512:080100000100", (0, &[]), "CHECK 5/2400"),
    case("16-byte, short block", (2048, 0), "i:2048:88010000000000000000000300000100", (0, &[]), "CHECK 0/0000 ILI 1"),
    // No data, but a motion that ends early.
    case("space", (0, 4), "n:0:110000000300", (0, &[]), "CHECK 0/0001 FM 2"),
    case("verify, short", (0, 3), "n:0:130000100000", (0, &[]), "CHECK 0/0000 ILI 3096"),
    // Parameters in: less than there is room for, or none.
    case("inquiry", (0, 0), "i:36:120000002400", (36, &[]), "GOOD"),
    case("limits", (0, 0), "i:6:050000000000", (6, &[]), "GOOD"),
    case("page that isn't there", (0, 0), "i:255:1201b500ff00", (0, &[]), "CHECK 5/2400"),
    case("log page that isn't there", (0, 0), "i:512:4d007a00000000020000", (0, &[]), "CHECK 5/2400"),
    case("mode page, cut short", (0, 0), "i:4:1a003f000400", (4, &[]), "GOOD"),
    case("position, with room", (0, 3), "i:20:34000000000000000000", (20, &[]), "GOOD"),
    case("pages, with room", (0, 0), "i:4096:120100100000", (9, &[]), "GOOD"),
    case("limits, with room", (0, 0), "i:512:050000000000", (6, &[]), "GOOD"),
    // Data out, and then sense data; or less than was announced.
    case("verify, the same", (0, 0), "o:100:130200006400", (100, &[]), "GOOD"),
    case("verify, other data", (0, 1), "o:513:130200020100:ff", (513, &[]), "CHECK e/1d00 513"),
    case("verify, a longer record", (0, 2), "o:512:130200020000:ff", (512, &[]), "CHECK e/1d00 512"),
    case("modes that aren't", (0, 0), "o:12:151000000c00:00007f08", (12, &[]), "CHECK 5/2600"),
    case("write, block length 0", (0, 7), "o:512:0a0100000100", (0, &[]), "CHECK 5/2400"),
    case("write, no byte", (0, 7), "n:0:0a0000000000", (0, &[]), "GOOD"),
];

/// Cases that one run of guest/tape.c takes.
const AT_A_TIME: usize = 8;

/// Each command of the table, right after the tape was sent where it begins,
/// so that what it needs has still to be read.
pub fn transfers(tape: &Tape) -> Result<()> {
    prepare(tape)?;
    let told = |case: &&Case| !(case.is_long() && SHORT_CDBS.contains(&&tape.id[..]));
    let cases: Vec<&Case> = CASES.iter().filter(told).collect();
    let mut wrong = Vec::new();
    for cases in cases.chunks(AT_A_TIME) {
        let operations: Vec<String> = cases.iter().flat_map(|case| case.operations()).collect();
        let answers = tape.sh(&format!("tape $SG {}", operations.join(" ")))?;
        let mut answers = answers.lines();
        for case in cases {
            let answers: Vec<&str> = answers.by_ref().take(OPERATIONS).collect();
            let expected = case.expected(&tape.id);
            let (last, before) = answers.split_last().unwrap_or((&"", &[]));
            if *last != expected || !before.iter().all(|answer| answer.ends_with(" GOOD")) {
                wrong.push(format!("{}: {answers:?}, not {expected}", case.name));
            }
        }
    }
    tape.mt("setblk 0")?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And the drive still does what it should.
    tape.does(&[("rewind", "ok"), ("s:0", ""), ("r:4096", "1 100")])
}

fn prepare(tape: &Tape) -> Result<()> {
    let mut steps = Vec::new();
    for (seed, &length) in OBJECTS.iter().enumerate() {
        steps.push(match length {
            0 => ("weof".to_owned(), "ok".to_owned()),
            _ => (format!("s:{seed} w:{length}"), format!("1 {length}")),
        });
    }
    let answers = tape.ops(
        &steps
            .iter()
            .map(|step| &step.0[..])
            .collect::<Vec<_>>()
            .join(" "),
    )?;
    for (answer, (_, expected)) in answers.iter().zip(&steps) {
        ensure!(answer.ends_with(expected), "{answers:?}");
    }
    // The closing has put a mark at the end.
    tape.mt("bsf 1")?;
    tape.mt("erase").map(drop)
}

/// The HBAs of which Linux's drivers don't look at how much was transferred.
const MUTE: [&str; 4] = ["am53c974", "megasas", "megasas-gen2", "usb-bot"];

/// That of which Linux's driver doesn't if there is sense data, or nothing was.
const HALF_MUTE: &str = "pvscsi";

/// Those whose drivers send no CDBs of 16 bytes.
const SHORT_CDBS: [&str; 1] = ["am53c974"];

/// Of each case: a block length, a rewind, a position, the command.
const OPERATIONS: usize = 4;

impl Case {
    /// Its direction, the room for data, and the CDB with the data out.
    fn parts(&self) -> (&str, &str, &str) {
        let mut parts = self.command.splitn(3, ':');
        let mut next = || parts.next().expect("three of them in each command");
        (next(), next(), next())
    }

    /// The CDB has 16 bytes.
    fn is_long(&self) -> bool {
        self.parts().2.len() == 32
    }

    /// What it does, as guest/tape.c takes it.
    fn operations(&self) -> [String; OPERATIONS] {
        [
            format!("c:o:12:151000000c00:0000000800000000{:08x}", self.block),
            "c:n:0:010000000000".into(),
            format!("c:n:0:2b0000{:08x}000000", self.at),
            self.operation(),
        ]
    }

    fn operation(&self) -> String {
        let (direction, room, cdb) = self.parts();
        format!("c:{direction}:{room}/{}:{cdb}", self.data().len())
    }

    /// What the last of them answers, on this HBA.
    fn expected(&self, hba: &str) -> String {
        let half = hba == HALF_MUTE && (self.bytes == 0 || self.status != "GOOD");
        let bytes = match MUTE.contains(&hba) || half {
            true => self.parts().1.into(),
            false => self.bytes.to_string(),
        };
        let hash = fnv1a(&self.data());
        format!("{}: {bytes} {hash:08x} {}", self.operation(), self.status)
    }

    /// What it reads of the tape.
    fn data(&self) -> Vec<u8> {
        let bytes = |&record: &u8| stream::bytes(record.into(), 0, OBJECTS[usize::from(record)]);
        let mut data: Vec<u8> = self.records.iter().flat_map(bytes).collect();
        data.truncate(self.bytes);
        data
    }
}

/// The hash that guest/tape.c has.
fn fnv1a(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}
