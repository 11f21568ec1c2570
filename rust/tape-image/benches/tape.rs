// SPDX-License-Identifier: GPL-2.0-or-later
//! The crate beside plain pread and pwrite of the same bytes, in one run.
//!
//!     cargo bench -p tape-image [-- --help]
//!
//! The files are in the page cache. Flushes are left out on both sides: they
//! measure the disk. Ours and the rival take turns, after one round that
//! doesn't count; what is shown is the median, the spread, (longest - shortest)
//! / median, and the median of the rounds' ratios, so that another load on the
//! machine, which slows down both, tells little.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bench_report::Target::{self, AtLeast, AtMost};
use bench_report::{Report, Rounds, Times};
use clap::Parser;
use tape_image::driver::{Drive, Medium};
use tape_image::{Config, Operation, Outcome};

/// A file whose flushes cost nothing.
struct Cached(File);

impl Medium for Cached {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        Medium::read_at(&mut self.0, offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        Medium::write_at(&mut self.0, offset, data)
    }
    fn read_both(&mut self, offset: u64, one: &mut [u8], two: &mut [u8]) -> io::Result<usize> {
        self.0.read_both(offset, one, two)
    }
    fn write_both(&mut self, offset: u64, one: &[u8], two: &[u8]) -> io::Result<()> {
        self.0.write_both(offset, one, two)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Medium::truncate(&mut self.0, length)
    }
}

fn open(path: &Path) -> File {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    file.expect("opening the bench's file")
}

fn drive(path: &Path) -> Drive<Cached> {
    let file = open(path);
    let length = file.metadata().expect("its length").len();
    Drive::load(Cached(file), Config::new(length)).expect("loading")
}

fn remove(path: &Path) {
    if path.exists() {
        std::fs::remove_file(path).expect("removing the bench's file");
    }
}

fn done(outcome: Result<Outcome, tape_image::Error>) {
    assert_eq!(outcome, Ok(Outcome::Done));
}

fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

fn write_tape(path: &Path, record: &[u8], count: u64) {
    let mut drive = drive(path);
    (0..count).for_each(|_| done(drive.write(record)));
    done(drive.run(Operation::Sync));
}

fn read_tape(path: &Path, length: usize, count: u64) {
    let mut drive = drive(path);
    let mut data = vec![0; length];
    for _ in 0..count {
        let outcome = drive.read(&mut data, false).expect("reading");
        assert!(matches!(outcome, Outcome::Record { length: l, .. } if l as usize == length));
    }
}

fn scan_tape(path: &Path) {
    let _: Outcome = drive(path).run(Operation::SpaceEnd).expect("scanning");
}

fn plain_write(path: &Path, block: &[u8], count: u64) {
    let file = open(path);
    for number in 0..count {
        let offset = number * block.len() as u64;
        file.write_all_at(block, offset).expect("pwrite");
    }
}

fn plain_read(path: &Path, block: usize) {
    let file = open(path);
    let mut data = vec![1; block];
    let mut at = 0;
    loop {
        match file.read_at(&mut data, at).expect("pread") {
            0 => break,
            bytes => at += bytes as u64,
        }
    }
}

/// Has the kernel forget a file's pages.
fn drop_cache(path: &Path) {
    let status = Command::new("dd")
        .arg(format!("of={}", path.display()))
        .args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0"])
        .arg("status=none")
        .status();
    assert!(status.expect("running dd").success(), "dd failed");
}

struct Bench {
    path: PathBuf,
    other: PathBuf,
    report: Report,
    rounds: usize,
    /// Everything is this many times smaller.
    smaller: u64,
}

impl Bench {
    /// Times ours and the rival by turns; what comes before isn't timed.
    fn versus(&self, before: impl Fn(), ours: impl Fn(), rival: impl Fn()) -> Rounds {
        let round = |_| {
            before();
            let ours = timed(&ours);
            before();
            (ours, timed(&rival))
        };
        Rounds::new((0..=self.rounds).map(round).skip(1))
    }

    /// Times ours.
    fn alone(&self, ours: impl Fn()) -> Times {
        Times::new((0..=self.rounds).map(|_| timed(&ours)).skip(1))
    }

    /// Writes and reads records of a length.
    fn both_ways(&mut self, length: usize, count: u64, target: Option<Target>) {
        let count = count / self.smaller;
        let record = vec![7; length];
        let mib = (length as u64 * count) as f64 / f64::from(1 << 20);
        let (path, other) = (self.path.clone(), self.other.clone());
        let write = self.versus(
            || {
                remove(&path);
                remove(&other);
            },
            || write_tape(&path, &record, count),
            || plain_write(&other, &record, count),
        );
        // Whichever came last, the tape is what is read.
        remove(&other);
        write_tape(&path, &record, count);
        let read = self.versus(
            || (),
            || read_tape(&path, length, count),
            || plain_read(&path, length),
        );
        for (what, rounds) in [("write", write), ("read", read)] {
            let name = format!("{what} {length} bytes");
            self.report.ratio(&name, mib, &rounds, target);
        }
    }

