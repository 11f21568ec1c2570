// SPDX-License-Identifier: GPL-2.0-or-later
//! Packets of the guest, and the requests that they become.

use usbredir::{Packet, Status, TransferType, Verdict, IN};

use super::device::{OpenPipe, Pending, Stage};
use super::{Failure, Slot};
use crate::descriptor::is_in;
use crate::urb::{Buffer, Request};

/// CLEAR_FEATURE of an endpoint: bmRequestType, bRequest and the feature ENDPOINT_HALT.
const CLEAR_HALT: (u8, u8, u16) = (0x02, 1, 0);
/// SET_CONFIGURATION, and SET_ADDRESS, as control transfers: bmRequestType and bRequest.
const SET_CONFIGURATION: (u8, u8) = (0x00, 9);
const SET_ADDRESS: (u8, u8) = (0x00, 5);
/// SET_INTERFACE.
const SET_INTERFACE: (u8, u8) = (0x01, 11);

impl Slot {
    pub(super) fn packet(&mut self, id: u64, packet: Packet) {
        match packet {
            Packet::Hello { .. } => return self.connect(),
            Packet::FilterFilter { filter } => {
                self.guest_filter = Some(filter);
                let connected = self.device.as_ref().is_some_and(|it| it.is_connected());
                let verdict = self.verdict();
                if connected && verdict != Verdict::Allowed {
                    self.fail(Failure::Filter(verdict));
                }
                return;
            }
            Packet::FilterReject {} => return self.fail(Failure::Guest),
            Packet::DeviceDisconnectAck {} => {
                self.ack = false;
                return;
            }
            _ => (),
        }
        let connected = self
            .device
            .as_ref()
            .is_some_and(|it| it.stage == Stage::Connected);
        if !connected {
            // Sent before the guest had seen that the device is gone.
            return self.refuse(id, packet, Status::CANCELLED);
        }
        match packet {
            Packet::Reset {} => self.request(Pending::Reset, Request::ResetPort),
            Packet::SetConfiguration { configuration } => self.set_configuration(id, configuration),
            Packet::GetConfiguration {} => self.tell_configuration(id, Status::SUCCESS),
            Packet::SetAltSetting { interface, alt } => self.set_alt(id, interface, alt),
            Packet::GetAltSetting { interface } => self.tell_alt(id, interface, Status::SUCCESS),
            Packet::CancelDataPacket {} => self.cancel(id),
            Packet::Control { .. } => self.control(id, packet),
            Packet::Bulk {
                endpoint,
                length,
                stream,
                data,
                ..
            } => {
                self.bulk(id, endpoint, length, stream, data);
            }
            Packet::Interrupt { endpoint, data, .. } => self.interrupt(id, endpoint, data),
            Packet::Iso { endpoint, data, .. } => self.iso_out(endpoint, data),
            Packet::StartIsoStream {
                endpoint,
                packets_per_urb,
                urbs,
            } => {
                self.start_iso(endpoint, packets_per_urb, urbs);
            }
            Packet::StopIsoStream { endpoint }
            | Packet::StopInterruptReceiving { endpoint }
            | Packet::StopBulkReceiving { endpoint, .. } => self.stop_stream(endpoint, &packet),
            Packet::StartInterruptReceiving { endpoint } => self.start_interrupt(endpoint),
            Packet::StartBulkReceiving {
                stream,
                bytes_per_transfer,
                endpoint,
                transfers,
            } => {
                self.start_bulk(endpoint, stream, bytes_per_transfer, transfers);
            }
            // Streams of USB 3, which MS-RDPEUSB doesn't know.
            other => self.refuse(id, other, Status::INVALID),
        }
    }

    /// Answers a packet that doesn't become a request.
    fn refuse(&mut self, id: u64, packet: Packet, status: Status) {
        let answer = match packet {
            Packet::SetConfiguration { .. } | Packet::GetConfiguration {} => {
                Packet::ConfigurationStatus {
                    status,
                    configuration: 0,
                }
            }
            Packet::SetAltSetting { interface, .. } | Packet::GetAltSetting { interface } => {
                Packet::AltSettingStatus {
                    status,
                    interface,
                    alt: 0,
                }
            }
            Packet::StartIsoStream { endpoint, .. } => Packet::IsoStreamStatus { status, endpoint },
            Packet::StartInterruptReceiving { endpoint } => {
                Packet::InterruptReceivingStatus { status, endpoint }
            }
            Packet::StartBulkReceiving {
                stream, endpoint, ..
            } => Packet::BulkReceivingStatus {
                stream,
                endpoint,
                status,
            },
            Packet::AllocBulkStreams { endpoints, streams } => Packet::BulkStreamsStatus {
                endpoints,
                streams,
                status,
            },
            Packet::FreeBulkStreams { endpoints } => Packet::BulkStreamsStatus {
                endpoints,
                streams: 0,
                status,
            },
            Packet::Control { .. } => packet.ended(status, 0, vec![]),
            Packet::Bulk {
                endpoint, stream, ..
            } => Packet::Bulk {
                endpoint,
                status,
                length: 0,
                stream,
                data: vec![],
            },
            Packet::Interrupt { endpoint, .. } => Packet::Interrupt {
                endpoint,
                status,
                length: 0,
                data: vec![],
            },
            // Nobody waits for an answer.
            _ => return,
        };
        self.send(id, answer);
    }

