// SPDX-License-Identifier: GPL-2.0-or-later
//! The attributes of the drive and the medium, which only the drive can
//! change: SPC-4 7.4.2.2 and 7.4.2.3. What isn't known isn't there.

use tape_image::container::Attribute;

use super::life::{self, CHANGE_REFERENCE, INITIALIZATIONS};
use super::memory::{Memory, CAPACITY};
use super::standard::{binary, ASCII};
use crate::density::{organisation, padded, WIDTH};
use crate::view::Tape;

/// In no order.
pub(super) fn attributes(memory: &Memory<'_>, tape: &Tape, partition: usize) -> Vec<Attribute> {
    const WORM: u8 = 0x80;
    const DATA: u8 = 0x00;
    let config = memory.config;
    let size = tape.partitions[partition];
    let mount = memory.counters.mount();
    let life = life::of(memory.kept(0));
    let mebi = |bytes: u64| bytes >> 20;

    let serial = config.serial.as_deref().unwrap_or("");
    let mut all = vec![
        // Remaining and maximum capacity in the partition.
        binary(0x0000, mebi(size.remaining()).to_be_bytes()),
        binary(0x0001, mebi(size.capacity).to_be_bytes()),
        binary(0x0002, memory.counters.alerts().to_be_bytes()),
        // Load count, this one included.
        binary(0x0003, (life.loads + 1).to_be_bytes()),
        binary(0x0004, (memory.free() as u64).to_be_bytes()),
        text(0x0005, organisation(config.density), 8),
        // Formatted density.
        binary(0x0006, [config.density]),
        // Vendor and serial number of the drive at the last load.
        text(0x020a, &format!("{:8}{serial:32.32}", config.vendor), 40),
        // Written and read: in the medium's life, and since it was loaded.
        binary(0x0220, (life.written + mebi(mount.from_host)).to_be_bytes()),
        binary(0x0221, (life.read + mebi(mount.to_host)).to_be_bytes()),
        binary(0x0222, mebi(mount.from_host).to_be_bytes()),
        binary(0x0223, mebi(mount.to_host).to_be_bytes()),
        // The medium: width in tenths of a millimetre, organisation, density.
        binary(0x0403, u32::from(WIDTH).to_be_bytes()),
        text(0x0404, organisation(config.density), 8),
        binary(0x0405, [config.density]),
        binary(0x0407, (CAPACITY as u64).to_be_bytes()),
        binary(0x0408, [if tape.worm { WORM } else { DATA }]),
    ];
    // As they are kept.
    for id in [INITIALIZATIONS, CHANGE_REFERENCE] {
        let kept = memory.kept(0).iter().find(|attribute| attribute.id == id);
        all.extend(kept.cloned());
    }
    all
}

fn text(id: u16, text: &str, length: usize) -> Attribute {
    let mut value = Vec::new();
    padded(&mut value, text, length);
    Attribute {
        id,
        format: ASCII,
        value,
    }
}
