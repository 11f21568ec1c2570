// SPDX-License-Identifier: GPL-2.0-or-later
//! The client's side of MS-RDPEUSB: its channels, and a share for each device. No I/O.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use ironrdp_core::impl_as_any;
use ironrdp_dvc::{
    encode_dvc_messages, DrdynvcClient, DvcChannelListener, DvcClientProcessor, DvcMessage,
    DvcProcessor,
};
use ironrdp_pdu::{encode_err, PduResult};
use ironrdp_rdpeusb::client::{UrbdrcControlClient, UrbdrcDeviceBackend, UrbdrcDeviceClient};
use ironrdp_rdpeusb::io::{
    DeviceInfo, DeviceText, InternalIoControlPacket, IoControlCompletionResult, IoControlPacket,
    IoctlInternalUsb, TransferInCompletionResult, TransferInPacket, TransferOutCompletionResult,
    TransferOutPacket,
};
use ironrdp_rdpeusb::pdu::sink::AddVirtualChannel;
use ironrdp_rdpeusb::{InterfaceAlloc, CHANNEL_NAME};
use ironrdp_svc::{ChannelFlags, SvcMessage};
use rdp_usb::{Done, Operation, OperationId, Request, RequestId, Share, UsbdStatus};

use crate::convert::{self, Answer, Asked, Form};
use crate::device::{Description, DeviceId};
use crate::short;

/// The longest message that is taken, in bytes: a transfer's data, and what is about it.
const MAX_MESSAGE: usize = (4 << 20) + (1 << 16);
/// HRESULTs: it was done; and HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED).
const S_OK: u32 = 0;
const NOT_SUPPORTED: u32 = 0x8007_0032;

/// What a server has said, in order.
enum Said {
    /// Channels may be asked for.
    Ready,
    /// A channel is a device's.
    Opened {
        channel: u32,
        device: DeviceId,
    },
    In {
        channel: u32,
        request: RequestId,
        packet: TransferInPacket,
    },
    Out {
        channel: u32,
        request: RequestId,
        packet: TransferOutPacket,
    },
    Reset {
        channel: u32,
        request: RequestId,
    },
    Cancel {
        channel: u32,
        request: RequestId,
    },
    Retracted {
        channel: u32,
    },
    Closed {
        channel: u32,
    },
}

#[derive(Default)]
struct State {
    said: VecDeque<Said>,
    control: Option<u32>,
    /// Devices whose channels have been asked for, in order, and those that wait to be.
    asked: VecDeque<DeviceId>,
    waiting: VecDeque<DeviceId>,
    info: BTreeMap<DeviceId, DeviceInfo>,
    is_ready: bool,
}

/// What channels and client share. It is held for moments, and never twice.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.0.lock().expect("no panic while it is held"))
    }

    fn say(&self, said: Said) {
        self.with(|state| state.said.push_back(said));
    }
}

/// Gives a processor to each channel that a server opens.
pub struct Listener {
    shared: Shared,
    interfaces: InterfaceAlloc,
}

impl DvcChannelListener for Listener {
    fn channel_name(&self) -> &str {
        CHANNEL_NAME
    }

    fn create(&mut self, channel: u32) -> Option<Box<dyn DvcClientProcessor>> {
        if self.shared.with(|state| state.control.is_none()) {
            self.shared.with(|state| state.control = Some(channel));
            let shared = self.shared.clone();
            let ready = Box::new(move || {
                shared.say(Said::Ready);
                Ok(vec![])
            });
            return Some(Box::new(Control {
                client: UrbdrcControlClient::new(ready),
                shared: self.shared.clone(),
            }));
        }
        let device = self.shared.with(|state| state.asked.pop_front())?;
        let info = self.shared.with(|state| state.info.get(&device).cloned())?;
        let interface = self.interfaces.alloc()?;
        let backend = Backend {
            shared: self.shared.clone(),
            info,
        };
        let client = UrbdrcDeviceClient::new(interface, Box::new(backend)).ok()?;
        self.shared.say(Said::Opened { channel, device });
        Some(Box::new(Channel {
            client,
            shared: self.shared.clone(),
        }))
    }
}

/// The control channel. What a server sends and can't be is logged, and ends nothing.
struct Control {
    client: UrbdrcControlClient,
    shared: Shared,
}

/// A device's channel.
struct Channel {
    client: UrbdrcDeviceClient,
    shared: Shared,
}

