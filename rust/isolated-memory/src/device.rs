// SPDX-License-Identifier: GPL-2.0-or-later
//! A device's area and queues from one start to the next.
//!
//! ```text
//!              start: Fresh             stop
//!   nothing  ----------------> running ------> nothing: its requests are the guest's again
//!      ^                        ^   |
//!      | start of another life, |   | stop with the VM, by a back-end that has requests still
//!      | another back-end       |   v
//!      +-----------------------  kept    its requests are the guest's, its copies the back-end's
//!                               start: Resumed
//! ```
//!
//! A queue that runs is its thread's: [`Device::start`] gives it away, [`Device::stop`] takes it
//! back. An area lasts as long as something is kept in it. Whoever may have the last one, another
//! back-end or one that has nothing left, gets a new one.
//!
//! *Lives.* The guest may reset a queue while it is stopped. It has a number that changes then: what
//! was kept for another life is forgotten, and indexes begin at 0.

use std::sync::Arc;

use crate::area::{Area, AreaError};
use crate::error::QueueError;
use crate::features::{F_EVENT_IDX, F_INDIRECT_DESC};
use crate::layout::{Layout, LayoutError, QueueSpec};
use crate::queue::Queue;
use crate::request::{Options, Request, Scrub};
use crate::rules::Rule;
use crate::stats::{Snapshot, Stats};

/// How a queue, or an area, starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With nothing in it.
    Fresh,
    /// With what the back-end has had since it stopped.
    Resumed,
}

/// How a queue's ring begins, as far as others decide that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Entries, a power of two.
    pub entries: u16,
    /// Features of the back-end's, as [`for_backend`](crate::features::for_backend) gives them.
    pub features: u64,
}

/// No area for a device.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The queues don't fit in what it may have.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The kernel has nothing to give.
    #[error(transparent)]
    Area(#[from] AreaError),
}

/// A queue can't start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no area with such a queue.
    #[error("queue {index}: no memory area was made for it")]
    NoArea {
        /// Its index.
        index: usize,
    },
    /// It isn't as it was, or runs.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A queue while it doesn't run, and what is known of it while it does.
#[derive(Debug)]
struct Line<T: Request> {
    life: u32,
    /// Index at which its ring begins.
    base: u16,
    /// It, with copies that the back-end has still, and the index at which that goes on.
    kept: Option<(Queue<T>, u16)>,
    stats: Option<Arc<Stats>>,
}

impl<T: Request> Line<T> {
    fn new() -> Self {
        Self {
            life: 0,
            base: 0,
            kept: None,
            stats: None,
        }
    }

    fn forget(&mut self) {
        if self.kept.take().is_some() {
            self.stats = None;
        }
    }

    /// It may have another life now.
    fn renew(&mut self, life: u32) {
        if self.life != life {
            self.forget();
            (self.life, self.base) = (life, 0);
        }
    }
}

/// A device that is isolated.
#[derive(Debug)]
pub struct Device<T: Request> {
    id: u16,
    len: u64,
    scrub: Scrub,
    area: Option<Arc<Area>>,
    lines: Vec<Line<T>>,
}

impl<T: Request> Device<T> {
    /// A device with this virtio ID, and an area of `len` bytes (0: as large as its rings are apt
    /// to need) whose memory is zeroed when `scrub` says.
    pub fn new(id: u16, len: u64, scrub: Scrub) -> Self {
        Self {
            id,
            len,
            scrub,
            area: None,
            lines: Vec::new(),
        }
    }

    /// Where everything would lie in an area for rings of up to so many entries.
    ///
    /// # Errors
    /// When there are no rings, they aren't rings, or the area is too small or too large.
    pub fn layout(&self, rings: &[u16]) -> Result<Layout, LayoutError> {
        match self.len {
            0 => {
                let specs: Vec<_> = rings.iter().copied().map(QueueSpec::new).collect();
                Layout::new(&specs)
            }
            len => Layout::with_len(rings, len),
        }
    }

