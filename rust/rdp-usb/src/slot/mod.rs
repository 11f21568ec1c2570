// SPDX-License-Identifier: GPL-2.0-or-later
//! The server's half: one `usb-redir` of a virtual machine, and a client's device in it.

mod answers;
mod device;
mod requests;
mod setup;
mod streams;

use std::collections::VecDeque;

use usbredir::{Caps, Connection, Filter, Packet, Refusal, Role, Speed, Status, Verdict};

use crate::descriptor::DescriptorError;
use crate::urb::{Completion, Request, RequestId, UsbdStatus};
use device::Plugged;

/// What a slot may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest transfer, in bytes.
    pub transfer: usize,
    /// What may be in flight or wait for the guest, in bytes of data. One request more is taken.
    pub bytes: usize,
    /// Requests in flight.
    pub requests: usize,
    /// Packets and answers that can't be, until the device is unplugged.
    pub faults: u32,
}

impl Default for Limits {
    /// 2 MiB for a transfer, 8 MiB in 1,024 requests, 100 faults.
    fn default() -> Limits {
        Limits {
            transfer: 2 << 20,
            bytes: 8 << 20,
            requests: 1024,
            faults: 100,
        }
    }
}

/// Why a device was unplugged, or wasn't plugged in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server's filter has a rule against it, or none for it.
    #[error("the filter doesn't admit the device")]
    Filter(Verdict),
    /// The guest's `usb-redir` refused it: its filter, or the speeds of its port.
    #[error("the guest refuses the device")]
    Guest,
    /// A descriptor that can't be.
    #[error("the device's descriptors")]
    Descriptor(#[from] DescriptorError),
    /// A request without which the device can't be used ended otherwise.
    #[error("the device can't be asked for its descriptors or configured: {0:x?}")]
    Setup(UsbdStatus),
    /// Too many answers that can't be.
    #[error("the client's answers make no sense")]
    Answers,
    /// Too many packets that can't be.
    #[error("the guest's packets make no sense: {0}")]
    Packets(Refusal),
    /// What was to be sent to the guest couldn't be.
    #[error("a packet that can't be sent to the guest: {0}")]
    Unsent(Refusal),
}

/// What a caller may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The guest sees a device.
    Plugged {
        /// idVendor.
        vendor: u16,
        /// idProduct.
        product: u16,
    },
    /// The device was taken from the guest, or kept from it. Retract it from the client.
    Failed(Failure),
    /// A packet of the guest was refused.
    Refused(Refusal),
    /// The client answered a request that it hasn't got, or with what it can't.
    WrongAnswer(RequestId),
}

/// One `usb-redir`: a connection to it, and at most one device.
///
/// | what happens | call | then |
/// |---|---|---|
/// | bytes from the guest | [`Slot::receive`] while [`Slot::is_ready`] | poll |
/// | bytes went to the guest | [`Slot::sent`] | poll |
/// | a client has a device for it | [`Slot::plug`] | poll |
/// | an answer of the client | [`Slot::complete`] | poll |
/// | the device or its client is gone | [`Slot::unplug`] | poll |
///
/// To poll: carry out all of [`Slot::poll_request`], send what [`Slot::unsent`] has, look at
/// [`Slot::poll_event`]. The order of these three doesn't matter.
#[derive(Debug)]
pub struct Slot {
    connection: Connection,
    limits: Limits,
    filter: Option<Filter>,
    guest_filter: Option<Filter>,
    device: Option<Plugged>,
    /// The guest hasn't acknowledged the last device's disconnection.
    ack: bool,
    /// The last request's number.
    last: RequestId,
    requests: VecDeque<(RequestId, Request)>,
    events: VecDeque<Event>,
    faults: u32,
}

impl Slot {
    /// A new connection to a `usb-redir`, with the devices that it may have.
    pub fn new(limits: Limits, filter: Option<Filter>) -> Slot {
        let caps = Caps::CONNECT_DEVICE_VERSION
            .with(Caps::FILTER)
            .with(Caps::DEVICE_DISCONNECT_ACK)
            .with(Caps::EP_INFO_MAX_PACKET_SIZE)
            .with(Caps::IDS_64BIT)
            .with(Caps::BULK_LENGTH_32BIT)
            .with(Caps::BULK_RECEIVING);
        // Twice what is admitted: a packet's header beside its data, and answers without data.
        let unsent = 2 * (limits.bytes + limits.transfer) + 1024 * limits.requests;
        let packet = limits.transfer + 64;
        let version = concat!("annex-rdp ", env!("CARGO_PKG_VERSION"));
        Slot {
            connection: Connection::new(
                Role::Host,
                version,
                caps,
                usbredir::Limits { packet, unsent },
            ),
            limits,
            filter,
            guest_filter: None,
            device: None,
            ack: false,
            last: 0,
            requests: VecDeque::new(),
            events: VecDeque::new(),
            faults: 0,
        }
    }

    /// Whether a device can be plugged in: there is none, and the guest has let go of the last.
    pub fn is_free(&self) -> bool {
        self.device.is_none() && !self.ack
    }

