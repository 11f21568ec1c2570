// SPDX-License-Identifier: GPL-2.0-or-later
//! The least that a demand fault can cost: a thread that touches pages at
//! random, and one that reads the fault, preads the page and places it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use bench_report::quantile;
use mapped_ram::testing::Memory;
use mapped_ram::uffd::Uffd;
use rustix::event::{poll, PollFd, PollFlags};

/// Faults per run.
pub const FAULTS: usize = 20_000;
const PAGE: u64 = 4096;

/// What its figures are called.
pub const MEDIAN: &str = "bare loop, median, µs";
pub const P99: &str = "bare loop, 99th centile, µs";
pub const MAX: &str = "bare loop, worst, µs";

/// The µs from the fault's being read to its page's being placed, as QEMU's
/// figures are taken.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half take no longer.
    median: f64,
    /// 99 of 100 take no longer.
    p99: f64,
    /// None took longer.
    max: f64,
}

impl Latency {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, f64); 3] {
        [(MEDIAN, self.median), (P99, self.p99), (MAX, self.max)]
    }
}

/// Serves faults over half of `path`, which should be in the page cache.
pub fn run(path: &Path) -> Result<Latency> {
    let file = File::open(path)?;
    let pages = file.metadata()?.len() / PAGE / 2;
    ensure!(
        pages > FAULTS as u64,
        "{} is too small for the loop",
        path.display()
    );
    let memory = Memory::anonymous(pages * PAGE)?;
    let uffd = Uffd::open().context("opening a userfaultfd")?;
    let start = memory.start() as u64;
    uffd.register(start, memory.len())?;

    let served = AtomicBool::new(false);
    let mut latencies = thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0.. {
                if served.load(Relaxed) {
                    break;
                }
                memory.touch(annex_stream::word(1, index) % pages);
            }
        });
        let latencies = serve(&uffd, &file, start);
        // Unregistered, memory is zero where nothing was placed: none waits.
        served.store(true, Relaxed);
        uffd.unregister(start, memory.len())?;
        latencies
    })?;
    latencies.sort_unstable();
    let at = |share| {
        let time = quantile(&latencies, share).context("no fault was served")?;
        anyhow::Ok(time.as_secs_f64() * 1e6)
    };
    Ok(Latency {
        median: at(0.5)?,
        p99: at(0.99)?,
        max: at(1.0)?,
    })
}

/// Serves [`FAULTS`] faults; how long each took.
fn serve(uffd: &Uffd, file: &File, start: u64) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(FAULTS);
    let mut faults = Vec::new();
    let mut page = [0; PAGE as usize];
    while latencies.len() < FAULTS {
        poll(&mut [PollFd::new(uffd, PollFlags::IN)], None)?;
        uffd.read(&mut faults, 1)?;
        let read = Instant::now();
        for fault in &faults {
            let offset = (fault.address - start) & !(PAGE - 1);
            file.read_exact_at(&mut page, offset)?;
            // In place is what counts: who is woken may take this core.
            uffd.copy_unwoken(start + offset, &page)
                .map_err(|stopped| stopped.errno)?;
            latencies.push(read.elapsed());
            uffd.wake(start + offset, PAGE)?;
        }
    }
    Ok(latencies)
}
