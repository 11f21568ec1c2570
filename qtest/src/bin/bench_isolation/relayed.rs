// SPDX-License-Identifier: GPL-2.0-or-later
//! A thread between the driver and the isolated queue, as QEMU's main loop or
//! iothread is one.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

use anyhow::Result;

use crate::cases::Operation;
use crate::isolated::Isolated;
use crate::lane::{Bell, Driver, Lane, Sleep};

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
        mem::swap(&mut self.0.lock().expect("no panic with the lock held").0, items);
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
    pub bell: Bell,
}

impl Relay {
    /// Empty.
    pub fn new() -> Result<Self> {
        Ok(Self { requests: Pipe::new(), answers: Pipe::new(), bell: Bell::new()? })
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
        Self { relay, submitted: Vec::new(), answered: VecDeque::new() }
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

    fn want_calls(&mut self) -> bool {
        self.relay.answers.wake_me()
    }
}

/// The thread between: carries requests and answers until `end`, and the bell
/// of one of the relays was rung after that.
pub fn carry(
    lanes: &mut [Lane<'_, Isolated<'_>>],
    relays: &[Relay],
    end: &AtomicBool,
) -> Result<()> {
    let bells: Vec<&Bell> = lanes.iter().map(|lane| lane.bell).collect();
    let calls = bells.into_iter().map(|bell| &bell.call);
    let sleep = Sleep::new(calls.chain(relays.iter().map(|relay| &relay.bell.kick)))?;
    let mut requests = VecDeque::new();
    let mut answers = Vec::new();
    while !end.load(Ordering::Acquire) {
        for (lane, relay) in lanes.iter_mut().zip(relays) {
            loop {
                while let Some(slot) = lane.driver.reap()? {
                    answers.push(slot);
                }
                if relay.answers.put(&mut answers) {
                    relay.bell.call.write(1)?;
                }
                lane.driver.reaped();
                relay.requests.take(&mut requests);
                for (slot, operation) in requests.drain(..) {
                    lane.driver.submit(slot, operation)?;
                }
                if lane.driver.publish() {
                    lane.bell.kick.write(1)?;
                }
                // Both must know, or one sleeps on.
                if !(relay.requests.wake_me() | lane.driver.want_calls()) {
                    break;
                }
            }
        }
        sleep.wait()?;
    }
    Ok(())
}
