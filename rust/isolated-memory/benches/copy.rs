// SPDX-License-Identifier: GPL-2.0-or-later
//! The copy engine beside memcpy for the same scatter-gather lists, and whole requests beside the
//! copying that they can't do without, in one run.
//!
//!     cargo bench -p isolated-memory [-- --help]
//!
//! Ours and the rival take turns, after a round that doesn't count. What is shown is the median,
//! the spread, (longest - shortest) / median, and the median of the rounds' ratios, so that
//! another load on the machine, which slows down both, tells little. Each list is copied over and
//! over between the same places, so short ones are measured in the caches and long ones out of
//! them, and so is the rival.

#![allow(unsafe_code)]
#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bench_report::{Report, Rounds, Target};
use clap::Parser;
use isolated_memory::copy::copy;
use isolated_memory::testing::{Backend, Guest, GuestRequest};
use isolated_memory::{Area, Layout, Options, Queue, QueueSpec, Request, Scrub};
use rustix::time::{clock_gettime, ClockId};
use vm_memory::VolatileSlice;

/// A list: its name, the segments in the guest's memory, the pieces of the area.
struct List {
    name: &'static str,
    segments: Vec<Range<usize>>,
    pieces: Vec<usize>,
}

/// `count` segments of `len` bytes, each `stride` after the one before.
fn segments(count: usize, len: usize, stride: usize) -> Vec<Range<usize>> {
    (0..count).map(|n| n * stride..n * stride + len).collect()
}

fn lists() -> Vec<List> {
    let list = |name, segments, pieces| List {
        name,
        segments,
        pieces,
    };
    vec![
        list("disk, 4 KiB", vec![0..16, 8192..12288], vec![16, 4096]),
        list(
            "disk, 64 KiB in pages",
            [vec![0..16], segments(17, 4096, 8192)[1..].to_vec()].concat(),
            vec![16, 15 * 4096, 4096],
        ),
        list(
            "disk, 1 MiB in pages",
            segments(256, 4096, 8192),
            vec![4096, 254 * 4096, 4096],
        ),
        list("disk, 1 MiB in one", vec![0..1 << 20], vec![1 << 20]),
        list("packet, 1514 bytes", vec![0..12, 64..1578], vec![12, 1514]),
        list(
            "packet, 64 KiB of 1500 bytes",
            segments(44, 1500, 2048),
            vec![1500, 42 * 1500, 1500],
        ),
        list(
            "512 segments of 512 bytes",
            segments(512, 512, 4096),
            vec![512, 510 * 512, 512],
        ),
        list("8 MiB in one", vec![0..8 << 20], vec![8 << 20]),
    ]
}

/// What a list of bare memcpy calls needs.
type Calls = Vec<(*mut u8, *mut u8, usize)>;

/// Cuts two lists of slices into pairs of the same length.
fn pair_up(from: &[VolatileSlice], to: &[VolatileSlice]) -> Calls {
    let (mut calls, mut at, mut used) = (Vec::new(), 0, 0);
    for segment in from {
        let mut done = 0;
        while done < segment.len() {
            let len = (segment.len() - done).min(to[at].len() - used);
            let source = segment.offset(done).expect("inside");
            let target = to[at].offset(used).expect("inside");
            let [source, target] = [source, target].map(|s| s.ptr_guard_mut().as_ptr());
            calls.push((source, target, len));
            (done, used) = (done + len, used + len);
            if used == to[at].len() {
                (at, used) = (at + 1, 0);
            }
        }
    }
    calls
}

/// Processor time, for others want the processor too.
fn timed(repeat: usize, mut what: impl FnMut()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("not negative");
    let start = now();
    (0..repeat).for_each(|_| what());
    now() - start
}