macro_rules! processor {
    ($kind:ty, $closed:expr) => {
        impl DvcProcessor for $kind {
            fn channel_name(&self) -> &str {
                CHANNEL_NAME
            }

            fn start(&mut self, channel: u32) -> PduResult<Vec<DvcMessage>> {
                self.client.start(channel)
            }

            fn process(&mut self, channel: u32, message: &[u8]) -> PduResult<Vec<DvcMessage>> {
                if message.len() > MAX_MESSAGE {
                    log::warn!("a message of {} bytes is left out", message.len());
                    return Ok(vec![]);
                }
                if short::is_cut(message) {
                    log::warn!("a message of the server is cut short");
                    return Ok(vec![]);
                }
                Ok(self
                    .client
                    .process(channel, message)
                    .unwrap_or_else(|error| {
                        log::warn!("a message of the server that can't be: {error}");
                        vec![]
                    }))
            }

            fn close(&mut self, channel: u32) {
                $closed(&self.shared, channel);
            }
        }

        impl_as_any!($kind);

        impl DvcClientProcessor for $kind {}
    };
}

processor!(Control, |shared: &Shared, _| shared.with(|state| {
    state.control = None;
    state.is_ready = false;
}));
processor!(Channel, |shared: &Shared, channel| shared
    .say(Said::Closed { channel }));

struct Backend {
    shared: Shared,
    info: DeviceInfo,
}

impl UrbdrcDeviceBackend for Backend {
    fn device_info(&mut self, _: u32) -> PduResult<DeviceInfo> {
        Ok(self.info.clone())
    }

    fn cancel_request(&mut self, request: RequestId, channel: u32) {
        self.shared.say(Said::Cancel { channel, request });
    }

    fn query_device_text(&mut self, _: u32, _: u32, _: u32) -> PduResult<DeviceText> {
        let it = &self.info.descriptor;
        Ok(DeviceText {
            hresult: S_OK,
            description: format!("USB {:04x}:{:04x}", it.vendor_id, it.product_id),
        })
    }

    fn io_control(
        &mut self,
        channel: u32,
        request: RequestId,
        packet: IoControlPacket,
    ) -> PduResult<Option<IoControlCompletionResult>> {
        let answer = |hresult, output_buffer: Vec<u8>| {
            Ok(Some(IoControlCompletionResult {
                hresult,
                information: output_buffer.len() as u32,
                output_buffer,
            }))
        };
        match packet.ioctl_code {
            IoctlInternalUsb::ResetPort => {
                self.shared.say(Said::Reset { channel, request });
                Ok(None)
            }
            // USBD_PORT_ENABLED and USBD_PORT_CONNECTED.
            IoctlInternalUsb::GetPortStatus => answer(S_OK, vec![3, 0, 0, 0]),
            IoctlInternalUsb::GetHubCount => answer(S_OK, vec![1, 0, 0, 0]),
            _ => answer(NOT_SUPPORTED, vec![]),
        }
    }

    fn internal_io_control(
        &mut self,
        _: u32,
        _: RequestId,
        _: InternalIoControlPacket,
    ) -> PduResult<Option<IoControlCompletionResult>> {
        Ok(Some(IoControlCompletionResult {
            hresult: S_OK,
            information: 4,
            output_buffer: vec![0; 4],
        }))
    }

    fn transfer_in(
        &mut self,
        channel: u32,
        request: RequestId,
        packet: TransferInPacket,
    ) -> PduResult<Option<TransferInCompletionResult>> {
        self.shared.say(Said::In {
            channel,
            request,
            packet,
        });
        Ok(None)
    }

    fn transfer_out(
        &mut self,
        channel: u32,
        request: RequestId,
        packet: TransferOutPacket,
    ) -> PduResult<Option<TransferOutCompletionResult>> {
        self.shared.say(Said::Out {
            channel,
            request,
            packet,
        });
        Ok(None)
    }

    fn transfer_out_no_ack(&mut self, _: u32, _: RequestId, _: TransferOutPacket) -> PduResult<()> {
        // A device isn't announced with a buffer for these: nobody may send them.
        Ok(())
    }

    fn retract(&mut self, channel: u32) -> PduResult<()> {
        self.shared.say(Said::Retracted { channel });
        Ok(())
    }
}

/// A device that a server uses.
struct Active {
    device: DeviceId,
    share: Share,
    /// What has been asked for, and how it is to be answered.
    forms: BTreeMap<RequestId, Shape>,
}

enum Shape {
    Transfer(Form),
    Reset,
}

/// What has happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server has a channel for it.
    Taken(DeviceId),
    /// The server doesn't want it: no `usb-redir` is free, or a rule is against it.
    Refused(DeviceId),
    /// The server has closed its channel.
    Released(DeviceId),
}

