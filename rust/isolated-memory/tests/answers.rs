// SPDX-License-Identifier: GPL-2.0-or-later
//! What a guest reads in a request's buffers, by what known back-ends write and say they wrote.
#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::ops::Range;
use std::sync::Arc;

use isolated_memory::rules::Rule;
use isolated_memory::testing::{Backend, Guest, GuestRequest};
use isolated_memory::{Area, Layout, LendError, Options, Queue, QueueSpec, BUFFERS_MIN};

const BLOCK: u16 = 2;
const SCSI: u16 = 8;
const VSOCK: u16 = 19;
const SOUND: u16 = 25;
const FS: u16 = 26;
const SCMI: u16 = 32;
const I2C: u16 = 34;
const GPIO: u16 = 41;

/// Where a request's writable buffers begin in the guest's memory.
const INTO: usize = 1000;
/// What the guest has there.
const OLD: u8 = 0xee;

fn request(guest: &Arc<Guest>, out: &[u8], segments: &[usize]) -> GuestRequest {
    guest.write(0, out);
    guest.write(INTO, &vec![OLD; segments.iter().sum()]);
    let mut at = INTO;
    let writable = segments.iter().map(|len| {
        at += len;
        at - len..at
    });
    GuestRequest {
        guest: guest.clone(),
        readable: vec![0..out.len()],
        writable: writable.collect(),
        tag: 1,
    }
}

/// A request of `out` and buffers of these lengths, whose back-end writes `parts` at these places
/// and says `said`. What the guest has in its buffers after that, and what it is told of.
fn answered(
    (device, queue): (u16, usize),
    out: &[u8],
    segments: &[usize],
    parts: &[(usize, &[u8])],
    said: u32,
) -> (Vec<u8>, u32) {
    let spec = QueueSpec {
        ring: 16,
        buffers: BUFFERS_MIN,
    };
    let area = Arc::new(Area::new(Layout::new(&[spec]).unwrap()).unwrap());
    let options = Options {
        rule: Rule::new(device, queue),
        ..Options::new(16)
    };
    let mut queue = Queue::new(area.clone(), 0, options).unwrap();
    let (mut backend, guest) = (Backend::new(&area, 0, options), Guest::new(1 << 16));
    queue.lend(request(&guest, out, segments)).unwrap();
    let _ = queue.publish();
    let chain = backend.fetch().unwrap();
    for (at, bytes) in parts {
        for (byte, place) in bytes.iter().zip(writable(&chain.writable).skip(*at)) {
            backend.poke(place, &[*byte]);
        }
    }
    backend.push(chain.head.into(), said);
    let done = queue.reap().unwrap().expect("it came back");
    let len: usize = segments.iter().sum();
    let seen = guest.read(INTO..INTO + len);
    let untouched = &seen[done.written as usize..];
    assert!(untouched.iter().all(|&byte| byte == OLD), "{untouched:x?}");
    queue.clean();
    let buffers = area.layout().queues()[0].buffers.clone();
    assert!(backend.peek(buffers).iter().all(|&byte| byte == 0));
    (seen, done.len)
}

fn writable(ranges: &[Range<u64>]) -> impl Iterator<Item = u64> + '_ {
    ranges.iter().cloned().flatten()
}

const OUT: [u8; 16] = [7; 16];

#[test]
fn spdk_leaves_the_status_out() {
    // FLUSH, DISCARD, WRITE ZEROES: 0, whatever the status is.
    for status in [0, 1, 2] {
        let seen = answered((BLOCK, 0), &OUT, &[1], &[(0, &[status])], 0);
        assert_eq!(seen, (vec![status], 1));
    }
    // GET_ID: 20 of 21.
    for status in [0, 1] {
        let name = [b'n'; 20];
        let seen = answered(
            (BLOCK, 3),
            &OUT,
            &[20, 1],
            &[(0, &name), (20, &[status])],
            20,
        );
        assert_eq!(seen, ([&name[..], &[status]].concat(), 21));
    }
}

#[test]
fn cloud_hypervisor_counts_the_status_of_a_read_that_failed_alone() {
    let (seen, len) = answered((BLOCK, 0), &OUT, &[4096, 1], &[(4096, &[1])], 1);
    assert_eq!((&seen[..4096], seen[4096], len), (&[0; 4096][..], 1, 4097));
}

#[test]
fn vhost_device_i2c_counts_the_status_of_a_read_that_wasnt_acknowledged_alone() {
    let seen = answered((I2C, 0), &[0; 8], &[6, 1], &[(6, &[1])], 1);
    assert_eq!(seen, (vec![0, 0, 0, 0, 0, 0, 1], 7));
}

#[test]
fn a_back_end_that_says_0_is_believed_about_streams_alone() {
    let all: Vec<u8> = (1..=108).collect();
    let seen = answered((SCSI, 2), &[0; 51], &[108], &[(0, &all)], 0);
    assert_eq!(seen, (all.clone(), 12));
    let seen = answered((VSOCK, 0), &OUT, &[108], &[(0, &all)], 0);
    assert_eq!(seen, (vec![OLD; 108], 0));
    let (seen, len) = answered((VSOCK, 0), &OUT, &[108], &[(0, &all)], 44);
    assert_eq!(
        (&seen[..44], &seen[44..], len),
        (&all[..44], &[OLD; 64][..], 44)
    );
}

