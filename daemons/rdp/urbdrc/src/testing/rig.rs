// SPDX-License-Identifier: GPL-2.0-or-later
//! A hub, guests' sides of usbredir, and a client's messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use ironrdp_core::{encode_vec, Decode, ReadCursor};
use ironrdp_rdpeusb::io::{TsUrbInKind, TsUrbOutKind};
use ironrdp_rdpeusb::pdu::UrbdrcServerDevicePdu;
use rdp_usb::testing::{Device, Guest};
use rdp_usb::{Buffer, Done, Operation, UsbdStatus};
#[cfg(test)]
use usbredir::Packet;

use crate::hub::{ChannelId, Config, Hub, Output, SessionId};

/// The control channel of the first session; devices' come behind it.
pub const CONTROL: ChannelId = channel(1, 1);
/// FunctionId of the completions.
pub const URB_COMPLETION: u32 = 0x101;
pub const URB_COMPLETION_NO_DATA: u32 = 0x102;

/// A channel of a session, by its number there.
pub const fn channel(session: SessionId, number: u32) -> ChannelId {
    ChannelId { session, number }
}

/// A request of the server.
pub struct Asked {
    pub channel: ChannelId,
    /// InterfaceId and MessageId of the completion.
    pub head: [u32; 2],
    pub request: u32,
    pub what: UrbdrcServerDevicePdu,
}

pub struct Rig {
    pub hub: Hub,
    pub guests: Vec<Guest>,
    pub devices: BTreeMap<ChannelId, Box<dyn Device>>,
    /// Channels that the hub has closed.
    pub closed: Vec<ChannelId>,
    /// Devices that were told that they aren't wanted.
    pub retracted: Vec<ChannelId>,
    /// Requests that nobody has answered; with `manual` none are by themselves.
    pub asked: VecDeque<Asked>,
    pub manual: bool,
    /// Nothing goes to guests, or comes from them.
    pub frozen: bool,
    /// Requests that were to be cancelled.
    pub cancelled: Vec<u32>,
    pub now: Instant,
    /// The session whose client plugs devices in.
    pub session: SessionId,
    /// The number of its next channel.
    next: BTreeMap<SessionId, u32>,
    completions: BTreeMap<ChannelId, u32>,
    open: BTreeSet<ChannelId>,
}

/// A message of 32-bit words.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let bytes = units.iter().flat_map(|unit| unit.to_le_bytes());
    words(&[units.len() as u32])
        .into_iter()
        .chain(bytes)
        .collect()
}

/// ADD_DEVICE of a device with this speed's flag.
pub fn add_device(interface: u32, high_speed: u32) -> Vec<u8> {
    [
        words(&[0x4000_0001, 0, 0x101, 1, interface]),
        text("instance\0"),
        text("USB\\VID_46F4&PID_0001&REV_0100\0USB\\VID_46F4&PID_0001\0\0"),
        text("USB\\Class_08\0\0"),
        text("{00000000-0000-0000-0000-000000000001}\0"),
        words(&[28, 2, 0x600, 0x200, 0, high_speed, 0]),
    ]
    .concat()
}

/// A completion of an URB: its result behind the header, HResult 0, and the data behind that.
pub fn completion(
    asked: &Asked,
    function: u32,
    status: u32,
    body: &[u8],
    size: u32,
    data: &[u8],
) -> Vec<u8> {
    let length = 8 + body.len();
    [
        words(&[
            asked.head[0],
            asked.head[1],
            function,
            asked.request,
            length as u32,
        ]),
        (length as u16).to_le_bytes().to_vec(),
        vec![0, 0],
        words(&[status]),
        body.to_vec(),
        words(&[0, size]),
        data.to_vec(),
    ]
    .concat()
}

