// SPDX-License-Identifier: GPL-2.0-or-later
//! How fast faults are answered and memory is filled, each beside its rival in the same run:
//! a bare userfaultfd loop, and an eager load.
//!
//! `cargo bench -p mapped-ram [-- MIB [ROUNDS]]`, by default 512 MiB, 5 rounds. The snapshot is in
//! the page cache, except in the rows that say cold. Prints the median of the rounds and their
//! spread.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use mapped_ram::bitmap::Bitmap;
use mapped_ram::memory::Kind;
use mapped_ram::service::{BlockSpec, Config, Latency, Observer, RamLoad, Stats};
use mapped_ram::source::{FileSource, PageSource};
use mapped_ram::testing::{Memory, Snapshot, PAGE};
use mapped_ram::uffd::Uffd;
use rustix::fs::{fadvise, fcntl_getfl, fcntl_setfl, fsync, Advice, OFlags};

/// A touch that takes longer than this waited for a page; any other found it in place.
const FAULT: Duration = Duration::from_nanos(2500);

/// Touches in a round of the idle measurement.
const TOUCHES: u64 = 8000;

fn main() {
    // cargo passes --bench.
    let mut numbers = std::env::args().filter_map(|arg| arg.parse::<u64>().ok());
    let pages = (numbers.next().unwrap_or(512) << 20) / PAGE;
    let rounds = numbers.next().unwrap_or(5);

    let mut all = Bitmap::new(pages);
    all.set(0..pages);
    let mut scattered = Bitmap::new(pages);
    for page in (0..pages).filter(|page| mix(*page) % 2 == 0) {
        scattered.set(page..page + 1);
    }
    let dense = Snapshot::in_file(tempfile::tempfile().expect("a file"), &[("ram", all)]);
    let sparse = Snapshot::in_file(tempfile::tempfile().expect("a file"), &[("ram", scattered)]);

    println!(
        "{} MiB in the page cache, {rounds} rounds\n",
        (pages * PAGE) >> 20
    );
    latency(&dense, rounds);
    println!();
    throughput(&dense, &sparse, rounds);
}

fn latency(snapshot: &Snapshot, rounds: u64) {
    println!("demand faults, µs                       seen by who waits          by the handler");
    println!("                                   median     p99 (medians)       median     p99");
    let row = |name: &str, measure: &dyn Fn() -> (Vec<Duration>, Latency)| {
        let (mut medians, mut p99s, mut handler) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (mut times, latency) = measure();
            times.sort_unstable();
            medians.push(quantile(&times, 50));
            p99s.push(quantile(&times, 99));
            handler.push((latency.median_ns, latency.p99_ns));
        }
        medians.sort_unstable();
        p99s.sort_unstable();
        handler.sort_unstable();
        let us = |time: Duration| time.as_nanos() as f64 / 1e3;
        let (median, p99) = (us(quantile(&medians, 50)), us(quantile(&p99s, 50)));
        let spread = format!(
            "({:.1} to {:.1})",
            us(medians[0]),
            us(medians[medians.len() - 1])
        );
        let (handled, handled_p99) = handler[handler.len() / 2];
        let (handled, handled_p99) = (handled as f64 / 1e3, handled_p99 as f64 / 1e3);
        println!("{name:32} {median:8.1} {p99:7.1} {spread:16} {handled:8.1} {handled_p99:7.1}");
        (median, p99, handled_p99 / handled)
    };
    let (bare, ..) = row("bare loop, idle", &|| {
        (bare_loop(snapshot), Latency::default())
    });
    let (ours, ..) = row("the service, idle", &|| idle(snapshot));
    let (busy, busy_p99, handler) = row("the service, background loading", &|| busy(snapshot));
    println!("idle median over the bare loop's: {:.2}", ours / bare);
    println!(
        "while loading, p99 over the median: {:.1}, in the handler {handler:.1}",
        busy_p99 / busy
    );
}

