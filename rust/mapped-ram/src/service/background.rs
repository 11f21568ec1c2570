// SPDX-License-Identifier: GPL-2.0-or-later
//! Bringing everything that nobody waits for, the working set first and the rest in file order, and
//! what follows when all is there.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::io::Errno;

use super::block::Block;
use super::bring::Permit;
use super::buffers::Bulk;
use super::control::{Origin, Phase};
use super::fault::Handler;
use super::lock;
use super::observer::BatchTrace;
use super::pacer::{Lease, Taken};
use super::recording::Recording;
use super::shared::Shared;
use crate::memory::populate;
use crate::plan::Batch;
use crate::policy::Part;
use crate::source::Manner;
use crate::working_set::Group;

/// Memory is populated in pieces of this size, so that a stop isn't kept waiting.
const POPULATE: u64 = 64 << 20;

/// What a background thread has.
#[derive(Debug, Default)]
struct Worker {
    handler: Handler,
    bulk: Bulk,
    lease: Lease,
    /// The groups that storage is to be asked for when it is the thread's turn.
    ahead: Range<usize>,
}

impl Shared {
    /// The life of a background thread.
    pub fn load_in_background(&self) {
        let mut worker = Worker::default();
        let groups = &self.plan.first;
        while let Some(number) = self.next_work() {
            match groups.get(number) {
                Some(group) => self.bring_group(number, group, &mut worker),
                None => {
                    let batch = &self.plan.batches[number - groups.len()];
                    self.bring_batch(batch, Part::Rest, &mut worker);
                    self.check_source();
                }
            }
        }
        self.pacer.give_back(&mut worker.lease);
        self.finish_when_complete();
    }

    /// Brings a group of the working set. As soon as it is its turn, storage is asked for all of the
    /// group that comes next, too, so that it always has enough to do.
    fn bring_group(&self, number: usize, group: &Group, worker: &mut Worker) {
        // Whoever is first asks for those that have nobody in front of them.
        let next = if number == 0 {
            0..self.background_threads + 1
        } else {
            number + self.background_threads..number + self.background_threads + 1
        };
        worker.ahead = next.start..next.end.min(self.plan.first.len());
        for batch in &group.batches {
            if !self.may_go_on() {
                return;
            }
            self.bring_batch(batch, Part::WorkingSet, worker);
        }
        self.check_source();
    }

    fn prefetch_groups(&self, numbers: Range<usize>) {
        if self.linear() {
            return;
        }
        for batch in numbers.flat_map(|number| &self.plan.first[number].batches) {
            let block = &self.blocks[batch.block];
            let offsets = block.offsets(&batch.pages);
            let start = block.image.pages_offset;
            self.source
                .prefetch(start + offsets.start..start + offsets.end.min(block.image.length));
        }
    }

    fn bring_batch(&self, batch: &Batch, part: Part, worker: &mut Worker) {
        let begun = Instant::now();
        let block = &self.blocks[batch.block];
        let origin = match part {
            Part::WorkingSet => Origin::WorkingSet,
            Part::Rest => Origin::Background,
        };
        let Worker {
            handler,
            bulk,
            lease,
            ahead,
        } = worker;
        let gate = |pages| {
            let permit = self.take_turn(block, pages, part, lease, handler);
            if permit.is_some() {
                self.prefetch_groups(std::mem::take(ahead));
            }
            permit
        };
        match self.bring(block, batch.pages.clone(), batch.whole, origin, bulk, gate) {
            Ok(()) => self.trace_batch(batch, begun),
            Err(lost) => {
                self.pacer.give_back(&mut worker.lease);
                self.fail(batch.block, origin, &lost);
            }
        }
    }

    /// Waits until a chunk of `pages`, their front, may be read, and says how, and how large it is.
    /// Nothing if no more is to be read of them.
    fn take_turn(
        &self,
        block: &Block,
        pages: Range<u64>,
        part: Part,
        lease: &mut Lease,
        handler: &mut Handler,
    ) -> Option<Permit> {
        let mut go_on = || {
            // On a busy machine a fault thread may have to wait for a core.
            while self.answer_pending(handler, 1) {}
            !self.ending() && self.remaining.load(Ordering::Acquire) > 0
        };
        if !go_on() {
            return None;
        }
        let offsets = block.offsets(&pages);
        let run = offsets.end - offsets.start;
        let most = run.min(self.chunk(block) * block.page());
        let Taken { len: chunk, fresh } =
            self.pacer.take(lease, part, block.page(), most, go_on)?;
        let permit = |manner, bytes: u64| {
            let pages = (bytes / block.page()).max(1);
            Some(Permit { manner, pages })
        };
        if self.linear() {
            return permit(Manner::Plain, chunk);
        }
        if !self.source.reads_ahead() && !block.exclusive() {
            // Else it would be idle between two chunks.
            let more = lease.take_more(run - chunk);
            return permit(Manner::Exact, chunk + more);
        }
        if lease.is_ahead() {
            return permit(Manner::Ahead, chunk);
        }
        if fresh > chunk && part == Part::Rest {
            let start = block.image.pages_offset + offsets.start;
            self.source.prefetch(start..start + fresh.min(run));
        }
        permit(Manner::Exact, chunk)
    }

