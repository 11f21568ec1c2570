// SPDX-License-Identifier: GPL-2.0-or-later
//! The policy at work on simulated storage and cores: a guest that touches random pages, threads
//! that answer its faults, threads that load in the background. Simulated time is exact, so what the
//! policy promises is asserted here, and nowhere with a clock.

use std::collections::BinaryHeap;

use super::*;

/// A step of simulated time.
const STEP: Duration = Duration::from_micros(10);
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
}

/// What came of a load.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    life: Duration,
    loaded: Option<Duration>,
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
    let (mut missing, mut cursor, mut random) = (guest.pages, 0, 1u64);
    let mut vcpus = vec![(Doing::Computing(guest.compute), 0u64); guest.vcpus];
    // The fault thread: what it does, and for which vCPU.
    let mut server = (Doing::Waiting(start), None::<usize>);
    let mut loaders = vec![(Doing::Waiting(start), 0..0, 0u64); THREADS];
    let (mut latencies, mut asked) = (Vec::new(), start);
    let (mut touches, mut life, mut loaded) = (0, None, None);
    let mut turn = 0;
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
                    *page = (random >> 33) % guest.pages;
                    touches += 1;
                    if touches == guest.life {
                        life = Some(now - start);
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
                present[page] = true;
                server = (Doing::Waiting(now), None);
            }
            _ => {}
        }
        for (doing, pages, size) in &mut loaders {
            match *doing {
                Doing::Waiting(until) if until <= now && cursor < guest.pages => {
                    match policy.poll_read(now) {
                        Turn::Read { bytes, .. } => {
                            let count = (bytes / PAGE).min(guest.pages - cursor);
                            *pages = cursor..cursor + count;
                            *size = bytes;
                            cursor += count;
                            *doing = Doing::Reading(queue.request(count * PAGE, now));
                        }
                        // Any other call may come at any step, so it asks at each.
                        Turn::Wait | Turn::WaitUntil(_) => {}
                    }
                }
                Doing::Reading(done) if done <= now => {
                    let bytes = (pages.end - pages.start) * PAGE;
                    let time = Duration::from_secs_f64(bytes as f64 / COPIED as f64);
                    *doing = Doing::Computing(time);
                }
                Doing::Computing(Duration::ZERO) => {
                    let bytes = (pages.end - pages.start) * PAGE;
                    policy.handle_read(*size, bytes, now);
                    for page in pages.clone() {
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
        p99: latencies[latencies.len() * 99 / 100],
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
};

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
        assert!(loaded <= 1.2, "{name}: loaded after {loaded} of full");
        assert!(ours.p99 <= 3 * off.p99 + MAX_WAIT, "{name}: {ours:?}");
    }
}