    /// Whether the guest has said hello, which is the first that it says.
    pub fn is_greeted(&self) -> bool {
        self.connection.peer().is_some()
    }

    /// Whether bytes of the guest can be taken. If not, the guest has to wait until answers have
    /// come and been sent.
    pub fn is_ready(&self) -> bool {
        let in_flight = self.device.as_ref().map_or((0, 0), Plugged::in_flight);
        in_flight.0 < self.limits.requests
            && in_flight.1 + self.connection.unsent().len() < self.limits.bytes
    }

    /// Takes bytes of the guest off the front of `bytes`; some are left if [`Slot::is_ready`]
    /// ends.
    pub fn receive(&mut self, bytes: &mut &[u8]) {
        while self.is_ready() {
            match self.connection.receive(bytes) {
                Some(Ok(received)) => self.packet(received.id, received.packet),
                Some(Err(refusal)) => {
                    self.events.push_back(Event::Refused(refusal.clone()));
                    self.fault(Failure::Packets(refusal));
                }
                None => return,
            }
        }
    }

    /// What waits to be sent to the guest.
    pub fn unsent(&self) -> &[u8] {
        self.connection.unsent()
    }

    /// Says how many bytes of [`Slot::unsent`] have been sent.
    ///
    /// # Panics
    ///
    /// There aren't as many.
    pub fn sent(&mut self, count: usize) {
        self.connection.sent(count);
        self.resume_streams();
    }

    /// The next request to the client, if there is one.
    pub fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        self.requests.pop_front()
    }

    /// What has happened, if anything has.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Plugs a device in: asks for its descriptors, and when they are known and admitted shows it
    /// to the guest.
    ///
    /// # Panics
    ///
    /// [`Slot::is_free`] is false.
    pub fn plug(&mut self, speed: Speed) {
        assert!(self.is_free(), "the slot has a device");
        self.faults = 0;
        self.device = Some(Plugged::new(speed));
        self.set_up();
    }

    /// Takes the device from the guest, whose requests end as cancelled. Answers of the client
    /// that are still to come are ignored.
    pub fn unplug(&mut self) {
        let Some(mut device) = self.device.take() else {
            return;
        };
        self.requests.clear();
        for pending in device.take_pending() {
            self.answer_without_device(pending);
        }
        if device.is_connected() {
            self.send(0, Packet::DeviceDisconnect {});
            let peer = self.connection.peer().unwrap_or_default();
            self.ack = peer.has(Caps::DEVICE_DISCONNECT_ACK);
        }
    }

    /// Takes a client's answer.
    pub fn complete(&mut self, completion: Completion) {
        let request = completion.request;
        let Some(device) = &mut self.device else {
            return;
        };
        let is_older = device.is_older(request);
        match device.finish(request) {
            Some((pending, false)) if self.is_given_up(&pending, &completion) => {
                self.ask_again(pending);
            }
            Some((pending, _)) => self.completed(pending, completion),
            // An answer to a request of the device before comes late.
            None if is_older => (),
            None => self.wrong_answer(request),
        }
        self.resume_streams();
    }

    /// Notes that the client has sent what it can't, elsewhere than in an answer. The device is
    /// unplugged when that is too much.
    pub fn misbehaved(&mut self) {
        self.fault(Failure::Answers);
    }

    fn wrong_answer(&mut self, request: RequestId) {
        self.events.push_back(Event::WrongAnswer(request));
        self.fault(Failure::Answers);
    }

    fn fault(&mut self, failure: Failure) {
        self.faults += 1;
        if self.faults == self.limits.faults {
            self.fail(failure);
        }
    }

    /// Unplugs a device that can't go on.
    fn fail(&mut self, failure: Failure) {
        if self.device.is_some() {
            self.events.push_back(Event::Failed(failure));
            self.unplug();
        }
    }

    fn send(&mut self, id: u64, packet: Packet) {
        if let Err(refusal) = self.connection.send(id, &packet) {
            self.fail(Failure::Unsent(refusal));
        }
    }

    /// Asks the client for something; `None` without a device.
    fn request(&mut self, pending: device::Pending, request: Request) {
        let Some(device) = &mut self.device else {
            return;
        };
        self.last = self.last % 0x7fff_ffff + 1;
        device.start(self.last, pending);
        self.requests.push_back((self.last, request));
    }
}

/// What usbredir says for how a request ended.
fn status(status: UsbdStatus) -> Status {
    match status {
        UsbdStatus::STALL_PID | UsbdStatus::ENDPOINT_HALTED => Status::STALL,
        UsbdStatus::CANCELED => Status::CANCELLED,
        UsbdStatus::INVALID_PARAMETER | UsbdStatus::INVALID_PIPE_HANDLE => Status::INVALID,
        UsbdStatus::TIMEOUT => Status::TIMEOUT,
        UsbdStatus::DATA_OVERRUN | UsbdStatus::BABBLE_DETECTED => Status::BABBLE,
        status if status.is_success() => Status::SUCCESS,
        _ => Status::IO_ERROR,
    }
}
