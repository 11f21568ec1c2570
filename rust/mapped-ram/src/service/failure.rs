// SPDX-License-Identifier: GPL-2.0-or-later
//! What becomes of pages that can't be brought. They stay missing and who waits for them stays
//! blocked, until they can be brought after all; nothing is ever put in their place.
//!
//! ```text
//!            run()                     all in place
//! Loading ───────────▶ Running ──────────────────────▶ Finished
//!    │                  │    ▲
//!    │ a page fails     │    │ retry(), or by itself until acknowledged
//!    ▼                  ▼    │
//! Abandoned            failures: background threads rest, faults are still served
//! ```
//!
//! While the device state is loaded nobody could say when to try again, so there the load is given
//! up: memory is no longer watched, so that nobody hangs, and `run()` fails, so that no machine ever
//! runs on the zeros it then reads.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::TryLockError;
use std::time::{Duration, Instant};

use super::buffers::{Bulk, Single};
use super::error::{LoadError, RunError};
use super::lock;
use super::observer::FailureReport;
use super::shared::{For, Lost, Shared};

/// Failed pages that nobody has acknowledged are tried again this often.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Phase {
    /// The device state is being loaded.
    Loading,
    /// The machine runs.
    Running,
    /// Given up, with the first error.
    Abandoned(String),
    /// Everything is in place.
    Finished,
    /// Ended by its owner.
    Stopped,
}

/// What the threads agree on under a lock.
#[derive(Debug)]
pub(super) struct Control {
    pub phase: Phase,
    pub failures: Vec<Failure>,
    sequence: u64,
    retried: Instant,
}

impl Control {
    pub fn new() -> Self {
        Self {
            phase: Phase::Loading,
            failures: Vec::new(),
            sequence: 0,
            retried: Instant::now(),
        }
    }

    /// Whether background threads may take another batch.
    pub fn may_load(&self) -> bool {
        matches!(self.phase, Phase::Loading | Phase::Running) && self.failures.is_empty()
    }

    /// Whether the load will never go on.
    pub fn ended(&self) -> bool {
        matches!(
            self.phase,
            Phase::Abandoned(_) | Phase::Finished | Phase::Stopped
        )
    }
}

/// Pages that couldn't be brought.
#[derive(Debug)]
pub(super) struct Failure {
    sequence: u64,
    block: usize,
    pages: Range<u64>,
    whom: For,
    acknowledged: bool,
    message: String,
}

impl Shared {
    /// Takes note that pages couldn't be brought, and tells the owner. The caller has given up its
    /// claim to them.
    pub fn fail(&self, index: usize, whom: For, lost: &Lost) {
        let block = &self.blocks[index];
        let message = lost.error.story();
        let sequence = {
            let mut control = lock(&self.control);
            match control.phase {
                Phase::Running => {}
                Phase::Loading => {
                    control.phase = Phase::Abandoned(message);
                    drop(control);
                    self.give_up();
                    return;
                }
                // What is no longer watched can't be placed, which is no failure.
                Phase::Abandoned(_) | Phase::Finished | Phase::Stopped => return,
            }
            let known = |failure: &Failure| {
                failure.whom == whom && failure.block == index && failure.pages == lost.pages
            };
            if control.failures.iter().any(known) {
                return;
            }
            control.sequence += 1;
            let sequence = control.sequence;
            control.failures.push(Failure {
                sequence,
                block: index,
                pages: lost.pages.clone(),
                whom,
                acknowledged: false,
                message: message.clone(),
            });
            control.retried = Instant::now();
            self.failing.store(true, Ordering::Release);
            self.halt.store(true, Ordering::Release);
            sequence
        };
        self.observer.failed(&FailureReport {
            block: block.name(),
            ram_offset: lost.error.ram_offset,
            file_offset: lost.error.file_offset,
            errno: lost.error.errno(),
            message: &message,
            sequence,
        });
    }

    fn give_up(&self) {
        self.halt.store(true, Ordering::Release);
        self.changed.notify_all();
        self.unwatch();
    }

