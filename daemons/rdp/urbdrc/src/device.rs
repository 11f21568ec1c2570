// SPDX-License-Identifier: GPL-2.0-or-later
//! One device's channel: its messages, and its requests in flight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ironrdp_dvc::{DvcMessage, DvcProcessor};
use ironrdp_pdu::{pdu_other_err, PduResult};
use ironrdp_rdpeusb::io::{
    DeviceAnnounce, DeviceText, IoControlCompletionResult, TransferInCompletionResult,
    TransferOutCompletionResult, UsbRetractReason,
};
use ironrdp_rdpeusb::pdu::header::InterfaceId;
use ironrdp_rdpeusb::server::{UrbdrcDeviceServer, UrbdrcDeviceServerBackend};
use rdp_usb::{Buffer, Completion, Outcome, Request, RequestId, UsbdStatus};
use usbredir::Speed;

use crate::clients::{self, Expected};
use crate::convert::{self, Selection, Sent};

/// What the client has said in a message.
enum Told {
    Device(DeviceAnnounce),
    In(u32, TransferInCompletionResult),
    Out(u32, TransferOutCompletionResult),
    IoControl(u32, IoControlCompletionResult),
}

/// Keeps what the protocol's machine is told until it has returned.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Told>>>);

impl Ear {
    fn push(&self, told: Told) {
        self.0.lock().expect("no panic while it is held").push(told);
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().expect("no panic while it is held"))
    }
}

impl UrbdrcDeviceServerBackend for Ear {
    fn add_device(&mut self, device: DeviceAnnounce) -> PduResult<()> {
        self.push(Told::Device(device));
        Ok(())
    }

    fn device_text(&mut self, _: DeviceText) {}

    fn io_control_completed(
        &mut self,
        _: u32,
        request: u32,
        result: IoControlCompletionResult,
    ) -> PduResult<()> {
        self.push(Told::IoControl(request, result));
        Ok(())
    }

    fn internal_io_control_completed(
        &mut self,
        _: u32,
        _: u32,
        _: IoControlCompletionResult,
    ) -> PduResult<()> {
        Ok(())
    }

    fn transfer_in_completed(
        &mut self,
        _: u32,
        request: u32,
        result: TransferInCompletionResult,
    ) -> PduResult<()> {
        self.push(Told::In(request, result));
        Ok(())
    }

    fn transfer_out_completed(
        &mut self,
        _: u32,
        request: u32,
        result: TransferOutCompletionResult,
    ) -> PduResult<()> {
        self.push(Told::Out(request, result));
        Ok(())
    }
}

/// A request that the client hasn't answered.
struct Pending {
    /// The slot's number for it; none if the slot has gone.
    of_slot: Option<RequestId>,
    request: Request,
    /// When the client was asked to cancel it.
    cancelled: Option<Instant>,
}

/// What a message has come to.
pub(crate) enum Event {
    /// There is a device, with its name in logs.
    Arrived(String),
    /// A request of the slot has ended.
    Completed(Completion),
    /// The message can't be.
    Wrong(String),
}

/// A device's channel, from its creation to its end.
pub(crate) struct Device {
    channel: u32,
    server: UrbdrcDeviceServer,
    ear: Ear,
    selection: Selection,
    pending: BTreeMap<u32, Pending>,
    /// What is known of the device once it has been announced.
    pub(crate) speed: Option<Speed>,
    /// A name for logs: the hardware id that the client tells.
    pub(crate) name: String,
}

impl Device {
    /// The channel that has been opened, with a free interface for completions, and the messages
    /// that begin it.
    pub(crate) fn new(
        channel: u32,
        completions: InterfaceId,
    ) -> PduResult<(Device, Vec<DvcMessage>)> {
        let ear = Ear::default();
        let mut server = UrbdrcDeviceServer::new(Box::new(ear.clone()), completions)
            .map_err(|_| pdu_other_err!("an interface that is the protocol's own"))?;
        let messages = server.start(channel)?;
        let device = Device {
            channel,
            server,
            ear,
            selection: Selection::default(),
            pending: BTreeMap::new(),
            speed: None,
            name: format!("channel {channel}"),
        };
        Ok((device, messages))
    }

    /// Takes a message of the client. Errors are events: a device that can't be understood is
    /// ended by who counts them, and nothing else is.
    pub(crate) fn receive(&mut self, message: &[u8]) -> (Vec<Event>, Vec<DvcMessage>) {
        let answered = clients::answers(message);
        let expected = answered
            .and_then(|request| self.pending.get(&request))
            .map(|pending| expected(&pending.request));
        let mended = match expected {
            Some(expected) => clients::mend(message, expected),
            None => message.into(),
        };
        let (messages, error) = match self.server.process(self.channel, &mended) {
            Ok(messages) => (messages, None),
            Err(error) => (vec![], Some(error)),
        };
        let mut events: Vec<Event> = self
            .ear
            .take()
            .into_iter()
            .filter_map(|told| self.told(told))
            .collect();
        if let Some(error) = error {
            events.push(Event::Wrong(error.to_string()));
            // Whoever waits for it has to know that there will be no other answer.
            if let Some(Pending {
                of_slot: Some(request),
                ..
            }) = answered.and_then(|request| self.pending.remove(&request))
            {
                let (status, outcome) = (UsbdStatus::XACT_ERROR, Outcome::None);
                events.push(Event::Completed(Completion {
                    request,
                    status,
                    outcome,
                }));
            }
        }
        (events, messages)
    }

