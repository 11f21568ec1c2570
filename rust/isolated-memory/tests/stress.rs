// SPDX-License-Identifier: GPL-2.0-or-later
//! The queue's thread beside what runs at the same time: a back-end, one that writes wherever it
//! likes, and a reader of the counters.
#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use isolated_memory::testing::{Backend, Guest, GuestRequest};
use isolated_memory::{Area, Layout, Options, Queue, QueueSpec, Stats, Violation, BUFFERS_MIN};

const ENTRIES: u16 = 16;

/// Each request in flight has so much of the guest's memory: half to read, half to write, and
/// behind that bytes that nobody may touch.
const SLOT: usize = 16 << 10;
const HALF: usize = 6 << 10;

fn options(variant: u64) -> Options {
    Options {
        event_idx: variant & 1 != 0,
        indirect: variant & 2 != 0,
        ..Options::new(ENTRIES)
    }
}

fn area() -> Arc<Area> {
    let spec = QueueSpec {
        ring: ENTRIES,
        buffers: 2 * BUFFERS_MIN,
    };
    Arc::new(Area::new(Layout::new(&[spec]).unwrap()).unwrap())
}

/// Ends the other threads when the test is over, or has failed.
struct Ends<'a>(&'a AtomicBool, &'a Event);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.set();
    }
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

/// The guest's side: as many requests in flight as there is room for.
struct Driver {
    queue: Queue<GuestRequest>,
    guest: Arc<Guest>,
    random: Random,
    free: Vec<usize>,
    waiting: Option<GuestRequest>,
    tag: u64,
}

impl Driver {
    fn new(queue: Queue<GuestRequest>, seed: u64) -> Self {
        let slots = usize::from(ENTRIES) + 1;
        let guest = Guest::new(slots * SLOT);
        guest.write(0, &vec![0xcc; slots * SLOT]);
        Self {
            queue,
            guest,
            random: Random(seed),
            free: (0..slots).collect(),
            waiting: None,
            tag: 0,
        }
    }

    fn request(&mut self) -> Option<GuestRequest> {
        let slot = self.free.pop()? * SLOT;
        self.tag += 1;
        let out = 1 + self.random.below(HALF);
        let cut = self.random.below(out);
        let into = 1 + self.random.below(HALF);
        let byte = self.tag as u8;
        self.guest.write(slot, &vec![byte; out]);
        self.guest.write(slot + HALF, &[0xcc; SLOT - HALF]);
        Some(GuestRequest {
            guest: self.guest.clone(),
            readable: vec![slot..slot + cut, slot + cut..slot + out],
            writable: vec![slot + HALF..slot + HALF + into],
            tag: self.tag,
        })
    }

    /// True if the device is to be kicked.
    fn lend_all(&mut self) -> bool {
        while let Some(request) = self.waiting.take().or_else(|| self.request()) {
            if let Err(refused) = self.queue.lend(request) {
                self.waiting = Some(refused.request);
                break;
            }
        }
        self.queue.publish()
    }

    /// What came back: the request, how much of it was written, and those bytes.
    fn reap(&mut self) -> Result<Option<(GuestRequest, Vec<u8>)>, Violation> {
        let Some(done) = self.queue.reap()? else {
            return Ok(None);
        };
        let start = done.request.writable[0].start;
        let end = done.request.writable[0].end;
        let written = self.guest.read(start..start + done.written as usize);
        let behind = self.guest.read(end..start - HALF + SLOT);
        assert!(behind.iter().all(|&byte| byte == 0xcc), "outside a request");
        self.free.push((start - HALF) / SLOT);
        Ok(Some((done.request, written)))
    }
}

