// SPDX-License-Identifier: GPL-2.0-or-later
//! How fast faults are answered and memory is filled, each beside its rival in the same run:
//! a bare userfaultfd loop, and an eager load.
//!
//!     cargo bench -p mapped-ram [-- --help]
//!
//! The snapshot is in the page cache, except in the rows that say cold. Ours and the rival take
//! turns; what is shown is the median of the rounds, their spread, (longest - shortest) / median,
//! and the median of the rounds' ratios.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bench_report::{quantile, Report, Rounds, Spread, Target};
use clap::Parser;
use mapped_ram::bitmap::Bitmap;
use mapped_ram::memory::Kind;
use mapped_ram::policy::{Background, Pace};
use mapped_ram::service::{BlockSpec, Config, Latency, Observer, RamLoad, Stats};
use mapped_ram::testing::{Memory, Snapshot, PAGE};
use mapped_ram::uffd::Uffd;
use rustix::fs::{fadvise, fcntl_getfl, fcntl_setfl, fsync, Advice, OFlags};

/// A touch that takes longer than this waited for a page; any other found it in place.
const FAULT: Duration = Duration::from_nanos(2500);

/// Touches in a round of the idle measurement.
const TOUCHES: u64 = 8000;

/// A load on demand beside a bare userfaultfd loop and an eager load
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    report: bench_report::Args,
    /// The snapshot's RAM in MiB, 512 unless --smoke
    #[arg(long)]
    mib: Option<u64>,
    /// How often each is done, 5 times unless --smoke
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
}

fn main() {
    let arguments = Arguments::parse();
    let (mib, rounds) = match arguments.report.smoke {
        true => (64, 2),
        false => (512, 5),
    };
    let pages = (arguments.mib.unwrap_or(mib) << 20) / PAGE;
    let rounds = arguments.rounds.unwrap_or(rounds);

    let mut all = Bitmap::new(pages);
    all.set(0..pages);
    let mut scattered = Bitmap::new(pages);
    for page in (0..pages).filter(|page| mix(*page) % 2 == 0) {
        scattered.set(page..page + 1);
    }
    let dense = Snapshot::in_file(tempfile::tempfile().expect("a file"), &[("ram", all)]);
    let sparse = Snapshot::in_file(tempfile::tempfile().expect("a file"), &[("ram", scattered)]);

    let mut report = Report::new("mapped-ram", env!("CARGO_TARGET_TMPDIR"), &arguments.report);
    idle_faults(&mut report, &dense, rounds);
    busy_faults(&mut report, &dense, rounds);
    life(&mut report, &dense, rounds);
    for threads in [1, 2] {
        whole_loads(&mut report, &dense, &sparse, threads, rounds);
    }
    report.save();
}

/// Faults while nothing else goes on, beside those of the bare loop.
fn idle_faults(report: &mut Report, snapshot: &Snapshot, rounds: u64) {
    let sorted = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times
    };
    let rounds: Vec<_> = (0..rounds)
        .map(|_| {
            let (ours, handler) = idle(snapshot);
            (sorted(ours), handler, sorted(bare_loop(snapshot)))
        })
        .collect();
    // Half more than the least that it can cost.
    let target = Some(Target::AtLeast(0.67));
    for (name, share, target) in [("median", 0.5, target), ("99 %", 0.99, None)] {
        let at = |times: &[Duration]| quantile(times, share).expect("a fault");
        let both = rounds.iter().map(|(ours, _, bare)| (at(ours), at(bare)));
        report.latency(&format!("fault, idle, {name}"), &Rounds::new(both), target);
    }
    let handlers: Vec<_> = rounds.iter().map(|(_, handler, _)| *handler).collect();
    in_handler(report, "fault, idle", &handlers);
}

/// Faults while the background loads, too.
fn busy_faults(report: &mut Report, snapshot: &Snapshot, rounds: u64) {
    let (mut medians, mut late, mut handlers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (mut times, handler) = busy(snapshot);
        times.sort_unstable();
        medians.extend(quantile(&times, 0.5));
        late.extend(quantile(&times, 0.99));
        handlers.push(handler);
    }
    for (name, times) in [("median", medians), ("99 %", late)] {
        let micros = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        // A small snapshot may be loaded before anything was touched.
        if let Some(spread) = Spread::of(micros) {
            let name = format!("fault, while loading, {name}");
            report.single(&name, "µs", spread.median, None);
        }
    }
    in_handler(report, "fault, while loading", &handlers);
}

