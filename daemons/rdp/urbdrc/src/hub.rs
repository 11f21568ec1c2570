// SPDX-License-Identifier: GPL-2.0-or-later
//! Sessions' channels, devices and `usb-redir`s: which device is where, and what goes from one to
//! the other. No I/O, and time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ironrdp_dvc::{DvcMessage, DvcProcessor};
use ironrdp_pdu::PduResult;
use ironrdp_rdpeusb::server::{UrbdrcControlServer, UrbdrcControlServerBackend};
use ironrdp_rdpeusb::InterfaceAlloc;
use rdp_usb::{Event as SlotEvent, Failure, Limits, Slot};
use usbredir::Filter;

use crate::device::{Device, Event};

/// The most channels of devices that a session has at once. A client that asks for more gets none.
pub(crate) const MAX_DEVICES: usize = 32;
/// What a message has beside a transfer's data, in bytes, and what ADD_DEVICE may have.
const OVERHEAD: usize = 1 << 16;
/// How long a QEMU may say nothing on a new connection. One that was migrated while it was connected
/// never says hello: it takes the connection for that of the QEMU it comes from, with the device
/// that was there.
const GREETING: Duration = Duration::from_secs(5);
/// Messages that can't be, before the client is no longer listened to.
const MAX_FAULTS: u32 = 100;

/// What is admitted.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The devices that guests may get; `None` for all. Each `usb-redir` may have another filter
    /// of its own.
    pub filter: Option<Filter>,
    /// What a device may use. [`Limits::default`] has the figures.
    pub limits: Limits,
}

/// A `usb-redir`, by the order in which they were added.
pub(crate) type LinkId = usize;

/// A session, by the order in which they were prepared.
pub(crate) type SessionId = u64;

/// A channel of a session. Another session's may have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChannelId {
    /// Whose it is.
    pub(crate) session: SessionId,
    /// Its number in that session's DRDYNVC.
    pub(crate) number: u32,
}

/// What the stream of a `usb-redir` is to be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Bytes can be taken.
    pub(crate) read: bool,
    /// Bytes wait to be sent.
    pub(crate) write: bool,
}

/// What is to be done for a session.
pub(crate) enum Output {
    /// Open a channel for a device.
    Open(SessionId),
    /// Send messages on a channel.
    Send(ChannelId, Vec<DvcMessage>),
    /// Close a channel.
    Close(ChannelId),
}

impl Output {
    /// Whose it is.
    pub(crate) fn session(&self) -> SessionId {
        match self {
            Output::Open(session) => *session,
            Output::Send(channel, _) | Output::Close(channel) => channel.session,
        }
    }
}

struct Link {
    name: String,
    /// Nothing while there is no connection to it.
    slot: Option<Slot>,
    /// When the connection began that there is.
    since: Option<Instant>,
    /// The channel of the device that is in it.
    device: Option<ChannelId>,
}

/// Counts the channels that a client asks for.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU32>);

impl UrbdrcControlServerBackend for Asked {
    fn create_device_chan(&mut self) -> PduResult<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A session: its control channel.
struct Control {
    number: u32,
    server: UrbdrcControlServer,
    asked: Asked,
    faults: u32,
    /// Channels that are being opened.
    opening: usize,
}

/// All of it.
pub(crate) struct Hub {
    config: Config,
    links: Vec<Link>,
    /// No more of them are about to be added.
    complete: bool,
    controls: BTreeMap<SessionId, Control>,
    devices: BTreeMap<ChannelId, Device>,
    interfaces: InterfaceAlloc,
    output: VecDeque<Output>,
}

impl Hub {
    pub(crate) fn new(config: Config) -> Hub {
        Hub {
            config,
            links: Vec::new(),
            complete: true,
            controls: BTreeMap::new(),
            devices: BTreeMap::new(),
            interfaces: InterfaceAlloc::default(),
            output: VecDeque::new(),
        }
    }

    /// What is to be done next for a session.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    // --- `usb-redir`s ---

    /// There is a `usb-redir`; [`Hub::connected`] says when it can be used.
    pub(crate) fn add_link(&mut self, name: &str) -> LinkId {
        self.links.push(Link {
            name: name.to_owned(),
            slot: None,
            since: None,
            device: None,
        });
        self.links.len() - 1
    }

