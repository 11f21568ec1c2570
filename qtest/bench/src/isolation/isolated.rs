// SPDX-License-Identifier: GPL-2.0-or-later
//! The crate's queue: requests are lent, their memory stays the driver's own.

use std::sync::Arc;

use anyhow::{anyhow, Result};
use isolated_memory::rules::Rule;
use isolated_memory::{Area, Layout, Options, Queue, QueueSpec, Scrub};
use vhost::VringConfigData;

use super::disk::{Operation, Shape};
use super::guest::{Guest, Io};
use super::ring::Driver;
use super::session::{vring, ENTRIES};

/// The area for a shape's queues, of the size that users get.
pub fn area(shape: Shape) -> Result<Arc<Area>> {
    Ok(Arc::new(Area::new(Layout::new(&vec![
        QueueSpec::new(
            ENTRIES
        );
        shape.queues
    ])?)?))
}

/// A disk's virtio ID.
const DISK: u16 = 2;

/// The driver of one queue.
pub struct Isolated<'a> {
    guest: &'a Guest,
    queue: Queue<Io<'a>>,
    vring: VringConfigData,
}

impl<'a> Isolated<'a> {
    /// Of queue `queue`, empty.
    pub fn new(guest: &'a Guest, area: &Arc<Area>, queue: usize, scrub: Scrub) -> Result<Self> {
        let place = &area.layout().queues()[queue];
        let vring = vring(place.descriptors, place.avail, place.used);
        // What a disk's requests cost.
        let rule = Rule::new(DISK, queue);
        let options = Options {
            rule,
            event_idx: true,
            indirect: true,
            scrub,
            ..Options::new(ENTRIES)
        };
        Ok(Self {
            guest,
            queue: Queue::new(area.clone(), queue, options)?,
            vring,
        })
    }

    /// Where a back-end finds it.
    pub fn vring(&self) -> VringConfigData {
        self.vring
    }

    /// Whether there is something to reap.
    pub fn pending(&mut self) -> bool {
        self.queue.pending()
    }
}

impl Driver for Isolated<'_> {
    fn submit(&mut self, slot: usize, operation: Operation) -> Result<()> {
        let guest = self.guest;
        let lent = self.queue.lend(Io {
            guest,
            slot,
            operation,
        });
        lent.map_err(|refused| anyhow!("slot {slot} can't be lent: {}", refused.why))
    }

    fn publish(&mut self) -> bool {
        self.queue.publish()
    }

    fn reap(&mut self) -> Result<Option<usize>> {
        Ok(self.queue.reap()?.map(|done| done.request.slot))
    }

    fn reaped(&mut self) {
        self.queue.clean();
    }

    fn enable_notification(&mut self) -> bool {
        self.queue.enable_notification()
    }
}