/// How long two threads take that go through some pages at random, as a machine does that is to
/// show life: beside a load without a background, and one whose background is linear.
fn life(report: &mut Report, snapshot: &Snapshot, rounds: u64) {
    for (cache, cold) in [("warm", false), ("cold", true)] {
        let lives = [
            Background::Adaptive,
            Background::Off,
            Background::Linear,
            Background::Full,
        ]
        .map(|background| (background, Vec::new()));
        let mut lives = lives;
        for _ in 0..rounds {
            for (background, times) in &mut lives {
                if cold {
                    evict(snapshot);
                }
                times.push(time_to_life(snapshot, *background));
            }
        }
        let [(_, ours), (_, off), (_, linear), (_, full)] = lives;
        let beside = |rival: Vec<Duration>| Rounds::new(ours.iter().copied().zip(rival));
        // Half as much again.
        let target = Some(Target::AtLeast(0.67));
        let name = format!("life, {cache}, beside no background");
        report.latency(&name, &beside(off), target);
        report.latency(
            &format!("life, {cache}, beside linear"),
            &beside(linear),
            None,
        );
        report.latency(&format!("life, {cache}, beside full"), &beside(full), None);
    }
}

fn time_to_life(snapshot: &Snapshot, background: Background) -> Duration {
    const TOUCHES: u64 = 1000;
    let (load, memory) = prepare(snapshot, background, None);
    let pages = memory.len() / PAGE;
    let begun = Instant::now();
    load.start().expect("start");
    load.run().expect("run");
    std::thread::scope(|scope| {
        for vcpu in 0..2 {
            let memory = &memory;
            scope.spawn(move || {
                for step in 0..TOUCHES {
                    std::hint::black_box(memory.touch(mix(2 * step + vcpu) % pages));
                }
            });
        }
    });
    let life = begun.elapsed();
    load.stop();
    life
}

/// What of that the thread spends that answers.
fn in_handler(report: &mut Report, name: &str, rounds: &[Latency]) {
    let medians: Vec<_> = rounds.iter().map(|latency| latency.median_ns).collect();
    let late: Vec<_> = rounds.iter().map(|latency| latency.p99_ns).collect();
    for (which, figures) in [("median", medians), ("99 %", late)] {
        let micros = figures.iter().map(|&nanos| nanos as f64 / 1e3).collect();
        let spread = Spread::of(micros).expect("a round");
        let name = format!("{name}, {which}, in the handler");
        report.single(&name, "µs", spread.median, None);
    }
}

fn whole_loads(
    report: &mut Report,
    dense: &Snapshot,
    sparse: &Snapshot,
    threads: u32,
    rounds: u64,
) {
    let anonymous = |len| Memory::anonymous(len).expect("memory");
    let shared = |len| Memory::shared(len).expect("memory");
    let mut row = |name: &str, snapshot: &Snapshot, cold: bool, memory: &dyn Fn(u64) -> Memory| {
        let prepare = || {
            if cold {
                evict(snapshot)
            }
        };
        let len = snapshot.blocks[0].length();
        let pages = snapshot.blocks[0].data.count(0..len / PAGE);
        let rounds = (0..rounds).map(|_| {
            prepare();
            let eager = eager(snapshot, &memory(len), threads);
            prepare();
            (whole_load(snapshot, &memory(len), threads), eager)
        });
        let plural = if threads == 1 { "" } else { "s" };
        let name = format!("whole load, {name}, {threads} thread{plural}");
        let mib = (pages * PAGE) as f64 / f64::from(1 << 20);
        report.ratio(&name, mib, &Rounds::new(rounds), None);
    };
    row("anonymous", dense, false, &anonymous);
    row("anonymous, cold", dense, true, &anonymous);
    row("anonymous, every other page", sparse, false, &anonymous);
    row("shared", dense, false, &shared);
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
    let (load, memory) = prepare(snapshot, Background::Off, None);
    load.start().expect("start");
    load.run().expect("run");
    let times = touch(&memory, TOUCHES, || true);
    let latency = load.stats().latency;
    load.stop();
    (times, latency)
}

fn busy(snapshot: &Snapshot) -> (Vec<Duration>, Latency) {
    let (finished, wait) = channel();
    let (load, memory) = prepare(snapshot, Background::Full, Some(finished));
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
    let background = Background::Adaptive;
    let load = prepare_in(snapshot, background, threads, Some(finished), memory);
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
    background: Background,
    finished: Option<Sender<()>>,
) -> (RamLoad, Memory) {
    let memory = Memory::anonymous(snapshot.blocks[0].length()).expect("memory");
    (
        prepare_in(snapshot, background, 2, finished, &memory),
        memory,
    )
}

fn prepare_in(
    snapshot: &Snapshot,
    background: Background,
    threads: u32,
    finished: Option<Sender<()>>,
    memory: &Memory,
) -> RamLoad {
    let config = Config {
        fault_threads: NonZeroU32::MIN,
        background_threads: NonZeroU32::new(threads).expect("at least one thread"),
        target_page_size: PAGE,
        track_faults: false,
        pace: Pace {
            background,
            max_bandwidth: None,
        },
    };
    let observer = Arc::new(Finished(Mutex::new(finished)));
    let load = RamLoad::new(Arc::new(snapshot.source()), config, observer).expect("a load");
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

/// Scatters numbers.
fn mix(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}