/// Every request is answered with the sum of its bytes; the device sleeps and is kicked, the
/// driver sleeps and is called, as the ring says.
#[test]
fn two_threads_lose_nothing() {
    for variant in 0..4 {
        let (area, options) = (area(), options(variant));
        let queue = Queue::new(area.clone(), 0, options).unwrap();
        let (kicks, calls) = (Event::default(), Event::default());
        let stop = AtomicBool::new(false);
        let mut driver = Driver::new(queue, 0x9e37_79b9 + variant);
        let stats: Arc<Stats> = driver.queue.stats().clone();
        thread::scope(|scope| {
            scope.spawn(|| device(&area, options, &kicks, &calls, &stop));
            scope.spawn(|| {
                let mut last = 0;
                while !stop.load(Ordering::Relaxed) {
                    let now = stats.snapshot();
                    assert!(now.requests >= last && now.in_flight <= ENTRIES.into());
                    last = now.requests;
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let _ends = Ends(&stop, &kicks);
            let mut done = 0;
            while done < 3_000 {
                if driver.lend_all() {
                    kicks.set();
                }
                driver.queue.disable_notification();
                let before = done;
                while let Some((request, written)) = driver.reap().expect("it works") {
                    let out: usize = request.readable.iter().map(|range| range.len()).sum();
                    let sum = (out as u64 * (request.tag & 0xff)) as u8;
                    assert_eq!(written, vec![sum; request.writable[0].len()]);
                    done += 1;
                }
                driver.queue.clean();
                // What came back made room: who waits for that isn't called again.
                if done == before && !driver.queue.enable_notification() {
                    calls.wait();
                }
            }
        });
        assert!(
            stats.snapshot().waits > 0,
            "never was there too little room"
        );
    }
}

fn device(area: &Area, options: Options, kicks: &Event, calls: &Event, stop: &AtomicBool) {
    let mut backend = Backend::new(area, 0, options);
    let mut held = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        held.extend(std::iter::from_fn(|| backend.fetch()));
        // Every other one first: out of order.
        held.sort_by_key(|chain| chain.head & 1);
        if let Some(chain) = held.pop() {
            let bytes = backend.gather(&chain.readable);
            let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
            let len: u64 = chain.writable.iter().map(|r| r.end - r.start).sum();
            backend.answer(&chain, &vec![sum; len as usize]);
            if backend.push(chain.head.into(), len as u32) {
                calls.set();
            }
        } else if !backend.want_kicks() {
            kicks.wait();
        }
    }
}

/// An eventfd, nearly.
#[derive(Default)]
struct Event(AtomicU64);

impl Event {
    fn set(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Panics if nothing comes for long: somebody sleeps who should have been woken.
    fn wait(&self) {
        // Counted in turns, not by the clock: a test that is itself held up isn't wrong.
        for turn in 0..400_000 {
            if self.0.swap(0, Ordering::SeqCst) != 0 {
                return;
            }
            match turn {
                0..100 => thread::yield_now(),
                _ => thread::sleep(Duration::from_micros(50)),
            }
        }
        panic!("never woken");
    }
}

/// While another thread writes all over the area, the queue gives what it may give, or says that
/// it is broken; it never writes outside a request, and a reset mends it.
#[test]
fn writes_at_any_moment_reach_nothing_else() {
    let (area, options) = (area(), options(3));
    let (stop, kicks) = (AtomicBool::new(false), Event::default());
    let queue = Queue::new(area.clone(), 0, options).unwrap();
    let mut driver = Driver::new(queue, 7);
    let (mut broken, mut done) = (0, 0);
    thread::scope(|scope| {
        for seed in [1, 2] {
            let (area, stop) = (&area, &stop);
            scope.spawn(move || scribble(area, options, seed, stop));
        }
        let _ends = Ends(&stop, &kicks);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) || broken < 100 || done < 100 {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{broken}, {done}"
            );
            let _ = driver.lend_all();
            match driver.reap() {
                Ok(Some(_)) => done += 1,
                Ok(None) => driver.queue.clean(),
                Err(_) => {
                    broken += 1;
                    let lent = driver.queue.in_flight();
                    let returned = driver.queue.reset();
                    assert_eq!(returned.len(), usize::from(lent));
                    let slots = returned.iter().map(|r| (r.writable[0].start - HALF) / SLOT);
                    driver.free.extend(slots);
                }
            }
        }
    });
}

fn scribble(area: &Area, options: Options, seed: u64, stop: &AtomicBool) {
    let mut random = Random(seed);
    let mut backend = Backend::new(area, 0, options);
    let ring = area.layout().queues()[0].ring_range();
    while !stop.load(Ordering::Relaxed) {
        match random.below(8) {
            0 => {
                let at = random.below(area.layout().len() as usize - 4096) as u64;
                backend.poke(at, &[random.below(256) as u8; 4096]);
            }
            1 | 2 => {
                let at = random.below((ring.end - ring.start) as usize / 2) as u64 * 2;
                backend.poke(ring.start + at, &(random.below(20) as u16).to_le_bytes());
            }
            _ => {
                backend.take_up();
                let id = random.below(usize::from(ENTRIES));
                backend.push(id as u32, random.below(1 << 14) as u32);
            }
        }
    }
}
