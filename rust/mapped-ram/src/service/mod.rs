// SPDX-License-Identifier: GPL-2.0-or-later
//! The service that loads a snapshot under a machine that already runs.
//!
//! | file | what it does |
//! |---|---|
//! | [`RamLoad`] here | the owner's handle: make, add blocks, start, run, stop |
//! | `shared.rs`, `control.rs` | what the threads share, and what they agree on |
//! | `bring.rs` | bringing one page, bringing a batch |
//! | `fault.rs` | fault threads |
//! | `background.rs` | background threads, and the end of the load |
//! | `around.rs` | what is brought along with a page that a thread waits for |
//! | `pacer.rs` | whose turn it is: the [policy](crate::policy) between the threads |
//! | `recording.rs` | what was touched, for later loads |
//! | `failure.rs` | pages that can't be brought, and trying them again |
//! | `block.rs`, `buffers.rs`, `waits.rs`, `stats.rs` | the parts of these |
//!
//! Order of calls: [`RamLoad::new`], [`RamLoad::add_block`] for each block, then, all of RAM being
//! discarded, [`RamLoad::start`]. From then on memory may be touched. When the device state is
//! loaded, [`RamLoad::run`] and, if it succeeds, the machine runs.

mod around;
mod background;
mod block;
mod bring;
mod buffers;
mod control;
mod error;
mod failure;
mod fault;
mod observer;
mod pacer;
mod recording;
mod shared;
mod stats;
#[cfg(test)]
mod tests;
mod waits;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{eventfd, EventfdFlags};

pub use block::BlockSpec;
pub use error::{Cause, LoadError, RecordCause, RecordError, RunError, SetupError};
pub use observer::{BatchTrace, FailureReport, FaultBegin, FaultKind, FaultTrace, Observer};
pub use stats::{Latency, Stats};

use crate::format::{BlockImage, MAX_BLOCKS};
use crate::image::read_image;
use crate::memory::{has_numa_policy, transparent_huge_pages, Kind};
use crate::plan::Plan;
use crate::policy::{Background, Pace};
use crate::source::{PageSource, Stamp};
use crate::thread;
use crate::uffd::{Features, Uffd};
use crate::working_set::{Identity, SetBlock, WorkingSet};
use block::Block;
use control::{Control, Phase};
use pacer::Pacer;
use recording::Recording;
use shared::Shared;
use stats::Counters;
use waits::Waits;

/// How a load works.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Threads that only answer faults.
    pub fault_threads: NonZeroU32,
    /// Threads that load what nobody waits for.
    pub background_threads: NonZeroU32,
    /// The target's page size in bytes, which is that of the snapshot.
    pub target_page_size: u64,
    /// Whether to call [`Observer::fault_begin`] and [`Observer::fault_end`].
    pub track_faults: bool,
    /// What is wanted of the background until [`RamLoad::set_pace`] says otherwise.
    pub pace: Pace,
}

/// A snapshot being loaded. All methods may be called from any thread but the load's own.
pub struct RamLoad {
    config: Config,
    source: Arc<dyn PageSource>,
    observer: Arc<dyn Observer>,
    file_size: u64,
    stamp: Option<Stamp>,
    /// What was given so far, until the start takes it.
    setup: Mutex<Option<Setup>>,
    shared: OnceLock<Arc<Shared>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pace: Mutex<Pace>,
}

/// What a load is made ready with.
#[derive(Debug, Default)]
struct Setup {
    blocks: Vec<Block>,
    first: Option<WorkingSet>,
    recording: Option<Recording>,
}

impl Setup {
    /// What tells the snapshot from others, and its blocks as a working set names them.
    fn identify(&self, source: &dyn PageSource) -> Result<(Identity, Vec<SetBlock>), SetupError> {
        let images = self.blocks.iter().map(|block| &block.image);
        let identity = Identity::of(source, images.clone()).map_err(|source| SetupError::Read {
            what: "bitmaps and device state, to tell it from others".into(),
            source,
        })?;
        Ok((identity, images.map(BlockImage::set_block).collect()))
    }
}

