// SPDX-License-Identifier: GPL-2.0-or-later
//! LOG SENSE and LOG SELECT as an initiator sees them.

use super::*;
use crate::config::Config;
use crate::counters::Transfers;
use crate::spc::attribute::life;
use crate::state::part;
use crate::view::{Partition, Tape, View};
use proptest::prelude::*;

fn tape() -> Tape {
    let partition = |capacity, used| Partition { capacity, used };
    Tape {
        partitions: vec![
            partition(600 << 20, 100 << 20),
            partition(40 << 20, 0),
            partition(u64::MAX, 0),
        ],
        position: 7_000_000,
        ..Tape::default()
    }
}

fn sense(counters: &mut Counters, view: View<'_>, cdb: &[u8]) -> Reply {
    let config = Config {
        capacity: 640 << 20,
        early_warning: 20 << 20,
        ..Config::default()
    };
    let context = Context {
        config: &config,
        view,
        attributes: &[],
        compression: true,
    };
    counters.sense(&context, cdb)
}

/// The cumulative values of a page.
fn page(counters: &mut Counters, code: u8) -> Vec<u8> {
    let cdb = [0x4d, 0, 0x40 | code, 0, 0, 0, 0, 255, 255, 0];
    let reply = sense(counters, Some(&tape()), &cdb).unwrap();
    assert_eq!(reply[..2], [0x80 | code, 0]);
    assert_eq!(number(&reply, 2, 2) as usize, reply.len() - 4);
    reply
}

/// A parameter's value.
fn value(page: &[u8], code: u16) -> Option<Vec<u8>> {
    let mut rest = &page[4..];
    while !rest.is_empty() {
        let length = usize::from(rest[3]);
        if rest[..2] == code.to_be_bytes() {
            return Some(rest[4..4 + length].to_vec());
        }
        rest = &rest[4 + length..];
    }
    None
}

fn busy() -> Counters {
    let mut counters = Counters::default();
    counters.loaded();
    counters.count(Transfers {
        from_host: 12_000_345,
        to_host: 5,
        to_medium: 12_000_345,
        from_medium: 10,
        records_written: 9,
        records_read: 1,
        write_errors: 3,
        read_errors: 4,
        ..Transfers::default()
    });
    counters
}

#[test]
fn pages_are_those_that_are_listed() {
    let mut counters = Counters::default();
    let codes = [0x00, 0x02, 0x03, 0x0c, 0x17, 0x1b, 0x2e, 0x30, 0x31];
    let list = sense(&mut counters, None, &[0x4d, 0, 0x40, 0, 0, 0, 0, 1, 0, 0]).unwrap();
    assert_eq!(list, [&[0, 0, 0, 9][..], &codes].concat());
    let list = sense(
        &mut counters,
        None,
        &[0x4d, 0, 0x40, 0xff, 0, 0, 0, 1, 0, 0],
    )
    .unwrap();
    assert_eq!(list[..10], [0x40, 0xff, 0, 20, 0, 0, 0, 0xff, 2, 0]);
    for code in 1..0x40 {
        let cdb = |subpage| [0x4d, 0, 0x40 | code, subpage, 0, 0, 0, 1, 0, 0];
        let known = codes.contains(&code);
        assert_eq!(
            sense(&mut counters, None, &cdb(0)).is_ok(),
            known,
            "{code:02x}"
        );
        let (byte, bit) = if known { (3, 7) } else { (2, 5) };
        let sense = sense(&mut counters, None, &cdb(1)).unwrap_err();
        assert_eq!(sense, Sense::cdb_field(byte, Some(bit)));
    }
}

#[test]
fn error_counters() {
    let mut counters = busy();
    let bytes = page(&mut counters, 0x02);
    assert_eq!(bytes[4..12], [0, 0, 0x20, 4, 0, 0, 0, 0]);
    assert_eq!(value(&bytes, 5), Some(12_000_345u64.to_be_bytes().to_vec()));
    assert_eq!(value(&bytes, 6), Some(vec![0, 0, 0, 3]));
    let bytes = page(&mut counters, 0x03);
    assert_eq!(value(&bytes, 5), Some(10u64.to_be_bytes().to_vec()));
    assert_eq!(value(&bytes, 6), Some(vec![0, 0, 0, 4]));
}

