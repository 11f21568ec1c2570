// SPDX-License-Identifier: GPL-2.0-or-later
//! The policy at work on simulated storage and cores: a guest that touches random pages, threads
//! that answer its faults, threads that load in the background. Simulated time is exact, so what the
//! policy promises is asserted here, and nowhere with a clock.

use std::collections::BinaryHeap;
use std::ops::Range;

use super::*;

/// A step of simulated time.
const STEP: Duration = Duration::from_micros(5);
const PAGE: u64 = 4096;
/// Bytes per second that a core copies into guest memory.
const COPIED: u64 = 2 << 30;
/// What a core spends on a fault beside copying.
const FAULT_COST: Duration = Duration::from_micros(20);

/// Storage that serves requests in the order in which they come.
#[derive(Clone, Copy, Debug)]
struct Disk {
    /// From asking to the first byte.
    latency: Duration,
    /// Bytes per second.
    bandwidth: u64,
    /// So many requests are served at a time; others wait.
    depth: usize,
}

/// A guest.
#[derive(Clone, Copy, Debug)]
struct Guest {
    pages: u64,
    vcpus: usize,
    /// What a vCPU computes between two touches.
    compute: Duration,
    /// Touches until it shows life.
    life: u64,
    /// What it touches.
    touches: Touches,
}

/// Which pages a guest touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touches {
    /// Any, at random.
    Any,
    /// One after the other of a working set, in random order; as many as it touches until it shows
    /// life. The load knows them or not.
    Set { known: bool },
}

/// The pages of a guest in random order.
fn shuffled(pages: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..pages).collect();
    let mut random = 7u64;
    for last in (1..order.len()).rev() {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
        order.swap(last, (random >> 33) as usize % (last + 1));
    }
    order
}

/// The reads that bring these pages, as `crate::working_set` cuts them.
fn reads(pages: &[u64]) -> Vec<Range<u64>> {
    const GAP: u64 = crate::working_set::MAX_GAP / PAGE;
    let mut sorted = pages.to_vec();
    sorted.sort_unstable();
    let mut reads: Vec<Range<u64>> = Vec::new();
    for page in sorted {
        match reads.last_mut() {
            Some(last) if page <= last.end + GAP => last.end = page + 1,
            _ => reads.push(page..page + 1),
        }
    }
    reads
}

/// What came of a load.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    life: Duration,
    loaded: Option<Duration>,
    /// Pages that nobody asked for and that are there when it shows life.
    unasked: u64,
    p99: Duration,
}

/// What somebody does until when, or for how long on a core.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Computing(Duration),
    /// On storage until then.
    Reading(Instant),
    /// A vCPU: for its page, touched then. A thread: for work.
    Waiting(Instant),
}

struct Queue {
    disk: Disk,
    free: Instant,
    done: BinaryHeap<std::cmp::Reverse<Instant>>,
}

impl Queue {
    /// When a request of so many bytes is through.
    fn request(&mut self, bytes: u64, now: Instant) -> Instant {
        let mut start = now;
        while self.done.len() >= self.disk.depth {
            let std::cmp::Reverse(done) = self.done.pop().expect("a full queue");
            start = start.max(done);
        }
        let time = Duration::from_secs_f64(bytes as f64 / self.disk.bandwidth as f64);
        self.free = self.free.max(start) + time;
        let done = self.free.max(start + self.disk.latency + time);
        self.done.push(std::cmp::Reverse(done));
        done
    }
}