    /// Whether all `usb-redir`s have been added. While more may be, a device for which none is
    /// free waits.
    pub(crate) fn set_complete(&mut self, complete: bool, now: Instant) {
        self.complete = complete;
        self.place(now);
    }

    /// A connection to a `usb-redir` begins.
    pub(crate) fn connected(&mut self, link: LinkId, now: Instant) {
        let slot = Slot::new(self.config.limits, self.config.filter.clone());
        self.links[link].slot = Some(slot);
        self.links[link].since = Some(now);
        self.place(now);
    }

    /// Whether a connection is to be given up and begun anew: nobody has said hello.
    pub(crate) fn is_mute(&self, link: LinkId, now: Instant) -> bool {
        let Link { slot, since, .. } = &self.links[link];
        let greeted = slot.as_ref().is_none_or(Slot::is_greeted);
        !greeted && since.is_some_and(|since| now.duration_since(since) >= GREETING)
    }

    /// It has ended. The device that was in it waits for one.
    pub(crate) fn disconnected(&mut self, link: LinkId, now: Instant) {
        let it = &mut self.links[link];
        (it.slot, it.since) = (None, None);
        if let Some(channel) = it.device.take() {
            log::info!("{}: QEMU has closed it; its device waits", it.name);
            if let Some(device) = self.devices.get_mut(&channel) {
                let messages = device.without_slot(now);
                self.send(channel, messages);
            }
        }
        self.place(now);
    }

    /// Whether bytes of a `usb-redir` can be taken.
    pub(crate) fn is_ready(&self, link: LinkId) -> bool {
        self.links[link].slot.as_ref().is_some_and(Slot::is_ready)
    }

    /// What its stream is to be used for now.
    pub(crate) fn interest(&self, link: LinkId) -> Interest {
        Interest {
            read: self.is_ready(link),
            write: !self.unsent(link).is_empty(),
        }
    }

    /// Takes bytes of a `usb-redir`, as many as can be.
    pub(crate) fn receive(&mut self, link: LinkId, bytes: &mut &[u8], now: Instant) {
        if let Some(slot) = &mut self.links[link].slot {
            slot.receive(bytes);
        }
        self.pump(link, now);
        // A guest that has let go of a device has room for another.
        self.place(now);
    }

    /// What waits to be sent to a `usb-redir`.
    pub(crate) fn unsent(&self, link: LinkId) -> &[u8] {
        self.links[link].slot.as_ref().map_or(&[], Slot::unsent)
    }

    /// Says how much of it has been sent.
    pub(crate) fn sent(&mut self, link: LinkId, count: usize, now: Instant) {
        if let Some(slot) = &mut self.links[link].slot {
            slot.sent(count);
        }
        self.pump(link, now);
    }

    // --- channels ---

    /// A session has ended: nothing is left of it. The others go on.
    pub(crate) fn session_ended(&mut self, session: SessionId, now: Instant) {
        self.controls.remove(&session);
        let channels: Vec<ChannelId> = self.devices_of(session).copied().collect();
        for channel in channels {
            self.closed(channel, now);
        }
        self.output.retain(|output| output.session() != session);
    }

    /// A session begins: its control channel is open.
    pub(crate) fn control_opened(&mut self, channel: ChannelId) {
        let asked = Asked::default();
        let mut server = UrbdrcControlServer::new(Box::new(asked.clone()));
        match server.start(channel.number) {
            Ok(messages) => self.send(channel, messages),
            Err(error) => log::error!("USB's control channel: {error}"),
        }
        let control = Control {
            number: channel.number,
            server,
            asked,
            faults: 0,
            opening: 0,
        };
        self.controls.insert(channel.session, control);
    }

    /// A device's channel is open.
    pub(crate) fn device_opened(&mut self, channel: ChannelId) {
        self.device_not_opened(channel.session);
        let Some(interface) = self.interfaces.alloc() else {
            log::error!("more devices than there are numbers");
            self.output.push_back(Output::Close(channel));
            return;
        };
        match Device::new(channel.number, interface) {
            Ok((device, messages)) => {
                self.devices.insert(channel, device);
                self.send(channel, messages);
            }
            Err(error) => log::error!("USB's channel {}: {error}", channel.number),
        }
    }