fn engine(report: &mut Report, list: &List, rounds: usize, bytes: usize) {
    let guest = Guest::new(16 << 20);
    let room = Guest::new(16 << 20);
    // A request's pieces begin on blocks.
    let mut at = 0;
    let pieces = list.pieces.iter().map(|&len| {
        let start = at;
        at += len.next_multiple_of(4096);
        start..start + len
    });
    let request = |guest: &Arc<Guest>, readable| GuestRequest {
        guest: guest.clone(),
        readable,
        writable: Vec::new(),
        tag: 0,
    };
    let segments = request(&guest, list.segments.clone());
    let pieces = request(&room, pieces.collect());
    let len: usize = list.pieces.iter().sum();
    let repeat = (bytes / len).max(1);
    let outs: Vec<_> = segments.readable().collect();
    let ins: Vec<_> = pieces.readable().collect();
    for (direction, from, to) in [("out", &outs, &ins), ("back", &ins, &outs)] {
        let calls = pair_up(from, to);
        assert_eq!(calls.iter().map(|call| call.2).sum::<usize>(), len);
        let ours = || {
            let copied = copy(from.iter().copied(), to.iter().copied(), u64::MAX);
            assert_eq!(copied, len as u64);
        };
        let plain = || {
            for &(source, target, len) in std::hint::black_box(&calls) {
                // SAFETY: both are inside of mappings that live until the end of this function,
                // different ones.
                unsafe { source.copy_to_nonoverlapping(target, len) };
            }
        };
        let rounds = (0..=rounds)
            .map(|_| (timed(repeat, ours), timed(repeat, plain)))
            .skip(1);
        let mib = (repeat * len) as f64 / f64::from(1 << 20);
        let name = format!("{}, {direction}", list.name);
        let target = Some(Target::AtLeast(0.9));
        report.ratio(&name, mib, &Rounds::new(rounds), target);
    }
}

/// Lends, fetches, answers and reaps: what the queue spends on a request, and the copying alone.
fn whole(
    report: &mut Report,
    name: &str,
    request: GuestRequest,
    scrub: Scrub,
    rounds: usize,
    count: usize,
) {
    let options = Options {
        event_idx: true,
        indirect: true,
        scrub,
        ..Options::new(128)
    };
    let layout = Layout::new(&[QueueSpec::new(128)]).expect("a layout");
    let area = Arc::new(Area::new(layout).expect("an area"));
    let mut queue = Queue::new(area.clone(), 0, options).expect("a queue");
    let mut backend = Backend::new(&area, 0, options);
    let into: usize = request.writable.iter().map(Range::len).sum();
    let out: usize = request.readable.iter().map(Range::len).sum();
    let mut lent = Some(request.clone());
    let mut ours = || {
        queue.lend(lent.take().expect("back")).expect("room");
        std::hint::black_box(queue.publish());
        let head = backend.fetch_head();
        backend.push(head.into(), into as u32);
        lent = queue.reap().expect("it works").map(|done| done.request);
        queue.clean();
    };
    let scratch = Guest::new(out.max(into));
    let room: VolatileSlice = scratch.all();
    let plain = || {
        copy(request.readable(), std::iter::once(room), u64::MAX);
        copy(std::iter::once(room), request.writable(), into as u64);
    };
    let rounds = (0..=rounds)
        .map(|_| (timed(count, &mut ours), timed(count, plain)))
        .skip(1);
    report.cost(name, count as f64, &Rounds::new(rounds));
}

/// The copy engine beside memcpy
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    report: bench_report::Args,
}

fn main() {
    let Arguments { report: args } = Arguments::parse();
    let (rounds, bytes) = match args.smoke {
        true => (3, 1 << 20),
        false => (301, 8 << 20),
    };
    let mut report = Report::new("isolated-memory", env!("CARGO_TARGET_TMPDIR"), &args);
    for list in lists() {
        engine(&mut report, &list, rounds, bytes);
    }
    let guest = Guest::new(16 << 20);
    let request = |readable, writable| GuestRequest {
        guest: guest.clone(),
        readable,
        writable,
        tag: 0,
    };
    let count = |len: usize| (bytes / 2 / len).clamp(1, 20_000);
    let (header, status) = (0..16, 64..65);
    for (mode, scrub) in [("always", Scrub::Always), ("idle", Scrub::Idle)] {
        for (name, len) in [("4 KiB", 4096), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
            let data = 8192..8192 + len;
            let read = request(vec![header.clone()], vec![data.clone(), status.clone()]);
            let write = request(vec![header.clone(), data], vec![status.clone()]);
            for (what, request) in [("read", read), ("write", write)] {
                let name = format!("{what} of {name}, scrubbed {mode}");
                whole(&mut report, &name, request, scrub, rounds, count(len));
            }
        }
    }
    report.save();
}
