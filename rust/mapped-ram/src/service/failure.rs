// SPDX-License-Identifier: GPL-2.0-or-later
//! What becomes of pages that can't be brought. They stay missing and who waits for them stays
//! blocked, until they can be brought after all; nothing is ever put in their place.
//!
//! While the device state is loaded nobody could say when to try again, so there the load is given
//! up: memory is no longer watched, so that nobody hangs, and `run()` fails, so that no machine ever
//! runs on the zeros it then reads.

use std::sync::atomic::Ordering;
use std::sync::TryLockError;
use std::time::Instant;

use super::around::Around;
use super::bring::Permit;
use super::buffers::{Bulk, Single};
use super::control::{Due, FailedPages, Failure, Origin, Phase};
use super::error::RunError;
use super::lock;
use super::observer::FailureReport;
use super::shared::Shared;
use crate::source::Manner;

impl Shared {
    /// Takes note that pages couldn't be brought, and tells the owner. The caller has given up its
    /// claim to them.
    pub fn fail(&self, index: usize, origin: Origin, failed: &FailedPages) {
        let message = failed.error.chain();
        {
            let mut control = lock(&self.control);
            match control.phase {
                Phase::Running => {}
                Phase::Loading => {
                    control.phase = Phase::Abandoned(message);
                    drop(control);
                    self.give_up();
                    return;
                }
                // What is no longer watched can't be placed, which is no failure: who waited goes on.
                Phase::Abandoned(_) | Phase::Finished | Phase::Stopped => {
                    drop(control);
                    self.end_waits(self.blocks[index].addresses(&failed.pages));
                    return;
                }
            }
            if !control.add_failure(index, origin, failed) {
                return;
            }
            self.failing.store(true, Ordering::Release);
            self.halt.store(true, Ordering::Release);
        }
        self.observer.failed(&FailureReport {
            block: self.blocks[index].name(),
            ram_offset: failed.error.ram_offset,
            file_offset: failed.error.file_offset,
            errno: failed.error.errno(),
            message: &message,
        });
    }

    pub fn give_up(&self) {
        self.halt.store(true, Ordering::Release);
        self.changed.notify_all();
        self.pacer.wake();
        self.unwatch();
    }

    /// Whether this page has failed before, so that trying it now is for the retries alone.
    pub fn is_failed_page(&self, index: usize, page: u64) -> bool {
        self.failing.load(Ordering::Acquire)
            && lock(&self.control).failures.iter().any(|failure| {
                failure.origin == Origin::Demand
                    && failure.block == index
                    && failure.pages.contains(&page)
            })
    }

    /// Asks the owner for a sign of life while pages are failed, and tries them again if the last
    /// question had no answer. Called by the fault threads.
    pub fn look_after_failures(&self, single: &mut Single) {
        if !self.failing.load(Ordering::Acquire) {
            return;
        }
        let due = lock(&self.control).owner.due(Instant::now());
        if due == Due::Nothing {
            return;
        }
        self.observer.still_failed();
        if due == Due::Retry {
            let _guard = match self.retrying.try_lock() {
                Ok(guard) => guard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Someone is at it.
                Err(TryLockError::WouldBlock) => return,
            };
            self.retry_failures(single, &mut Bulk::default());
        }
    }

    /// Tries every failed page again.
    pub fn retry(&self) -> Result<(), RunError> {
        {
            let _guard = lock(&self.retrying);
            self.retry_failures(&mut Single::default(), &mut Bulk::default());
        }
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

    /// Tries the failures of now, and forgets those that are mended. The caller holds `retrying`.
    fn retry_failures(&self, single: &mut Single, bulk: &mut Bulk) {
        let failures = lock(&self.control).failures.clone();
        for failure in failures {
            let result = self.try_again(&failure, single, bulk);
            let mut control = lock(&self.control);
            let known = &mut control.failures;
            match result {
                Ok(()) => known.retain(|other| other.number != failure.number),
                Err(failed) => {
                    if let Some(other) = known.iter_mut().find(|o| o.number == failure.number) {
                        other.message = failed.error.chain();
                        other.pages = failed.pages;
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
        failure: &Failure,
        single: &mut Single,
        bulk: &mut Bulk,
    ) -> Result<(), FailedPages> {
        let block = &self.blocks[failure.block];
        let pages = failure.pages.clone();
        match failure.origin {
            Origin::Background | Origin::WorkingSet => {
                self.bring(block, pages, false, failure.origin, bulk, |_| {
                    (!self.ending()).then_some(Permit {
                        manner: Manner::Exact,
                        pages: self.chunk(block),
                    })
                })
            }
            Origin::Demand => pages.clone().try_for_each(|page| {
                if block.placed.get(page) || !block.claims.set(page) {
                    self.wake(block, page..page + 1);
                    return Ok(());
                }
                let result =
                    self.bring_page(block, page, Around::NOTHING, single, Origin::Background);
                result.map(drop).map_err(|failed| FailedPages {
                    pages: page..pages.end,
                    ..failed
                })
            }),
        }
    }
}
