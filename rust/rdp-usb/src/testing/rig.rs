// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest, a slot, a share and a device, and what is on its way between them.

use std::collections::VecDeque;

use usbredir::{Filter, Packet, Speed};

use super::{Device, Guest};
use crate::share::{Done, Operation, OperationId, Share, ShareLimits};
use crate::slot::{Event, Limits, Slot};
use crate::urb::{Completion, Request, RequestId, UsbdStatus};

/// One thing that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Some bytes of the guest.
    FromGuest(usize),
    /// Some bytes of the slot.
    ToGuest(usize),
    /// A request to the client.
    Request,
    /// What the device does next at one of its endpoints.
    Device(usize),
    /// An answer of the client.
    Answer,
}

/// All of them. The client is gone while there is no device.
pub struct Rig<D> {
    /// The guest.
    pub guest: Guest,
    /// The server's half.
    pub slot: Slot,
    /// The device, and the client's half.
    pub client: Option<(D, Share)>,
    /// What has happened.
    pub events: Vec<Event>,
    from_guest: VecDeque<u8>,
    requests: VecDeque<(RequestId, Request)>,
    operations: Vec<(OperationId, Operation)>,
    answers: VecDeque<Completion>,
}

impl<D: Device> Rig<D> {
    /// A guest, and a slot without a device.
    pub fn new(limits: Limits, filter: Option<Filter>) -> Rig<D> {
        Rig {
            guest: Guest::new(),
            slot: Slot::new(limits, filter),
            client: None,
            events: Vec::new(),
            from_guest: VecDeque::new(),
            requests: VecDeque::new(),
            operations: Vec::new(),
            answers: VecDeque::new(),
        }
    }

    /// One whose guest sees the device.
    ///
    /// # Panics
    ///
    /// It doesn't.
    pub fn with(device: D) -> Rig<D> {
        let mut rig = Rig::new(Limits::default(), None);
        rig.plug(device);
        rig.settle();
        assert!(rig.guest.device.is_some(), "{:?}", rig.events);
        rig
    }

    /// The device.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn device(&mut self) -> &mut D {
        &mut self.client.as_mut().expect("a device").0
    }

    /// A client comes with a device.
    ///
    /// # Panics
    ///
    /// The slot isn't free.
    pub fn plug(&mut self, device: D) {
        let configurations = vec![device.configuration()];
        let share = Share::new(Speed::HIGH, configurations, ShareLimits::default());
        self.client = Some((device, share.expect("good descriptors")));
        self.slot.plug(Speed::HIGH);
    }

    /// The client goes, with answers on their way or without.
    pub fn unplug(&mut self, answers: bool) -> Option<D> {
        self.slot.unplug();
        self.requests.clear();
        self.operations.clear();
        if !answers {
            self.answers.clear();
        }
        self.client.take().map(|(device, _)| device)
    }

    /// Lets one thing move. False if there was nothing.
    pub fn step(&mut self, step: Step) -> bool {
        let unsent = self.guest.connection.unsent().len();
        self.from_guest.extend(self.guest.connection.unsent());
        self.guest.connection.sent(unsent);
        let moved = match step {
            Step::FromGuest(most) => {
                let count = self.from_guest.len().min(most);
                let piece: Vec<u8> = self.from_guest.iter().take(count).copied().collect();
                let mut bytes = &piece[..];
                self.slot.receive(&mut bytes);
                let taken = piece.len() - bytes.len();
                self.from_guest.drain(..taken);
                taken > 0
            }
            Step::ToGuest(most) => {
                let count = self.slot.unsent().len().min(most);
                let piece = self.slot.unsent()[..count].to_vec();
                self.slot.sent(count);
                self.guest.receive(&piece);
                count > 0
            }
            Step::Request => self.move_request(),
            Step::Device(choice) => self.move_device(choice),
            Step::Answer => match self.answers.pop_front() {
                Some(answer) => {
                    self.slot.complete(answer);
                    true
                }
                None => false,
            },
        };
        while let Some(request) = self.slot.poll_request() {
            self.requests.push_back(request);
        }
        self.events
            .extend(std::iter::from_fn(|| self.slot.poll_event()));
        if let Some((_, share)) = &mut self.client {
            self.operations
                .extend(std::iter::from_fn(|| share.poll_operation()));
            self.answers
                .extend(std::iter::from_fn(|| share.poll_completion()));
        }
        moved
    }

    fn move_request(&mut self) -> bool {
        let Some((request, what)) = self.requests.pop_front() else {
            return false;
        };
        if let Some((_, share)) = &mut self.client {
            share.handle(request, what);
        }
        true
    }

    /// Carries out an operation, of those that are the first of their endpoint.
    fn move_device(&mut self, choice: usize) -> bool {
        let Some((device, share)) = &mut self.client else {
            return false;
        };
        let first = |i: &usize| {
            let endpoint = endpoint(&self.operations[*i].1);
            self.operations[..*i]
                .iter()
                .all(|(_, before)| self::endpoint(before) != endpoint)
        };
        let firsts: Vec<usize> = (0..self.operations.len()).filter(first).collect();
        for turn in 0..firsts.len() {
            let at = firsts[(choice + turn) % firsts.len()];
            let (id, operation) = &self.operations[at];
            let id = *id;
            if let Operation::Cancel(wanted) = *operation {
                self.operations.remove(at);
                self.operations.retain(|(id, _)| *id != wanted);
                share.done(wanted, Done::with(UsbdStatus::CANCELED));
                return true;
            }
            if let Some(done) = device.perform(operation) {
                self.operations.remove(at);
                share.done(id, done);
                return true;
            }
        }
        false
    }

    /// Lets things move until nothing does, or what goes on by itself has gone on for a while.
    pub fn settle(&mut self) {
        for _ in 0..400 {
            let steps = [
                Step::FromGuest(usize::MAX),
                Step::Request,
                Step::Device(0),
                Step::Answer,
                Step::ToGuest(usize::MAX),
            ];
            // Each of them, even if one before has moved.
            if !steps.map(|step| self.step(step)).contains(&true) {
                return;
            }
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn ask(&mut self, packet: Packet) -> Packet {
        let id = self.guest.ask(packet);
        self.settle();
        self.guest.answers.remove(&id).expect("an answer")
    }
}

/// What an operation waits behind others for: its endpoint, or 0 for all that is about the device.
fn endpoint(operation: &Operation) -> u16 {
    match operation {
        Operation::Bulk { endpoint, .. }
        | Operation::Interrupt { endpoint, .. }
        | Operation::Iso { endpoint, .. } => (*endpoint).into(),
        // At once.
        Operation::Cancel(id) => 0x100 | *id as u16,
        _ => 0,
    }
}
