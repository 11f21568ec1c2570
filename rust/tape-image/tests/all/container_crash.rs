// SPDX-License-Identifier: GPL-2.0-or-later
//! A crash while a cartridge is changed leaves it as it was, blank, or as it
//! was to be.

use crate::support::power::{crashed, Coin};
use crate::support::{read_all, Logged, Object};
use tape_image::container::{Attribute, Cartridge, Operation, Partition};
use tape_image::driver::{run, Data, Drive};
use tape_image::{Config, Outcome, Truncation};

/// A fixed medium holds all of the layouts below.
const FIXED: usize = 1 << 19;

/// What there is: the partitions, the proportion, and what is on the tapes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    partitions: Vec<Partition>,
    proportion: u16,
    tapes: Vec<Vec<Object>>,
}

fn config(length: usize, truncation: Truncation) -> Config {
    Config {
        truncation,
        ..Config::new(length as u64)
    }
}

fn state(mut medium: Vec<u8>, truncation: Truncation) -> State {
    if truncation == Truncation::Sectors {
        medium.resize(medium.len().next_multiple_of(512), 0);
    }
    let mut cartridge = Cartridge::new(config(medium.len(), truncation));
    run(&mut cartridge, &mut medium, Operation::Load, Data::None).expect("one slot is good");
    let tapes = (0..cartridge.partitions().len()).map(|partition| {
        let config = cartridge.tape_config(partition);
        let mut drive = Drive::load(medium.clone(), config).expect("a tape");
        read_all(&mut drive).expect("readable")
    });
    State {
        tapes: tapes.collect(),
        proportion: cartridge.proportion(),
        partitions: cartridge.partitions().to_vec(),
    }
}

fn set(partition: usize, value: &[u8]) -> Operation {
    Operation::SetAttributes {
        partition,
        attributes: vec![Attribute {
            id: 0x401,
            format: 1,
            value: value.to_vec(),
        }],
    }
}

fn format(partitions: &[u64]) -> Operation {
    let partitions = partitions.to_vec();
    Operation::Format { partitions }
}

/// Writes a record to each tape of a cartridge.
fn fill(mut medium: Vec<u8>, truncation: Truncation) -> Vec<u8> {
    let mut cartridge = Cartridge::new(config(medium.len(), truncation));
    run(&mut cartridge, &mut medium, Operation::Load, Data::None).expect("a cartridge");
    for partition in 0..cartridge.partitions().len() {
        let config = cartridge.tape_config(partition);
        let mut drive = Drive::load(medium, config).expect("a tape");
        assert_eq!(drive.write(&[partition as u8; 300]), Ok(Outcome::Done));
        assert_eq!(drive.run(tape_image::Operation::Unload), Ok(Outcome::Done));
        medium = drive.medium;
    }
    medium
}

/// Cuts the power at every point of an operation, in a few ways.
fn check(before: &[u8], operation: Operation, truncation: Truncation) -> Vec<u8> {
    let mut medium = Logged {
        bytes: before.to_vec(),
        log: Vec::new(),
    };
    let mut cartridge = Cartridge::new(config(before.len(), truncation));
    run(&mut cartridge, &mut medium, Operation::Load, Data::None).expect("a cartridge");
    let formats = matches!(operation, Operation::Format { .. });
    run(&mut cartridge, &mut medium, operation.clone(), Data::None).expect("room");
    let old = state(before.to_vec(), truncation);
    let new = state(medium.bytes.clone(), truncation);
    assert_eq!(new.partitions, cartridge.partitions());
    let mut coin = Coin(0x9e37_79b9_7f4a_7c15);
    let mut seen = [0; 3];
    for length in 0..=medium.log.len() {
        for variant in 0..12 {
            let left = crashed(before, &medium.log[..length], || match variant {
                0 => true,
                1 => false,
                _ => coin.toss(),
            });
            let left = state(left, truncation);
            // Partition 0 goes first, the others with the old table.
            let blank = formats
                && match left.partitions == old.partitions {
                    true => left.tapes[0].is_empty() && left.tapes[1..] == old.tapes[1..],
                    false => left.tapes.iter().all(Vec::is_empty),
                };
            let which = [left == old, left == new, blank];
            let which = which.iter().position(|is| *is);
            seen[which.unwrap_or_else(|| panic!("{operation:?}: {left:?}"))] += 1;
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    medium.bytes
}

#[test]
fn every_prefix_of_the_log_is_a_good_cartridge() {
    for truncation in [Truncation::Exact, Truncation::Sectors, Truncation::Never] {
        let mut medium = match truncation {
            Truncation::Never => vec![0xff; FIXED],
            _ => Vec::new(),
        };
        check(&medium, format(&[700, 800]), truncation);
        for operation in [
            set(0, b"makes a header"),
            format(&[1000, 2000, 3000]),
            set(2, b"third"),
            Operation::SetProportion(0x7000),
            set(0, b""),
            format(&[1000, u64::MAX]),
            set(1, &[3; 5000]),
            format(&[50_000, 60_000]),
            Operation::SetProportion(u16::MAX),
            Operation::SetAttributes {
                partition: 0,
                attributes: Vec::new(),
            },
            format(&[u64::MAX]),
        ] {
            medium = check(&medium, operation, truncation);
            medium = fill(medium, truncation);
        }
        // A plain image with data on it.
        check(&medium, format(&[700, 800]), truncation);
        let plain = check(&medium, format(&[u64::MAX]), truncation);
        assert_eq!(plain[..4], [0xff; 4]);
    }
}
