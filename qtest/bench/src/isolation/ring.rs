// SPDX-License-Identifier: GPL-2.0-or-later
//! Queues and the loop that keeps them busy.

use std::os::fd::AsRawFd;

use anyhow::{ensure, Context, Result};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

use super::disk::Operation;

/// How long a back-end may take for anything.
const LIMIT_MS: i32 = 30_000;

/// The driver's side of a queue, whatever way its requests go.
pub trait Driver {
    /// Puts a slot's request in the queue.
    fn submit(&mut self, slot: usize, operation: Operation) -> Result<()>;
    /// Lets the other side see what was submitted. True if it wants a kick.
    fn publish(&mut self) -> bool;
    /// The slot of the next request that was carried out.
    fn reap(&mut self) -> Result<Option<usize>>;
    /// Called when what was reaped has been given to who asked for it.
    fn reaped(&mut self);
    /// Asks for a call. True if there is something to reap already.
    fn enable_notification(&mut self) -> bool;
}

/// The eventfds between two sides of a queue.
pub struct Notifiers {
    /// To who carries requests out.
    pub kick: EventFd,
    /// To who made them.
    pub call: EventFd,
}

impl Notifiers {
    /// A pair that doesn't block.
    pub fn new() -> Result<Self> {
        let new = || EventFd::new(EFD_NONBLOCK);
        Ok(Self {
            kick: new()?,
            call: new()?,
        })
    }
}

/// A queue and its notifiers.
pub struct Ring<'a, D> {
    pub driver: D,
    pub notifiers: &'a Notifiers,
}

/// Who makes requests.
pub trait Source {
    /// Prepares a queue's next request in `slot`; None if that slot is done.
    fn next(&mut self, queue: usize, slot: usize) -> Option<Operation>;
    /// Gets a slot back.
    fn done(&mut self, slot: usize) -> Result<()>;
}

/// Keeps `depth` requests in flight in each queue until the source has no
/// more, and all have come back. Queue q's slots are those from q * depth.
pub fn run<D: Driver>(
    rings: &mut [Ring<'_, D>],
    depth: usize,
    source: &mut impl Source,
) -> Result<()> {
    let notifiers: Vec<&Notifiers> = rings.iter().map(|ring| ring.notifiers).collect();
    let sleep = Sleep::new(notifiers.into_iter().map(|notifiers| &notifiers.call))?;
    let mut idle: Vec<Vec<usize>> = (0..rings.len())
        .map(|queue| (queue * depth..(queue + 1) * depth).collect())
        .collect();
    loop {
        let mut in_flight = 0;
        for (queue, (ring, idle)) in rings.iter_mut().zip(&mut idle).enumerate() {
            loop {
                turn(ring, queue, idle, source)?;
                if idle.len() == depth || !ring.driver.enable_notification() {
                    break;
                }
            }
            in_flight += depth - idle.len();
        }
        if in_flight == 0 {
            return Ok(());
        }
        sleep.wait()?;
    }
}

/// Reaps all there is, and submits as many.
fn turn<D: Driver>(
    ring: &mut Ring<'_, D>,
    queue: usize,
    idle: &mut Vec<usize>,
    source: &mut impl Source,
) -> Result<()> {
    while let Some(slot) = ring.driver.reap()? {
        source.done(slot)?;
        idle.push(slot);
    }
    ring.driver.reaped();
    for index in (0..idle.len()).rev() {
        let slot = idle[index];
        if let Some(operation) = source.next(queue, slot) {
            idle.swap_remove(index);
            ring.driver.submit(slot, operation)?;
        }
    }
    if ring.driver.publish() {
        ring.notifiers.kick.write(1)?;
    }
    Ok(())
}

/// Sleeping until one of several eventfds is written.
pub struct Sleep<'a> {
    epoll: Epoll,
    events: Vec<&'a EventFd>,
}

impl<'a> Sleep<'a> {
    /// Over all of these.
    pub fn new(events: impl Iterator<Item = &'a EventFd>) -> Result<Self> {
        let (epoll, events) = (Epoll::new()?, Vec::from_iter(events));
        for (index, event) in events.iter().enumerate() {
            let interest = EpollEvent::new(EventSet::IN, index as u64);
            epoll.ctl(ControlOperation::Add, event.as_raw_fd(), interest)?;
        }
        Ok(Self { epoll, events })
    }

    /// Sleeps, and empties those that were written.
    pub fn wait(&self) -> Result<()> {
        let mut woken = [EpollEvent::default(); 4];
        let count = self.epoll.wait(LIMIT_MS, &mut woken)?;
        ensure!(count > 0, "nothing has happened for {LIMIT_MS} ms");
        for event in &woken[..count] {
            self.events[event.data() as usize]
                .read()
                .context("reading an eventfd")?;
        }
        Ok(())
    }
}
