// SPDX-License-Identifier: GPL-2.0-or-later
//! The header's bytes, made by hand from the documentation, good and hostile.

use proptest::prelude::*;
use tape_image::container::{Cartridge, Operation, Partition};
use tape_image::driver::{run, Data, Drive};
use tape_image::{Config, Error, HeaderReason, Truncation};

const WORD: u32 = 0x1000_7ff8;
const SLOT: usize = 32_768;

/// A body as it's documented, with any values in it.
#[derive(Clone, Debug)]
struct Body {
    version: u16,
    count: u16,
    proportion: u16,
    attribute_count: u16,
    sequence: u64,
    table: Vec<[u64; 3]>,
    /// Identifier, partition, length, value.
    attributes: Vec<(u16, u8, u16, Vec<u8>)>,
}

impl Body {
    fn new(table: &[[u64; 3]]) -> Self {
        Self {
            version: 1,
            count: table.len() as u16,
            proportion: 0xffff,
            attribute_count: 0,
            sequence: 1,
            table: table.to_vec(),
            attributes: Vec::new(),
        }
    }

    fn slot(&self) -> Vec<u8> {
        let mut body = b"TAPECART".to_vec();
        let halves = [
            self.version,
            self.count,
            self.proportion,
            self.attribute_count,
        ];
        body.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        body.extend(self.sequence.to_le_bytes());
        body.extend([0; 8]);
        body.extend(self.table.iter().flatten().flat_map(|v| v.to_le_bytes()));
        for (id, partition, length, value) in &self.attributes {
            body.extend(id.to_le_bytes());
            body.extend([*partition, 1]);
            body.extend(length.to_le_bytes());
            body.extend(value);
        }
        let length = body.len() as u32 + 4;
        body[24..28].copy_from_slice(&length.to_le_bytes());
        body.extend(crc32fast::hash(&body).to_le_bytes());
        body.resize(SLOT - 8, 0);
        [&WORD.to_le_bytes()[..], &body, &WORD.to_le_bytes()].concat()
    }
}

fn empty_slot() -> Vec<u8> {
    [&WORD.to_le_bytes()[..], &[0; SLOT - 8], &WORD.to_le_bytes()].concat()
}

fn load(image: &mut Vec<u8>, truncation: Truncation) -> Result<Cartridge, Error> {
    let mut cartridge = Cartridge::new(Config {
        truncation,
        ..Config::new(image.len() as u64)
    });
    run(&mut cartridge, image, Operation::Load, Data::None).map(|()| cartridge)
}

fn load_body(body: &Body) -> Result<Cartridge, Error> {
    let mut image = [body.slot(), empty_slot(), vec![0xff; 4]].concat();
    load(&mut image, Truncation::Exact)
}

#[test]
fn what_is_written_is_what_is_documented() {
    let mut image = Vec::new();
    let mut cartridge = load(&mut image, Truncation::Exact).expect("blank");
    let partitions = vec![1000, u64::MAX];
    let format = Operation::Format { partitions };
    run(&mut cartridge, &mut image, format, Data::None).expect("room");
    // 1000 + 1000 / 256 + 65536, rounded up to 4096.
    let mut body = Body::new(&[
        [65_536, 69_632, 1000],
        [65_536 + 69_632, u64::MAX, u64::MAX],
    ]);
    assert!(image[..SLOT] == body.slot());
    assert!(image[SLOT..2 * SLOT] == empty_slot());
    for start in [65_536, 65_536 + 69_632] {
        assert_eq!(image[start..start + 4], [0xff; 4]);
    }
    assert_eq!(image.len(), 65_536 + 69_632 + 4);

    let attributes = vec![tape_image::container::Attribute {
        id: 0x806,
        format: 1,
        value: b"barcode".to_vec(),
    }];
    let set = Operation::SetAttributes {
        partition: 1,
        attributes,
    };
    run(&mut cartridge, &mut image, set, Data::None).expect("room");
    body.sequence = 2;
    body.attribute_count = 1;
    body.attributes = vec![(0x806, 1, 7, b"barcode".to_vec())];
    assert!(image[SLOT..2 * SLOT] == body.slot());
}