#[test]
fn sequential_access_and_compression() {
    let mut counters = busy();
    let bytes = page(&mut counters, 0x0c);
    for (code, expected) in [(0, 12_000_345u64), (1, 12_000_345), (2, 10), (3, 5)] {
        assert_eq!(value(&bytes, code), Some(expected.to_be_bytes().to_vec()));
    }
    for (code, expected) in [(4, 104u32), (5, 609), (6, 19), (7, 7)] {
        assert_eq!(value(&bytes, code), Some(expected.to_be_bytes().to_vec()));
    }
    let bytes = page(&mut counters, 0x1b);
    assert_eq!(value(&bytes, 1), Some(vec![0, 100]));
    assert_eq!(value(&bytes, 6), Some(12u32.to_be_bytes().to_vec()));
    assert_eq!(value(&bytes, 7), Some(345u32.to_be_bytes().to_vec()));
    assert_eq!(value(&bytes, 0x100), Some(vec![0, 1]));
}

#[test]
fn volume_statistics_have_a_record_for_each_partition() {
    let mut counters = busy();
    let bytes = page(&mut counters, 0x17);
    assert_eq!(value(&bytes, 0), Some(vec![1]));
    assert_eq!(value(&bytes, 1), Some(vec![0, 0, 0, 1]));
    assert_eq!(value(&bytes, 0x0e), Some(vec![0, 0, 0, 12]));
    assert_eq!(value(&bytes, 0x42), Some(vec![b' '; 32]));
    let records = |sizes: [u32; 3]| {
        let mut bytes = Vec::new();
        for (number, size) in (0u8..).zip(sizes) {
            bytes.extend([7, 0, 0, number]);
            bytes.extend(size.to_be_bytes());
        }
        Some(bytes)
    };
    assert_eq!(value(&bytes, 0x202), records([629, 41, u32::MAX]));
    assert_eq!(value(&bytes, 0x203), records([104, 0, 0]));
    assert_eq!(value(&bytes, 0x204), records([504, 40, u32::MAX]));
    let none = sense(&mut counters, None, &[0x4d, 0, 0x57, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(none.unwrap()[4..], [0, 0, 0x23, 1, 0]);
}

/// The cartridge counts its life in 2^20 bytes, the page in 10^6.
#[test]
fn volume_statistics_count_a_life_in_megabytes() {
    let mount = Transfers {
        from_host: 1000 << 20,
        to_host: 2000 << 20,
        ..Transfers::default()
    };
    let attributes = life::note(&[], life::Event::Unload(mount));
    let tape = tape();
    let context = Context {
        config: &Config::default(),
        view: Some(&tape),
        attributes: &attributes,
        compression: true,
    };
    let cdb = [0x4d, 0, 0x57, 0, 0, 0, 0, 255, 255, 0];
    let bytes = Counters::default().sense(&context, &cdb).unwrap();
    assert_eq!(value(&bytes, 0x10), Some(1048u64.to_be_bytes().to_vec()));
    assert_eq!(value(&bytes, 0x11), Some(2097u64.to_be_bytes().to_vec()));
}

#[test]
fn tape_capacity_is_in_mebibytes() {
    let bytes = page(&mut busy(), 0x31);
    for (code, expected) in [(1, 500u32), (2, 40), (3, 600), (4, 40)] {
        assert_eq!(value(&bytes, code), Some(expected.to_be_bytes().to_vec()));
    }
    let bytes = page(&mut busy(), 0x30);
    assert_eq!(value(&bytes, 1), Some(vec![0, 0, 0, 1]));
    assert_eq!(value(&bytes, 2), Some(9u64.to_be_bytes().to_vec()));
}

#[test]
fn alerts_are_cleared_when_they_have_been_read() {
    let mut counters = busy();
    counters.raise(alert::WRITE_FAILURE);
    counters.raise(alert::WORM_OVERWRITE);
    // Asking for the length only.
    let cdb = [0x4d, 0, 0x6e, 0, 0, 0, 0, 0, 4, 0];
    assert_eq!(
        sense(&mut counters, None, &cdb).unwrap()[..4],
        [0xae, 0, 1, 64]
    );
    // Half of them.
    let cdb = [0x4d, 0, 0x6e, 0, 0, 0, 0, 0, 4 + 32 * 5, 0];
    let bytes = sense(&mut counters, None, &cdb).unwrap();
    assert_eq!(value(&bytes, 6), Some(vec![1]));
    let bytes = page(&mut counters, 0x2e);
    assert_eq!(bytes.len(), 4 + 64 * 5);
    assert_eq!(bytes[4..9], [0, 1, 0x23, 1, 0]);
    let set: Vec<u16> = (1..=64)
        .filter(|&flag| value(&bytes, flag) == Some(vec![1]))
        .collect();
    assert_eq!(set, [60]);
    assert_eq!(counters.alerts(), 0);
}

#[test]
fn page_control_and_parameter_pointer() {
    let mut counters = busy();
    let mut ask = |control: u8, pointer: u8| {
        let cdb = [0x4d, 0, control << 6 | 0x02, 0, 0, 0, pointer, 1, 0, 0];
        sense(&mut counters, None, &cdb)
    };
    assert_eq!(
        ask(1, 6).unwrap(),
        [0x82, 0, 0, 8, 0, 6, 0x20, 4, 0, 0, 0, 3]
    );
    assert_eq!(ask(3, 6).unwrap()[8..], [0; 4]);
    assert_eq!(ask(0, 6).unwrap()[8..], [0xff; 4]);
    assert_eq!(ask(2, 6).unwrap()[8..], [0xff; 4]);
    assert_eq!(ask(1, 7), Err(Sense::cdb_field(5, None)));
    let saved = sense(&mut counters, None, &[0x4d, 1, 0x42, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(saved, Err(Sense::cdb_field(1, Some(0))));
}

#[test]
fn log_select_resets() {
    let select = |bits: u8, page: u8, length: u8| {
        let mut counters = busy();
        counters.raise(alert::READ_FAILURE);
        let result = counters.select(&[0x4c, bits, page, 0, 0, 0, 0, 0, length, 0]);
        (result, counters)
    };
    let (result, counters) = select(2, 0x40, 0);
    assert_eq!(result, Ok(()));
    assert_eq!(counters.total().from_host, 0);
    assert_eq!(counters.total().read_errors, 0);
    assert_eq!(counters.alerts(), 0);
    assert_eq!(counters.mount(), busy().mount(), "the cartridge's own");
    let (result, counters) = select(2, 0x43, 0);
    assert_eq!(result, Ok(()));
    assert_eq!(counters.total().read_errors, 0);
    assert_eq!(counters.total().write_errors, 3);
    assert_ne!(counters.alerts(), 0);
    assert_eq!(select(0, 0xc0, 0).1.total().from_host, 0);
    assert_ne!(select(0, 0x40, 0).1.total().from_host, 0);
    for (bits, page, length, byte, bit) in [
        (1, 0x40, 0, 1, Some(0)),
        (2, 0x40, 8, 7, None),
        (2, 0x41, 0, 2, Some(5)),
    ] {
        let (result, counters) = select(bits, page, length);
        assert_eq!(result, Err(Sense::cdb_field(byte, bit)));
        assert_ne!(counters.total().from_host, 0);
    }
}

#[test]
fn state_is_saved_and_restored() {
    let mut counters = busy();
    counters.raise(alert::NO_REMOVAL);
    let bytes = part::save(&counters, Counters::state);
    let restore = |bytes: &[u8]| part::restore(Counters::default(), Counters::state, bytes);
    assert_eq!(restore(&bytes), Some(counters));
    assert_eq!(restore(&bytes[1..]), None);
}

proptest! {
    #[test]
    fn nothing_panics(
        cdb in prop::array::uniform10(any::<u8>()),
        state in prop::collection::vec(any::<u8>(), 136),
        loaded in any::<bool>(),
    ) {
        let mut counters = part::restore(Counters::default(), Counters::state, &state).unwrap();
        let tape = tape();
        let view = loaded.then_some(&tape);
        let _ = sense(&mut counters, view, &cdb);
        let _ = counters.select(&cdb);
        counters.loaded();
        for (code, _) in PAGES {
            let cdb = [0x4d, 0, 0x40 | code, 0, 0, 0, 0, 255, 255, 0];
            prop_assert!(sense(&mut counters, view, &cdb).is_ok());
        }
        counters.count(Transfers { from_host: u64::MAX, ..Transfers::default() });
    }
}
