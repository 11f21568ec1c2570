// SPDX-License-Identifier: GPL-2.0-or-later
//! Answers of the client, and the packets that they become. What an answer has must fit its
//! request: it comes from a stranger.

use usbredir::{Packet, Status};

use super::device::Pending;
use super::{status, Slot};
use crate::descriptor::is_in;
use crate::high_speed;
use crate::urb::{Buffer, Completion, Outcome, Request, UsbdStatus};

/// GET_DESCRIPTOR of a device: bmRequestType and bRequest.
const GET_DESCRIPTOR: (u8, u8) = (0x80, 6);

impl Slot {
    /// Whether a client has ended by itself what waits for data, before anything came: after some
    /// time, or with the transfers of another endpoint. A host controller does neither.
    pub(super) fn is_given_up(&mut self, pending: &Pending, completion: &Completion) -> bool {
        let waits = match *pending {
            Pending::Bulk { endpoint, .. } => is_in(endpoint),
            Pending::Receive {
                endpoint,
                generation,
                ..
            } => self.stream(endpoint, generation).is_some(),
            _ => false,
        };
        let empty = match &completion.outcome {
            Outcome::None => true,
            Outcome::Data(data) => data.is_empty(),
            _ => false,
        };
        let ended = completion.status;
        waits && empty && (ended == UsbdStatus::TIMEOUT || ended == UsbdStatus::CANCELED)
    }

    /// Starts the same transfer of an endpoint from the device again.
    pub(super) fn ask_again(&mut self, pending: Pending) {
        let (endpoint, room) = match pending {
            Pending::Bulk {
                endpoint, length, ..
            } => (endpoint, length),
            Pending::Receive { endpoint, room, .. } => (endpoint, room as u32),
            _ => return,
        };
        let pipe = self.device.as_ref().and_then(|it| it.pipe(endpoint));
        match pipe {
            Some(pipe) => {
                let (pipe, buffer) = (pipe.handle, Buffer::In(room));
                self.request(pending, Request::Transfer { pipe, buffer });
            }
            // The endpoint has gone with its alternate setting.
            None => self.answer_without_device(pending),
        }
    }

    pub(super) fn completed(&mut self, pending: Pending, completion: Completion) {
        match pending {
            Pending::Setup => self.set_up_with(completion),
            Pending::Reset => (),
            Pending::SetConfiguration { id, index } => self.configured(id, index, completion),
            Pending::SetAlt { id, interface, alt } => {
                self.alt_selected(id, interface, alt, completion);
            }
            Pending::Control { id, packet, room } => {
                self.control_ended(id, packet, room, completion)
            }
            Pending::Bulk {
                id,
                endpoint,
                stream,
                length,
            } => {
                let ended = self.transferred(endpoint, length as usize, completion);
                let (status, length, data) = ended;
                let length = length as u32;
                self.send(
                    id,
                    Packet::Bulk {
                        endpoint,
                        status,
                        length,
                        stream,
                        data,
                    },
                );
            }
            Pending::Interrupt {
                id,
                endpoint,
                length,
            } => {
                let (status, length, data) = self.transferred(endpoint, length.into(), completion);
                let length = length as u16;
                self.send(
                    id,
                    Packet::Interrupt {
                        endpoint,
                        status,
                        length,
                        data,
                    },
                );
            }
            Pending::Iso {
                endpoint,
                generation,
                packets,
            } => {
                self.iso_ended(endpoint, generation, &packets, completion);
            }
            Pending::Receive {
                endpoint,
                generation,
                room,
            } => {
                self.received(endpoint, generation, room, completion);
            }
        }
    }

    fn control_ended(&mut self, id: u64, packet: Packet, room: usize, completion: Completion) {
        let Packet::Control {
            endpoint,
            request_type,
            request,
            ..
        } = packet
        else {
            return;
        };
        let (status, length, mut data) = self.transferred(endpoint, room, completion);
        let is_super_speed = self.device.as_ref().is_some_and(|it| it.is_super_speed);
        if is_super_speed && (request_type, request) == GET_DESCRIPTOR {
            high_speed::show(&mut data);
        }
        self.send(id, packet.ended(status, length as u16, data));
    }

    /// How a transfer ended, how many bytes it moved, and the data that came: no more than there
    /// is room for.
    pub(super) fn transferred(
        &mut self,
        endpoint: u8,
        room: usize,
        completion: Completion,
    ) -> (Status, usize, Vec<u8>) {
        let ended = status(completion.status);
        match (is_in(endpoint), completion.outcome) {
            (true, Outcome::Data(mut data)) => {
                let babbles = data.len() > room;
                data.truncate(room);
                let ended = if babbles { Status::BABBLE } else { ended };
                (ended, data.len(), data)
            }
            (false, Outcome::Sent(count)) if count as usize <= room => {
                (ended, count as usize, vec![])
            }
            (_, Outcome::None) => (ended, 0, vec![]),
            _ => {
                self.wrong_answer(completion.request);
                (Status::IO_ERROR, 0, vec![])
            }
        }
    }

    /// Tells the guest of a request whose device is gone.
    pub(super) fn answer_without_device(&mut self, pending: Pending) {
        let status = Status::CANCELLED;
        let (id, packet) = match pending {
            Pending::Control { id, packet, .. } => (id, packet.ended(status, 0, vec![])),
            Pending::Bulk {
                id,
                endpoint,
                stream,
                ..
            } => (
                id,
                Packet::Bulk {
                    endpoint,
                    status,
                    length: 0,
                    stream,
                    data: vec![],
                },
            ),
            Pending::Interrupt { id, endpoint, .. } => (
                id,
                Packet::Interrupt {
                    endpoint,
                    status,
                    length: 0,
                    data: vec![],
                },
            ),
            Pending::SetConfiguration { id, .. } => (
                id,
                Packet::ConfigurationStatus {
                    status,
                    configuration: 0,
                },
            ),
            Pending::SetAlt { id, interface, .. } => (
                id,
                Packet::AltSettingStatus {
                    status,
                    interface,
                    alt: 0,
                },
            ),
            Pending::Setup | Pending::Reset | Pending::Iso { .. } | Pending::Receive { .. } => {
                return
            }
        };
        self.send(id, packet);
    }
}