#[test]
fn the_newer_slot_counts_across_the_end_of_numbers() {
    for (first, second, newer) in [
        (1, 2, 2),
        (2, 1, 1),
        (u64::MAX, 0, 2),
        (0, u64::MAX, 1),
        (7, 7, 1),
    ] {
        let slot = |sequence, proportion| {
            Body {
                sequence,
                proportion,
                ..Body::new(&[[65_536, u64::MAX, u64::MAX]])
            }
            .slot()
        };
        let mut image = [slot(first, 1), slot(second, 2)].concat();
        let mut cartridge = load(&mut image, Truncation::Exact).expect("good");
        assert_eq!(cartridge.proportion(), newer, "{first}, {second}");
        // And the next change is newer than both.
        let change = Operation::SetProportion(9);
        run(&mut cartridge, &mut image, change, Data::None).expect("room");
        let cartridge = load(&mut image, Truncation::Exact).expect("good");
        assert_eq!(cartridge.proportion(), 9, "{first}, {second}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    const ALL: u64 = u64::MAX;
    let good = Body::new(&[[65_536, 8192, 5000], [73_728, ALL, ALL]]);
    let table = |table: &[[u64; 3]]| Body::new(table);
    let attributes = |list: &[(u16, u8, u16, usize)]| Body {
        attribute_count: list.len() as u16,
        attributes: list
            .iter()
            .map(|(id, partition, length, bytes)| (*id, *partition, *length, vec![7; *bytes]))
            .collect(),
        ..good.clone()
    };
    assert!(load_body(&good).is_ok());
    assert!(load_body(&attributes(&[(5, 0, 2, 2), (6, 0, 0, 0), (5, 1, 1, 1)])).is_ok());
    let cases = [
        (
            Body {
                version: 2,
                ..good.clone()
            },
            HeaderReason::Version(2),
        ),
        (
            Body {
                count: 0,
                ..good.clone()
            },
            HeaderReason::Partitions(0),
        ),
        (
            Body {
                count: 17,
                ..good.clone()
            },
            HeaderReason::Partitions(17),
        ),
        (
            Body {
                count: 1,
                ..good.clone()
            },
            HeaderReason::Form,
        ),
        (
            Body {
                count: 3,
                ..good.clone()
            },
            HeaderReason::Form,
        ),
        // Inside the header, elsewhere than behind it, not aligned, empty.
        (table(&[[0, ALL, ALL]]), HeaderReason::Region(0)),
        (table(&[[69_632, ALL, ALL]]), HeaderReason::Region(0)),
        (table(&[[65_536, 0, 0]]), HeaderReason::Region(0)),
        (
            table(&[[65_536, 8192, 1], [73_730, ALL, ALL]]),
            HeaderReason::Region(1),
        ),
        (
            table(&[[65_536, 8190, 1], [73_728, ALL, ALL]]),
            HeaderReason::Region(0),
        ),
        // Overlapping, descending, behind one that has no end, overflowing.
        (
            table(&[[65_536, 12_288, 1], [73_728, ALL, ALL]]),
            HeaderReason::Region(1),
        ),
        (
            table(&[[65_536, 8192, 1], [65_536, ALL, ALL]]),
            HeaderReason::Region(1),
        ),
        (
            table(&[[65_536, ALL, ALL], [73_728, ALL, ALL]]),
            HeaderReason::Region(1),
        ),
        (table(&[[65_536, ALL - 1, 1]]), HeaderReason::Region(0)),
        (
            table(&[[65_536, 8192, 1], [1 << 63, 1 << 63, 1]]),
            HeaderReason::Region(1),
        ),
        (
            table(&[[65_536, 8192, 1], [1 << 63, ALL, ALL]]),
            HeaderReason::Region(1),
        ),
        // A capacity larger than the region, or without an end in one that has.
        (table(&[[65_536, 8192, 8193]]), HeaderReason::Region(0)),
        (table(&[[65_536, 8192, ALL]]), HeaderReason::Region(0)),
        // Attributes of nobody, out of order, twice, too long, left over.
        (attributes(&[(5, 2, 0, 0)]), HeaderReason::Form),
        (
            attributes(&[(6, 0, 0, 0), (5, 0, 0, 0)]),
            HeaderReason::Form,
        ),
        (
            attributes(&[(5, 0, 0, 0), (5, 0, 0, 0)]),
            HeaderReason::Form,
        ),
        (
            attributes(&[(5, 1, 0, 0), (5, 0, 0, 0)]),
            HeaderReason::Form,
        ),
        (attributes(&[(5, 0, 1, 0)]), HeaderReason::Form),
        (attributes(&[(5, 0, 1, 2)]), HeaderReason::Form),
    ];
    for (body, reason) in cases {
        let result = load_body(&body).map(|cartridge| cartridge.partitions().to_vec());
        assert_eq!(result, Err(Error::Header { reason }), "{body:?}");
    }
}

#[test]
fn another_private_record_is_no_header() {
    let mut image = [empty_slot(), empty_slot(), vec![0xff; 4]].concat();
    assert!(!load(&mut image, Truncation::Exact)
        .expect("plain")
        .has_header());
    let mut image = WORD.to_le_bytes().to_vec();
    assert!(!load(&mut image, Truncation::Exact)
        .expect("plain")
        .has_header());
}

fn long() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..40u64).prop_map(|n| n * 4096),
        Just(65_536),
        Just(u64::MAX),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A checksum proves nothing: whoever made it may have meant harm.
    #[test]
    fn no_header_does_harm(
        table in prop::collection::vec([long(), long(), long()], 1..18),
        starts_well in 0..5usize,
        hits in prop::collection::vec((0..120usize, any::<u8>()), 0..3),
        attributes in prop::collection::vec(
            (0..4u16, 0..4u8, 0..6u16, prop::collection::vec(any::<u8>(), 0..6)), 0..4,
        ),
        fixed in any::<bool>(),
    ) {
        let mut table = table;
        for (number, row) in table.iter_mut().take(starts_well).enumerate() {
            *row = [65_536 + number as u64 * 4096, 4096, number as u64];
        }
        let body = Body {
            attribute_count: attributes.len() as u16,
            attributes,
            ..Body::new(&table)
        };
        let mut slot = body.slot();
        // Anything in its first bytes, with a checksum that's right again.
        let length = u32::from_le_bytes(slot[28..32].try_into().unwrap()) as usize;
        for (at, byte) in hits {
            slot[12 + at] = byte;
        }
        let crc = crc32fast::hash(&slot[4..length]).to_le_bytes();
        slot[length..length + 4].copy_from_slice(&crc);
        let mut image = [slot, empty_slot(), vec![0xff; 20_000]].concat();
        let truncation = if fixed { Truncation::Never } else { Truncation::Exact };
        if let Ok(cartridge) = load(&mut image, truncation) {
            let mut free = if cartridge.has_header() { 65_536 } else { 0 };
            for (number, partition) in cartridge.partitions().iter().enumerate() {
                let Partition { start, .. } = *partition;
                prop_assert!(start >= free);
                free = partition.end().unwrap_or(u64::MAX);
                prop_assert!(free > start);
                let config = cartridge.tape_config(number);
                if let Ok(mut drive) = Drive::load(std::mem::take(&mut image), config) {
                    let _ = drive.run(tape_image::Operation::SpaceEnd);
                    image = drive.medium;
                }
            }
        }
    }
}
