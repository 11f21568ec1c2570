// SPDX-License-Identifier: GPL-2.0-or-later
//! Endpoints that are read, or written, without a packet of the guest for each transfer.

use usbredir::{Endpoint, Packet, Status, TransferType};

use super::device::Pending;
use super::{status, Slot};
use crate::descriptor::is_in;
use crate::urb::{Buffer, Completion, Outcome, PipeHandle, Request};

/// Transfers of an interrupt endpoint in flight: one that waits for the device, and one that hides
/// the way to the client and back.
const INTERRUPT_TRANSFERS: u8 = 2;
/// The most packets of an isochronous request, and requests of a stream, as the protocol has it.
const MAX_ISO_PACKETS: u8 = 32;
const MAX_ISO_REQUESTS: u8 = 16;
/// Transfers of a bulk endpoint in flight.
const MAX_BULK_TRANSFERS: u8 = 16;

/// What a stream's requests are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// So many packets of the endpoint's size each.
    IsoIn { packets: u8 },
    /// Packets of the guest, of which so many become a request.
    IsoOut { packets: u8, waiting: Vec<Vec<u8>> },
    /// One transfer of so many bytes.
    Interrupt { room: u32 },
    /// As well.
    Bulk { stream: u32, room: u32 },
}

/// An endpoint's stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub generation: u32,
    pipe: PipeHandle,
    kind: Kind,
    /// Requests to be in flight, or the most that may be.
    wanted: u8,
    in_flight: u8,
}

impl Stream {
    fn status(&self, endpoint: u8, status: Status) -> Packet {
        match self.kind {
            Kind::IsoIn { .. } | Kind::IsoOut { .. } => {
                Packet::IsoStreamStatus { status, endpoint }
            }
            Kind::Interrupt { .. } => Packet::InterruptReceivingStatus { status, endpoint },
            Kind::Bulk { stream, .. } => Packet::BulkReceivingStatus {
                stream,
                endpoint,
                status,
            },
        }
    }
}

impl Slot {
    pub(super) fn start_iso(&mut self, endpoint: u8, packets: u8, requests: u8) {
        let packets = packets.clamp(1, MAX_ISO_PACKETS);
        let requests = requests.clamp(1, MAX_ISO_REQUESTS);
        let kind = match is_in(endpoint) {
            true => Kind::IsoIn { packets },
            false => Kind::IsoOut {
                packets,
                waiting: Vec::new(),
            },
        };
        self.start_stream(endpoint, TransferType::ISO, kind, requests);
    }

    pub(super) fn start_interrupt(&mut self, endpoint: u8) {
        let pipe = self.pipe(endpoint, TransferType::INTERRUPT);
        let room = pipe.map_or(0, |pipe| pipe.endpoint.max_packet_size.into());
        let kind = Kind::Interrupt { room };
        self.start_stream(endpoint, TransferType::INTERRUPT, kind, INTERRUPT_TRANSFERS);
    }

    pub(super) fn start_bulk(&mut self, endpoint: u8, stream: u32, room: u32, transfers: u8) {
        let kind = Kind::Bulk { stream, room };
        if stream != 0 || room == 0 || room as usize > self.limits.transfer {
            let status = Status::INVALID;
            return self.send(
                0,
                Packet::BulkReceivingStatus {
                    stream,
                    endpoint,
                    status,
                },
            );
        }
        let transfers = transfers.clamp(1, MAX_BULK_TRANSFERS);
        self.start_stream(endpoint, TransferType::BULK, kind, transfers);
    }

