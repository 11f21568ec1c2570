// SPDX-License-Identifier: GPL-2.0-or-later
//! Attributes as an initiator sees them.

use super::life::{barcode, note, Event, Life};
use super::memory::CAPACITY;
use super::*;
use crate::config::Config;
use crate::counters::Counters;
use crate::counters::Transfers;
use crate::view::Partition;
use proptest::prelude::*;

/// A tape of two partitions, and what is kept with them.
struct Bench {
    config: Config,
    tape: Tape,
    counters: Counters,
    lists: [Vec<Attribute>; 2],
}

impl Bench {
    fn new() -> Self {
        let partition = Partition {
            capacity: 100 << 20,
            used: 1 << 20,
        };
        Self {
            config: Config {
                serial: Some("T-1".into()),
                ..Config::default()
            },
            tape: Tape {
                partitions: vec![partition; 2],
                ..Tape::default()
            },
            counters: Counters::default(),
            lists: [Vec::new(), Vec::new()],
        }
    }

    fn with<R>(&self, with: impl FnOnce(Memory<'_>) -> R) -> R {
        with(Memory {
            config: &self.config,
            view: Some(&self.tape),
            counters: &self.counters,
            lists: &[&self.lists[0], &self.lists[1]],
        })
    }

    fn read(&self, action: u8, partition: u8, first: u16) -> Reply {
        let [high, low] = first.to_be_bytes();
        let cdb = [
            0x8c, action, 0, 0, 0, 0, 0, partition, high, low, 0, 1, 0, 0, 0, 0,
        ];
        self.with(|memory| memory.read(&cdb))
    }

    fn write(&mut self, partition: u8, attributes: &[u8]) -> Result<(), Sense> {
        let mut list = (attributes.len() as u32).to_be_bytes().to_vec();
        list.extend(attributes);
        let [high, low] = (list.len() as u16).to_be_bytes();
        let cdb = [
            0x8d, 0, 0, 0, 0, 0, 0, partition, 0, 0, 0, 0, high, low, 0, 0,
        ];
        let kept = self.with(|memory| memory.write(&cdb, &list))?;
        self.lists[usize::from(partition)] = kept;
        Ok(())
    }
}

fn attribute(id: u16, format: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.push(format);
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

#[test]
fn what_is_written_can_be_read() {
    let mut bench = Bench::new();
    let vendor = attribute(0x0800, 1, b"OPEN    ");
    let coherency = attribute(0x080c, 0, &[7; 70]);
    assert_eq!(
        bench.write(1, &[vendor.clone(), coherency.clone()].concat()),
        Ok(())
    );
    let reply = bench.read(0, 1, 0x080c).unwrap();
    assert_eq!(reply, [&[0, 0, 0, 75][..], &coherency].concat());
    let reply = bench.read(0, 1, 0x0800).unwrap();
    assert_eq!(reply, [&[0, 0, 0, 88], &vendor[..], &coherency].concat());
    // Of that partition only.
    assert_eq!(bench.read(0, 0, 0x0800), Err(Sense::cdb_field(8, None)));
    let ids = bench.read(1, 1, 0x0407).unwrap();
    assert_eq!(ids, [0, 0, 0, 8, 4, 7, 4, 8, 8, 0, 8, 0x0c]);
    // Nothing, at last.
    assert_eq!(bench.write(1, &attribute(0x0800, 0, &[])), Ok(()));
    assert_eq!(bench.read(0, 1, 0x0800), Err(Sense::cdb_field(8, None)));
    assert_eq!(bench.lists[1].len(), 1);
}

#[test]
fn the_drives_own() {
    let mut bench = Bench::new();
    bench.counters.raise(1);
    bench.counters.count(Transfers {
        from_host: 5 << 20,
        ..Transfers::default()
    });
    let read = |id, length: usize| {
        let reply = bench.read(0, 0, id).unwrap();
        let at = 4 + HEADER;
        assert_eq!(reply[4..6], id.to_be_bytes());
        assert_eq!(reply[6] & 0x80, 0x80, "read only");
        assert_eq!(number(&reply, 7, 2), length as u64);
        reply[at..at + length].to_vec()
    };
    assert_eq!(read(0x0000, 8), 99u64.to_be_bytes());
    assert_eq!(read(0x0001, 8), 100u64.to_be_bytes());
    assert_eq!(read(0x0002, 8), [0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(read(0x0003, 8), 1u64.to_be_bytes());
    assert_eq!(read(0x0004, 8), (CAPACITY as u64).to_be_bytes());
    assert_eq!(read(0x0005, 8), b"LTO-CVE ");
    assert_eq!(
        read(0x020a, 40),
        *b"QEMU    T-1                             "
    );
    assert_eq!(read(0x0220, 8), 5u64.to_be_bytes());
    assert_eq!(read(0x0222, 8), 5u64.to_be_bytes());
    assert_eq!(read(0x0403, 4), [0, 0, 0, 127]);
    assert_eq!(read(0x0408, 1), [0]);
    bench.tape.worm = true;
    assert_eq!(bench.read(0, 0, 0x0408).unwrap()[9], 0x80);
}

#[test]
fn lists_of_what_there_is() {
    let bench = Bench::new();
    assert_eq!(bench.read(2, 0, 0).unwrap(), [0, 2, 0, 1]);
    assert_eq!(bench.read(3, 0, 0).unwrap(), [0, 2, 0, 2]);
    let supported = bench.read(5, 0, 0).unwrap();
    let ids: Vec<u64> = (4..supported.len())
        .step_by(2)
        .map(|at| number(&supported, at, 2))
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    for id in [0x0000, 0x0009, 0x0220, 0x0800, 0x080c, 0x0821] {
        assert!(ids.contains(&id), "{id:04x}");
    }
    assert_eq!(bench.read(4, 0, 0), Err(Sense::cdb_field(1, Some(4))));
}

#[test]
fn partitions_and_volumes_that_are_not_there() {
    let bench = Bench::new();
    assert_eq!(bench.read(0, 2, 0), Err(Sense::cdb_field(7, Some(7))));
    let mut cdb = [0; 16];
    cdb[5] = 1;
    let volume = bench.with(|memory| memory.read(&cdb));
    assert_eq!(volume, Err(Sense::cdb_field(5, Some(7))));
    let none = bench.with(|memory| {
        Memory {
            view: None,
            ..memory
        }
        .read(&[0; 16])
    });
    assert_eq!(none.unwrap_err().key, Key::NotReady);
}

#[test]
fn what_is_refused_changes_nothing() {
    let good = attribute(0x0805, 0, &[0x81]);
    let truncated = Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH);
    let field = Sense::list_field;
    for (bad, expected) in [
        // Read only, reserved, and none of a host's.
        (attribute(0x0000, 0, &[0; 8]), field(4, None)),
        (attribute(0x0809, 0, &[0; 16]), field(12, Some(1))),
        (attribute(0x080d, 0, &[0; 8]), field(10, None)),
        (attribute(0x1000, 0, &[0; 8]), field(10, None)),
        // Format, length, reserved bits, order.
        (attribute(0x1400, 3, &[0]), field(12, Some(1))),
        (attribute(0x0806, 1, &[0; 31]), field(13, None)),
        (attribute(0x080c, 0, &[0; 1024]), field(13, None)),
        (attribute(0x0806, 0x41, &[0; 32]), field(12, Some(6))),
        (attribute(0x0805, 0, &[0]), field(10, None)),
        (attribute(0x0806, 1, &[0; 32])[..36].to_vec(), truncated),
        (vec![8, 6], truncated),
    ] {
        let mut bench = Bench::new();
        let list = match bad[..2] {
            [0, 0] => bad.clone(),
            _ => [good.clone(), bad.clone()].concat(),
        };
        assert_eq!(bench.write(0, &list), Err(expected), "{bad:02x?}");
        assert_eq!(bench.lists[0], []);
    }
    let mut bench = Bench::new();
    assert_eq!(bench.write(0, &[]), Err(truncated));
    bench.tape.write_protected = true;
    let protected = Sense::new(Key::DataProtect, asc::WRITE_PROTECTED);
    assert_eq!(bench.write(0, &good), Err(protected));
}

#[test]
fn the_memory_has_an_end() {
    let mut bench = Bench::new();
    let mut stored = 0;
    let full = loop {
        let next = attribute(0x1400 + stored, 0, &[1; 1000]);
        match bench.write((stored % 2) as u8, &next) {
            Ok(()) => stored += 1,
            Err(sense) => break sense,
        }
    };
    assert_eq!(full.asc, asc::MAM_OUT_OF_SPACE);
    assert_eq!(usize::from(stored), CAPACITY / 1006);
    // Replacing is no more than there was.
    assert_eq!(bench.write(0, &attribute(0x1400, 0, &[2; 1000])), Ok(()));
    let free = bench.read(0, 0, 0x0004).unwrap();
    assert_eq!(number(&free, 9, 8), (CAPACITY % 1006) as u64);
}

#[test]
fn a_life() {
    let mut bench = Bench::new();
    assert_eq!(life::of(&[]), Life::default());
    for event in [
        Event::Format,
        Event::Change,
        Event::Unload(Transfers {
            from_host: 3 << 20,
            to_host: 2 << 20,
            ..Transfers::default()
        }),
    ] {
        bench.lists[0] = note(&bench.lists[0], event);
    }
    let expected = Life {
        loads: 1,
        written: 3,
        read: 2,
    };
    assert_eq!(life::of(&bench.lists[0]), expected);
    let reply = bench.read(0, 0, 0x0009).unwrap();
    assert_eq!(reply[4..13], [0, 9, 0x80, 0, 4, 0, 0, 0, 2]);
    assert_eq!(bench.read(0, 0, 0x0007).unwrap()[9..11], [0, 1]);
    assert_eq!(bench.read(0, 0, 0x0003).unwrap()[16], 2);
    assert_eq!(
        bench.write(0, &attribute(0x0009, 0, &[0; 4])),
        Err(Sense::list_field(4, None))
    );
    let ids = bench.read(1, 0, 0).unwrap();
    let loads = ids[4..].chunks(2).filter(|&id| id == [0, 3]).count();
    assert_eq!(loads, 1);
}

#[test]
fn barcodes() {
    let mut bench = Bench::new();
    assert_eq!(barcode(&bench.lists[0]), "");
    let mut code = *b"ABC123L5                        ";
    code[31] = 0;
    bench.write(0, &attribute(0x0806, 1, &code)).unwrap();
    assert_eq!(barcode(&bench.lists[0]), "ABC123L5");
}

proptest! {
    #[test]
    fn nothing_panics(
        cdb in prop::array::uniform16(any::<u8>()),
        data in prop::collection::vec(any::<u8>(), 0..80),
        kept in prop::collection::vec((any::<u16>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..4),
    ) {
        let mut bench = Bench::new();
        bench.lists[0] = kept
            .into_iter()
            .map(|(id, format, value)| Attribute { id: id % 0x300, format, value })
            .collect();
        let mut likely = cdb;
        likely[5] = 0;
        likely[7] = 0;
        likely[10..14].copy_from_slice(&(data.len() as u32).to_be_bytes());
        for cdb in [cdb, likely] {
            let _ = bench.with(|memory| memory.read(&cdb));
            let _ = bench.with(|memory| memory.write(&cdb, &data));
        }
        let _ = bench.read(0, 0, 0);
        let _ = barcode(&bench.lists[0]);
        let _ = note(&bench.lists[0], Event::Format);
    }
}