    /// A channel that the client has asked for is no longer being opened.
    pub(crate) fn device_not_opened(&mut self, session: SessionId) {
        if let Some(control) = self.controls.get_mut(&session) {
            control.opening = control.opening.saturating_sub(1);
        }
    }

    /// The control channel with this id, if it is one.
    fn control(&mut self, channel: ChannelId) -> Option<&mut Control> {
        let control = self.controls.get_mut(&channel.session)?;
        (control.number == channel.number).then_some(control)
    }

    /// A channel has been closed by the client, or with the session.
    pub(crate) fn closed(&mut self, channel: ChannelId, now: Instant) {
        if self.control(channel).is_some() {
            self.controls.remove(&channel.session);
        }
        let Some(device) = self.devices.remove(&channel) else {
            return;
        };
        if let Some(link) = self.link_of(channel) {
            let it = &mut self.links[link];
            log::info!("{}: {} is gone", it.name, device.name);
            it.device = None;
            if let Some(slot) = &mut it.slot {
                slot.unplug();
            }
            self.pump(link, now);
        }
        self.place(now);
    }

    /// A message on a channel. One that can't be is counted, and ends the device at last; the
    /// session goes on.
    pub(crate) fn message(&mut self, channel: ChannelId, message: &[u8], now: Instant) {
        let too_long = message.len() > self.config.limits.transfer + OVERHEAD;
        if self.control(channel).is_some() {
            return self.control_message(channel, message, too_long);
        }
        let Some(device) = self.devices.get_mut(&channel) else {
            return;
        };
        let (events, messages) = match too_long {
            true => (vec![Event::Wrong("it is too long".to_owned())], vec![]),
            false => device.receive(message),
        };
        self.send(channel, messages);
        let link = self.link_of(channel);
        for event in events {
            self.device_event(channel, link, event);
        }
        if let Some(link) = link {
            self.pump(link, now);
        }
        self.place(now);
    }

    fn control_message(&mut self, channel: ChannelId, message: &[u8], too_long: bool) {
        let Some(control) = self.control(channel) else {
            return;
        };
        if control.faults >= MAX_FAULTS {
            return;
        }
        let answer = match too_long {
            true => Err("it is too long".to_owned()),
            false => control
                .server
                .process(channel.number, message)
                .map_err(|error| error.to_string()),
        };
        let asked = control.asked.0.swap(0, Ordering::Relaxed);
        match answer {
            Ok(messages) => self.send(channel, messages),
            Err(error) => {
                control.faults += 1;
                log::warn!("a message on USB's control channel that can't be: {error}");
            }
        }
        let open = self.devices_of(channel.session).count();
        for _ in 0..asked {
            let Some(control) = self.control(channel) else {
                return;
            };
            if open + control.opening >= MAX_DEVICES {
                log::warn!("the client has more than {MAX_DEVICES} USB devices: one is left out");
                continue;
            }
            control.opening += 1;
            self.output.push_back(Output::Open(channel.session));
        }
    }

    fn device_event(&mut self, channel: ChannelId, link: Option<LinkId>, event: Event) {
        match event {
            Event::Arrived(name) => log::info!("the client has the USB device {name}"),
            Event::Completed(completion) => {
                if let Some(slot) = link.and_then(|link| self.links[link].slot.as_mut()) {
                    slot.complete(completion);
                }
            }
            Event::Wrong(error) => {
                log::warn!(
                    "USB's channel {}: a message that can't be: {error}",
                    channel.number
                );
                match link.and_then(|link| self.links[link].slot.as_mut()) {
                    Some(slot) => slot.misbehaved(),
                    // It isn't anywhere yet.
                    None => self.retract(channel),
                }
            }
        }
    }

    /// Ends what was to be cancelled and isn't answered. To be called about once a second.
    pub(crate) fn tick(&mut self, now: Instant) {
        let mut ended = Vec::new();
        for (channel, device) in &mut self.devices {
            ended.push((*channel, device.expire(now)));
        }
        for (channel, completions) in ended {
            let Some(link) = self.link_of(channel) else {
                continue;
            };
            for completion in completions {
                if let Some(slot) = &mut self.links[link].slot {
                    slot.complete(completion);
                }
            }
            self.pump(link, now);
        }
    }