    fn start_stream(&mut self, endpoint: u8, of: TransferType, kind: Kind, wanted: u8) {
        let pipe = self.pipe(endpoint, of);
        let Some(device) = &mut self.device else {
            return;
        };
        device.generation += 1;
        let (generation, in_flight) = (device.generation, 0);
        let handle = pipe.map_or(0, |pipe| pipe.handle);
        let stream = Stream {
            generation,
            pipe: handle,
            kind,
            wanted,
            in_flight,
        };
        let started = device.streams[Endpoint::index(endpoint)].is_some();
        let status = match pipe {
            Err(status) => status,
            // A second start changes nothing.
            Ok(_) if started => Status::SUCCESS,
            Ok(_) => {
                device.streams[Endpoint::index(endpoint)] = Some(stream.clone());
                Status::SUCCESS
            }
        };
        self.send(0, stream.status(endpoint, status));
        self.feed(endpoint);
    }

    /// Stops a stream, which is answered like `packet`, the guest's.
    pub(super) fn stop_stream(&mut self, endpoint: u8, packet: &Packet) {
        let status = Status::SUCCESS;
        let answer = match *packet {
            Packet::StopIsoStream { .. } => Packet::IsoStreamStatus { status, endpoint },
            Packet::StopBulkReceiving { stream, .. } => Packet::BulkReceivingStatus {
                stream,
                endpoint,
                status,
            },
            _ => Packet::InterruptReceivingStatus { status, endpoint },
        };
        self.forget_stream(Endpoint::index(endpoint));
        self.send(0, answer);
    }

    /// Forgets the streams of an interface, or of all: the guest selects another setting.
    pub(super) fn forget_streams(&mut self, interface: Option<u8>) {
        for index in 0..usbredir::ENDPOINTS {
            let endpoint = (index as u8 & 0x10) << 3 | index as u8 & 0x0f;
            let pipe = self
                .device
                .as_ref()
                .and_then(|device| device.pipe(endpoint));
            let of = pipe.map(|pipe| pipe.endpoint.interface);
            if interface.is_none() || interface == of {
                self.forget_stream(index);
            }
        }
    }

    /// Forgets a stream. What it has in flight is cancelled, and ignored when it comes.
    fn forget_stream(&mut self, index: usize) {
        let Some(device) = &mut self.device else {
            return;
        };
        if let Some(stream) = device.streams[index].take() {
            for request in device.of_stream(stream.generation) {
                self.cancel_request(request);
            }
        }
    }

    /// Starts requests that streams want to have in flight, now that there is room for them.
    pub(super) fn resume_streams(&mut self) {
        for index in 0..usbredir::ENDPOINTS as u8 {
            self.feed((index & 0x10) << 3 | index & 0x0f);
        }
    }

    /// Starts what a stream wants to have in flight, while there is room for it.
    fn feed(&mut self, endpoint: u8) {
        let index = Endpoint::index(endpoint);
        while self.is_ready() {
            let Some(device) = &mut self.device else {
                return;
            };
            let size = device
                .pipe(endpoint)
                .map_or(0, |pipe| pipe.endpoint.max_packet_size);
            let Some(stream) = &mut device.streams[index] else {
                return;
            };
            if stream.in_flight >= stream.wanted {
                return;
            }
            let (generation, pipe) = (stream.generation, stream.pipe);
            let (pending, request) = match &mut stream.kind {
                Kind::IsoIn { packets } => {
                    let packets = vec![size; usize::from(*packets)];
                    let buffer = Buffer::In(u32::from(size) * packets.len() as u32);
                    (
                        Pending::Iso {
                            endpoint,
                            generation,
                            packets: packets.clone(),
                        },
                        Request::Iso {
                            pipe,
                            packets,
                            buffer,
                        },
                    )
                }
                Kind::IsoOut { packets, waiting } => {
                    if waiting.len() < usize::from(*packets) {
                        return;
                    }
                    let parts: Vec<Vec<u8>> = waiting.drain(..usize::from(*packets)).collect();
                    let packets: Vec<u16> = parts.iter().map(|part| part.len() as u16).collect();
                    let buffer = Buffer::Out(parts.concat());
                    (
                        Pending::Iso {
                            endpoint,
                            generation,
                            packets: packets.clone(),
                        },
                        Request::Iso {
                            pipe,
                            packets,
                            buffer,
                        },
                    )
                }
                Kind::Interrupt { room } | Kind::Bulk { room, .. } => (
                    Pending::Receive {
                        endpoint,
                        generation,
                        room: *room as usize,
                    },
                    Request::Transfer {
                        pipe,
                        buffer: Buffer::In(*room),
                    },
                ),
            };
            stream.in_flight += 1;
            self.request(pending, request);
        }
    }

