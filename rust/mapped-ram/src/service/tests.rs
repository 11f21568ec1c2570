// SPDX-License-Identifier: GPL-2.0-or-later
//! Loads into real memory over a real userfaultfd, without QEMU.

mod changes;
mod failures;
mod kinds;
mod paces;
mod sets;
mod stalls;
mod stopping;
mod tracking;

use std::ffi::CString;
use std::os::fd::AsFd;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::bitmap::Bitmap;
use crate::policy::Background;
use crate::source::direct::DirectSource;
use crate::testing::{drop_from_cache, file_on_disk, FaultInjector, Memory, Snapshot, PAGE};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A failure as reported to a callback.
#[derive(Clone, Debug)]
struct Report {
    ram_offset: u64,
    file_offset: u64,
    errno: i32,
    message: String,
}

/// Sends on what a load reports, and passes the rest to an observer of the test's own.
struct Reporter {
    inner: Arc<dyn Observer>,
    failed: Mutex<Sender<Report>>,
    finished: Mutex<Sender<()>>,
    changed: Mutex<Sender<String>>,
}

impl Observer for Reporter {
    fn fault_begin(&self, fault: &FaultBegin<'_>) {
        self.inner.fault_begin(fault);
    }

    fn fault_end(&self, address: u64) {
        self.inner.fault_end(address);
    }

    fn failed(&self, failure: &FailureReport<'_>) {
        let report = Report {
            ram_offset: failure.ram_offset,
            file_offset: failure.file_offset,
            errno: failure.errno,
            message: failure.message.to_owned(),
        };
        // A test that has seen enough doesn't listen any more.
        let _ = lock(&self.failed).send(report);
    }

    fn finished(&self) {
        let _ = lock(&self.finished).send(());
    }

    fn source_changed(&self, difference: &str) {
        let _ = lock(&self.changed).send(difference.to_owned());
    }

    fn trace_fault(&self, fault: &FaultTrace<'_>) {
        self.inner.trace_fault(fault);
    }

    fn trace_batch(&self, batch: &BatchTrace<'_>) {
        self.inner.trace_batch(batch);
    }
}

/// A load of a snapshot into memory of one's choice, with what it reports.
struct Rig {
    // In the order in which they must go.
    load: RamLoad,
    memories: Vec<Memory>,
    snapshot: Snapshot,
    injector: Arc<FaultInjector>,
    failed: Mutex<Receiver<Report>>,
    finished: Mutex<Receiver<()>>,
    changed: Mutex<Receiver<String>>,
}

/// What to vary.
struct Options {
    fault_threads: u32,
    background_threads: u32,
    track_faults: bool,
    populate: bool,
    /// Past the page cache, from a file on disk.
    direct: bool,
    pace: Pace,
    observer: Arc<dyn Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fault_threads: 1,
            background_threads: 2,
            track_faults: false,
            populate: false,
            direct: false,
            pace: Pace::default(),
            observer: Arc::new(()),
        }
    }
}

impl Options {
    /// Nothing is read in the background until [`Rig::release`].
    fn held() -> Self {
        Self {
            pace: Pace {
                background: Background::Off,
                max_bandwidth: None,
            },
            ..Self::default()
        }
    }
}