impl RamLoad {
    /// A load from `source`, with no blocks yet.
    pub fn new(
        source: Arc<dyn PageSource>,
        config: Config,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SetupError> {
        let unreadable = |source| SetupError::Read {
            what: "size".into(),
            source,
        };
        let file_size = source.size().map_err(unreadable)?;
        let stamp = source.stamp().map_err(unreadable)?;
        Ok(Self {
            config,
            source,
            observer,
            file_size,
            stamp,
            setup: Mutex::new(Some(Setup::default())),
            shared: OnceLock::new(),
            threads: Mutex::default(),
            pace: Mutex::new(config.pace),
        })
    }

    /// How it works.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Adds a block with its header from the stream, and reads its bitmap. Returns where in the file
    /// the stream goes on.
    pub fn add_block(&self, spec: BlockSpec, header: &[u8]) -> Result<u64, SetupError> {
        let mut setup = lock(&self.setup);
        let blocks = &mut setup.as_mut().ok_or(SetupError::Started)?.blocks;
        if blocks.len() == MAX_BLOCKS {
            return Err(SetupError::TooManyBlocks);
        }
        let name = spec.name.to_string_lossy().into_owned();
        let (image, bitmap) = read_image(
            &*self.source,
            self.file_size,
            &name,
            spec.length,
            self.config.target_page_size,
            header,
        )?;
        let next = image.next_offset();
        let block = Block::new(spec, image, bitmap, rustix::param::page_size() as u64)?;
        let fail = |problem| {
            Err(SetupError::Block {
                block: name.clone(),
                problem,
            })
        };
        if blocks.iter().any(|other| other.name() == block.name()) {
            return fail("the snapshot has this block twice");
        }
        let memory = block.memory();
        let overlaps =
            |other: &Block| memory.start < other.memory().end && other.memory().start < memory.end;
        if blocks.iter().any(overlaps) {
            return fail("its memory overlaps another block's");
        }
        blocks.push(block);
        Ok(next)
    }

    /// From the start on, the pages of `set` are to come before all else. All blocks have been added.
    /// Fails if it isn't one of this snapshot, or if the background is linear.
    pub fn use_working_set(&self, set: WorkingSet) -> Result<(), SetupError> {
        let mut setup = lock(&self.setup);
        let setup = setup.as_mut().ok_or(SetupError::Started)?;
        if lock(&self.pace).background == Background::Linear {
            return Err(SetupError::LinearWorkingSet);
        }
        let (identity, blocks) = setup.identify(&*self.source)?;
        set.check(&identity, &blocks)?;
        setup.first = Some(set);
        Ok(())
    }

    /// From the start on, pages that are touched are recorded, and when the load ends, however it
    /// does, written to `path` as a working set, merged with the one that was given with
    /// [`RamLoad::use_working_set`] before, and with the one at `path`. All blocks have been added.
    /// Fails if there is something at `path` that can't be merged with, or nothing can be written
    /// there.
    pub fn record(&self, path: PathBuf) -> Result<(), SetupError> {
        let mut setup = lock(&self.setup);
        let setup = setup.as_mut().ok_or(SetupError::Started)?;
        let (identity, blocks) = setup.identify(&*self.source)?;
        let page_size = self.config.target_page_size;
        let given = setup.first.clone();
        setup.recording = Some(Recording::new(path, identity, page_size, blocks, given)?);
        Ok(())
    }

    /// Ends the recording, if there is one, and writes what was recorded. Waits for the storage at
    /// most for `patience`; if that isn't enough it is still written when the storage answers.
    pub fn end_recording(&self, patience: Duration) -> Result<(), RunError> {
        let shared = self.shared.get().ok_or(RunError::NotLoading)?.clone();
        if shared.recording.is_none() {
            return Ok(());
        }
        self.with_patience("ram-record", patience, move || {
            let recording = shared.recording.as_ref().expect("checked above");
            Ok(recording.finish()?)
        })
    }

    /// Watches the memory of all blocks, which must be empty, and starts the threads.
    pub fn start(&self) -> Result<(), SetupError> {
        let uffd = Uffd::open()?;
        let Setup {
            blocks,
            first,
            recording,
        } = lock(&self.setup).take().ok_or(SetupError::Started)?;
        let features = uffd.features();
        let huge_pages = features.moves() && transparent_huge_pages();
        for block in &blocks {
            check_support(block, features)?;
            block.set_movable(
                huge_pages && block.kind == Kind::Anonymous && !has_numa_policy(block.spec.address),
            );
        }
        let plans: Vec<_> = blocks.iter().map(Block::plan).collect();
        let mut plan = Plan::new(&plans);
        if let Some(set) = first {
            let touched = set.runs.iter().map(|run| {
                let index = usize::from(run.block);
                let small = run.page..run.page + u64::from(run.pages);
                (index, blocks[index].pages_around(small))
            });
            plan.bring_first(&plans, touched);
        }
        let mut by_address: Vec<usize> = (0..blocks.len()).collect();
        by_address.sort_by_key(|index| blocks[*index].spec.address);
        let total = blocks.iter().map(|block| block.image.length).sum();
        let data = blocks.iter().map(Block::all_data_bytes).sum();
        // Held until `set_pace` finds the pacer.
        let pace = lock(&self.pace);
        let remaining = plan.batches.iter().map(|batch| batch.data_pages).sum();
        let shared = Arc::new(Shared {
            blocks,
            by_address,
            plan,
            cursor: AtomicUsize::new(0),
            uffd,
            source: self.source.clone(),
            observer: self.observer.clone(),
            track_faults: self.config.track_faults,
            waits: Waits::default(),
            recording,
            streaks: Mutex::default(),
            background_threads: self.config.background_threads.get() as usize,
            pacer: Pacer::new(*pace, self.config.background_threads.get(), data),
            stamp: self.stamp,
            source_change: OnceLock::new(),
            counters: Counters::new(total, data),
            remaining: AtomicU64::new(remaining),
            control: Mutex::new(Control::new()),
            changed: Condvar::new(),
            retrying: Mutex::new(()),
            halt: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            quit: eventfd(0, EventfdFlags::CLOEXEC).map_err(std::io::Error::from)?,
        });
        let started = watch(&shared).and_then(|()| self.spawn(&shared));
        // From here on `stop` has something to undo.
        let _ = self.shared.set(shared);
        drop(pace);
        if started.is_err() {
            self.stop();
        }
        started
    }

    fn spawn(&self, shared: &Arc<Shared>) -> Result<(), SetupError> {
        let mut threads = lock(&self.threads);
        for number in 0..self.config.fault_threads.get() {
            let shared = shared.clone();
            let body = move || shared.answer_faults();
            threads.push(thread::spawn(format!("ram-fault-{number}"), body)?);
        }
        for number in 0..self.config.background_threads.get() {
            let shared = shared.clone();
            let body = move || shared.load_in_background();
            threads.push(thread::spawn(format!("ram-load-{number}"), body)?);
        }
        Ok(())
    }

    /// The device state is loaded and the machine is about to run. From now on a page that can't be
    /// brought is reported and waited for. Fails when that happened before: then the memory isn't
    /// the snapshot's and the machine must not run.
    pub fn run(&self) -> Result<(), RunError> {
        let shared = self.shared.get().ok_or(RunError::NotLoading)?;
        shared.check_source();
        let mut control = lock(&shared.control);
        match &control.phase {
            Phase::Loading => control.phase = Phase::Running,
            Phase::Running | Phase::Finished => {}
            Phase::Abandoned(first) => return Err(RunError::Abandoned(first.clone())),
            Phase::Stopped => return Err(RunError::NotLoading),
        }
        drop(control);
        shared.changed.notify_all();
        Ok(())
    }

    /// From now on this is wanted of the background; before the start, from the start on.
    pub fn set_pace(&self, pace: Pace) {
        let mut wanted = lock(&self.pace);
        *wanted = pace;
        if let Some(shared) = self.shared.get() {
            shared.pacer.set(pace);
        }
    }

    /// Tries every failed page again. If all are in place then, loading goes on; if not all stays as
    /// it was, and the error names the first that failed. Waits for the storage at most for
    /// `patience`.
    pub fn retry(&self, patience: Duration) -> Result<(), RunError> {
        let shared = self.shared.get().ok_or(RunError::NotLoading)?.clone();
        self.with_patience("ram-retry", patience, move || shared.retry())
    }

    /// Does `work` in a thread of its own, and waits for it at most for `patience`.
    fn with_patience(
        &self,
        name: &str,
        patience: Duration,
        work: impl FnOnce() -> Result<(), RunError> + Send + 'static,
    ) -> Result<(), RunError> {
        let (sender, receiver) = mpsc::channel();
        // The receiver may have lost its patience.
        let body = move || drop(sender.send(work()));
        let thread = thread::spawn(name.into(), body).map_err(RunError::Thread)?;
        let result = receiver.recv_timeout(patience);
        if result.is_err() {
            lock(&self.threads).push(thread);
        }
        result.unwrap_or(Err(RunError::NoAnswer))
    }

    /// The owner's sign of life while pages are failed. If it doesn't give one within a second of
    /// [`Observer::failed`] or [`Observer::still_failed`] the pages are tried again by themselves: it
    /// may be waiting for them.
    pub fn acknowledge(&self) {
        if let Some(shared) = self.shared.get() {
            lock(&shared.control).owner.answer();
        }
    }

    /// Whether at `now` thread `tid`, or with 0 any thread, has waited for a page for a second or
    /// more, because it is failed or the storage stalls.
    pub fn is_stuck(&self, tid: u32, now: Instant) -> bool {
        self.shared
            .get()
            .is_some_and(|shared| shared.waits.is_stuck(tid, now))
    }

    /// What has been done so far; all zeros before the start.
    pub fn stats(&self) -> Stats {
        self.shared
            .get()
            .map(|shared| shared.stats())
            .unwrap_or_default()
    }

    /// Ends the load wherever it is, and waits for its threads. Pages that haven't been brought read
    /// as zero from now on: a machine that needs them must not run. Dropping does the same.
    pub fn stop(&self) {
        let Some(shared) = self.shared.get() else {
            return;
        };
        let before = {
            let mut control = lock(&shared.control);
            shared.halt.store(true, Ordering::Release);
            std::mem::replace(&mut control.phase, Phase::Stopped)
        };
        shared.changed.notify_all();
        shared.pacer.wake();
        shared.end_fault_threads();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                log::error!("a thread of the RAM load panicked");
            }
        }
        if !matches!(before, Phase::Finished) {
            shared.unwatch();
        }
        // Of a machine that never ran nothing is known.
        if matches!(before, Phase::Running) {
            shared.end_recording();
        }
    }
}

