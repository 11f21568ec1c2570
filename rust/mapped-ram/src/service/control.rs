// SPDX-License-Identifier: GPL-2.0-or-later
//! What the threads of a load agree on: how far it is, which pages failed, and when these are tried
//! again.
//!
//! ```text
//!            run()                     all in place
//! Loading ───────────▶ Running ──────────────────────▶ Finished
//!    │                  │    ▲
//!    │ a page fails     │    │ retry(), or by itself while the owner is silent
//!    ▼                  ▼    │
//! Abandoned            failures: background threads rest, faults are still served
//! ```

use std::ops::Range;
use std::time::{Duration, Instant};

use super::error::LoadError;

/// How often the owner of failed pages is asked for a sign of life, and how long it has for it.
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
    pub owner: Owner,
    /// The number of the last failure.
    last: u64,
}

impl Control {
    pub fn new() -> Self {
        Self {
            phase: Phase::Loading,
            failures: Vec::new(),
            owner: Owner::new(Instant::now()),
            last: 0,
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

    /// Takes note of pages that failed, unless they are known to have.
    pub fn add_failure(&mut self, index: usize, origin: Origin, failed: &FailedPages) -> bool {
        let known = |failure: &Failure| {
            failure.origin == origin && failure.block == index && failure.pages == failed.pages
        };
        if self.failures.iter().any(known) {
            return false;
        }
        if self.failures.is_empty() {
            self.owner = Owner::new(Instant::now());
        }
        self.last += 1;
        self.failures.push(Failure {
            number: self.last,
            block: index,
            pages: failed.pages.clone(),
            origin,
            message: failed.error.chain(),
        });
        true
    }
}

/// Pages that couldn't be brought.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Counts up.
    pub number: u64,
    /// The block's index.
    pub block: usize,
    pub pages: Range<u64>,
    pub origin: Origin,
    /// The last error with its causes.
    pub message: String,
}

/// On whose behalf a page is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A thread waits for it.
    Demand,
    /// Nobody does.
    Background,
    /// Nobody does yet; it is of the working set.
    WorkingSet,
}

/// Pages that couldn't be brought: the failing one and those behind it.
#[derive(Debug)]
pub(super) struct FailedPages {
    pub pages: Range<u64>,
    pub error: LoadError,
}

/// Whether the owner of the load is alive while pages are failed. Normally it stops the machine,
/// and says when to try again. But it may itself be who waits for the page, or wait for who does,
/// however long after the page failed that comes about. Then it can't say anything, and is no
/// longer asked but helped.
#[derive(Debug)]
pub(super) struct Owner {
    /// When it was last asked, the report of the first failure being a question.
    asked: Instant,
    answered: bool,
}

/// What is to be done about failed pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// The owner is alive: ask it again.
    Ask,
    /// It didn't answer: ask it again, and try the pages again.
    Retry,
}

impl Owner {
    pub fn new(now: Instant) -> Self {
        Self {
            asked: now,
            answered: false,
        }
    }

    /// The owner has given a sign of life.
    pub fn answer(&mut self) {
        self.answered = true;
    }

    /// What is due at `now`. The caller does it.
    pub fn due(&mut self, now: Instant) -> Due {
        if now.duration_since(self.asked) < RETRY_INTERVAL {
            return Due::Nothing;
        }
        self.asked = now;
        if std::mem::take(&mut self.answered) {
            Due::Ask
        } else {
            Due::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_retried_as_long_as_the_owner_is_silent() {
        let start = Instant::now();
        let at = |tenths| start + RETRY_INTERVAL * tenths / 10;
        let mut owner = Owner::new(start);
        assert_eq!(owner.due(at(9)), Due::Nothing);
        owner.answer();
        assert_eq!(owner.due(at(10)), Due::Ask);
        assert_eq!(owner.due(at(11)), Due::Nothing);
        // An answer is good for one question only: it may come to wait later.
        assert_eq!(owner.due(at(20)), Due::Retry);
        assert_eq!(owner.due(at(25)), Due::Nothing);
        assert_eq!(owner.due(at(31)), Due::Retry);
        owner.answer();
        assert_eq!(owner.due(at(41)), Due::Ask);
    }
}