    /// Takes a packet of an isochronous stream to the device. What comes too fast is dropped, as
    /// on a bus: nobody waits for it.
    pub(super) fn iso_out(&mut self, endpoint: u8, data: Vec<u8>) {
        let Some(device) = &mut self.device else {
            return;
        };
        let Some(stream) = &mut device.streams[Endpoint::index(endpoint)] else {
            return;
        };
        let most = usize::from(stream.wanted);
        if let Kind::IsoOut { packets, waiting } = &mut stream.kind {
            if waiting.len() < most * usize::from(*packets) {
                waiting.push(data);
            }
        }
        self.feed(endpoint);
    }

    /// The stream that a request belongs to, if it is still the endpoint's.
    pub(super) fn stream(&mut self, endpoint: u8, generation: u32) -> Option<&mut Stream> {
        let stream = self.device.as_mut()?.streams[Endpoint::index(endpoint)].as_mut()?;
        (stream.generation == generation).then_some(stream)
    }

    pub(super) fn iso_ended(
        &mut self,
        endpoint: u8,
        generation: u32,
        packets: &[u16],
        completion: Completion,
    ) {
        let Some(stream) = self.stream(endpoint, generation) else {
            return;
        };
        stream.in_flight -= 1;
        let ended = status(completion.status);
        if ended != Status::SUCCESS {
            return self.stream_failed(endpoint);
        }
        let Outcome::Iso {
            packets: results,
            data,
        } = completion.outcome
        else {
            return self.wrong_answer(completion.request);
        };
        if results.len() != packets.len() {
            return self.wrong_answer(completion.request);
        }
        if !is_in(endpoint) {
            return;
        }
        let mut offset = 0;
        for (result, room) in results.iter().zip(packets) {
            let end = offset + usize::from(result.length);
            let part = (result.length <= *room)
                .then(|| data.get(offset..end))
                .flatten();
            offset += usize::from(*room);
            let Some(part) = part else {
                return self.wrong_answer(completion.request);
            };
            let status = status(result.status);
            self.send(
                0,
                Packet::Iso {
                    endpoint,
                    status,
                    data: part.to_vec(),
                },
            );
        }
    }

    pub(super) fn received(
        &mut self,
        endpoint: u8,
        generation: u32,
        room: usize,
        completion: Completion,
    ) {
        let Some(stream) = self.stream(endpoint, generation) else {
            return;
        };
        stream.in_flight -= 1;
        let kind = stream.kind.clone();
        let ended = status(completion.status);
        if ended != Status::SUCCESS && ended != Status::BABBLE {
            return self.stream_failed(endpoint);
        }
        let (status, length, data) = self.transferred(endpoint, room, completion);
        match kind {
            Kind::Bulk { stream, .. } => {
                self.send(
                    0,
                    Packet::BufferedBulk {
                        stream,
                        endpoint,
                        status,
                        data,
                    },
                );
            }
            _ => {
                let length = length as u16;
                self.send(
                    0,
                    Packet::Interrupt {
                        endpoint,
                        status,
                        length,
                        data,
                    },
                );
            }
        }
    }

    /// Ends a stream whose endpoint fails, however it does: by a stall the guest learns that it is
    /// stopped, and may clear the halt and start it again.
    fn stream_failed(&mut self, endpoint: u8) {
        let index = Endpoint::index(endpoint);
        let stream = self
            .device
            .as_ref()
            .and_then(|device| device.streams[index].clone());
        self.forget_stream(index);
        if let Some(stream) = stream {
            self.send(0, stream.status(endpoint, Status::STALL));
        }
    }
}