impl Rig {
    /// One block per bitmap and memory, not started yet.
    fn new(blocks: Vec<(Bitmap, Memory)>, options: Options) -> Self {
        let names: Vec<String> = (0..blocks.len())
            .map(|index| format!("block{index}"))
            .collect();
        let contents: Vec<(&str, Bitmap)> = names
            .iter()
            .zip(&blocks)
            .map(|(name, (bitmap, _))| (name.as_str(), bitmap.clone()))
            .collect();
        let (snapshot, source) = if options.direct {
            let snapshot = Snapshot::in_file(file_on_disk(), &contents);
            drop_from_cache(&snapshot.file);
            let source = DirectSource::new(snapshot.file.as_fd(), PAGE).unwrap();
            (snapshot, Arc::new(source) as Arc<dyn PageSource>)
        } else {
            let snapshot = Snapshot::new(&contents);
            let source = Arc::new(snapshot.source());
            (snapshot, source as Arc<dyn PageSource>)
        };
        let injector = Arc::new(FaultInjector::new(source));
        let (failed_sender, failed) = channel();
        let (finished_sender, finished) = channel();
        let (changed_sender, changed) = channel();
        let reporter = Reporter {
            inner: options.observer,
            failed: Mutex::new(failed_sender),
            finished: Mutex::new(finished_sender),
            changed: Mutex::new(changed_sender),
        };
        let config = Config {
            fault_threads: options.fault_threads.try_into().unwrap(),
            background_threads: options.background_threads.try_into().unwrap(),
            target_page_size: PAGE,
            track_faults: options.track_faults,
            pace: options.pace,
        };
        let load = RamLoad::new(injector.clone(), config, Arc::new(reporter)).unwrap();
        let mut memories = Vec::new();
        for (block, (_, memory)) in snapshot.blocks.iter().zip(blocks) {
            load.add_block(
                spec(&block.name, block.length(), &memory, options.populate),
                &block.header,
            )
            .unwrap();
            memories.push(memory);
        }
        Self {
            load,
            memories,
            snapshot,
            injector,
            failed: Mutex::new(failed),
            finished: Mutex::new(finished),
            changed: Mutex::new(changed),
        }
    }

    /// Starts, runs and waits for the end.
    fn load_all(&self) {
        self.load.start().unwrap();
        self.load.run().unwrap();
        self.await_finish();
    }

    /// Lets the background go, where [`Options::held`] held it.
    fn release(&self) {
        self.load.set_pace(Pace::default());
    }

    /// Calls `body` while the owner answers whenever it is asked.
    fn while_owner_answers(&self, body: impl FnOnce()) {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    self.load.acknowledge();
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            body();
            done.store(true, Ordering::Release);
        });
    }

    fn await_finish(&self) {
        lock(&self.finished)
            .recv_timeout(PATIENCE)
            .expect("the load finishes");
    }

    /// Where a page of a block is in the file.
    fn file_offset(&self, block: usize, page: u64) -> u64 {
        self.snapshot.blocks[block].pages_offset + page * PAGE
    }

    /// Every byte is the snapshot's.
    fn assert_loaded(&self) {
        for (index, memory) in self.memories.iter().enumerate() {
            for page in 0..self.snapshot.blocks[index].data.len() {
                assert!(
                    memory.read_page(page) == self.snapshot.expected(index, page),
                    "block {index}, page {page}"
                );
            }
        }
    }

    /// The figures of a load that has finished agree with the snapshot and with each other.
    fn assert_accounts(&self) -> Stats {
        let stats = self.load.stats();
        let blocks = &self.snapshot.blocks;
        let total: u64 = blocks.iter().map(|block| block.length()).sum();
        let data: u64 = blocks
            .iter()
            .map(|block| block.data.count(0..block.data.len()) * PAGE)
            .sum();
        assert_eq!(
            (stats.total, stats.data, stats.zero),
            (total, data, total - data)
        );
        assert_eq!(stats.demand + stats.background, data, "{stats:?}");
        assert!(stats.finish_ns > 0);
        stats
    }
}

fn spec(name: &str, length: u64, memory: &Memory, populate: bool) -> BlockSpec {
    BlockSpec {
        name: CString::new(name).unwrap(),
        address: memory.start() as u64,
        length,
        page_size: memory.page_size(),
        shared: memory.kind() == Kind::Shared,
        populate,
    }
}

/// A bitmap of `pages` pages with these ranges set.
fn bitmap(pages: u64, ranges: &[std::ops::Range<u64>]) -> Bitmap {
    let mut bitmap = Bitmap::new(pages);
    for range in ranges {
        bitmap.set(range.clone());
    }
    bitmap
}

/// All pages set.
fn full(pages: u64) -> Bitmap {
    bitmap(pages, std::slice::from_ref(&(0..pages)))
}

/// Anonymous memory for a bitmap.
fn anonymous(data: Bitmap) -> (Bitmap, Memory) {
    let memory = Memory::anonymous(data.len() * PAGE).unwrap();
    (data, memory)
}

/// Waits until `condition` holds.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