    fn told(&mut self, told: Told) -> Option<Event> {
        let (id, told) = match told {
            Told::Device(announced) => return Some(self.announced(announced)),
            Told::In(id, _) | Told::Out(id, _) | Told::IoControl(id, _) => (id, told),
        };
        // One that was never answered, and then was.
        let pending = self.pending.remove(&id)?;
        let (status, outcome) = match told {
            Told::In(_, result) => {
                let (status, outcome, handle) = convert::ended_in(&pending.request, result);
                if let Request::SelectConfiguration { descriptor } = pending.request {
                    if status.is_success() {
                        self.selection.selected(handle.unwrap_or(0), descriptor);
                    }
                }
                (status, outcome)
            }
            Told::Out(_, result) => convert::ended_out(result),
            Told::IoControl(_, result) => {
                (convert::ended_io_control(result.hresult), Outcome::None)
            }
            Told::Device(_) => return None,
        };
        pending.of_slot.map(|request| {
            Event::Completed(Completion {
                request,
                status,
                outcome,
            })
        })
    }

    fn announced(&mut self, device: DeviceAnnounce) -> Event {
        // Whether it is a SuperSpeed device is seen from its descriptor.
        let speed = match device.usb_device_caps.device_speed.to_u32() {
            0 => Speed::FULL,
            _ => Speed::HIGH,
        };
        let id = device.hw_ids.into_iter().next().unwrap_or_default();
        // It is printed: a stranger's text, so no control characters and no novels.
        let id: String = id
            .chars()
            .filter(|it| it.is_ascii_graphic())
            .take(64)
            .collect();
        self.name = format!("{id:?} on channel {}", self.channel);
        self.speed = Some(speed);
        Event::Arrived(self.name.clone())
    }

    /// Makes the message of a slot's request. A request that can't be told is answered at once.
    pub(crate) fn request(
        &mut self,
        id: RequestId,
        request: Request,
        now: Instant,
    ) -> Result<Option<DvcMessage>, Completion> {
        if let Request::Cancel { request: wanted } = request {
            return Ok(self.cancel(wanted, now));
        }
        // Data to the device is handed over, and isn't kept twice.
        let kept = without_data(&request);
        let sent = match self.selection.message(request) {
            Ok(Sent::In(packet)) => self.server.transfer_in(packet),
            Ok(Sent::Out(packet)) => self.server.transfer_out(packet),
            Ok(Sent::IoControl(packet)) => self.server.io_control(packet),
            Err(error) => Err(error),
        };
        match sent {
            Ok(sent) => {
                let (of_slot, cancelled) = (Some(id), None);
                self.pending.insert(
                    sent.request_id,
                    Pending {
                        of_slot,
                        request: kept,
                        cancelled,
                    },
                );
                Ok(Some(sent.message))
            }
            Err(error) => {
                log::debug!("{}: a request that can't be told: {error}", self.name);
                Err(Completion {
                    request: id,
                    status: UsbdStatus::INVALID_PARAMETER,
                    outcome: Outcome::None,
                })
            }
        }
    }

    fn cancel(&mut self, wanted: RequestId, now: Instant) -> Option<DvcMessage> {
        let (id, pending) = self
            .pending
            .iter_mut()
            .find(|(_, pending)| pending.of_slot == Some(wanted))?;
        pending.cancelled.get_or_insert(now);
        self.server.cancel_request(*id).ok()
    }

    /// The slot is gone: what it has in flight is cancelled, and nobody waits for it.
    pub(crate) fn without_slot(&mut self, now: Instant) -> Vec<DvcMessage> {
        let mut messages = Vec::new();
        for (id, pending) in &mut self.pending {
            pending.of_slot = None;
            pending.cancelled.get_or_insert(now);
            messages.extend(self.server.cancel_request(*id));
        }
        messages
    }

    /// Ends what was to be cancelled and hasn't been answered since.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Completion> {
        let over = |pending: &Pending| {
            pending
                .cancelled
                .is_some_and(|since| now.duration_since(since) >= clients::UNANSWERED)
        };
        let ids: Vec<u32> = self
            .pending
            .iter()
            .filter(|(_, pending)| over(pending))
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter()
            .filter_map(|id| self.pending.remove(&id)?.of_slot)
            .map(|request| Completion {
                request,
                status: UsbdStatus::CANCELED,
                outcome: Outcome::None,
            })
            .collect()
    }

    /// The message by which the client is told that the device isn't wanted.
    pub(crate) fn retract(&mut self) -> Option<DvcMessage> {
        let reason = UsbRetractReason::BlockedByPolicy;
        self.server.retract_device(reason).ok()
    }
}

/// What a request's answer looks like.
fn expected(request: &Request) -> Expected {
    match request {
        Request::Control { setup, buffer } => {
            let out = setup[0] & 0x80 == 0 && !buffer.is_empty();
            if out {
                Expected::Out
            } else {
                Expected::ControlIn
            }
        }
        Request::Transfer {
            buffer: Buffer::Out(_),
            ..
        } => Expected::Out,
        Request::Iso {
            buffer: Buffer::Out(_),
            ..
        } => Expected::IsoOut,
        Request::Iso { .. } => Expected::IsoIn,
        Request::SelectConfiguration {
            descriptor: Some(_),
        } => Expected::SelectConfiguration,
        Request::ResetPort => Expected::IoControl(0),
        _ => Expected::In,
    }
}

fn without_data(request: &Request) -> Request {
    match request {
        Request::Transfer {
            pipe,
            buffer: Buffer::Out(_),
        } => Request::Transfer {
            pipe: *pipe,
            buffer: Buffer::Out(vec![]),
        },
        Request::Iso {
            pipe,
            packets,
            buffer: Buffer::Out(_),
        } => Request::Iso {
            pipe: *pipe,
            packets: packets.clone(),
            buffer: Buffer::Out(vec![]),
        },
        other => other.clone(),
    }
}