/// A load under one fault thread and two background threads on two cores.
fn run(disk: Disk, guest: Guest, background: Background) -> Outcome {
    const THREADS: usize = 2;
    const CORES: usize = 2;
    let start = Instant::now();
    let mut now = start;
    let pace = Pace {
        background,
        max_bandwidth: None,
    };
    let mut policy = Policy::new(pace, THREADS as u32, guest.pages * PAGE, start);
    let mut queue = Queue {
        disk,
        free: start,
        done: BinaryHeap::new(),
    };
    let mut present = vec![false; guest.pages as usize];
    let order = shuffled(guest.pages);
    let set = &order[..guest.life as usize];
    let mut first = match guest.touches {
        Touches::Set { known: true } => reads(set),
        _ => Vec::new(),
    };
    first.reverse();
    let (mut missing, mut cursor, mut random) = (guest.pages, 0, 1u64);
    let mut vcpus = vec![(Doing::Computing(guest.compute), 0u64); guest.vcpus];
    // The fault thread: what it does, and for which vCPU.
    let mut server = (Doing::Waiting(start), None::<usize>);
    let mut loaders = vec![(Doing::Waiting(start), Vec::<Range<u64>>::new(), 0u64); THREADS];
    let (mut latencies, mut asked) = (Vec::new(), start);
    let (mut touches, mut life, mut loaded, mut unasked) = (0, None, None, 0);
    let (mut turn, mut asked_for) = (0, 0);
    // Long enough for anything but what never ends.
    let end = start + Duration::from_secs(60);
    while now < end && (life.is_none() || (loaded.is_none() && background != Background::Off)) {
        now += STEP;
        // Cores go round among those who have something to compute.
        let mut cores = CORES;
        for offset in 0..vcpus.len() + loaders.len() + 1 {
            let who = (turn + offset) % (vcpus.len() + loaders.len() + 1);
            let doing = if who < vcpus.len() {
                &mut vcpus[who].0
            } else if who == vcpus.len() {
                &mut server.0
            } else {
                &mut loaders[who - vcpus.len() - 1].0
            };
            if let Doing::Computing(left) = doing {
                if cores > 0 && !left.is_zero() {
                    cores -= 1;
                    *left = left.saturating_sub(STEP);
                }
            }
        }
        turn += 1;
        for (doing, page) in &mut vcpus {
            match *doing {
                Doing::Computing(Duration::ZERO) => {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                    *page = match guest.touches {
                        Touches::Any => (random >> 33) % guest.pages,
                        Touches::Set { .. } => set[touches as usize % set.len()],
                    };
                    touches += 1;
                    if touches == guest.life {
                        life = Some(now - start);
                        unasked = present.iter().filter(|present| **present).count() as u64;
                        unasked -= asked_for;
                    }
                    *doing = if present[*page as usize] {
                        Doing::Computing(guest.compute)
                    } else {
                        Doing::Waiting(now)
                    };
                }
                Doing::Waiting(since) if present[*page as usize] => {
                    latencies.push(now - since);
                    *doing = Doing::Computing(guest.compute);
                }
                _ => {}
            }
        }
        match server {
            (Doing::Waiting(_), _) => {
                let waits = |vcpu: &&(Doing, u64)| matches!(vcpu.0, Doing::Waiting(_));
                let first = vcpus.iter().filter(waits).map(|vcpu| vcpu.1).next();
                if let Some(page) = first {
                    asked = now;
                    policy.handle_fault();
                    server = (
                        Doing::Reading(queue.request(PAGE, now)),
                        Some(page as usize),
                    );
                }
            }
            (Doing::Reading(done), page) if done <= now => {
                server = (Doing::Computing(FAULT_COST), page);
            }
            (Doing::Computing(Duration::ZERO), Some(page)) => {
                policy.handle_answer(now - asked, now);
                missing -= u64::from(!present[page]);
                asked_for += u64::from(!present[page]);
                present[page] = true;
                server = (Doing::Waiting(now), None);
            }
            _ => {}
        }
        for (doing, pages, size) in &mut loaders {
            match *doing {
                Doing::Waiting(until) if until <= now && cursor < guest.pages => {
                    let part = if first.is_empty() {
                        Part::Rest
                    } else {
                        Part::WorkingSet
                    };
                    match policy.poll_read(part, now) {
                        Turn::Read { bytes, .. } => {
                            *size = bytes;
                            pages.clear();
                            let mut left = bytes / PAGE;
                            if part == Part::Rest {
                                left = left.min(guest.pages - cursor);
                                pages.push(cursor..cursor + left);
                                cursor += left;
                            }
                            // At least one, however long.
                            while let Some(read) = first.pop() {
                                left = left.saturating_sub(read.end - read.start);
                                pages.push(read);
                                if left < first.last().map_or(0, |next| next.end - next.start) {
                                    break;
                                }
                            }
                            let done = pages
                                .iter()
                                .map(|read| queue.request((read.end - read.start) * PAGE, now))
                                .max();
                            *doing = Doing::Reading(done.unwrap_or(now));
                        }
                        // Any other call may come at any step, so it asks at each.
                        Turn::Wait | Turn::WaitUntil(_) => {}
                    }
                }
                Doing::Reading(done) if done <= now => {
                    let bytes = PAGE * pages.iter().map(|read| read.end - read.start).sum::<u64>();
                    let time = Duration::from_secs_f64(bytes as f64 / COPIED as f64);
                    *doing = Doing::Computing(time);
                }
                Doing::Computing(Duration::ZERO) => {
                    let bytes = PAGE * pages.iter().map(|read| read.end - read.start).sum::<u64>();
                    policy.handle_read(*size, bytes, now);
                    for page in pages.iter().cloned().flatten() {
                        missing -= u64::from(!present[page as usize]);
                        present[page as usize] = true;
                    }
                    *doing = Doing::Waiting(now);
                }
                _ => {}
            }
        }
        if missing == 0 && loaded.is_none() {
            loaded = Some(now - start);
        }
    }
    latencies.sort_unstable();
    Outcome {
        life: life.expect("it shows life within a minute"),
        loaded,
        unasked,
        p99: latencies
            .get(latencies.len() * 99 / 100)
            .copied()
            .unwrap_or_default(),
    }
}

