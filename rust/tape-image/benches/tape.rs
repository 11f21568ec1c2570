// SPDX-License-Identifier: GPL-2.0-or-later
//! The crate beside plain pread and pwrite of the same bytes, in one run.
//!
//!     cargo bench -p tape-image [-- DIRECTORY]
//!
//! Each line gives the median of the repetitions, their spread, and where
//! there is one, the rival's and the ratio (above 1: the tape is faster).
//! The files are in the page cache. Flushes are left out on both sides: they
//! measure the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tape_image::driver::{Drive, Medium};
use tape_image::{Config, Operation, Outcome};

const REPEAT: usize = 5;
const SMALL: (usize, u64) = (80, 2_000_000);
const LARGE: (usize, u64) = (64 << 10, 4_000);

/// A file whose flushes cost nothing.
struct Cached(File);

impl Medium for Cached {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        Medium::read_at(&mut self.0, offset, buf)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        Medium::write_at(&mut self.0, offset, data)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Medium::truncate(&mut self.0, length)
    }
}

fn open(path: &Path) -> (Cached, Config) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.expect("opening the bench's file");
    let length = file.metadata().expect("its length").len();
    (Cached(file), Config::new(length))
}

fn drive(path: &Path) -> Drive<Cached> {
    let (medium, config) = open(path);
    Drive::load(medium, config).expect("loading")
}

fn median(mut what: impl FnMut() -> Duration) -> (Duration, f64) {
    let mut times: Vec<_> = (0..REPEAT).map(|_| what()).collect();
    times.sort();
    let middle = times[REPEAT / 2];
    (
        middle,
        (times[REPEAT - 1] - times[0]).as_secs_f64() / middle.as_secs_f64() * 100.0,
    )
}

fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

fn line(name: &str, ours: (Duration, f64), rival: Option<(Duration, f64)>, unit: &str, per: f64) {
    let rate = per / ours.0.as_secs_f64();
    print!("{name:34} {rate:9.2} {unit} (spread {:.0} %)", ours.1);
    if let Some(rival) = rival {
        let plain = per / rival.0.as_secs_f64();
        print!(
            "  plain {plain:.2} (spread {:.0} %)  ratio {:.2}",
            rival.1,
            rate / plain
        );
    }
    println!();
}

fn write_tape(path: &Path, record: &[u8], count: u64, unload: bool) {
    let _ = std::fs::remove_file(path);
    let mut drive = drive(path);
    for _ in 0..count {
        assert_eq!(drive.write(record), Ok(Outcome::Done));
    }
    let end = if unload {
        Operation::Unload
    } else {
        Operation::Sync
    };
    assert_eq!(drive.run(end), Ok(Outcome::Done));
}

fn read_tape(path: &Path, length: usize, count: u64) {
    let mut drive = drive(path);
    let mut data = vec![0; length];
    for _ in 0..count {
        let outcome = drive.read(&mut data, false).expect("reading");
        assert!(matches!(outcome, Outcome::Record { length: l, .. } if l as usize == length));
    }
}

fn plain(path: &Path, block: usize, write: bool) {
    let length = std::fs::metadata(path).expect("the tape's file").len();
    let (medium, _) = open(path);
    let mut data = vec![1; block];
    for at in (0..length).step_by(block) {
        let n = block.min((length - at) as usize);
        if write {
            medium.0.write_all_at(&data[..n], at).expect("pwrite");
        } else {
            medium.0.read_exact_at(&mut data[..n], at).expect("pread");
        }
    }
}

fn main() {
    let directory = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let directory = directory.map_or_else(
        || tempfile::tempdir().expect("a directory"),
        |d| tempfile::tempdir_in(d).expect("a directory"),
    );
    let path = directory.path().join("tape");
    let other = directory.path().join("plain");

    for (length, count) in [
        LARGE,
        (256 << 10, 1_000),
        (10 << 10, 20_000),
        (512, 400_000),
    ] {
        let record = vec![7; length];
        let mib = (length as u64 * count) as f64 / f64::from(1 << 20);
        // Files of the same length exist before, so that both overwrite.
        let ours = median(|| {
            let _ = std::fs::remove_file(&path);
            timed(|| write_tape(&path, &record, count, false))
        });
        let rival = median(|| {
            let _ = std::fs::remove_file(&other);
            let (medium, _) = open(&other);
            timed(|| {
                for number in 0..count {
                    medium
                        .0
                        .write_all_at(&record, number * length as u64)
                        .expect("pwrite");
                }
            })
        });
        line(
            &format!("write {length} bytes"),
            ours,
            Some(rival),
            "MiB/s",
            mib,
        );
        let ours = median(|| timed(|| read_tape(&path, length, count)));
        let rival = median(|| timed(|| plain(&path, length, false)));
        line(
            &format!("read {length} bytes"),
            ours,
            Some(rival),
            "MiB/s",
            mib,
        );
        if length == LARGE.0 {
            let ours = median(|| timed(|| assert!(drive(&path).run(Operation::SpaceEnd).is_ok())));
            line("first scan, 65536 bytes", ours, Some(rival), "MiB/s", mib);
        }
    }

    let record = vec![7; SMALL.0];
    write_tape(&path, &record, SMALL.1, false);
    let scan = median(|| timed(|| assert!(drive(&path).run(Operation::SpaceEnd).is_ok())));
    let rival = median(|| timed(|| plain(&path, 256 << 10, false)));
    line(
        "first scan, 80 bytes",
        scan,
        Some(rival),
        "M records/s",
        SMALL.1 as f64 / 1e6,
    );
    let ours = median(|| timed(|| read_tape(&path, SMALL.0, SMALL.1)));
    line(
        "read 80 bytes",
        ours,
        None,
        "M records/s",
        SMALL.1 as f64 / 1e6,
    );

    // A million records of a million lengths, so that no two share a step.
    let _ = std::fs::remove_file(&path);
    let mut tape = drive(&path);
    for number in 0..1_000_000usize {
        let length = 1 + number * 7919 % 200;
        assert_eq!(tape.write(&vec![1; length]), Ok(Outcome::Done));
    }
    assert_eq!(tape.run(Operation::Unload), Ok(Outcome::Done));
    println!(
        "index of 1 M records                {} bytes",
        tape.tape.index().memory()
    );
    let ours = median(|| timed(|| assert_eq!(drive(&path).tape.index().end().objects, 1_000_000)));
    println!(
        "open with the index                 {:.2} ms (spread {:.0} %)",
        ours.0.as_secs_f64() * 1e3,
        ours.1
    );
    for (name, mut tape) in [
        ("LOCATE, saved index", drive(&path)),
        ("LOCATE, own index", tape),
    ] {
        let mut object = 1u64;
        let mut times: Vec<_> = (0..100_000)
            .map(|_| {
                object = (object.wrapping_mul(6_364_136_223_846_793_005) % 1_000_003) % 1_000_000;
                object = (object + 7919) % 1_000_000;
                timed(|| assert!(tape.run(Operation::Locate(object)).is_ok()))
            })
            .collect();
        times.sort();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
        println!("{name:34} {:9.2} µs median, {:.2} µs p99", at(50), at(99));
    }
}