    /// Waits while pages are failed. Whether there is more to do: not when the load is ending.
    fn may_go_on(&self) -> bool {
        if self.halt.load(Ordering::Acquire) {
            let mut control = lock(&self.control);
            while !control.may_load() {
                if control.ended() {
                    return false;
                }
                control = super::wait(&self.changed, control);
            }
        }
        true
    }

    /// Takes the next group or batch; waits while pages are failed; nothing when there is none or the
    /// load is ending.
    fn next_work(&self) -> Option<usize> {
        if !self.may_go_on() {
            return None;
        }
        let number = self.cursor.fetch_add(1, Ordering::Relaxed);
        (number < self.plan.first.len() + self.plan.batches.len()).then_some(number)
    }

    fn trace_batch(&self, batch: &Batch, begun: Instant) {
        let block = &self.blocks[batch.block];
        let offsets = block.offsets(&batch.pages);
        self.observer.trace_batch(&BatchTrace {
            block: block.name(),
            ram_offset: offsets.start,
            length: offsets.end - offsets.start,
            duration_ns: begun.elapsed().as_nanos() as u64,
        });
    }

    /// Whether threads should drop what they do.
    pub fn ending(&self) -> bool {
        self.halt.load(Ordering::Acquire) && lock(&self.control).ended()
    }

    /// Waits until all is in place and the machine runs; the first to see it finishes the load.
    fn finish_when_complete(&self) {
        self.check_source();
        let mut control = lock(&self.control);
        loop {
            if control.ended() {
                return;
            }
            let complete = self.remaining.load(Ordering::Acquire) == 0
                && control.failures.is_empty()
                && matches!(control.phase, Phase::Running);
            if complete {
                control.phase = Phase::Finished;
                break;
            }
            control = super::wait(&self.changed, control);
        }
        self.halt.store(true, Ordering::Release);
        drop(control);
        self.changed.notify_all();
        self.pacer.wake();
        self.unwatch();
        self.counters.finish();
        self.end_fault_threads();
        for block in self.blocks.iter().filter(|block| block.spec.populate) {
            self.make_resident(block);
        }
        self.end_recording();
        self.observer.finished();
    }

    /// Writes what was recorded, if anything is. Nobody waits for the answer.
    pub fn end_recording(&self) {
        if let Some(Err(error)) = self.recording.as_ref().map(Recording::finish) {
            log::error!("{}", error.chain());
        }
    }

    /// Stops watching all memory: whoever still waits goes on.
    pub fn unwatch(&self) {
        for block in &self.blocks {
            let memory = block.memory();
            // Fails where the memory is gone already, which is as good.
            if let Err(errno) = self
                .uffd
                .unregister(memory.start, memory.end - memory.start)
            {
                log::debug!("RAM block '{}': unregistering: {errno}", block.image.name);
            }
            // The kernel wakes before it locks a mapping that it takes off the watch, and so
            // misses who comes to wait in between, and would wait for ever. From here on nobody
            // does.
            let _ = self.uffd.wake(memory.start, memory.end - memory.start);
        }
        self.end_waits(0..u64::MAX);
    }

    pub fn end_fault_threads(&self) {
        // A counter that is never read stays readable, for all of them.
        let told = rustix::io::write(&self.quit, &1u64.to_ne_bytes());
        debug_assert!(told.is_ok());
    }

    fn make_resident(&self, block: &Block) {
        let memory = block.memory();
        for start in memory.clone().step_by(POPULATE as usize) {
            let len = POPULATE.min(memory.end - start);
            let mut result = populate(start, len);
            while matches!(result, Err(Errno::INTR | Errno::AGAIN)) && !self.stopping() {
                result = populate(start, len);
            }
            if let Err(errno) = result {
                log::warn!(
                    "RAM block '{}': populating its memory: {errno}",
                    block.image.name
                );
                return;
            }
            if self.stopping() {
                return;
            }
        }
    }

    fn stopping(&self) -> bool {
        matches!(lock(&self.control).phase, Phase::Stopped)
    }
}