/// The client's half, for the devices that a user has named.
///
/// After [`Client::add`], [`Client::remove`], [`Client::done`] and whatever the session's
/// `drdynvc` has processed, call [`Client::poll`] and send what it gives; then carry out all of
/// [`Client::poll_operation`].
pub struct Client {
    shared: Shared,
    descriptions: BTreeMap<DeviceId, Description>,
    channels: BTreeMap<u32, Active>,
    operations: VecDeque<(DeviceId, OperationId, Operation)>,
    events: VecDeque<Event>,
}

impl Client {
    /// A client without devices, and the listener for its channels.
    pub fn new() -> (Client, Listener) {
        let shared = Shared::default();
        let listener = Listener {
            shared: shared.clone(),
            interfaces: InterfaceAlloc::default(),
        };
        let client = Client {
            shared,
            descriptions: BTreeMap::new(),
            channels: BTreeMap::new(),
            operations: VecDeque::new(),
            events: VecDeque::new(),
        };
        (client, listener)
    }

    /// A device is there, and is offered to the server as soon as that can be.
    ///
    /// # Errors
    ///
    /// Its descriptors can't be read.
    pub fn add(
        &mut self,
        device: DeviceId,
        description: Description,
    ) -> Result<(), rdp_usb::descriptor::DescriptorError> {
        let info = description.info()?;
        self.descriptions.insert(device, description);
        self.shared.with(|state| {
            state.info.insert(device, info);
            state.waiting.push_back(device);
        });
        Ok(())
    }

    /// A device is gone. Its channel is closed.
    pub fn remove(&mut self, device: DeviceId, drdynvc: &mut DrdynvcClient) -> Vec<SvcMessage> {
        self.descriptions.remove(&device);
        self.shared.with(|state| {
            state.info.remove(&device);
            state.waiting.retain(|it| *it != device);
        });
        let channel = self.channel_of(device);
        let Some(channel) = channel else {
            return vec![];
        };
        self.channels.remove(&channel);
        drdynvc.close_channel(channel).into_iter().collect()
    }

    fn channel_of(&self, device: DeviceId) -> Option<u32> {
        self.channels
            .iter()
            .find(|(_, it)| it.device == device)
            .map(|(channel, _)| *channel)
    }

    /// What is to be done with a device next.
    pub fn poll_operation(&mut self) -> Option<(DeviceId, OperationId, Operation)> {
        self.operations.pop_front()
    }

    /// What has happened to a device, if anything has.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes how an operation ended.
    pub fn done(&mut self, device: DeviceId, operation: OperationId, done: Done) {
        if let Some(channel) = self.channel_of(device) {
            if let Some(active) = self.channels.get_mut(&channel) {
                active.share.done(operation, done);
            }
        }
    }

    /// Takes what the server has said, and gives what is to be sent to it.
    ///
    /// # Errors
    ///
    /// A message can't be encoded.
    pub fn poll(&mut self, drdynvc: &mut DrdynvcClient) -> PduResult<Vec<SvcMessage>> {
        let mut messages: Vec<(u32, DvcMessage)> = Vec::new();
        while let Some(said) = self.shared.with(|state| state.said.pop_front()) {
            self.said(said, &mut messages, drdynvc);
        }
        self.ask_for_channels(&mut messages);
        for (channel, active) in &mut self.channels {
            active.answers(*channel, drdynvc, &mut messages);
            while let Some((id, operation)) = active.share.poll_operation() {
                self.operations.push_back((active.device, id, operation));
            }
        }
        let mut encoded = Vec::new();
        for (channel, message) in messages {
            encoded.extend(
                encode_dvc_messages(channel, vec![message], ChannelFlags::empty())
                    .map_err(|error| encode_err!(error))?,
            );
        }
        Ok(encoded)
    }

    fn ask_for_channels(&mut self, messages: &mut Vec<(u32, DvcMessage)>) {
        self.shared.with(|state| {
            let Some(control) = state.control.filter(|_| state.is_ready) else {
                return;
            };
            while let Some(device) = state.waiting.pop_front() {
                state.asked.push_back(device);
                messages.push((control, Box::new(AddVirtualChannel { msg_id: 0 })));
            }
        });
    }