fn throughput(dense: &Snapshot, sparse: &Snapshot, rounds: u64) {
    println!(
        "whole load, GB/s                              eager    ours   ratio of times (spread)"
    );
    let anonymous = |len| Memory::anonymous(len).expect("memory");
    let shared = |len| Memory::shared(len).expect("memory");
    for threads in [1, 2] {
        let row = |name: &str, snapshot: &Snapshot, cold: bool, memory: &dyn Fn(u64) -> Memory| {
            let prepare = || {
                if cold {
                    evict(snapshot)
                }
            };
            let len = snapshot.blocks[0].length();
            let data = snapshot.blocks[0].data.count(0..len / PAGE) * PAGE;
            let mut times: Vec<(f64, f64, f64)> = (0..rounds)
                .map(|_| {
                    prepare();
                    let eager = eager(snapshot, &memory(len), threads).as_secs_f64();
                    prepare();
                    let ours = whole_load(snapshot, &memory(len), threads).as_secs_f64();
                    (ours / eager, eager, ours)
                })
                .collect();
            times.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let (ratio, eager, ours) = times[times.len() / 2];
            let (low, high) = (times[0].0, times[times.len() - 1].0);
            let rate = |time: f64| data as f64 / time / 1e9;
            println!(
                "{:42} {:8.2} {:7.2}   {ratio:.2} ({low:.2} to {high:.2})",
                format!(
                    "{name}, {threads} thread{}",
                    if threads == 1 { "" } else { "s" }
                ),
                rate(eager),
                rate(ours),
            );
        };
        row("anonymous, all in the file", dense, false, &anonymous);
        row("anonymous, all in the file, cold", dense, true, &anonymous);
        row("anonymous, every other page", sparse, false, &anonymous);
        row("shared, all in the file", dense, false, &shared);
    }
}

/// What everybody writes first: read a fault, read the page, copy it.
fn bare_loop(snapshot: &Snapshot) -> Vec<Duration> {
    let block = &snapshot.blocks[0];
    let memory = Memory::anonymous(block.length()).expect("memory");
    let uffd = Uffd::open().expect("a userfaultfd");
    uffd.register(memory.start() as u64, memory.len())
        .expect("register");
    let flags = fcntl_getfl(uffd.as_fd()).expect("flags");
    fcntl_setfl(uffd.as_fd(), flags - OFlags::NONBLOCK).expect("a blocking descriptor");
    let (left, file) = (AtomicU64::new(TOUCHES), &snapshot.file);
    std::thread::scope(|scope| {
        let (uffd, left) = (&uffd, &left);
        let start = memory.start() as u64;
        scope.spawn(move || {
            let mut page = vec![0u8; PAGE as usize];
            let mut faults = Vec::new();
            while left.load(Ordering::Relaxed) > 0 {
                uffd.read(&mut faults, 1).expect("read a fault");
                for fault in &faults {
                    let address = fault.address & !(PAGE - 1);
                    let offset = block.pages_offset + address - start;
                    file.read_exact_at(&mut page, offset).expect("read a page");
                    uffd.copy(address, &page).expect("copy a page");
                    left.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
        touch(&memory, TOUCHES, || true)
    })
}

fn idle(snapshot: &Snapshot) -> (Vec<Duration>, Latency) {
    let gate = Arc::new(Gate::new(snapshot.source()));
    let (load, memory) = prepare(snapshot, gate.clone(), None);
    load.start().expect("start");
    load.run().expect("run");
    let times = touch(&memory, TOUCHES, || true);
    let latency = load.stats().latency;
    gate.open();
    load.stop();
    (times, latency)
}

fn busy(snapshot: &Snapshot) -> (Vec<Duration>, Latency) {
    let (finished, wait) = channel();
    let (load, memory) = prepare(snapshot, Arc::new(snapshot.source()), Some(finished));
    load.start().expect("start");
    load.run().expect("run");
    let times = touch(&memory, u64::MAX, || load.stats().finish_ns == 0);
    wait.recv().expect("the load finishes");
    let stats = load.stats();
    assert_accounts(&stats);
    let waited = times.into_iter().filter(|time| *time > FAULT).collect();
    (waited, stats.latency)
}

/// Touches pages of the later half in a scattered order.
fn touch(memory: &Memory, most: u64, mut go_on: impl FnMut() -> bool) -> Vec<Duration> {
    let pages = memory.len() / PAGE;
    let half = pages / 2;
    let mut times = Vec::with_capacity(half as usize);
    // An odd step visits each page of a power of two once; of other sizes nearly so.
    for step in 0..half.min(most) {
        if !go_on() {
            break;
        }
        let page = half + step.wrapping_mul(0x9e37_79b1) % half;
        let begun = Instant::now();
        std::hint::black_box(memory.touch(page));
        times.push(begun.elapsed());
    }
    times
}

/// Takes the snapshot out of the page cache.
fn evict(snapshot: &Snapshot) {
    fsync(&snapshot.file).expect("sync");
    fadvise(&snapshot.file, 0, None, Advice::DontNeed).expect("evict");
}

/// As QEMU's multifd does it: threads that read pieces of up to 1 MiB straight into the memory.
fn eager(snapshot: &Snapshot, memory: &Memory, threads: u32) -> Duration {
    const PIECE: u64 = (1 << 20) / PAGE;
    let block = &snapshot.blocks[0];
    let pages = block.data.len();
    let next = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let start = next.fetch_add(PIECE, Ordering::Relaxed);
                if start >= pages {
                    break;
                }
                for run in block.data.runs(start..pages.min(start + PIECE)) {
                    let len = ((run.end - run.start) * PAGE) as usize;
                    let to = memory.start().wrapping_add((run.start * PAGE) as usize);
                    // SAFETY: the run lies within the memory, and no other thread reads into it.
                    let buf = unsafe { std::slice::from_raw_parts_mut(to, len) };
                    let offset = block.pages_offset + run.start * PAGE;
                    snapshot.file.read_exact_at(buf, offset).expect("read");
                }
            });
        }
    });
    begun.elapsed()
}