    fn set_configuration(&mut self, id: u64, value: u8) {
        let Some(device) = &self.device else {
            return;
        };
        let index = device
            .configurations
            .iter()
            .position(|it| it.value == value);
        if value != 0 && index.is_none() {
            return self.tell_configuration(id, Status::STALL);
        }
        let index = if value == 0 { None } else { index };
        let descriptor = index.map(|index| device.configurations[index].bytes.clone());
        self.forget_streams(None);
        let request = Request::SelectConfiguration { descriptor };
        self.request(Pending::SetConfiguration { id, index }, request);
    }

    fn set_alt(&mut self, id: u64, interface: u8, alt: u8) {
        let configuration = self
            .device
            .as_ref()
            .and_then(|device| device.configuration());
        if configuration
            .and_then(|it| it.setting(interface, alt))
            .is_none()
        {
            return self.tell_alt(id, interface, Status::STALL);
        }
        self.forget_streams(Some(interface));
        let request = Request::SelectInterface { interface, alt };
        self.request(Pending::SetAlt { id, interface, alt }, request);
    }

    fn cancel(&mut self, id: u64) {
        if let Some(request) = self.device.as_ref().and_then(|device| device.find(id)) {
            self.cancel_request(request);
        }
    }

    /// Asks the client to cancel a request in flight, once; one that it hasn't been given yet stays,
    /// in order.
    pub(super) fn cancel_request(&mut self, request: u32) {
        let first = self
            .device
            .as_mut()
            .is_some_and(|device| device.cancel(request));
        if !first {
            return;
        }
        self.last = self.last % 0x7fff_ffff + 1;
        self.requests
            .push_back((self.last, Request::Cancel { request }));
    }

    fn control(&mut self, id: u64, packet: Packet) {
        let &Packet::Control {
            endpoint,
            request,
            request_type,
            value,
            index,
            length,
            ref data,
            ..
        } = &packet
        else {
            return;
        };
        // The direction of data is said twice.
        if endpoint & 0x7f != 0 || (length > 0 && is_in(endpoint) != is_in(request_type)) {
            return self.refuse(id, packet, Status::INVALID);
        }
        match (request_type, request) {
            // These have packets of their own, since they change what there is.
            SET_CONFIGURATION | SET_INTERFACE => return self.refuse(id, packet, Status::INVALID),
            // The client's host has given it one.
            SET_ADDRESS => return self.refuse(id, packet, Status::SUCCESS),
            _ => (),
        }
        let room = usize::from(length);
        if (request_type, request, value) == CLEAR_HALT {
            // Both ends of a pipe have to begin anew, and the client has one of them.
            let pipe = self
                .device
                .as_ref()
                .and_then(|device| device.pipe(index as u8));
            return match pipe {
                Some(pipe) => {
                    let reset = Request::ResetPipe { pipe: pipe.handle };
                    self.request(Pending::Control { id, packet, room }, reset);
                }
                None => self.refuse(id, packet, Status::STALL),
            };
        }
        let [value, index, size] = [value, index, length].map(u16::to_le_bytes);
        let setup = [
            request_type,
            request,
            value[0],
            value[1],
            index[0],
            index[1],
            size[0],
            size[1],
        ];
        let buffer = match is_in(endpoint) {
            true => Buffer::In(length.into()),
            false => Buffer::Out(data.clone()),
        };
        // What goes to the device isn't kept.
        let packet = packet.ended(Status::SUCCESS, length, vec![]);
        self.request(
            Pending::Control { id, packet, room },
            Request::Control { setup, buffer },
        );
    }

    /// An endpoint of a type, or how a transfer to it ends.
    pub(super) fn pipe(&self, endpoint: u8, kind: TransferType) -> Result<OpenPipe, Status> {
        let valid = endpoint & !(IN | 0x0f) == 0;
        let pipe = self
            .device
            .as_ref()
            .and_then(|device| device.pipe(endpoint));
        match pipe {
            Some(pipe) if valid && pipe.endpoint.kind == kind => Ok(pipe),
            _ => Err(Status::INVALID),
        }
    }

    fn bulk(&mut self, id: u64, endpoint: u8, length: u32, stream: u32, data: Vec<u8>) {
        let pipe = self.pipe(endpoint, TransferType::BULK);
        let fits = length as usize <= self.limits.transfer && stream == 0;
        let pipe = match pipe {
            Ok(pipe) if fits => pipe.handle,
            _ => {
                let packet = Packet::Bulk {
                    endpoint,
                    status: Status::INVALID,
                    length,
                    stream,
                    data,
                };
                return self.refuse(id, packet, Status::INVALID);
            }
        };
        let buffer = if is_in(endpoint) {
            Buffer::In(length)
        } else {
            Buffer::Out(data)
        };
        let pending = Pending::Bulk {
            id,
            endpoint,
            stream,
            length,
        };
        self.request(pending, Request::Transfer { pipe, buffer });
    }

    fn interrupt(&mut self, id: u64, endpoint: u8, data: Vec<u8>) {
        let length = data.len() as u16;
        match self.pipe(endpoint, TransferType::INTERRUPT) {
            Ok(pipe) => {
                let buffer = Buffer::Out(data);
                let pending = Pending::Interrupt {
                    id,
                    endpoint,
                    length,
                };
                self.request(
                    pending,
                    Request::Transfer {
                        pipe: pipe.handle,
                        buffer,
                    },
                );
            }
            Err(status) => {
                let packet = Packet::Interrupt {
                    endpoint,
                    status,
                    length,
                    data: vec![],
                };
                self.refuse(id, packet, status);
            }
        }
    }
}
