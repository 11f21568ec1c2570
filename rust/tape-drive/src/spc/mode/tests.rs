// SPDX-License-Identifier: GPL-2.0-or-later
//! MODE SENSE and MODE SELECT as an initiator sees them.

use super::*;
use crate::sense::{asc, Key};
use crate::view::{Partition, Tape};

pub(super) fn tape(partitions: usize) -> Tape {
    let partition = Partition {
        capacity: 64_000_000,
        used: 0,
    };
    Tape {
        partitions: vec![partition; partitions],
        ..Tape::default()
    }
}

pub(super) fn drive() -> ModePages {
    ModePages::new(&Config::default())
}

/// MODE SENSE(10) with a page control, page and subpage.
fn sense10(pages: &ModePages, view: View<'_>, control: u8, code: u8, subpage: u8) -> Reply {
    pages.sense(
        view,
        &[0x5a, 8, control << 6 | code, subpage, 0, 0, 0, 255, 255, 0],
    )
}

pub(super) fn select10(pages: &mut ModePages, view: View<'_>, list: &[u8]) -> Result<(), Sense> {
    let [high, low] = (list.len() as u16).to_be_bytes();
    pages.select(view, &[0x55, 0x10, 0, 0, 0, 0, 0, high, low, 0], list)
}

/// The page itself.
pub(super) fn page(
    pages: &ModePages,
    view: View<'_>,
    control: u8,
    code: u8,
    subpage: u8,
) -> Vec<u8> {
    sense10(pages, view, control, code, subpage).unwrap()[8..].to_vec()
}

/// A list with the long header, no block descriptor, and this.
pub(super) fn list(page: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0x10, 0, 0, 0, 0], page].concat()
}

