// SPDX-License-Identifier: GPL-2.0-or-later
//! What a queue does with a back-end that works, and one rule of each kind with one that doesn't.
#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::ops::Range;
use std::sync::Arc;

use isolated_memory::testing::{Backend, Guest, GuestRequest};
use isolated_memory::{
    Area, Layout, LendError, Options, Queue, QueueError, QueueSpec, Refused, BLOCK, BUFFERS_MIN,
};

struct Pair {
    area: Arc<Area>,
    queue: Queue<GuestRequest>,
    backend: Backend,
    guest: Arc<Guest>,
    options: Options,
}

fn area(queues: usize) -> Arc<Area> {
    let spec = QueueSpec {
        ring: 16,
        buffers: BUFFERS_MIN,
    };
    Arc::new(Area::new(Layout::new(&vec![spec; queues]).unwrap()).unwrap())
}

fn pair_of(options: Options) -> Pair {
    let (area, guest) = (area(1), Guest::new(1 << 20));
    Pair {
        queue: Queue::new(area.clone(), 0, options).unwrap(),
        backend: Backend::new(&area, 0, options),
        area,
        guest,
        options,
    }
}

fn pair() -> Pair {
    pair_of(Options::new(16))
}

fn indirect() -> Pair {
    pair_of(Options {
        indirect: true,
        ..Options::new(16)
    })
}

type Ranges<'a> = &'a [Range<usize>];

impl Pair {
    fn lend(&mut self, tag: u64, readable: Ranges, writable: Ranges) -> Result<(), LendError> {
        let request = GuestRequest {
            guest: self.guest.clone(),
            readable: readable.to_vec(),
            writable: writable.to_vec(),
            tag,
        };
        self.queue.lend(request).map_err(|Refused { why, .. }| why)
    }

    /// What is reaped next, and how much was written.
    fn reap(&mut self) -> Option<(u64, u32)> {
        let done = self.queue.reap().expect("a back-end that works");
        done.map(|done| (done.request.tag, done.written))
    }

    fn lens(&self, ranges: &[Range<u64>]) -> Vec<u64> {
        ranges.iter().map(|range| range.end - range.start).collect()
    }
}

#[test]
fn a_disk_reads_and_writes() {
    for mut pair in [pair(), indirect()] {
        pair.guest.write(0, b"header 0header 1");
        pair.guest.write(8192, &[7; 8192]);
        let (first, second) = (0..8, 8..16);
        pair.lend(1, &[first, 8192..12288, 12288..16384], &[100..101])
            .unwrap();
        pair.lend(2, &[second], &[20000..24096, 30000..31000, 200..201])
            .unwrap();
        assert!(pair.queue.publish());
        assert!(!pair.queue.publish(), "nothing new");
        let write = pair.backend.fetch().unwrap();
        let read = pair.backend.fetch().unwrap();
        assert_eq!(pair.backend.fetch(), None);
        assert_eq!(pair.lens(&write.readable), [8, 4096, 4096]);
        assert_eq!(pair.lens(&read.writable), [4096, 1000, 1]);
        let sent = pair.backend.gather(&write.readable);
        assert_eq!(sent, [&b"header 0"[..], &[7; 8192]].concat());
        for data in [&write.readable[1], &write.readable[2], &read.writable[0]] {
            assert_eq!(data.start % BLOCK, 0, "data is aligned");
        }
        pair.backend.answer(&read, &[9; 5097]);
        pair.backend.push(read.head.into(), 5097);
        pair.backend.answer(&write, &[3]);
        pair.backend.push(write.head.into(), 1);
        assert_eq!(pair.reap(), Some((2, 5097)));
        assert_eq!(pair.reap(), Some((1, 1)));
        assert_eq!(pair.reap(), None);
        assert_eq!(pair.guest.read(20000..24096), [9; 4096]);
        assert_eq!(pair.guest.read(30000..31000), [9; 1000]);
        assert_eq!(pair.guest.read(100..101), [3]);
        let stats = pair.queue.stats().snapshot();
        assert_eq!((stats.bytes_out, stats.bytes_in), (8208, 5098));
        assert_eq!((stats.requests, stats.in_flight), (2, 0));
    }
}

