// SPDX-License-Identifier: GPL-2.0-or-later
//! The least that a demand fault can cost: a thread that touches pages at
//! random, and one that reads the fault, preads the page and places it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use annex_qtest::stream;
use anyhow::{ensure, Context, Result};
use mapped_ram::testing::Memory;
use mapped_ram::uffd::Uffd;
use rustix::event::{poll, PollFd, PollFlags};

/// Faults per run.
const FAULTS: usize = 20_000;
const PAGE: u64 = 4096;

/// From the fault's being read to its page's being placed, as QEMU's figures
/// are taken.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half take no longer.
    pub median: Duration,
    /// 99 of 100 take no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
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
                memory.touch(stream::word(1, index) % pages);
            }
        });
        let latencies = serve(&uffd, &file, start);
        // Unregistered, memory is zero where nothing was placed: none waits.
        served.store(true, Relaxed);
        uffd.unregister(start, memory.len())?;
        latencies
    })?;
    latencies.sort_unstable();
    Ok(Latency {
        median: latencies[latencies.len() / 2],
        p99: latencies[latencies.len() * 99 / 100],
        max: latencies[latencies.len() - 1],
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
            uffd.copy(start + offset, &page)
                .map_err(|stopped| stopped.errno)?;
            latencies.push(read.elapsed());
        }
    }
    Ok(latencies)
}