fn disks() -> [(&'static str, Disk); 4] {
    let disk = |micros, mib: u64, depth| Disk {
        latency: Duration::from_micros(micros),
        bandwidth: mib << 20,
        depth,
    };
    [
        ("page cache", disk(0, 6000, 64)),
        ("NVMe", disk(80, 3000, 64)),
        ("virtual disk", disk(200, 450, 32)),
        ("network", disk(1000, 110, 8)),
    ]
}

const GUEST: Guest = Guest {
    pages: (1 << 30) / PAGE,
    vcpus: 2,
    compute: Duration::from_micros(50),
    life: 600,
    touches: Touches::Any,
};

/// Works through a tenth of its memory.
const WORKER: Guest = Guest {
    life: GUEST.pages / 10,
    compute: Duration::from_micros(5),
    touches: Touches::Set { known: false },
    ..GUEST
};

const KNOWN: Guest = Guest {
    touches: Touches::Set { known: true },
    ..WORKER
};

#[test]
fn a_guest_whose_working_set_is_known_is_done_sooner() {
    // So many times sooner; where storage is fast the cores decide, which serve few faults and copy
    // all of the pages either way.
    let least = [1.5, 2.0, 3.0, 2.0];
    for ((name, disk), least) in disks().into_iter().zip(least) {
        let without = run(disk, WORKER, Background::Adaptive);
        let with = run(disk, KNOWN, Background::Adaptive);
        let off = run(disk, KNOWN, Background::Off);
        println!("{name}: without {without:?}\n    with {with:?}\n    with, else off {off:?}");
        let sooner = without.life.as_secs_f64() / with.life.as_secs_f64();
        assert!(sooner >= least, "{name}: {sooner} times sooner");
        assert!(with.loaded.expect("it ends") <= without.loaded.expect("it ends") * 3 / 2);
        // Without a background the set comes all the same, with its small gaps, and nothing else.
        assert!(off.life <= with.life * 11 / 10, "{name}: {off:?}");
        assert!(
            (1..=2 * KNOWN.life).contains(&off.unasked),
            "{name}: {off:?}"
        );
    }
}

#[test]
fn life_comes_as_if_nothing_else_was_loaded_and_the_end_not_much_later() {
    for (name, disk) in disks() {
        let off = run(disk, GUEST, Background::Off);
        let full = run(disk, GUEST, Background::Full);
        let ours = run(disk, GUEST, Background::Adaptive);
        println!("{name}: off {off:?}\n    full {full:?}\n    adaptive {ours:?}");
        let life = ours.life.as_secs_f64() / off.life.as_secs_f64();
        assert!(life <= 1.5, "{name}: life after {life} of that without");
        let loaded = ours.loaded.expect("it ends").as_secs_f64();
        let loaded = loaded / full.loaded.expect("it ends").as_secs_f64();
        assert!(loaded <= 1.3, "{name}: loaded after {loaded} of full");
        // A tenth of a millisecond is what a thread copies at once before it looks for faults.
        let most = 3 * off.p99 + Duration::from_micros(100);
        assert!(ours.p99 <= most, "{name}: {ours:?}");
    }
}