#[test]
fn long_chains_become_few_descriptors() {
    let pages = |count| (0..count).map(|page| page * 100..page * 100 + 100);
    let many: Vec<_> = pages(200).collect();
    for mut pair in [pair(), indirect()] {
        pair.lend(1, &many, &many).unwrap();
        let _ = pair.queue.publish();
        let chain = pair.backend.fetch().unwrap();
        assert_eq!(pair.lens(&chain.readable), [100, 19800, 100]);
        assert_eq!(pair.lens(&chain.writable), [100, 19800, 100]);
    }
    let mut short = pair_of(Options::new(4));
    short.lend(1, &many, &many).unwrap();
    let _ = short.queue.publish();
    let chain = short.backend.fetch().unwrap();
    assert_eq!(short.lens(&chain.readable), [20000], "6 don't fit in 4");
    assert_eq!(short.lens(&chain.writable), [20000]);
}

#[test]
fn a_back_ends_limits_are_kept() {
    let mut pair = pair_of(Options {
        descriptor_max: 5000,
        chain_max: 8,
        ..Options::new(16)
    });
    pair.lend(1, &[0..16, 4096..16384], &[0..1]).unwrap();
    let _ = pair.queue.publish();
    let chain = pair.backend.fetch().unwrap();
    assert_eq!(pair.lens(&chain.readable), [16, 5000, 5000, 2288]);
    let why = pair.lend(2, &[0..45000], &[]).unwrap_err();
    assert_eq!(why, LendError::Full, "until the queue is known to be idle");
    pair.backend.push(chain.head.into(), 0);
    assert_eq!(pair.reap(), Some((1, 0)));
    let why = pair.lend(2, &[0..45000], &[]).unwrap_err();
    assert!(matches!(why, LendError::TooLarge { len: 45000, .. }));
}

#[test]
fn scattered_memory_serves_in_pieces() {
    let mut pair = indirect();
    for tag in 0..16 {
        pair.lend(tag, &[0..4096], &[]).unwrap();
    }
    let _ = pair.queue.publish();
    let chains: Vec<_> = std::iter::from_fn(|| pair.backend.fetch()).collect();
    for chain in chains.iter().step_by(2) {
        pair.backend.push(chain.head.into(), 0);
    }
    while pair.reap().is_some() {}
    // Eight single blocks are free: seven for the data, one for the table and the status.
    pair.guest.write(0, &[5; 28672]);
    assert_eq!(
        pair.lend(20, &[0..28673], &[50000..50001]),
        Err(LendError::Full)
    );
    pair.lend(20, &[0..28672], &[50000..50001]).unwrap();
    let _ = pair.queue.publish();
    let chain = pair.backend.fetch().unwrap();
    assert_eq!(pair.lens(&chain.readable), [4096; 7]);
    assert_eq!(pair.backend.gather(&chain.readable), [5; 28672]);
}

#[test]
fn who_waits_is_served_when_room_comes_back() {
    let mut pair = pair();
    pair.lend(1, &[0..40000], &[]).unwrap();
    assert_eq!(pair.lend(2, &[0..40000], &[]), Err(LendError::Full));
    assert_eq!(pair.queue.stats().snapshot().waits, 1);
    let _ = pair.queue.publish();
    let chain = pair.backend.fetch().unwrap();
    pair.backend.push(chain.head.into(), 0);
    assert_eq!(pair.reap(), Some((1, 0)));
    // Nobody has called clean(): lending does what it needs.
    pair.lend(2, &[0..40000], &[]).unwrap();
}

#[test]
fn a_full_ring_is_full_too() {
    let mut pair = pair_of(Options::new(4));
    (0..4).for_each(|tag| pair.lend(tag, &[0..16], &[]).unwrap());
    assert_eq!(pair.lend(4, &[0..16], &[]), Err(LendError::Full));
    let _ = pair.queue.publish();
    let chain = pair.backend.fetch().unwrap();
    pair.backend.push(chain.head.into(), 0);
    assert_eq!(pair.reap(), Some((0, 0)));
    assert_eq!(
        pair.lend(4, &[0..16], &[16..17]),
        Err(LendError::Full),
        "one is too few"
    );
    pair.lend(4, &[0..16], &[]).unwrap();
}

#[test]
fn a_request_larger_than_the_area_says_what_to_do() {
    let mut pair = pair();
    let why = pair.lend(1, &[0..70000], &[]).unwrap_err();
    assert_eq!(
        why.to_string(),
        "a request of 70000 bytes doesn't fit in the queue's 65536 bytes of the memory area, or \
         takes more descriptors than the back-end allows; make the area larger"
    );
    pair.lend(2, &[0..65536], &[]).unwrap();
    assert_eq!(pair.lend(3, &[], &[]), Err(LendError::Empty));
    assert_eq!(pair.lend(3, &[5..5], &[6..6]), Err(LendError::Empty));
}