impl Rig {
    /// A hub with so many `usb-redir`s, all of them connected.
    pub fn new(config: Config, links: usize) -> Rig {
        let mut rig = Rig {
            hub: Hub::new(config),
            guests: Vec::new(),
            devices: BTreeMap::new(),
            closed: Vec::new(),
            retracted: Vec::new(),
            asked: VecDeque::new(),
            manual: false,
            frozen: false,
            cancelled: Vec::new(),
            now: Instant::now(),
            session: CONTROL.session,
            next: BTreeMap::new(),
            completions: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        for link in 0..links {
            rig.hub.add_link(&format!("usb{link}"));
            rig.guests.push(Guest::new());
            rig.hub.connected(link, rig.now);
        }
        rig.control();
        rig
    }

    /// One whose only guest sees a device; and its channel.
    #[cfg(test)]
    pub fn with(device: impl Device + 'static) -> (Rig, ChannelId) {
        let mut rig = Rig::new(Config::default(), 1);
        let channel = rig.plug(device);
        assert!(rig.guests[0].device.is_some());
        (rig, channel)
    }

    /// A session begins: the control channel, up to where devices are added.
    pub fn control(&mut self) {
        let control = channel(self.session, CONTROL.number);
        self.next.insert(self.session, CONTROL.number + 1);
        self.hub.control_opened(control);
        self.settle();
        self.client(control, &words(&[0, 1, 1, 0]));
        self.client(control, &words(&[0x4000_0003, 1, 0x100, 1, 0, 0]));
    }

    /// A message of the client.
    pub fn client(&mut self, channel: ChannelId, message: &[u8]) {
        self.hub.message(channel, message, self.now);
        self.settle();
    }

    /// The client has a device.
    #[cfg(test)]
    pub fn plug(&mut self, device: impl Device + 'static) -> ChannelId {
        let channel = self.channel();
        self.devices.insert(channel, Box::new(device));
        self.client(channel, &add_device(5, 1));
        channel
    }

    /// A channel for a device, before there is one.
    #[cfg(test)]
    pub fn channel(&mut self) -> ChannelId {
        let control = channel(self.session, CONTROL.number);
        let channel = channel(self.session, self.next[&self.session]);
        self.client(control, &words(&[0x4000_0001, 0, 0x100]));
        assert!(self.open.contains(&channel), "no channel was opened");
        self.client(channel, &words(&[0, 1, 1, 0]));
        self.client(channel, &words(&[0x4000_0003, 1, 0x100, 1, 0, 0]));
        channel
    }

    /// The number of the session's newest channel.
    pub fn last_channel(&self) -> u32 {
        self.next[&self.session] - 1
    }

    /// How many channels of devices are open.
    pub fn channels(&self) -> usize {
        self.open.len()
    }

    /// The client closes a channel.
    pub fn close(&mut self, channel: ChannelId) {
        self.open.remove(&channel);
        self.devices.remove(&channel);
        self.asked.retain(|asked| asked.channel != channel);
        self.hub.closed(channel, self.now);
        self.settle();
    }

    /// The session ends, whatever it has.
    pub fn end(&mut self) {
        self.devices
            .retain(|channel, _| channel.session != self.session);
        self.open.retain(|channel| channel.session != self.session);
        self.asked
            .retain(|asked| asked.channel.session != self.session);
        self.hub.session_ended(self.session, self.now);
        self.settle();
    }

    pub fn later(&mut self, time: Duration) {
        self.now += time;
        self.hub.tick(self.now);
        self.settle();
    }

    /// Lets everything move that does by itself.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            let mut moved = false;
            while let Some(output) = self.hub.poll_output() {
                self.output(output);
                moved = true;
            }
            for asked in std::mem::take(&mut self.asked) {
                if self.manual {
                    self.asked.push_back(asked);
                } else {
                    moved |= self.answer(asked);
                }
            }
            for link in 0..self.guests.len() {
                if self.frozen {
                    break;
                }
                let bytes = self.hub.unsent(link).to_vec();
                self.guests[link].receive(&bytes);
                self.hub.sent(link, bytes.len(), self.now);
                let unsent = self.guests[link].connection.unsent().to_vec();
                let mut left = &unsent[..];
                if self.hub.is_ready(link) && !unsent.is_empty() {
                    self.hub.receive(link, &mut left, self.now);
                }
                let taken = unsent.len() - left.len();
                self.guests[link].connection.sent(taken);
                moved |= taken > 0 || !bytes.is_empty();
            }
            if !moved {
                return;
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Open(session) => {
                let next = self.next.get_mut(&session).expect("a session that stands");
                let opened = channel(session, *next);
                *next += 1;
                self.open.insert(opened);
                self.hub.device_opened(opened);
            }
            Output::Close(channel) => {
                self.closed.push(channel);
                self.open.remove(&channel);
                self.hub.closed(channel, self.now);
            }
            Output::Send(channel, messages) => {
                for message in messages {
                    let bytes = encode_vec(message.as_ref()).expect("a message");
                    if channel.number != CONTROL.number {
                        self.server(channel, &bytes);
                    }
                }
            }
        }
    }

    /// A message of the server on a device's channel.
    fn server(&mut self, channel: ChannelId, bytes: &[u8]) {
        use UrbdrcServerDevicePdu::*;
        let pdu = UrbdrcServerDevicePdu::decode(&mut ReadCursor::new(bytes)).expect("a PDU");
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let message = word(4);
        let request = match &pdu {
            RegReqCb(it) => {
                let interface = it.request_completion.map(u32::from).expect("an interface");
                self.completions.insert(channel, interface);
                return;
            }
            CancelReq(it) => return self.cancelled.push(it.req_id),
            Retract(_) => return self.retracted.push(channel),
            TransferIn(it) => it.ts_urb.header.req_id.into(),
            TransferOut(it) => it.ts_urb.header.req_id.into(),
            IoCtl(it) => it.req_id,
            _ => return,
        };
        let interface = self.completions[&channel] | 0x4000_0000;
        self.asked.push_back(Asked {
            channel,
            head: [interface, message],
            request,
            what: pdu,
        });
    }