    fn first_scan(&mut self, length: usize, count: u64, cold: bool, target: Option<Target>) {
        let count = count / self.smaller;
        let path = self.path.clone();
        remove(&path);
        write_tape(&path, &vec![7; length], count);
        let forget = || {
            if cold {
                drop_cache(&path);
            }
        };
        // As cp or dd would be told to read it.
        let rounds = self.versus(forget, || scan_tape(&path), || plain_read(&path, 64 << 10));
        let mib = (length as u64 * count) as f64 / f64::from(1 << 20);
        let state = if cold { "cold" } else { "cached" };
        let name = format!("first scan, {length} bytes, {state}");
        self.report.ratio(&name, mib, &rounds, target);
    }

    fn small_records(&mut self) {
        let (length, count) = (80, 2_000_000 / self.smaller);
        let path = self.path.clone();
        remove(&path);
        write_tape(&path, &vec![7; length], count);
        let million = count as f64 / 1e6;
        let scan = self.alone(|| scan_tape(&path));
        let read = self.alone(|| read_tape(&path, length, count));
        self.report
            .rate("first scan, 80 bytes", million, &scan, Some(AtLeast(2.0)));
        self.report.rate("read 80 bytes", million, &read, None);
    }

    /// Records no two neighbours of which share a step in the index.
    fn index(&mut self) {
        let count = 1_000_000 / self.smaller;
        remove(&self.path);
        let mut own = drive(&self.path);
        let data = [1; 200];
        for number in 0..count {
            done(own.write(&data[..1 + (number * 7919 % 200) as usize]));
        }
        done(own.run(Operation::Unload));
        let memory = own.tape.index().memory();
        let name = format!("memory, index of {count} records");
        self.report.single(&name, "bytes", memory as f64, None);
        let path = self.path.clone();
        let loaded = || assert_eq!(drive(&path).tape.index().end().objects, count);
        let open = self.alone(loaded).spread().median;
        let name = format!("open, index of {count} records");
        self.report
            .single(&name, "ms", open * 1e3, Some(AtMost(500.0)));
        for (name, mut tape) in [("saved", drive(&self.path)), ("own", own)] {
            let mut random = 1u64;
            let times = (0..100_000 / self.smaller).map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                timed(|| {
                    let outcome = tape.run(Operation::Locate(random % count));
                    assert!(outcome.is_ok());
                })
            });
            let times = Times::new(times);
            let name = format!("LOCATE, {name} index");
            let (median, late) = (times.at(0.5) * 1e6, times.at(0.99) * 1e6);
            self.report
                .single(&format!("{name}, median"), "µs", median, Some(AtMost(20.0)));
            self.report
                .single(&format!("{name}, 99 %"), "µs", late, None);
        }
    }
}

/// The tape format beside plain pread and pwrite
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    report: bench_report::Args,
    /// First scans of files that were dropped from the page cache, too
    #[arg(long)]
    cold: bool,
    /// Where the files are to be: for --cold, on a disk
    directory: Option<PathBuf>,
}

fn main() {
    let arguments = Arguments::parse();
    let directory = match arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let directory = directory.expect("a directory");
    let smoke = arguments.report.smoke;
    let tmp = env!("CARGO_TARGET_TMPDIR");
    let mut bench = Bench {
        path: directory.path().join("tape"),
        other: directory.path().join("plain"),
        report: Report::new("tape-image", tmp, &arguments.report),
        rounds: if smoke { 2 } else { 11 },
        smaller: if smoke { 100 } else { 1 },
    };
    bench.both_ways(512, 400_000, None);
    bench.both_ways(10 << 10, 20_000, None);
    bench.both_ways(64 << 10, 4_000, Some(AtLeast(0.8)));
    bench.both_ways(256 << 10, 1_000, Some(AtLeast(0.8)));
    let scans = Some(AtLeast(0.7));
    bench.first_scan(10 << 10, 20_000, false, scans);
    bench.first_scan(64 << 10, 4_000, false, scans);
    if arguments.cold {
        bench.first_scan(10 << 10, 80_000, true, scans);
        bench.first_scan(64 << 10, 16_000, true, scans);
    }
    bench.small_records();
    bench.index();
    bench.report.save();
}