    fn said(
        &mut self,
        said: Said,
        messages: &mut Vec<(u32, DvcMessage)>,
        drdynvc: &mut DrdynvcClient,
    ) {
        match said {
            Said::Ready => self.shared.with(|state| state.is_ready = true),
            Said::Opened { channel, device } => {
                let share = self.descriptions.get(&device).map(Description::share);
                if let Some(Ok(share)) = share {
                    self.events.push_back(Event::Taken(device));
                    let forms = BTreeMap::new();
                    self.channels.insert(
                        channel,
                        Active {
                            device,
                            share,
                            forms,
                        },
                    );
                }
            }
            Said::In {
                channel,
                request,
                packet,
            } => {
                if let Some(active) = self.channels.get_mut(&channel) {
                    let (asked, form) = convert::asked_in(packet);
                    let answer = active.asked(request, asked, form);
                    let client = drdynvc.get_dvc_by_channel_id_mut::<Channel>(channel);
                    if let (Some(answer), Some(mut client)) = (answer, client) {
                        let client = &mut client.processor_mut().client;
                        messages.extend(
                            client
                                .transfer_in_completion(request, answer)
                                .map(|message| (channel, message))
                                .ok(),
                        );
                    }
                }
            }
            Said::Out {
                channel,
                request,
                packet,
            } => {
                if let Some(active) = self.channels.get_mut(&channel) {
                    let (what, form) = convert::asked_out(packet);
                    active.forms.insert(request, Shape::Transfer(form));
                    active.share.handle(request, what);
                }
            }
            Said::Reset { channel, request } => {
                if let Some(active) = self.channels.get_mut(&channel) {
                    active.forms.insert(request, Shape::Reset);
                    active.share.handle(request, Request::ResetPort);
                }
            }
            Said::Cancel { channel, request } => {
                if let Some(active) = self.channels.get_mut(&channel) {
                    active.share.handle(0, Request::Cancel { request });
                }
            }
            Said::Retracted { channel } => {
                if let Some(active) = self.channels.remove(&channel) {
                    self.events.push_back(Event::Refused(active.device));
                }
            }
            Said::Closed { channel } => {
                if let Some(active) = self.channels.remove(&channel) {
                    self.events.push_back(Event::Released(active.device));
                }
            }
        }
    }
}

impl Active {
    /// Takes what a TRANSFER_IN_REQUEST asks for; the answer, if it is known at once.
    fn asked(
        &mut self,
        request: RequestId,
        asked: Option<Asked>,
        form: Form,
    ) -> Option<TransferInCompletionResult> {
        match asked {
            Some(Asked::Request(what)) => {
                self.forms.insert(request, Shape::Transfer(form));
                self.share.handle(request, what);
                None
            }
            Some(Asked::AbortPipe(pipe)) => {
                let of_pipe = |shape: &Shape| match shape {
                    Shape::Transfer(form) => form.pipe == Some(pipe),
                    Shape::Reset => false,
                };
                let requests = self.forms.iter().filter(|(_, shape)| of_pipe(shape));
                for request in requests.map(|(request, _)| *request).collect::<Vec<_>>() {
                    self.share.handle(0, Request::Cancel { request });
                }
                Some(convert::plain_in(UsbdStatus::SUCCESS))
            }
            // The bus is far away; nobody can use it for more than a clock that goes on.
            Some(Asked::FrameNumber) => Some(convert::frame_number(0)),
            None => Some(convert::plain_in(UsbdStatus::INVALID_PARAMETER)),
        }
    }

    /// Makes messages of what has ended.
    fn answers(
        &mut self,
        channel: u32,
        drdynvc: &mut DrdynvcClient,
        messages: &mut Vec<(u32, DvcMessage)>,
    ) {
        while let Some(done) = self.share.poll_completion() {
            let request = done.request;
            let Some(shape) = self.forms.remove(&request) else {
                continue;
            };
            let Some(mut client) = drdynvc.get_dvc_by_channel_id_mut::<Channel>(channel) else {
                continue;
            };
            let client = &mut client.processor_mut().client;
            let message = match shape {
                Shape::Reset => {
                    let good = done.status.is_success();
                    client.io_ctl_completion(
                        request,
                        IoControlCompletionResult {
                            hresult: if good { S_OK } else { NOT_SUPPORTED },
                            information: 0,
                            output_buffer: vec![],
                        },
                    )
                }
                Shape::Transfer(form) => match form.answer(done, self.share.selected()) {
                    Answer::In(answer) => client.transfer_in_completion(request, answer),
                    Answer::Out(answer) => client.transfer_out_completion(request, answer),
                },
            };
            match message {
                Ok(message) => messages.push((channel, message)),
                Err(error) => log::warn!("an answer that can't be sent: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    usbredir::seed_tests!("client", 5, crate::testing::exercise);
}