#[test]
fn no_status_is_a_failure() {
    for said in [0, 1, 4097, u32::MAX] {
        let (seen, _) = answered((BLOCK, 0), &OUT, &[4096, 1], &[(0, &[3; 4096])], said);
        assert_eq!(seen[4096], 1, "blk, {said}");
        let (seen, _) = answered((I2C, 0), &[0; 8], &[6, 1], &[], said);
        assert_eq!(seen[6], 1, "i2c, {said}");
        let (seen, _) = answered((SCSI, 0), &[0; 24], &[1], &[], said);
        assert_eq!(seen, [9], "scsi's control queue, {said}");
        let (seen, _) = answered((SCSI, 2), &[0; 51], &[108, 512], &[], said);
        assert_eq!((seen[10], seen[11]), (0, 9), "scsi, {said}");
        let (seen, _) = answered((GPIO, 0), &[0; 8], &[2], &[], said);
        assert_eq!(seen, [1, 0], "gpio, {said}");
        let (seen, _) = answered((SOUND, 0), &[0; 4], &[4], &[], said);
        assert_eq!(seen, [0x03, 0x80, 0, 0], "snd, {said}");
        let (seen, _) = answered((SOUND, 3), &[0; 4], &[64, 8], &[(0, &[5; 64])], said);
        assert_eq!(
            seen[64..],
            [0x03, 0x80, 0, 0, 0, 0, 0, 0],
            "snd captures, {said}"
        );
        let out: Vec<u8> = (1..=40).collect();
        let (seen, len) = answered((FS, 1), &out, &[16, 100], &[], said);
        assert_eq!(
            seen[..8],
            [16, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff],
            "fs, {said}"
        );
        assert_eq!(seen[8..16], out[8..16], "fs, {said}");
        assert_eq!(len, said.clamp(16, 116), "fs, {said}");
        let (seen, _) = answered((SCMI, 0), &out, &[12], &[], said);
        assert_eq!(
            seen,
            [1, 2, 3, 4, 0xf9, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            "scmi, {said}"
        );
    }
}

#[test]
fn a_file_system_says_in_its_reply_how_long_that_is() {
    let reply = |len: u32| [&len.to_le_bytes()[..], &[0; 4], &[9; 8], &[4; 84]].concat();
    // virtiofsd counts right; others may say 0.
    for said in [0, 16, 100] {
        let all = reply(100);
        let (seen, len) = answered((FS, 1), &[9; 40], &[16, 200], &[(0, &all)], said);
        assert_eq!(
            (&seen[..100], &seen[100..], len),
            (&all[..], &[OLD; 116][..], 100)
        );
    }
    // No further than there is room.
    let (seen, len) = answered((FS, 1), &[9; 40], &[16, 84], &[(0, &reply(u32::MAX))], 0);
    assert_eq!((seen, len), (reply(u32::MAX), 100));
}

#[test]
fn how_much_was_captured_is_what_the_back_end_says() {
    let parts: &[(usize, &[u8])] = &[(0, &[5; 40]), (64, &[0, 0x80, 0, 0])];
    let (seen, len) = answered((SOUND, 3), &[0; 4], &[64, 8], parts, 48);
    assert_eq!(
        (&seen[..40], &seen[40..64], len),
        (&[5; 40][..], &[0; 24][..], 48)
    );
    assert_eq!(seen[64..68], [0, 0x80, 0, 0]);
}

#[test]
fn what_is_too_large_is_refused_in_the_guests_memory() {
    let spec = QueueSpec {
        ring: 16,
        buffers: BUFFERS_MIN,
    };
    let area = Arc::new(Area::new(Layout::new(&[spec]).unwrap()).unwrap());
    for (device, refused) in [
        (BLOCK, true),
        (SCSI, true),
        (FS, true),
        (I2C, true),
        (1, false),
    ] {
        let options = Options {
            rule: Rule::new(device, 2),
            ..Options::new(16)
        };
        let guest = Guest::new(1 << 20);
        let mut queue = Queue::new(area.clone(), 0, options).unwrap();
        let large = queue
            .lend(request(&guest, &[3; 51], &[80_000, 1]))
            .unwrap_err();
        assert!(matches!(large.why, LendError::TooLarge { .. }));
        assert_eq!(queue.refuse(&large.request).is_some(), refused, "{device}");
        let seen = guest.read(INTO..INTO + 80_001);
        let status = match device {
            SCSI => seen[11] == 9,
            FS => seen[..8] == [16, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff],
            _ => seen[80_000] == 1,
        };
        assert_eq!(status, refused, "{device}");
        let changed = seen.iter().filter(|&&byte| byte != OLD).count();
        assert!(changed <= 16, "{device}: {changed} bytes");
    }
}
