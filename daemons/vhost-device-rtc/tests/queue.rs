// SPDX-License-Identifier: GPL-2.0-or-later
//! The queues: chains cut anywhere, chains that lead nowhere, and who is told when.

use proptest::prelude::*;
use vhost_device_rtc::clocks::Clocks;
use vhost_device_rtc::device::Device;
use vhost_device_rtc::kind::Kind;
use vhost_device_rtc::protocol::{answer, MESSAGES};
use vhost_device_rtc::queue::{answer_requests, notify_alarms};
use vhost_device_rtc::testing::{exercise_protocol, exercise_queue, Driver, FakeHost};

const NEXT: u32 = 1;
const WRITE: u32 = 2;
const INDIRECT: u32 = 4;

fn device() -> Device {
    let mut device = Device::new(Clocks::new(&[Kind::Utc, Kind::Monotonic], None));
    device.set_has_alarms(true);
    device
}

fn request(kind: u16, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes
}

fn run(driver: &mut Driver, device: &mut Device) -> bool {
    let mut host = FakeHost::new();
    answer_requests(&mut driver.queue, &driver.memory, device, &mut host).unwrap()
}

#[test]
fn a_chain_may_be_cut_anywhere() {
    for row in &MESSAGES {
        let bytes = request(row.kind, row.request);
        let want = answer(&mut device(), &mut FakeHost::new(), &bytes, row.answer);
        for cut in 0..=row.request {
            for room in 0..=row.answer {
                for indirect in [false, true] {
                    let (mut driver, mut device) = (Driver::new(false), device());
                    let lengths = [cut, row.request - cut];
                    // Bytes that nobody wants, behind the request and behind the answer.
                    let mut longer = bytes.clone();
                    longer.extend([0xff; 5]);
                    let lengths = [lengths[0], lengths[1], 5];
                    let rooms = [room, row.answer - room, 7];
                    let at = driver.request(&longer, &lengths, &rooms, indirect);
                    assert!(run(&mut driver, &mut device));
                    let written = row.answer as u32;
                    let used = driver.used().map(|(_, written)| written);
                    assert_eq!(used, Some(written), "{} {cut} {room}", row.name);
                    let filled = driver.rooms(&at);
                    assert_eq!(&filled[..row.answer], want.bytes());
                    assert_eq!(filled[row.answer..], [0xaa; 7], "beyond the answer");
                }
            }
        }
    }
}

#[test]
fn byte_by_byte() {
    let (mut driver, mut device) = (Driver::new(false), device());
    let at = driver.request(&request(0x1000, 8), &[1; 8], &[1; 7], false);
    run(&mut driver, &mut device);
    assert_eq!(driver.used(), Some((0, 7)), "no room for the whole answer");
    assert_eq!(driver.rooms(&at), [4, 0, 0, 0, 0, 0, 0], "EINVAL");
    driver.request(&[0], &[1], &[16], false);
    driver.request(&[], &[], &[16], false);
    driver.request(&request(0x1000, 8), &[8], &[], false);
    driver.request(&request(0x1000, 8), &[8], &[16], false);
    run(&mut driver, &mut device);
    let written: Vec<_> = std::iter::from_fn(|| driver.used())
        .map(|used| used.1)
        .collect();
    assert_eq!(written, [8, 8, 0, 16], "the queue goes on");
}

#[test]
fn what_cant_be_read_comes_back_empty() {
    let bad: [&[(u64, usize, u32)]; 6] = [
        &[(0x20000, 16, 0), (0x8000, 16, WRITE)],
        &[(0xfff8, 16, 0), (0x8000, 16, WRITE)],
        &[(0x8000, 16, 0), (0x20000, 16, WRITE)],
        &[(0x8000, 16, 0), (0xffff_ffff_ffff_fff0, 64, WRITE)],
        &[(0x8000, 0xffff_ffff, WRITE)],
        &[(0x20000, 16, INDIRECT)],
    ];
    for parts in bad {
        let (mut driver, mut device) = (Driver::new(false), device());
        driver.chain(parts, false);
        driver.request(&request(0x1000, 8), &[8], &[16], false);
        run(&mut driver, &mut device);
        assert_eq!(driver.used().map(|used| used.1), Some(0), "{parts:x?}");
        assert_eq!(driver.used().map(|used| used.1), Some(16), "{parts:x?}");
    }
}

