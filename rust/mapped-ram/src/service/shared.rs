// SPDX-License-Identifier: GPL-2.0-or-later
//! What all threads of a load share, and what each of them does with it.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use super::around::Streaks;
use super::block::Block;
use super::control::{Control, Origin, Phase};
use super::lock;
use super::observer::Observer;
use super::pacer::Pacer;
use super::recording::Recording;
use super::stats::{Counters, Stats};
use super::waits::Waits;
use crate::plan::Plan;
use crate::policy::Background;
use crate::source::{Manner, PageSource, Stamp};
use crate::uffd::Uffd;

pub(super) struct Shared {
    pub blocks: Vec<Block>,
    /// The blocks' indices in order of their addresses.
    pub by_address: Vec<usize>,
    pub plan: Plan,
    /// The next group or batch that nobody has taken, the groups of the working set first.
    pub cursor: AtomicUsize,
    pub uffd: Uffd,
    pub source: Arc<dyn PageSource>,
    pub observer: Arc<dyn Observer>,
    /// Whether waits are reported one by one.
    pub track_faults: bool,
    pub waits: Waits,
    /// Takes note of what is touched.
    pub recording: Option<Recording>,
    /// Who goes through memory in order.
    pub streaks: Mutex<Streaks>,
    /// How many background threads there are.
    pub background_threads: usize,
    /// Whose turn it is on storage and cores.
    pub pacer: Pacer,
    /// What the source looked like when the first header was read.
    pub stamp: Option<Stamp>,
    /// What has changed of it since, once that is known.
    pub source_change: OnceLock<String>,
    pub counters: Counters,
    /// Pages of memory with data that aren't in place yet.
    pub remaining: AtomicU64,
    pub control: Mutex<Control>,
    /// Told whenever `control` changes or `remaining` becomes 0.
    pub changed: Condvar,
    /// Only one may try failed pages again.
    pub retrying: Mutex<()>,
    /// Whether background threads must look at `control` before they go on.
    pub halt: AtomicBool,
    /// Whether any page is failed.
    pub failing: AtomicBool,
    /// Readable when the fault threads must end.
    pub quit: OwnedFd,
}

impl Shared {
    /// The block and the page of memory at an address.
    pub fn find(&self, address: u64) -> Option<(usize, u64)> {
        let after = self
            .by_address
            .partition_point(|i| self.blocks[*i].spec.address <= address);
        let index = self.by_address[after.checked_sub(1)?];
        let block = &self.blocks[index];
        let page = (address - block.spec.address) / block.page();
        (page < block.data.len()).then_some((index, page))
    }

    /// Whether all is done page by page.
    pub fn linear(&self) -> bool {
        self.pacer.background() == Background::Linear
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        let recorded = self.recording.as_ref().map_or(0, Recording::bytes);
        Stats {
            recorded,
            ..self.counters.snapshot()
        }
    }

    /// How to read a page that is waited for.
    pub fn demand_manner(&self) -> Manner {
        if self.linear() {
            Manner::Plain
        } else {
            Manner::Exact
        }
    }

    /// Counts pages with data that the caller has placed, and lets go on who waited.
    pub fn placed(&self, block: &Block, pages: Range<u64>, origin: Origin) {
        let fresh = block.placed.set_range(pages.clone());
        self.end_waits(block.addresses(&pages));
        if fresh == 0 {
            return;
        }
        let bytes = if fresh == pages.end - pages.start {
            block.data_bytes(&pages)
        } else {
            // Only base pages are ever placed several at once, and they are whole in the file.
            fresh * block.page()
        };
        let counter = match origin {
            Origin::Demand => &self.counters.demand,
            Origin::Background | Origin::WorkingSet => &self.counters.background,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
        if origin == Origin::WorkingSet {
            self.counters
                .working_set
                .fetch_add(bytes, Ordering::Relaxed);
        }
        if self.remaining.fetch_sub(fresh, Ordering::AcqRel) == fresh {
            // Under the lock, so that a thread about to wait sees one or the other.
            drop(lock(&self.control));
            self.changed.notify_all();
            self.pacer.wake();
        }
    }

    /// A page that the background meant to place is there. If no fault brought it, the memory
    /// wasn't empty at the start, and what it holds isn't the snapshot's.
    pub fn found(&self, block: &Block, page: u64) {
        if block.claims.get(page) || block.placed.get(page) {
            return;
        }
        if !block.warned_resident.swap(true, Ordering::Relaxed) {
            log::warn!(
                "RAM block '{}': the page at {:#x} was in use before the load began; it keeps what \
                 it holds",
                block.image.name,
                page * block.page()
            );
        }
        self.placed(block, page..page + 1, Origin::Background);
    }

    pub fn wake(&self, block: &Block, pages: Range<u64>) {
        let addresses = block.addresses(&pages);
        // Fails only where nothing is watched, and so nobody waits, and where there are no pages.
        let _ = self
            .uffd
            .wake(addresses.start, addresses.end - addresses.start);
    }

    /// Reports the end of all waits in a range of addresses.
    pub fn end_waits(&self, addresses: Range<u64>) {
        for address in self.waits.end(addresses) {
            if self.track_faults {
                self.observer.fault_end(address);
            }
        }
    }

    /// Looks whether the source is still what it was. If not, the first to see it tells the owner,
    /// or, while the device state is loaded, ends the load.
    pub fn check_source(&self) {
        let Some(stamp) = &self.stamp else { return };
        if self.source_change.get().is_some() {
            return;
        }
        // Reading will find out what is wrong with a file that can't even be asked.
        let Ok(Some(now)) = self.source.stamp() else {
            return;
        };
        let Some(difference) = stamp.difference(&now) else {
            return;
        };
        if self.source_change.set(difference.clone()).is_err() {
            return;
        }
        let mut control = lock(&self.control);
        match control.phase {
            Phase::Loading => {
                control.phase =
                    Phase::Abandoned(format!("the snapshot was changed meanwhile: {difference}"));
                drop(control);
                self.give_up();
            }
            Phase::Running => {
                drop(control);
                self.observer.source_changed(&difference);
            }
            Phase::Abandoned(_) | Phase::Finished | Phase::Stopped => {}
        }
    }
}
