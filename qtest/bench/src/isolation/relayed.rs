// SPDX-License-Identifier: GPL-2.0-or-later
//! A thread between the driver and the isolated queue, as QEMU's main loop or
//! iothread is one.

use std::collections::VecDeque;
use std::hint::spin_loop;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::disk::Operation;
use super::isolated::Isolated;
use super::ring::{Driver, Notifiers, Ring, Sleep};

/// How long to look for more before sleeping, as long as QEMU's iothreads.
const POLL: Duration = Duration::from_nanos(32_768);

/// What goes one way between two threads, and whether who takes it sleeps.
struct Pipe<T>(Mutex<(VecDeque<T>, bool)>);

impl<T> Pipe<T> {
    fn new() -> Self {
        Self(Mutex::new((VecDeque::new(), false)))
    }

    /// True if who takes it must be woken.
    fn put(&self, items: &mut Vec<T>) -> bool {
        if items.is_empty() {
            return false;
        }
        let mut guard = self.0.lock().expect("no panic with the lock held");
        guard.0.extend(items.drain(..));
        mem::take(&mut guard.1)
    }

    /// All there is; `items` is empty.
    fn take(&self, items: &mut VecDeque<T>) {
        mem::swap(
            &mut self.0.lock().expect("no panic with the lock held").0,
            items,
        );
    }

    fn is_empty(&self) -> bool {
        self.0
            .lock()
            .expect("no panic with the lock held")
            .0
            .is_empty()
    }

    /// Asks to be woken. True if there is something already.
    fn wake_me(&self) -> bool {
        let mut guard = self.0.lock().expect("no panic with the lock held");
        guard.1 = guard.0.is_empty();
        !guard.1
    }
}

/// What driver and relay share of a queue.
pub struct Relay {
    requests: Pipe<(usize, Operation)>,
    answers: Pipe<usize>,
    /// Between the two of them; the back-end has another.
    pub notifiers: Notifiers,
}

impl Relay {
    /// Empty.
    pub fn new() -> Result<Self> {
        Ok(Self {
            requests: Pipe::new(),
            answers: Pipe::new(),
            notifiers: Notifiers::new()?,
        })
    }
}

/// The driver's end.
pub struct Relayed<'a> {
    relay: &'a Relay,
    submitted: Vec<(usize, Operation)>,
    answered: VecDeque<usize>,
}

impl<'a> Relayed<'a> {
    /// Of one queue.
    pub fn new(relay: &'a Relay) -> Self {
        Self {
            relay,
            submitted: Vec::new(),
            answered: VecDeque::new(),
        }
    }
}

impl Driver for Relayed<'_> {
    fn submit(&mut self, slot: usize, operation: Operation) -> Result<()> {
        self.submitted.push((slot, operation));
        Ok(())
    }

    fn publish(&mut self) -> bool {
        self.relay.requests.put(&mut self.submitted)
    }

    fn reap(&mut self) -> Result<Option<usize>> {
        if self.answered.is_empty() {
            self.relay.answers.take(&mut self.answered);
        }
        Ok(self.answered.pop_front())
    }

    fn reaped(&mut self) {}

    fn enable_notification(&mut self) -> bool {
        self.relay.answers.wake_me()
    }
}

/// The thread between: carries requests and answers until `end`, and a kick
/// of one of the relays was rung after that.
pub fn carry(
    rings: &mut [Ring<'_, Isolated<'_>>],
    relays: &[Relay],
    polls: bool,
    end: &AtomicBool,
) -> Result<()> {
    let notifiers: Vec<&Notifiers> = rings.iter().map(|ring| ring.notifiers).collect();
    let calls = notifiers.into_iter().map(|notifiers| &notifiers.call);
    let sleep = Sleep::new(calls.chain(relays.iter().map(|relay| &relay.notifiers.kick)))?;
    let mut buffers = Buffers::default();
    let mut worth_polling = polls;
    while !end.load(Ordering::Acquire) {
        for (ring, relay) in rings.iter_mut().zip(relays) {
            pass_on(ring, relay, &mut buffers)?;
        }
        if worth_polling && poll(rings, relays) {
            continue;
        }
        // Each must know, or one sleeps on.
        let mut more = false;
        for (ring, relay) in rings.iter_mut().zip(relays) {
            more |= relay.requests.wake_me() | ring.driver.enable_notification();
        }
        if !more {
            let start = Instant::now();
            sleep.wait()?;
            worth_polling = polls && start.elapsed() < POLL;
        }
    }
    Ok(())
}

/// Emptied again and again, for their memory.
#[derive(Default)]
struct Buffers {
    requests: VecDeque<(usize, Operation)>,
    answers: Vec<usize>,
}

/// Gives what the back-end has answered to the driver, then what that wants to
/// the back-end.
fn pass_on(ring: &mut Ring<'_, Isolated<'_>>, relay: &Relay, buffers: &mut Buffers) -> Result<()> {
    while let Some(slot) = ring.driver.reap()? {
        buffers.answers.push(slot);
    }
    if relay.answers.put(&mut buffers.answers) {
        relay.notifiers.call.write(1)?;
    }
    ring.driver.reaped();
    relay.requests.take(&mut buffers.requests);
    for (slot, operation) in buffers.requests.drain(..) {
        ring.driver.submit(slot, operation)?;
    }
    if ring.driver.publish() {
        ring.notifiers.kick.write(1)?;
    }
    Ok(())
}

/// Waits for something to do without sleeping, and without asking for kicks or
/// calls; false if nothing came.
fn poll(rings: &mut [Ring<'_, Isolated<'_>>], relays: &[Relay]) -> bool {
    let end = Instant::now() + POLL;
    while Instant::now() < end {
        let answered = rings.iter_mut().any(|ring| ring.driver.pending());
        if answered || relays.iter().any(|relay| !relay.requests.is_empty()) {
            return true;
        }
        spin_loop();
    }
    false
}