#[test]
fn one_queue_that_stalls_stalls_no_other() {
    let options = Options::new(16);
    let (area, guest) = (area(2), Guest::new(1 << 20));
    let request = |len| GuestRequest {
        guest: guest.clone(),
        readable: vec![0..len],
        writable: Vec::new(),
        tag: 0,
    };
    let mut stalled = Queue::new(area.clone(), 0, options).unwrap();
    stalled.lend(request(65536)).unwrap();
    stalled.lend(request(1)).unwrap_err();
    let mut other = Queue::new(area.clone(), 1, options).unwrap();
    other.lend(request(65536)).unwrap();
    let again = Queue::<GuestRequest>::new(area, 1, options).unwrap_err();
    assert_eq!(again, QueueError::InUse { index: 1 });
}

#[test]
fn kicks_and_calls_are_asked_for_by_flag_or_by_index() {
    for event_idx in [false, true] {
        let mut pair = pair_of(Options {
            event_idx,
            ..Options::new(16)
        });
        let lend = |pair: &mut Pair| {
            pair.lend(1, &[0..16], &[]).unwrap();
            pair.queue.publish()
        };
        assert!(lend(&mut pair), "the first kick is always wanted");
        let first = pair.backend.fetch().unwrap();
        // Without asking, the device's index stays behind; its flag would have to be set.
        if event_idx {
            assert!(!lend(&mut pair));
            pair.backend.fetch().unwrap();
        }
        assert!(!pair.backend.want_kicks());
        assert!(lend(&mut pair));
        assert!(!pair.queue.enable_notification());
        assert!(pair.backend.push(first.head.into(), 0));
        pair.queue.disable_notification();
        let second = pair.backend.fetch().unwrap();
        assert!(!pair.backend.push(second.head.into(), 0));
        assert!(pair.queue.pending());
        assert!(
            pair.queue.enable_notification(),
            "there is something already"
        );
    }
}

#[test]
fn a_ring_begins_where_it_is_told_to() {
    for base in [0, 1, 1000, 0xffff] {
        let mut pair = pair_of(Options {
            base,
            event_idx: true,
            ..Options::new(16)
        });
        for tag in 0..40 {
            pair.lend(tag, &[0..10], &[100..110]).unwrap();
            let wants_kick = pair.queue.publish();
            assert!(wants_kick || tag > 0, "the first kick, from {base}");
            let chain = pair.backend.fetch().unwrap();
            let called = pair.backend.push(chain.head.into(), 10);
            assert!(called || tag > 0, "the first call, from {base}");
            assert_eq!(pair.reap(), Some((tag, 10)), "from {base}");
        }
        assert_eq!(pair.reap(), None);
    }
}

#[test]
fn what_breaks_a_queue_is_told_and_mended_by_a_reset() {
    let mut pair = pair();
    let mut broken_by = |what: &dyn Fn(&mut Backend, u16), message: &str| {
        pair.guest.write(1000, b"untouched");
        pair.lend(1, &[0..16], &[1000..1009]).unwrap();
        let _ = pair.queue.publish();
        let chain = pair.backend.fetch().unwrap();
        pair.backend.answer(&chain, &[0xff; 9]);
        what(&mut pair.backend, chain.head);
        let violation = loop {
            match pair.queue.reap() {
                Ok(done) => assert_eq!(done.expect("something").request.tag, 1),
                Err(violation) => break violation,
            }
        };
        assert_eq!(violation.to_string(), message);
        assert_eq!(pair.queue.reap().unwrap_err(), violation);
        let why = pair.lend(2, &[0..16], &[]).unwrap_err();
        assert_eq!(why, LendError::Broken(violation));
        let lent = pair.queue.in_flight();
        assert_eq!(pair.queue.reset().len(), usize::from(lent));
        if lent == 1 {
            assert_eq!(pair.guest.read(1000..1009), b"untouched");
        }
        pair.backend = Backend::new(&pair.area, 0, pair.options);
    };
    broken_by(
        &|backend, _| {
            backend.push(16, 9);
        },
        "the back-end says that it used request 16, of a ring of 16",
    );
    broken_by(
        &|backend, head| {
            backend.push(u32::from(head) + 1, 9);
        },
        "the back-end says that it used request 1, which it doesn't have",
    );
    broken_by(
        &|backend, head| {
            backend.push(u32::from(head) + 1, 9);
            backend.push(head.into(), 9);
        },
        "the back-end moved the used index from 0 to 2 with 1 requests in flight",
    );
    broken_by(
        &|backend, _| {
            let used = backend.used_index();
            let index = area(1).layout().queues()[0].used + 2;
            backend.poke(index, &used.wrapping_sub(1).to_le_bytes());
        },
        "the back-end moved the used index from 0 to 65535 with 1 requests in flight",
    );
}

