// SPDX-License-Identifier: GPL-2.0-or-later
//! What is told of devices in software; and what the fuzz target runs, and a test with its seeds: a
//! client that any server talks to.

use std::collections::{BTreeMap, VecDeque};

use ironrdp_dvc::DrdynvcClient;
use ironrdp_svc::SvcProcessor;
use rdp_usb::testing::{Device, Input, IsoLoop, Keyboard, Serial, Stick};
use rdp_usb::{Done, Operation, OperationId, ShareLimits, UsbdStatus};
use usbredir::Speed;

use crate::client::Client;
use crate::device::{Description, DeviceId};

/// What is told of a device in software.
pub fn description(device: &dyn Device) -> Description {
    Description {
        bus: 1,
        address: 2,
        ports: vec![3],
        speed: Speed::HIGH,
        device: device.descriptor(),
        configurations: vec![device.configuration()],
    }
}

/// A client and its devices.
struct Rig {
    client: Client,
    drdynvc: DrdynvcClient,
    devices: BTreeMap<DeviceId, Box<dyn Device>>,
    in_flight: VecDeque<(DeviceId, OperationId, Operation)>,
    next: u32,
}

impl Rig {
    fn new() -> Rig {
        let (client, listener) = Client::new();
        Rig {
            client,
            drdynvc: DrdynvcClient::new().with_listener(listener),
            devices: BTreeMap::new(),
            in_flight: VecDeque::new(),
            next: 1,
        }
    }

    fn plug(&mut self, kind: u8) {
        let device: Box<dyn Device> = match kind % 4 {
            0 => Box::new(Stick::new(8)),
            1 => Box::new(Keyboard::default()),
            2 => Box::new(Serial::default()),
            _ => Box::new(IsoLoop::default()),
        };
        let id = DeviceId(self.next);
        self.next += 1;
        let told = self.client.add(id, description(device.as_ref()));
        told.expect("good descriptors");
        self.devices.insert(id, device);
    }

    fn unplug(&mut self) {
        if let Some((id, _)) = self.devices.pop_first() {
            self.client.remove(id, &mut self.drdynvc);
            self.in_flight.retain(|(of, ..)| *of != id);
        }
    }

    /// The server says something. False: it has ended the session by that.
    fn server(&mut self, message: &[u8]) -> bool {
        self.drdynvc.process(message).is_ok()
    }

    /// The device does what is asked of it, if it can.
    fn perform(&mut self, at: usize) {
        let Some((id, operation, what)) = self.in_flight.remove(at) else {
            return;
        };
        let done = self.devices.get_mut(&id).and_then(|it| it.perform(&what));
        match done {
            Some(done) => self.client.done(id, operation, done),
            None => self.in_flight.push_back((id, operation, what)),
        }
    }

    /// Lets the client do what it does by itself.
    ///
    /// # Panics
    ///
    /// It asks for a device that isn't there, or for more than it may.
    fn settle(&mut self) {
        let sent = self.client.poll(&mut self.drdynvc);
        sent.expect("messages that can be encoded");
        while self.client.poll_event().is_some() {}
        while let Some((id, operation, what)) = self.client.poll_operation() {
            if let Operation::Cancel(wanted) = what {
                let known = |(of, it, _): &_| (*of, *it) == (id, wanted);
                if let Some(at) = self.in_flight.iter().position(known) {
                    self.in_flight.remove(at);
                    let done = Done::with(UsbdStatus::CANCELED);
                    self.client.done(id, wanted, done);
                }
                continue;
            }
            if self.devices.contains_key(&id) {
                self.in_flight.push_back((id, operation, what));
            }
        }
        let limits = ShareLimits::default();
        for id in self.devices.keys() {
            let of_device = self.in_flight.iter().filter(|(of, ..)| of == id);
            let sizes: Vec<usize> = of_device.map(|(.., what)| size(what)).collect();
            assert!(sizes.len() <= limits.requests);
            assert!(sizes.iter().sum::<usize>() <= limits.bytes);
        }
    }
}

fn size(operation: &Operation) -> usize {
    match operation {
        Operation::Control { buffer, .. }
        | Operation::Bulk { buffer, .. }
        | Operation::Interrupt { buffer, .. }
        | Operation::Iso { buffer, .. } => buffer.len(),
        _ => 0,
    }
}

/// Lets a client have a server's messages of DRDYNVC, and devices that come, go, and end
/// what is asked of them.
///
/// # Panics
///
/// It doesn't; or a device has to do more at once than it may.
pub fn exercise(input: &[u8]) {
    let mut input = Input::new(input);
    let mut rig = Rig::new();
    while !input.is_empty() {
        match input.byte() % 8 {
            0 => rig.plug(input.byte()),
            1 => rig.unplug(),
            2 => {
                let at = usize::from(input.byte());
                rig.perform(at % rig.in_flight.len().max(1));
            }
            // Any end of what is asked for.
            3 => {
                if let Some((id, operation, _)) = rig.in_flight.pop_front() {
                    let mut done = Done::with(UsbdStatus::SUCCESS);
                    if input.byte() % 2 == 1 {
                        done.status = UsbdStatus::STALL_PID;
                    }
                    done.sent = input.byte().into();
                    done.data = input.bytes();
                    rig.client.done(id, operation, done);
                }
            }
            _ => {
                let length = u16::from_le_bytes([input.byte(), input.byte()]);
                let message = input.take(length.into());
                if !rig.server(&message) {
                    return;
                }
            }
        }
        rig.settle();
    }
}
