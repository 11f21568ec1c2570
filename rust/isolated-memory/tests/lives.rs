// SPDX-License-Identifier: GPL-2.0-or-later
//! A device's starts and stops: in steps that are named, and in any order.
#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::sync::Arc;

use isolated_memory::testing::{exercise_lives, Backend, Chain, Guest, GuestRequest};
use isolated_memory::{
    Device, LayoutError, Options, PrepareError, Queue, Ring, Scrub, Start, StartError,
};
use proptest::prelude::*;

const BLOCK: u16 = 2;
const RING: Ring = Ring {
    entries: 16,
    features: 0,
};

/// A disk with a queue that runs, a request in it that came back, and another that the back-end
/// has.
fn busy() -> (Device<GuestRequest>, Queue<GuestRequest>, Backend, Chain) {
    let mut device = Device::new(BLOCK, 0, Scrub::Always);
    assert_eq!(device.prepare(&[16], &[1]).unwrap(), Start::Fresh);
    let (mut queue, start) = device.start(0, 1, RING).unwrap();
    assert_eq!(start, Start::Fresh);
    let mut backend = Backend::new(device.area().unwrap(), 0, Options::new(16));
    let guest = Guest::new(4096);
    for tag in [1, 2] {
        queue.lend(request(&guest, tag)).unwrap();
    }
    let _ = queue.publish();
    let chain = backend.fetch().unwrap();
    backend.push(chain.head.into(), 1);
    assert_eq!(queue.reap().unwrap().unwrap().request.tag, 1);
    let chain = backend.fetch().unwrap();
    (device, queue, backend, chain)
}

fn request(guest: &Arc<Guest>, tag: u64) -> GuestRequest {
    GuestRequest {
        guest: guest.clone(),
        readable: vec![0..16],
        writable: vec![100..101],
        tag,
    }
}

/// How the device's next start is, in an area that is the last one or not, and at which index.
fn next(device: &mut Device<GuestRequest>, life: u32) -> (Start, bool, u16) {
    let before = device.area().unwrap().clone();
    let prepared = device.prepare(&[16], &[life]).unwrap();
    let same = Arc::ptr_eq(&before, device.area().unwrap());
    let base = device.base(0, life);
    let (queue, start) = device.start(0, life, RING).unwrap();
    assert_eq!(prepared, start);
    device.stop(queue, None);
    (start, same, base)
}

#[test]
fn a_back_end_goes_on_with_what_it_had_when_the_vm_stopped() {
    let (mut device, queue, mut backend, chain) = busy();
    let mut returned = device.stop(queue, Some(2));
    assert_eq!(returned.len(), 1);
    assert_eq!(device.prepare(&[16], &[1]).unwrap(), Start::Resumed);
    assert_eq!(device.base(0, 1), 2);
    // It answers before it is asked to.
    backend.answer(&chain, &[0]);
    backend.push(chain.head.into(), 1);
    let (mut queue, start) = device.start(0, 1, RING).unwrap();
    assert_eq!((start, queue.suspended()), (Start::Resumed, 1));
    queue.lend(returned.remove(0)).unwrap();
    assert_eq!(queue.reap().unwrap().unwrap().request.tag, 2);
    assert!(device.stop(queue, Some(2)).is_empty());
    // With nothing left, the ring is new, and goes on where it was.
    assert_eq!(next(&mut device, 1), (Start::Fresh, false, 2));
}

#[test]
fn it_doesnt_when_it_is_told_not_to() {
    let (mut device, queue, ..) = busy();
    assert_eq!(device.stop(queue, None).len(), 1);
    assert_eq!(next(&mut device, 1), (Start::Fresh, false, 1));
}

#[test]
fn nor_when_it_is_another_one() {
    let (mut device, queue, ..) = busy();
    device.stop(queue, Some(2));
    device.connected();
    assert_eq!(next(&mut device, 1), (Start::Fresh, false, 0));
}

#[test]
fn nor_when_the_guest_has_reset_the_queue() {
    let (mut device, queue, ..) = busy();
    device.stop(queue, Some(2));
    assert_eq!(next(&mut device, 2), (Start::Fresh, false, 0));
}

#[test]
fn nor_when_it_has_broken_the_rules() {
    let (mut device, mut queue, mut backend, _) = busy();
    backend.push(77, 1);
    queue.reap().unwrap_err();
    assert_eq!(device.stop(queue, Some(2)).len(), 1);
    assert_eq!(next(&mut device, 1), (Start::Fresh, false, 1));
}

#[test]
fn nor_when_there_are_other_queues() {
    let (mut device, queue, ..) = busy();
    device.stop(queue, Some(2));
    assert_eq!(device.prepare(&[16, 16], &[1, 1]).unwrap(), Start::Fresh);
    assert_eq!(device.base(0, 1), 0);
    assert!(device.stats(0).is_none());
}

#[test]
fn what_is_kept_keeps_the_area_for_all() {
    let mut device = Device::new(BLOCK, 0, Scrub::Always);
    device.prepare(&[16, 16], &[1, 1]).unwrap();
    let (mut first, _) = device.start(0, 1, RING).unwrap();
    let (second, _) = device.start(1, 1, RING).unwrap();
    first.lend(request(&Guest::new(4096), 1)).unwrap();
    device.stop(first, Some(0));
    device.stop(second, Some(0));
    assert_eq!(device.prepare(&[16, 16], &[1, 1]).unwrap(), Start::Resumed);
    assert_eq!(device.start(1, 1, RING).unwrap().1, Start::Fresh);
}

#[test]
fn what_cant_start_says_why() {
    let mut device = Device::<GuestRequest>::new(BLOCK, 4096, Scrub::Always);
    let why = device.start(0, 0, RING).unwrap_err();
    assert_eq!(why, StartError::NoArea { index: 0 });
    assert!(matches!(
        device.prepare(&[32768; 3], &[0; 3]).unwrap_err(),
        PrepareError::Layout(LayoutError::TooSmall { .. })
    ));
    assert!(matches!(
        device.prepare(&[], &[]).unwrap_err(),
        PrepareError::Layout(LayoutError::NoQueues)
    ));
    device.prepare(&[16], &[0]).unwrap();
    let _running = device.start(0, 0, RING).unwrap();
    assert!(device.start(0, 0, RING).is_err(), "it runs");
    assert!(device.start(1, 0, RING).is_err(), "there is none");
}

#[test]
fn the_seeds() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/lives");
    let mut count = 0;
    for entry in std::fs::read_dir(seeds).expect("the seeds' folder") {
        exercise_lives(&std::fs::read(entry.expect("an entry").path()).expect("a seed"));
        count += 1;
    }
    assert!(count >= 6, "{count} seeds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn in_any_order(input in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise_lives(&input);
    }

    /// Most of the time it runs, and stops with requests.
    #[test]
    fn in_a_likely_order(
        lives in prop::collection::vec(prop::collection::vec(0..8u8, 0..12), 1..8),
        index in any::<bool>(),
    ) {
        let queue = u8::from(index) << 4;
        let life = |middle: Vec<u8>| {
            let middle: Vec<_> = middle.iter().map(|code| queue | (2 + code % 2)).collect();
            [vec![0, queue | 1], middle, vec![queue | 4]].concat()
        };
        exercise_lives(&lives.into_iter().flat_map(life).collect::<Vec<_>>());
    }
}