#[test]
fn a_length_too_long_is_clamped_and_counted() {
    let mut pair = pair();
    pair.guest.write(1000, &[1; 40]);
    pair.lend(1, &[0..16], &[1000..1010, 1020..1030]).unwrap();
    let _ = pair.queue.publish();
    let chain = pair.backend.fetch().unwrap();
    pair.backend.answer(&chain, &[2; 20]);
    pair.backend.push(chain.head.into(), u32::MAX);
    assert_eq!(pair.reap(), Some((1, 20)));
    let expected = [[2; 10], [1; 10], [2; 10], [1; 10]].concat();
    assert_eq!(pair.guest.read(1000..1040), expected);
    assert_eq!(pair.queue.stats().snapshot().clamped, 1);
}

#[test]
fn a_new_back_end_gets_what_a_lost_one_had() {
    let mut pair = indirect();
    let lend = |pair: &mut Pair, tag| {
        let at = 1000 * tag as usize;
        pair.guest.write(at, &[tag as u8; 16]);
        let answer = at + 500..at + 501;
        pair.lend(tag, &[at..at + 16], &[answer]).unwrap();
        let _ = pair.queue.publish();
    };
    (0..4).for_each(|tag| lend(&mut pair, tag));
    // It has fetched three, and used the second.
    let chains = [(); 3].map(|()| pair.backend.fetch().unwrap());
    pair.backend.answer(&chains[1], &[101]);
    pair.backend.push(chains[1].head.into(), 1);
    assert_eq!(pair.reap(), Some((1, 1)));
    // This is the last one, though it has the second one's descriptor.
    lend(&mut pair, 4);
    let requests = pair.queue.reset();

    let new = area(1);
    pair.queue = Queue::new(new.clone(), 0, pair.options).unwrap();
    let backend = Backend::new(&new, 0, pair.options);
    let lost = std::mem::replace(&mut pair.backend, backend);
    // It isn't as lost as it seemed.
    let all = 0..pair.area.layout().len();
    let writes = vec![0xff; all.end as usize];
    lost.poke(0, &writes);
    for request in requests {
        pair.queue.lend(request).unwrap();
    }
    let _ = pair.queue.publish();
    assert_eq!(pair.reap(), None);

    let chains: Vec<_> = std::iter::from_fn(|| pair.backend.fetch()).collect();
    let read = chains.iter().map(|c| pair.backend.gather(&c.readable)[0]);
    assert_eq!(read.collect::<Vec<_>>(), [0, 2, 3, 4]);
    for chain in chains {
        pair.backend.answer(&chain, &[100]);
        pair.backend.push(chain.head.into(), 1);
    }
    let reaped = std::iter::from_fn(|| pair.reap()).map(|(tag, _)| tag);
    assert_eq!(reaped.collect::<Vec<_>>(), [0, 2, 3, 4]);
    let answers = [500, 1500, 2500, 3500, 4500].map(|at| pair.guest.read(at..at + 1)[0]);
    assert_eq!(answers, [100, 101, 100, 100, 100]);
    drop(pair.queue);
    assert!(lost.peek(all) == writes, "the old area is left alone");
}

#[test]
fn nothing_is_left_of_a_queue_that_is_dropped() {
    let mut pair = pair();
    pair.guest.write(0, &[0xaa; 65536]);
    pair.lend(1, &[0..60000], &[]).unwrap();
    let _ = pair.queue.publish();
    drop(pair.queue);
    let all = pair.backend.peek(0..pair.area.layout().len());
    assert!(all.iter().all(|&byte| byte == 0));
    // And whatever a back-end writes meanwhile doesn't touch the next queue's ring.
    pair.backend.poke(0, &vec![0xff; 1 << 20]);
    let mut queue: Queue<GuestRequest> = Queue::new(pair.area, 0, pair.options).unwrap();
    assert!(queue.reap().unwrap().is_none());
}

#[test]
fn options_without_sense_are_refused() {
    let new = |options| Queue::<GuestRequest>::new(area(1), 0, options).unwrap_err();
    for entries in [0, 1, 3, 32] {
        let most = 16;
        assert_eq!(
            new(Options::new(entries)),
            QueueError::Ring { entries, most }
        );
    }
    for (chain_max, descriptor_max) in [(1, 1), (2, 0)] {
        let limits = Options {
            chain_max,
            descriptor_max,
            ..Options::new(16)
        };
        assert_eq!(new(limits), QueueError::Limits);
    }
    let none = Queue::<GuestRequest>::new(area(1), 1, Options::new(16)).unwrap_err();
    let (index, queues) = (1, 1);
    assert_eq!(none, QueueError::Index { index, queues });
}
