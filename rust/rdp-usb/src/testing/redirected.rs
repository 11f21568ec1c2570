// SPDX-License-Identifier: GPL-2.0-or-later
//! A device in software, and both halves of its redirection, on a usb-redir's stream.

use std::io::{self, ErrorKind, Read, Write};

use usbredir::Speed;

use super::Device;
use crate::descriptor::DescriptorError;
use crate::share::{Done, Operation, OperationId, Share, ShareLimits};
use crate::slot::{Event, Limits, Slot};
use crate::urb::UsbdStatus;

/// What is read at once, in bytes.
const CHUNK: usize = 1 << 16;

/// A device that is plugged into a `usb-redir`, without RDP between them.
pub struct Redirected<D, S> {
    /// The device.
    pub device: D,
    /// What the slot has told.
    pub events: Vec<Event>,
    slot: Slot,
    share: Share,
    stream: S,
    buffer: Vec<u8>,
    unread: Vec<u8>,
    /// Operations that the device isn't ready for, in order.
    operations: Vec<(OperationId, Operation)>,
}

impl<D: Device, S: Read + Write> Redirected<D, S> {
    /// Plugs a device in at the other end of `stream`, which blocks; its time-out of reading is
    /// how long a turn may take while nothing comes.
    ///
    /// # Errors
    ///
    /// The device's descriptors can't be read.
    pub fn new(device: D, stream: S) -> Result<Self, DescriptorError> {
        let configurations = vec![device.configuration()];
        let share = Share::new(Speed::HIGH, configurations, ShareLimits::default())?;
        let mut slot = Slot::new(Limits::default(), None);
        slot.plug(Speed::HIGH);
        Ok(Self {
            device,
            events: Vec::new(),
            slot,
            share,
            stream,
            buffer: vec![0; CHUNK],
            unread: Vec::new(),
            operations: Vec::new(),
        })
    }

    /// Sends what there is to send, waits for what comes, and has the device do what is asked of it.
    /// False: the other end has closed the stream.
    ///
    /// # Errors
    ///
    /// The stream failed.
    pub fn turn(&mut self) -> io::Result<bool> {
        self.send()?;
        match self.stream.read(&mut self.buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => self.unread.extend(&self.buffer[..count]),
            Err(error) if is_no_data(&error) => (),
            Err(error) => return Err(error),
        }
        while self.advance() {}
        self.events
            .extend(std::iter::from_fn(|| self.slot.poll_event()));
        self.send()?;
        Ok(true)
    }

    /// Moves what has come from one half to the other. False: nothing moved.
    fn advance(&mut self) -> bool {
        let mut moved = false;
        let mut bytes = &self.unread[..];
        self.slot.receive(&mut bytes);
        let taken = self.unread.len() - bytes.len();
        self.unread.drain(..taken);
        while let Some((request, what)) = self.slot.poll_request() {
            self.share.handle(request, what);
            moved = true;
        }
        self.perform();
        while let Some(completion) = self.share.poll_completion() {
            self.slot.complete(completion);
            moved = true;
        }
        moved
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.slot.unsent().is_empty() {
            let count = self.stream.write(self.slot.unsent())?;
            self.slot.sent(count);
        }
        Ok(())
    }

    fn perform(&mut self) {
        while let Some((id, operation)) = self.share.poll_operation() {
            match operation {
                Operation::Cancel(wanted) => {
                    self.operations.retain(|(id, _)| *id != wanted);
                    self.share.done(wanted, Done::with(UsbdStatus::CANCELED));
                }
                operation => self.operations.push((id, operation)),
            }
        }
        for (id, operation) in std::mem::take(&mut self.operations) {
            match self.device.perform(&operation) {
                Some(done) => self.share.done(id, done),
                None => self.operations.push((id, operation)),
            }
        }
    }
}

fn is_no_data(error: &io::Error) -> bool {
    let kinds = [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ];
    kinds.contains(&error.kind())
}