fn whole_load(snapshot: &Snapshot, memory: &Memory, threads: u32) -> Duration {
    let (finished, wait) = channel();
    let load = prepare_in(
        snapshot,
        Arc::new(snapshot.source()),
        threads,
        Some(finished),
        memory,
    );
    load.start().expect("start");
    load.run().expect("run");
    wait.recv().expect("the load finishes");
    let stats = load.stats();
    assert_accounts(&stats);
    Duration::from_nanos(stats.finish_ns)
}

fn assert_accounts(stats: &Stats) {
    assert_eq!(stats.demand + stats.background, stats.data);
}

/// A load of the snapshot into fresh anonymous memory.
fn prepare(
    snapshot: &Snapshot,
    source: Arc<dyn PageSource>,
    finished: Option<Sender<()>>,
) -> (RamLoad, Memory) {
    let memory = Memory::anonymous(snapshot.blocks[0].length()).expect("memory");
    (prepare_in(snapshot, source, 2, finished, &memory), memory)
}

fn prepare_in(
    snapshot: &Snapshot,
    source: Arc<dyn PageSource>,
    threads: u32,
    finished: Option<Sender<()>>,
    memory: &Memory,
) -> RamLoad {
    let config = Config {
        fault_threads: NonZeroU32::MIN,
        background_threads: NonZeroU32::new(threads).expect("at least one thread"),
        target_page_size: PAGE,
        track_faults: false,
    };
    let observer = Arc::new(Finished(Mutex::new(finished)));
    let load = RamLoad::new(source, config, observer).expect("a load");
    let block = &snapshot.blocks[0];
    let spec = BlockSpec {
        name: CString::new(block.name.as_str()).expect("a name"),
        address: memory.start() as u64,
        length: block.length(),
        page_size: memory.page_size(),
        shared: memory.kind() == Kind::Shared,
        populate: false,
    };
    load.add_block(spec, &block.header).expect("a block");
    load
}

struct Finished(Mutex<Option<Sender<()>>>);

impl Observer for Finished {
    fn finished(&self) {
        if let Some(sender) = self.0.lock().expect("no panic").take() {
            sender.send(()).expect("someone waits");
        }
    }
}

/// Reads of at least this many bytes are the background's, and no bitmap's.
const BACKGROUND: u64 = 128 << 10;

/// A source that holds the background up.
struct Gate {
    inner: FileSource,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn new(inner: FileSource) -> Self {
        Self {
            inner,
            open: Mutex::new(false),
            opened: Condvar::new(),
        }
    }

    fn open(&self) {
        *self.open.lock().expect("no panic") = true;
        self.opened.notify_all();
    }
}

impl PageSource for Gate {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if buf.len() as u64 >= BACKGROUND {
            let open = self.open.lock().expect("no panic");
            drop(
                self.opened
                    .wait_while(open, |open| !*open)
                    .expect("no panic"),
            );
        }
        self.inner.read_at(buf, offset)
    }
}

/// Of sorted times.
fn quantile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

/// Scatters numbers.
fn mix(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}