    /// Whether this page has failed before, so that trying it now is for the retries alone.
    pub fn is_lost(&self, index: usize, page: u64) -> bool {
        self.failing.load(Ordering::Acquire)
            && lock(&self.control).failures.iter().any(|failure| {
                failure.whom == For::Demand
                    && failure.block == index
                    && failure.pages.contains(&page)
            })
    }

    /// The owner knows of the failures up to `sequence` and will call `retry` itself.
    pub fn acknowledge(&self, sequence: u64) {
        for failure in &mut lock(&self.control).failures {
            failure.acknowledged |= failure.sequence <= sequence;
        }
    }

    /// Tries what isn't acknowledged again, if it is time. Called by the fault threads.
    pub fn retry_unacknowledged(&self, single: &mut Single) {
        if !self.failing.load(Ordering::Acquire) {
            return;
        }
        let _guard = match self.retrying.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Someone is at it.
            Err(TryLockError::WouldBlock) => return,
        };
        {
            let mut control = lock(&self.control);
            if control.retried.elapsed() < RETRY_INTERVAL {
                return;
            }
            control.retried = Instant::now();
        }
        self.retry_where(single, &mut Bulk::default(), |failure| {
            !failure.acknowledged
        });
    }

    /// Tries every failed page again.
    pub fn retry_all(&self) -> Result<(), RunError> {
        let _guard = lock(&self.retrying);
        self.retry_where(&mut Single::default(), &mut Bulk::default(), |_| true);
        let control = lock(&self.control);
        match &control.phase {
            Phase::Abandoned(first) => return Err(RunError::Abandoned(first.clone())),
            Phase::Stopped => return Err(RunError::NotLoading),
            Phase::Loading | Phase::Running | Phase::Finished => {}
        }
        match control.failures.first() {
            None => Ok(()),
            Some(failure) => Err(RunError::StillFailing {
                first: failure.message.clone(),
                more: control.failures.len() - 1,
            }),
        }
    }

    /// Tries the failures that `wanted` picks, and forgets those that are mended. The caller holds
    /// `retrying`.
    fn retry_where(&self, single: &mut Single, bulk: &mut Bulk, wanted: impl Fn(&Failure) -> bool) {
        let picked: Vec<_> = lock(&self.control)
            .failures
            .iter()
            .filter(|failure| wanted(failure))
            .map(|failure| {
                (
                    failure.sequence,
                    failure.block,
                    failure.pages.clone(),
                    failure.whom,
                )
            })
            .collect();
        for (sequence, block, pages, whom) in picked {
            let result = self.try_again(block, pages, whom, single, bulk);
            let mut control = lock(&self.control);
            match result {
                Ok(()) => control
                    .failures
                    .retain(|failure| failure.sequence != sequence),
                Err(lost) => {
                    let failure = control
                        .failures
                        .iter_mut()
                        .find(|failure| failure.sequence == sequence);
                    if let Some(failure) = failure {
                        failure.message = lost.error.story();
                        failure.pages = lost.pages;
                    }
                }
            }
        }
        let control = lock(&self.control);
        if control.failures.is_empty() {
            self.failing.store(false, Ordering::Release);
            self.halt.store(!control.may_load(), Ordering::Release);
            self.changed.notify_all();
        }
    }

    fn try_again(
        &self,
        index: usize,
        pages: Range<u64>,
        whom: For,
        single: &mut Single,
        bulk: &mut Bulk,
    ) -> Result<(), Lost> {
        let block = &self.blocks[index];
        match whom {
            For::Background => self.bring(block, pages, false, bulk, || !self.ending()),
            For::Demand => {
                let page = pages.start;
                if block.placed.get(page) || !block.claims.set(page) {
                    self.wake(block, page);
                    return Ok(());
                }
                let result = self.bring_page(block, page, single, For::Background);
                result.map(drop).map_err(|error: LoadError| {
                    block.claims.clear(page);
                    Lost { pages, error }
                })
            }
        }
    }
}