#[test]
fn what_st_asks_at_open() {
    let reply = drive().sense(Some(&tape(1)), &[0x1a, 0, 0, 0, 12, 0]);
    assert_eq!(
        reply.unwrap(),
        [11, 0x58, 0x10, 8, 0x58, 0, 0, 0, 0, 0, 0, 0]
    );
    let mut protected = tape(1);
    protected.write_protected = true;
    let reply = drive().sense(Some(&protected), &[0x1a, 8, 0, 0, 12, 0]);
    assert_eq!(reply.unwrap(), [3, 0x58, 0x90, 0]);
    let reply = drive().sense(None, &[0x5a, 0, 0, 0, 0, 0, 0, 0, 255, 0]);
    assert_eq!(
        reply.unwrap(),
        [0, 14, 0, 0x10, 0, 0, 0, 8, 0x58, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn pages_at_power_on() {
    let expected: [(u8, u8, &[u8]); 12] = [
        (0x01, 0, &[0x81, 10, 0, 0]),
        (0x02, 0, &[0x82, 14, 0, 0]),
        (0x0a, 0, &[0x8a, 10, 2, 0, 0]),
        (0x0a, 1, &[0xca, 1, 0, 28, 0]),
        (0x0a, 0xf0, &[0xca, 0xf0, 0, 28, 0, 0, 0]),
        (0x0f, 0, &[0x8f, 14, 0xc0, 0x80, 0, 0, 0, 0]),
        (
            0x10,
            0,
            &[0x90, 14, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x18, 0, 0, 0, 1, 0x10],
        ),
        (0x10, 1, &[0xd0, 1, 0, 28, 0, 2, 0, 0, 0]),
        (0x11, 0, &[0x11, 10, 15, 0, 0x1c, 3, 0, 0, 0xff, 0xff, 0, 0]),
        (0x1a, 0, &[0x9a, 38, 0, 0]),
        (0x1c, 0, &[0x9c, 10, 8, 0, 0]),
        (0x1d, 0, &[0x9d, 30, 0, 0, 0, 2, 0]),
    ];
    let mut all = Vec::new();
    for (code, subpage, start) in expected {
        let bytes = page(&drive(), None, 0, code, subpage);
        assert_eq!(bytes[..start.len()], *start, "{code:02x}/{subpage:02x}");
        let length = match subpage {
            0 => usize::from(bytes[1]) + 2,
            _ => usize::from(bytes[3]) + 4,
        };
        assert_eq!(bytes.len(), length, "{code:02x}/{subpage:02x}");
        all.extend(bytes);
    }
    assert_eq!(page(&drive(), None, 0, 0x3f, 0xff), all);
    assert_eq!(page(&drive(), None, 0, 0x3f, 0).len(), all.len() - 3 * 32);
    let both = page(&drive(), None, 0, 0x10, 0xff);
    assert_eq!(both.len(), 16 + 32);
}

#[test]
fn pages_that_are_not_there() {
    for (code, subpage, byte, bit) in [
        (0x08, 0, 2, 5),
        (0x08, 0xff, 2, 5),
        (0x00, 1, 3, 7),
        (0x01, 1, 3, 7),
        (0x0a, 2, 3, 7),
        (0x3f, 1, 3, 7),
    ] {
        let sense = sense10(&drive(), None, 0, code, subpage).unwrap_err();
        assert_eq!(sense, Sense::cdb_field(byte, Some(bit)), "{code:02x}");
    }
}

#[test]
fn what_the_cartridge_decides() {
    let mut tape = tape(3);
    tape.partition = 2;
    tape.worm = true;
    let pages = drive();
    assert_eq!(page(&pages, Some(&tape), 0, 0x10, 0)[3], 2);
    assert_eq!(page(&pages, Some(&tape), 0, 0x11, 0)[1..4], [12, 15, 2]);
    assert_eq!(page(&pages, Some(&tape), 1, 0x11, 0).len(), 14);
    assert_eq!(page(&pages, Some(&tape), 0, 0x1d, 0)[2], 1);
    assert_eq!(
        pages.sense(Some(&tape), &[0x1a, 8, 0, 0, 4, 0]).unwrap()[1],
        0x5c
    );
}

#[test]
fn the_short_form_says_no_more_than_it_can() {
    let six = |subpage| {
        let cdb = [0x1a, 0, 0x3f, subpage, 255, 0];
        drive().sense(Some(&tape(16)), &cdb)
    };
    assert_eq!(six(0).unwrap().len(), 208);
    assert_eq!(six(0xff), Err(Sense::cdb_field(2, Some(5))));
    let ten = sense10(&drive(), Some(&tape(16)), 0, 0x3f, 0xff);
    assert_eq!(ten.unwrap().len(), 300);
}

#[test]
fn what_was_sensed_can_be_selected() {
    for partitions in [1, 2, 16] {
        let tape = tape(partitions);
        for view in [None, Some(&tape)] {
            let mut pages = drive();
            for (code, subpage) in [(0x3f, 0xff), (0x3f, 0), (0x10, 1), (0, 0)] {
                let cdb = [0x5a, 0, code, subpage, 0, 0, 0, 255, 255, 0];
                let before = pages.sense(view, &cdb).unwrap();
                assert_eq!(select10(&mut pages, view, &before), Ok(()));
                assert_eq!(pages.sense(view, &cdb).unwrap(), before);
            }
        }
    }
}

#[test]
fn each_bit_is_changed_or_refused_as_its_mask_says() {
    let reference = drive();
    for (index, definition) in reference.pages.iter().enumerate() {
        if definition.code == partition::CODE {
            continue; // Its bits are a request: partition.rs.
        }
        let current = page(&reference, None, 0, definition.code, definition.subpage);
        let mask = page(&reference, None, 1, definition.code, definition.subpage);
        for byte in definition.header()..current.len() {
            for bit in 0..8 {
                let mut pages = drive();
                let mut wanted = current.clone();
                wanted[byte] ^= 1 << bit;
                let result = select10(&mut pages, None, &list(&wanted));
                let now = page(&pages, None, 0, definition.code, definition.subpage);
                if mask[byte] & 1 << bit != 0 {
                    assert_eq!(result, Ok(()), "page {index}, byte {byte}");
                    assert_eq!(now, wanted);
                } else {
                    assert_eq!(result, Err(Sense::list_field(8 + byte, Some(bit))));
                    assert_eq!(now, current);
                }
            }
        }
    }
}

#[test]
fn setters_have_their_effect() {
    let mut pages = drive();
    let mut set = |code: u8, subpage: u8, byte: usize, value: u8| {
        let mut bytes = page(&pages, None, 0, code, subpage);
        bytes[byte] = value;
        select10(&mut pages, None, &list(&bytes)).unwrap();
        pages.clone()
    };
    assert!(set(0x0a, 0, 2, 0x06).descriptor_sense());
    assert!(set(0x0a, 0, 4, 0x08).software_write_protected());
    assert!(!set(0x0a, 0, 4, 0).software_write_protected());
    let protected = set(0x10, 0, 10, 0x1c);
    assert!(protected.software_write_protected());
    assert_eq!(
        protected.sense(None, &[0x1a, 8, 0, 0, 4, 0]).unwrap()[2],
        0x90
    );
    assert!(set(0x10, 1, 5, 0x12).append_only());
    assert_eq!(set(0x10, 1, 6, 1).early_warning_size(), 256_000_000);
    assert!(drive().compression());
    assert!(!set(0x0f, 0, 2, 0x40).compression());
    assert_eq!(page(&set(0x0f, 0, 2, 0xc0), None, 0, 0x10, 0)[14], 1);
    assert!(!set(0x10, 0, 14, 0).compression());
}

#[test]
fn block_length_and_buffered_mode() {
    let mut pages = drive();
    // mt setblk 512: no pages, and no PF.
    let list = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 2, 0];
    assert_eq!(pages.select(None, &[0x15, 0, 0, 0, 12, 0], &list), Ok(()));
    assert_eq!(pages.block_length(), 512);
    assert!(pages.buffered());
    assert_eq!(pages.select(None, &[0x15, 0, 0, 0, 4, 0], &[0; 4]), Ok(()));
    assert_eq!(pages.block_length(), 512, "there was no descriptor");
    assert!(!pages.buffered());
    let largest = [0, 0, 0, 8, 0x7f, 0, 0, 0, 0, 255, 255, 255];
    assert_eq!(
        pages.select(None, &[0x15, 0, 0, 0, 12, 0], &largest),
        Ok(())
    );
    assert_eq!(pages.block_length(), 0xff_ffff);
    pages.reset();
    assert_eq!(pages.block_length(), 0);
    assert!(pages.buffered());
}

#[test]
fn headers_and_descriptors_that_are_refused() {
    let six = |list: &[u8]| {
        let cdb = [0x15, 0x10, 0, 0, list.len() as u8, 0];
        drive().select(None, &cdb, list)
    };
    let field = |byte, bit| Err(Sense::list_field(byte, bit));
    let truncated = Err(Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH));
    assert_eq!(six(&[]), Ok(()));
    assert_eq!(six(&[0, 0, 0x10]), truncated);
    assert_eq!(six(&[0, 0, 0x10, 8, 0, 0, 0]), truncated);
    assert_eq!(six(&[0, 1, 0x10, 0]), field(1, Some(7)));
    assert_eq!(six(&[0, 0, 0x30, 0]), field(2, Some(6)));
    assert_eq!(six(&[0, 0, 0x11, 0]), field(2, Some(3)));
    assert_eq!(six(&[0, 0, 0x10, 4, 0, 0, 0, 0]), field(3, None));
    let descriptor = |bytes: [u8; 8]| six(&[&[0, 0, 0x10, 8][..], &bytes].concat());
    assert_eq!(descriptor([0x44, 0, 0, 0, 0, 0, 0, 0]), field(4, Some(7)));
    assert_eq!(descriptor([0x58, 0, 0, 1, 0, 0, 0, 0]), field(5, None));
    assert_eq!(descriptor([0x58, 0, 0, 0, 1, 0, 0, 0]), field(8, None));
    let mut pages = drive();
    for (list, byte, bit) in [
        ([0, 0, 0, 0x10, 1, 0, 0, 0], 4, Some(0)),
        ([0, 0, 0, 0x10, 0, 0x80, 0, 0], 5, Some(7)),
        ([0, 0, 0, 0x10, 0, 0, 1, 0], 6, None),
    ] {
        assert_eq!(select10(&mut pages, None, &list), field(byte, bit));
    }
    // Less arrives than announced.
    let short = pages.select(None, &[0x15, 0x10, 0, 0, 12, 0], &[0, 0, 0x10, 0]);
    assert_eq!(short, truncated);
}

#[test]
fn pages_that_are_refused_change_nothing() {
    let mut pages = drive();
    let good = [0x0a, 10, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (bad, expected) in [
        (&[0x08, 10][..], Sense::list_field(20, Some(5))),
        (&[0x01, 9], Sense::list_field(21, None)),
        (&[0x4a, 2, 0, 28], Sense::list_field(21, Some(7))),
        (&[0x4a, 1, 1, 28], Sense::list_field(22, None)),
        (&[0x4a, 1, 0], TRUNCATED),
        (&[0x01, 10, 0], TRUNCATED),
        (&[0x01], TRUNCATED),
    ] {
        let mut list = list(&[&good[..], bad].concat());
        list[3] = 0;
        assert_eq!(
            select10(&mut pages, None, &list),
            Err(expected),
            "{bad:02x?}"
        );
        assert!(!pages.descriptor_sense() && pages.buffered());
    }
    // Another standard's page format.
    let list = list(&good);
    let sense = pages.select(None, &[0x55, 0, 0, 0, 0, 0, 0, 0, 20, 0], &list);
    assert_eq!(sense, Err(Sense::cdb_field(1, Some(4))));
    assert_eq!(select10(&mut pages, None, &list), Ok(()));
    assert!(pages.descriptor_sense());
}

const TRUNCATED: Sense = Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH);

#[test]
fn saved_pages_survive_a_reset() {
    let mut pages = drive();
    let mut control = page(&pages, None, 0, 0x0a, 0);
    control[2] |= 0x04;
    let list = list(&control);
    select10(&mut pages, None, &list).unwrap();
    assert_eq!(page(&pages, None, 3, 0x0a, 0)[2], 2);
    pages.reset();
    assert!(!pages.descriptor_sense());
    pages
        .select(None, &[0x55, 0x11, 0, 0, 0, 0, 0, 0, 20, 0], &list)
        .unwrap();
    pages.reset();
    assert!(pages.descriptor_sense());
    assert_eq!(page(&pages, None, 3, 0x0a, 0)[2], 6);
    assert_eq!(page(&pages, None, 2, 0x0a, 0)[2], 2);
}

/// What mkltfs does: it changes what it sensed, and leaves the units at 0.
#[test]
fn partitioning_as_a_file_system_does() {
    let tape = tape(1);
    let mut pages = drive();
    let mut bytes = page(&pages, Some(&tape), 0, 0x11, 0);
    assert_eq!(bytes.len(), 12);
    bytes[3] = 1;
    bytes[4] = 0x20 | bytes[4] & 0x1f;
    bytes[6] = 0;
    bytes[8..].copy_from_slice(&[0, 1, 0xff, 0xff]);
    assert_eq!(pages.partition_plan(64_000_000), Ok(vec![64_000_000]));
    assert_eq!(select10(&mut pages, Some(&tape), &list(&bytes)), Ok(()));
    assert_eq!(
        pages.partition_plan(64_000_000),
        Ok(vec![1_600_000, 62_400_000])
    );
    assert_eq!(page(&pages, Some(&tape), 0, 0x11, 0)[3], 0, "not formatted");
    bytes[9] = 0;
    assert_eq!(
        select10(&mut pages, Some(&tape), &list(&bytes)),
        Err(Sense::list_field(16, None))
    );
    assert!(pages.partition_plan(64_000_000).unwrap().len() == 2);
    pages.reset();
    assert_eq!(pages.partition_plan(64_000_000), Ok(vec![64_000_000]));
}