#[test]
fn a_chain_that_goes_round_comes_back() {
    let (mut driver, mut device) = (Driver::new(false), device());
    // 16 descriptors, the last of which leads to the first.
    driver.chain(&[(0x8000, 1, NEXT); 16], false);
    run(&mut driver, &mut device);
    assert!(driver.used().is_some());
    driver.available(99);
    driver.request(&request(0x1000, 8), &[8], &[16], false);
    run(&mut driver, &mut device);
    let written: Vec<_> = std::iter::from_fn(|| driver.used())
        .map(|used| used.1)
        .collect();
    assert_eq!(
        written.last(),
        Some(&16),
        "a head that isn't there doesn't stop it"
    );
}

#[test]
fn an_impossible_ring_is_an_error_until_it_is_mended() {
    let (mut driver, mut device) = (Driver::new(false), device());
    for _ in 0..17 {
        driver.available(0);
    }
    let mut host = FakeHost::new();
    let result = answer_requests(&mut driver.queue, &driver.memory, &mut device, &mut host);
    assert!(result.is_err(), "17 buffers in 16 entries");
    assert_eq!(driver.used(), None);
}

#[test]
fn the_driver_kicks_and_is_called_by_event_indices() {
    let (mut driver, mut device) = (Driver::new(true), device());
    for number in 0..40u16 {
        driver.call_at(2 * number + 1);
        driver.request(&request(0x1000, 8), &[8], &[16], true);
        assert!(!run(&mut driver, &mut device), "not yet, says the driver");
        assert_eq!(
            driver.kick_at(),
            2 * number + 1,
            "each buffer is kicked for"
        );
        driver.request(&request(0x1000, 8), &[8], &[16], true);
        assert!(run(&mut driver, &mut device), "now");
        while driver.used().is_some() {}
    }
}

fn expire(device: &mut Device, clocks: &[u16]) {
    for clock in clocks {
        let mut bytes = request(0x1004, 24);
        bytes[16..18].copy_from_slice(&clock.to_le_bytes());
        bytes[18] = 1;
        assert_eq!(
            answer(device, &mut FakeHost::new(), &bytes, 8).bytes()[0],
            0
        );
    }
}

#[test]
fn each_expiry_is_notified_once_when_there_is_a_buffer() {
    for event_idx in [false, true] {
        let (mut driver, mut device) = (Driver::new(event_idx), device());
        expire(&mut device, &[0, 1]);
        let notify = |driver: &mut Driver, device: &mut Device| {
            notify_alarms(&mut driver.queue, &driver.memory, device).unwrap()
        };
        assert!(!notify(&mut driver, &mut device), "no buffer");
        assert_eq!(device.due(), Some(0), "kept");
        // Too small, readable only, split, large.
        let small = driver.request(&[], &[], &[15], false);
        driver.request(&[1; 16], &[16], &[], false);
        let split = driver.request(&[], &[], &[3, 13], false);
        let large = driver.request(&[], &[], &[40], false);
        let spare = driver.request(&[], &[], &[16], false);
        assert!(notify(&mut driver, &mut device));
        let written: Vec<_> = std::iter::from_fn(|| driver.used())
            .map(|used| used.1)
            .collect();
        assert_eq!(written, [0, 0, 16, 16]);
        assert_eq!(driver.rooms(&small), [0xaa; 15]);
        let note = |id| [0, 0x20, 0, 0, 0, 0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(driver.rooms(&split), note(0));
        assert_eq!(driver.rooms(&large)[..16], note(1));
        assert_eq!(driver.rooms(&spare), [0xaa; 16]);
        assert!(!notify(&mut driver, &mut device), "none twice");
        driver.call_at(4);
        expire(&mut device, &[1]);
        assert!(notify(&mut driver, &mut device));
        assert_eq!(driver.rooms(&spare), note(1));
    }
}

fn seeds(target: &str, exercise: fn(&[u8])) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut number = 0;
    for seed in std::fs::read_dir(&folder).unwrap() {
        exercise(&std::fs::read(seed.unwrap().path()).unwrap());
        number += 1;
    }
    assert!(number > 0, "{folder} has no seeds");
}

#[test]
fn the_fuzz_targets_seeds() {
    seeds("rtc-protocol", exercise_protocol);
    seeds("rtc-queue", exercise_queue);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_requests(input in proptest::collection::vec(any::<u8>(), 0..2000)) {
        exercise_protocol(&input);
    }

    #[test]
    fn any_rings(input in proptest::collection::vec(any::<u8>(), 0..2000)) {
        exercise_queue(&input);
    }
}
