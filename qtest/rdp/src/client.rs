// SPDX-License-Identifier: GPL-2.0-or-later
//! A device in software, and both halves of its redirection, on a usb-redir's socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{ensure, Result};
use rdp_usb::testing::Device;
use rdp_usb::{Done, Event, Limits, Operation, OperationId, Share, ShareLimits, Slot, UsbdStatus};
use usbredir::Speed;

/// A device that is plugged into a usb-redir.
pub struct Client<D> {
    /// The device.
    pub device: D,
    /// What the slot has told.
    pub events: Vec<Event>,
    slot: Slot,
    share: Share,
    stream: UnixStream,
    unread: Vec<u8>,
    /// Operations that the device isn't ready for, in order.
    operations: Vec<(OperationId, Operation)>,
}

impl<D: Device> Client<D> {
    /// Plugs a device in at the other end of `stream`.
    pub fn new(device: D, stream: UnixStream) -> Result<Client<D>> {
        stream.set_nonblocking(true)?;
        let configurations = vec![device.configuration()];
        let share = Share::new(Speed::HIGH, configurations, ShareLimits::default())?;
        let mut slot = Slot::new(Limits::default(), None);
        slot.plug(Speed::HIGH);
        let (events, unread, operations) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Client {
            device,
            events,
            slot,
            share,
            stream,
            unread,
            operations,
        })
    }

    /// Moves what can be moved, and waits a little if there was nothing.
    pub fn turn(&mut self) -> Result<()> {
        let mut buffer = [0; 1 << 16];
        let mut moved = false;
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                ensure!(count > 0, "QEMU has closed its usb-redir");
                self.unread.extend(&buffer[..count]);
                moved = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => (),
            Err(error) => return Err(error.into()),
        }
        let mut bytes = &self.unread[..];
        self.slot.receive(&mut bytes);
        let taken = self.unread.len() - bytes.len();
        self.unread.drain(..taken);
        while let Some((request, what)) = self.slot.poll_request() {
            self.share.handle(request, what);
            moved = true;
        }
        while let Some((id, operation)) = self.share.poll_operation() {
            match operation {
                Operation::Cancel(wanted) => {
                    self.operations.retain(|(id, _)| *id != wanted);
                    self.share.done(wanted, Done::with(UsbdStatus::CANCELED));
                }
                operation => self.operations.push((id, operation)),
            }
        }
        let waiting = std::mem::take(&mut self.operations);
        for (id, operation) in waiting {
            match self.device.perform(&operation) {
                Some(done) => self.share.done(id, done),
                None => self.operations.push((id, operation)),
            }
        }
        while let Some(completion) = self.share.poll_completion() {
            self.slot.complete(completion);
            moved = true;
        }
        self.events
            .extend(std::iter::from_fn(|| self.slot.poll_event()));
        match self.stream.write(self.slot.unsent()) {
            Ok(count) => self.slot.sent(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => (),
            Err(error) => return Err(error.into()),
        }
        if !moved {
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}