    /// Answers as the standard says. False if the device isn't ready: it is asked again.
    pub fn answer(&mut self, asked: Asked) -> bool {
        use UrbdrcServerDevicePdu::*;
        let Some(device) = self.devices.get_mut(&asked.channel) else {
            return false;
        };
        let message = match &asked.what {
            IoCtl(_) => words(&[asked.head[0], asked.head[1], 0x100, asked.request, 0, 0, 0]),
            TransferIn(it) => {
                let room = it.output_buffer_size;
                let buffer = Buffer::In(room);
                let plain = |done: Done| {
                    let function = match done.data.is_empty() {
                        true => URB_COMPLETION_NO_DATA,
                        false => URB_COMPLETION,
                    };
                    let size = done.data.len() as u32;
                    completion(&asked, function, done.status.0, &[], size, &done.data)
                };
                match &it.ts_urb.kind {
                    TsUrbInKind::CtlDescReq(urb) => {
                        let [low, high] = (room as u16).to_le_bytes();
                        let setup = [0x80, 6, urb.index, urb.desc_type, 0, 0, low, high];
                        match device.perform(&Operation::Control { setup, buffer }) {
                            Some(done) => plain(done),
                            None => return false,
                        }
                    }
                    TsUrbInKind::SelectConfig(_) => {
                        let body = selected(&device.configuration());
                        completion(&asked, URB_COMPLETION_NO_DATA, 0, &body, 0, &[])
                    }
                    TsUrbInKind::PipeReq(urb) => {
                        device.clear_halt(urb.pipe_handle as u8);
                        plain(Done::with(UsbdStatus::SUCCESS))
                    }
                    TsUrbInKind::BulkInterruptTransfer(urb) => {
                        let endpoint = urb.pipe_handle as u8;
                        match device.perform(&Operation::Bulk { endpoint, buffer }) {
                            Some(done) => plain(done),
                            None => {
                                self.asked.push_back(asked);
                                return false;
                            }
                        }
                    }
                    _ => plain(Done::with(UsbdStatus::STALL_PID)),
                }
            }
            TransferOut(it) => match &it.ts_urb.kind {
                TsUrbOutKind::BulkInterruptTransfer(urb) => {
                    let endpoint = urb.pipe_handle as u8;
                    let buffer = Buffer::Out(it.output_buffer.clone());
                    match device.perform(&Operation::Bulk { endpoint, buffer }) {
                        Some(done) => {
                            let (status, sent) = (done.status.0, done.sent as u32);
                            completion(&asked, URB_COMPLETION_NO_DATA, status, &[], sent, &[])
                        }
                        None => {
                            self.asked.push_back(asked);
                            return false;
                        }
                    }
                }
                _ => {
                    let status = UsbdStatus::STALL_PID.0;
                    completion(&asked, URB_COMPLETION_NO_DATA, status, &[], 0, &[])
                }
            },
            _ => return false,
        };
        self.hub.message(asked.channel, &message, self.now);
        true
    }

    /// The guest asks; its id.
    #[cfg(test)]
    pub fn ask(&mut self, packet: Packet) -> u64 {
        let id = self.guests[0].ask(packet);
        self.settle();
        id
    }

    /// The answer to it.
    #[cfg(test)]
    pub fn answered(&mut self, id: u64) -> Packet {
        self.guests[0].answers.remove(&id).expect("an answer")
    }
}

/// TS_URB_SELECT_CONFIGURATION_RESULT of a configuration with one interface. A pipe's handle is
/// its address.
pub fn selected(configuration: &[u8]) -> Vec<u8> {
    let mut pipes: Vec<u8> = Vec::new();
    let mut count = 0;
    let mut alt = u8::MAX;
    let mut rest = configuration;
    while let &[length, kind, ..] = rest {
        let (one, next) = rest.split_at(length.into());
        rest = next;
        match kind {
            4 => alt = one[3],
            5 if alt == 0 => {
                count += 1;
                pipes.extend([one[4], one[5], one[2], one[6]]);
                pipes.extend(words(&[u32::from(one[3]), u32::from(one[2]), 0, 0]));
            }
            _ => (),
        }
    }
    let length = (16 + pipes.len()) as u16;
    [
        words(&[1, 1]),
        length.to_le_bytes().to_vec(),
        vec![0, 0, 0, 0, 0, 0],
        words(&[1, count]),
        pipes,
    ]
    .concat()
}