    // --- between them ---

    /// The channels of a session's devices.
    fn devices_of(&self, session: SessionId) -> impl Iterator<Item = &ChannelId> {
        let all = |number| ChannelId { session, number };
        self.devices
            .range(all(0)..=all(u32::MAX))
            .map(|(channel, _)| channel)
    }

    fn link_of(&self, channel: ChannelId) -> Option<LinkId> {
        self.links.iter().position(|it| it.device == Some(channel))
    }

    /// Puts devices that wait into `usb-redir`s that are free, those of the earlier session first.
    /// Whoever has a `usb-redir` keeps it.
    fn place(&mut self, now: Instant) {
        let waiting: Vec<(ChannelId, usbredir::Speed)> = self
            .devices
            .iter()
            .filter(|(channel, _)| self.link_of(**channel).is_none())
            .filter_map(|(channel, device)| Some((*channel, device.speed?)))
            .collect();
        for (channel, speed) in waiting {
            let free =
                |it: &Link| it.device.is_none() && it.slot.as_ref().is_some_and(Slot::is_free);
            if let Some(link) = self.links.iter().position(free) {
                let it = &mut self.links[link];
                it.device = Some(channel);
                if let Some(slot) = &mut it.slot {
                    slot.plug(speed);
                }
                self.pump(link, now);
            } else if self.complete && self.links.iter().all(|it| it.device.is_some()) {
                let name = self.devices.get(&channel).map_or("", |it| &it.name);
                log::warn!(
                    "no usb-redir is free for {name}: the client is told that it isn't wanted"
                );
                self.retract(channel);
            }
            // Another one is about to be free, or QEMU about to come back.
        }
    }

    /// Tells the client that a device isn't wanted, and closes its channel.
    fn retract(&mut self, channel: ChannelId) {
        if let Some(mut device) = self.devices.remove(&channel) {
            let messages = device.retract();
            self.send(channel, messages.into_iter().collect());
            self.output.push_back(Output::Close(channel));
        }
    }

    /// Moves what a slot has for its device, and says what has happened to it.
    fn pump(&mut self, link: LinkId, now: Instant) {
        let mut messages = Vec::new();
        let channel = self.links[link].device;
        let mut failed = false;
        loop {
            let it = &mut self.links[link];
            let Some(slot) = &mut it.slot else {
                break;
            };
            if let Some((id, request)) = slot.poll_request() {
                let device = channel.and_then(|channel| self.devices.get_mut(&channel));
                match device.map(|device| device.request(id, request, now)) {
                    Some(Ok(message)) => messages.extend(message),
                    Some(Err(completion)) => slot.complete(completion),
                    None => (),
                }
                continue;
            }
            match slot.poll_event() {
                Some(SlotEvent::Plugged { vendor, product }) => {
                    log::info!("{}: {vendor:04x}:{product:04x} is there", it.name);
                }
                Some(SlotEvent::Failed(failure)) => {
                    log::warn!("{}: {}", it.name, story(&failure));
                    failed = true;
                }
                Some(SlotEvent::Refused(refusal)) => {
                    log::warn!("{}: a packet of QEMU that can't be: {refusal}", it.name);
                }
                Some(SlotEvent::WrongAnswer(request)) => {
                    log::warn!("{}: a wrong answer to request {request}", it.name);
                }
                None => break,
            }
        }
        if let Some(channel) = channel {
            self.send(channel, messages);
            if failed {
                self.links[link].device = None;
                self.retract(channel);
            }
        }
    }

    fn send(&mut self, channel: ChannelId, messages: Vec<DvcMessage>) {
        if !messages.is_empty() {
            self.output.push_back(Output::Send(channel, messages));
        }
    }
}

/// A failure with its cause.
fn story(failure: &Failure) -> String {
    match std::error::Error::source(failure) {
        Some(cause) => format!("{failure}: {cause}"),
        None => failure.to_string(),
    }
}