#[cfg(test)]
impl RamLoad {
    fn wake_all(&self) {
        let shared = self.shared.get().expect("started");
        for block in &shared.blocks {
            let memory = block.memory();
            shared
                .uffd
                .wake(memory.start, memory.end - memory.start)
                .unwrap();
        }
    }
}

impl Drop for RamLoad {
    fn drop(&mut self) {
        self.stop();
    }
}

fn check_support(block: &Block, features: Features) -> Result<(), SetupError> {
    let (kind, supported) = match block.kind {
        Kind::Anonymous => return Ok(()),
        Kind::Shared => ("shared", features.missing_shmem()),
        Kind::HugePages => ("hugetlbfs", features.missing_hugetlbfs()),
    };
    if supported {
        Ok(())
    } else {
        Err(SetupError::Unsupported {
            block: block.image.name.clone(),
            kind,
        })
    }
}

fn watch(shared: &Shared) -> Result<(), SetupError> {
    for extent in &shared.plan.watched {
        let block = &shared.blocks[extent.block];
        let memory = block.addresses(&extent.pages);
        shared
            .uffd
            .register(memory.start, memory.end - memory.start)
            .map_err(|errno| SetupError::Register {
                block: block.image.name.clone(),
                source: errno.into(),
            })?;
    }
    Ok(())
}

/// Locks, even if a thread panicked while it held the lock: all that is kept under locks here is
/// true at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