    /// Has an area for queues of these lives with rings of up to so many entries, none of which
    /// runs: the last one if something is kept in it, else a new one. A device with another number
    /// of queues than before forgets all that it knows of them.
    ///
    /// # Errors
    /// As [`layout`](Self::layout); when the kernel has nothing to give.
    pub fn prepare(&mut self, rings: &[u16], lives: &[u32]) -> Result<Start, PrepareError> {
        if self.lines.len() != rings.len() {
            self.lines.clear();
            self.lines.resize_with(rings.len(), Line::new);
        }
        for (line, &life) in self.lines.iter_mut().zip(lives) {
            line.renew(life);
        }
        if self.lines.iter().any(|line| line.kept.is_some()) {
            return Ok(Start::Resumed);
        }
        self.area = Some(Arc::new(Area::new(self.layout(rings)?)?));
        Ok(Start::Fresh)
    }

    /// The area that was prepared last.
    pub fn area(&self) -> Option<&Arc<Area>> {
        self.area.as_ref()
    }

    /// There is another back-end, or one that has forgotten everything.
    pub fn connected(&mut self) {
        for line in &mut self.lines {
            line.forget();
            line.base = 0;
        }
    }

    /// The index at which the back-end is to begin with a queue: 0, or where it ended if it is the
    /// same and the queue has the same life. Some don't look into the ring for it.
    pub fn base(&mut self, index: usize, life: u32) -> u16 {
        let Some(line) = self.lines.get_mut(index) else {
            return 0;
        };
        line.renew(life);
        line.kept.as_ref().map_or(line.base, |(_, next)| *next)
    }

    /// Gives a queue away to run. If it is resumed, the requests that its stop gave have to be lent
    /// again first, in their order.
    ///
    /// # Errors
    /// When there is no area for it, it runs already, or it can't have such a ring.
    pub fn start(
        &mut self,
        index: usize,
        life: u32,
        ring: Ring,
    ) -> Result<(Queue<T>, Start), StartError> {
        let base = self.base(index, life);
        let (Some(area), Some(line)) = (&self.area, self.lines.get_mut(index)) else {
            return Err(StartError::NoArea { index });
        };
        if let Some((queue, _)) = line.kept.take() {
            return Ok((queue, Start::Resumed));
        }
        let options = Options {
            base,
            event_idx: ring.features & F_EVENT_IDX != 0,
            indirect: ring.features & F_INDIRECT_DESC != 0,
            rule: Rule::new(self.id, index),
            scrub: self.scrub,
            ..Options::new(ring.entries)
        };
        let queue = Queue::new(area.clone(), index, options)?;
        line.stats = Some(queue.stats().clone());
        Ok((queue, Start::Fresh))
    }

    /// Takes a queue back. All requests that were in flight, in the order in which they were lent:
    /// they are the guest's again. `goes_on` is the index at which the back-end will go on with its
    /// copies, if that can be: the VM has stopped, and nothing is wrong with either.
    pub fn stop(&mut self, mut queue: Queue<T>, goes_on: Option<u16>) -> Vec<T> {
        let line = self.lines.get_mut(queue.index());
        let goes_on = goes_on.filter(|_| queue.violation().is_none() && queue.in_flight() > 0);
        let (Some(line), Some(next)) = (line, goes_on) else {
            return self.end(queue);
        };
        let requests = queue.suspend();
        line.kept = Some((queue, next));
        requests
    }

    fn end(&mut self, mut queue: Queue<T>) -> Vec<T> {
        if let Some(line) = self.lines.get_mut(queue.index()) {
            let used = queue.stats().snapshot().requests;
            line.base = line.base.wrapping_add(used as u16);
            line.stats = None;
        }
        queue.reset()
    }

    /// What a queue has done since it was started fresh, if it runs or is kept. Any thread may have
    /// the queue.
    pub fn stats(&self, index: usize) -> Option<Snapshot> {
        let stats = self.lines.get(index)?.stats.as_ref()?;
        Some(stats.snapshot())
    }
}
