// SPDX-License-Identifier: GPL-2.0-or-later
//! What a tape file system sends when it formats, mounts, fills and checks a
//! tape, and what it takes from the answers.

mod host;

use crate::support::*;
use host::{be, Host, KEY};
use tape_drive::{asc, Status};

fn formatted() -> Host {
    let mut host = Host::new(Vec::new());
    host.open();
    host.load();
    host.format();
    host
}

#[test]
fn format_mount_and_mount_again() {
    let mut host = formatted();
    assert_eq!(host.attribute(0, 0x080c), None, "no coherency yet");
    for (id, format, length) in [
        (0x0800, 1, 8),
        (0x0801, 1, 32),
        (0x0802, 1, 8),
        (0x0803, 2, 160),
        (0x0805, 0, 1),
        (0x0806, 1, 32),
        (0x080b, 1, 16),
        (0x1623, 0, 1),
        (0x0808, 2, 160),
    ] {
        host.set_attribute(0, id, format, &vec![0; length]);
    }
    host.set_append_only(true);
    host.write_index(1, u64::MAX, b"first");
    host.seek(1, u64::MAX);
    host.write(b"a file", false);
    host.write_index(1, u64::MAX, b"second");
    host.write_index(0, u64::MAX, b"first");
    host.write_index(0, 4, b"second");
    let reference = host.changes();
    for partition in 0..2 {
        host.set_attribute(partition, 0x080c, 0, &[partition; 70]);
    }
    assert_eq!(host.changes(), reference);
    host.unload();
    host.close();

    let mut host = Host::new(host.drive.medium);
    host.open();
    host.load();
    let used = host.log(0x17, 0x0203);
    assert_eq!(used.len(), 16, "two partitions");
    assert!(used.chunks(8).all(|record| record[4..] != [0xff; 4]));
    for partition in 0..2 {
        host.seek(partition, 0);
        assert_eq!(host.read(), b"VOL1");
        host.read_mark();
        assert_eq!(host.read(), b"<label>");
        host.read_mark();
        assert_eq!(host.last_index(partition), b"second");
        let coherency = host.attribute(partition as u8, 0x080c);
        assert_eq!(coherency, Some(vec![partition as u8; 70]));
    }
    assert_eq!(host.changes(), reference, "nobody else has written");
    host.set_append_only(true);
    host.write_index(1, u64::MAX, b"third");
    assert_ne!(host.changes(), reference);
    let place = host.place();
    let extended = host.drive.ok([0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0]);
    assert_eq!(be(&extended[16..24]), place.block, "on the tape");
    host.close();
}

#[test]
fn a_full_partition_is_known_before_it_is_gone_to() {
    let mut host = formatted();
    let [index, data] = host.remaining();
    assert!(index == 0 || index < data, "{index}, {data}");
    host.set_early_warning(2);
    host.seek(1, u64::MAX);
    let block = vec![0; 100_000];
    let cdb = write(0, block.len() as u32);
    let mut warnings = Vec::new();
    while !host.place().early_warning {
        if let Some(sense) = host.drive.command(&cdb, &block).done.cause {
            assert!(host.place().programmable, "from then on");
            warnings.push(sense.asc);
        }
    }
    let expected = [asc::PROGRAMMABLE_EARLY_WARNING, asc::END_OF_PARTITION];
    assert_eq!(warnings, expected);
    let left = host.remaining()[1];
    assert!(left < 1, "{left} MiB before the warning");
    // The other partition isn't full, however small it is.
    host.seek(0, u64::MAX);
    assert!(!host.place().early_warning);
    host.mark();
    host.write(b"index", false);
    host.mark();
    host.unload();
    let mut host = Host::new(host.drive.medium);
    host.load();
    assert_eq!(host.remaining()[1], left);
    host.set_early_warning(2);
    host.seek(1, u64::MAX);
    let place = host.place();
    assert!(place.early_warning && place.programmable);
}

/// A file system that crashed left its reservation, and is mounted again.
#[test]
fn the_next_mount_takes_the_reservation_over() {
    let mut host = formatted();
    assert_eq!(host.holder(), Some(KEY));
    assert_eq!(host.reserve_out(6, 0, [0; 8], KEY), Status::Good);
    const PREEMPT_AND_ABORT: u8 = 5;
    assert_eq!(
        host.reserve_out(PREEMPT_AND_ABORT, 3, KEY, KEY),
        Status::Good
    );
    assert_eq!(host.holder(), Some(KEY));
    host.drive.ok(LOAD);
    let done = host.drive.command(&[0x16, 0, 0, 0, 0, 0], &[]).done;
    assert_eq!(done.status, Status::Good, "it holds the reservation");
}
