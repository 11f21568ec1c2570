// SPDX-License-Identifier: GPL-2.0-or-later
//! What a fuzz target makes of its input.

use usbredir::{Packet, Status};

/// Takes from the front of an input; zeros when it has ended.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of it.
    pub fn new(input: &'a [u8]) -> Input<'a> {
        Input(input)
    }

    /// Whether it has ended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// As many bytes as the next one says, at most as many as there are.
    pub fn bytes(&mut self) -> Vec<u8> {
        let count = usize::from(self.byte());
        self.take(count)
    }

    /// So many bytes, or as many as there are.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes.to_vec()
    }

    /// What any guest may send, as its packet with this id.
    pub fn packet(&mut self, id: u64) -> Packet {
        let (endpoint, status) = (self.byte(), Status::SUCCESS);
        match self.byte() % 12 {
            0 => Packet::SetConfiguration {
                configuration: endpoint % 3,
            },
            1 => Packet::SetAltSetting {
                interface: 0,
                alt: endpoint % 3,
            },
            2 => Packet::StartIsoStream {
                endpoint,
                packets_per_urb: self.byte(),
                urbs: self.byte(),
            },
            3 => Packet::StopIsoStream { endpoint },
            4 => Packet::StartInterruptReceiving {
                endpoint: endpoint | 0x80,
            },
            5 => Packet::StartBulkReceiving {
                stream: 0,
                bytes_per_transfer: u32::from(self.byte()) * 32,
                endpoint: endpoint | 0x80,
                transfers: self.byte(),
            },
            6 => Packet::Iso {
                endpoint: endpoint & 0x7f,
                status,
                data: self.bytes(),
            },
            7 if endpoint & 0x80 == 0 => {
                let data = self.bytes();
                Packet::Bulk {
                    endpoint,
                    status,
                    length: data.len() as u32,
                    stream: 0,
                    data,
                }
            }
            7 => {
                let length = u32::from(self.byte()) * 32;
                Packet::Bulk {
                    endpoint,
                    status,
                    length,
                    stream: 0,
                    data: vec![],
                }
            }
            8 => Packet::Control {
                endpoint: 0x80,
                request: self.byte(),
                request_type: endpoint,
                status,
                value: self.byte().into(),
                index: 0,
                length: u16::from(self.byte()) * 32,
                data: vec![],
            },
            9 => Packet::Reset {},
            10 => Packet::FilterReject {},
            _ if id % 2 == 0 => Packet::CancelDataPacket {},
            _ => Packet::DeviceDisconnectAck {},
        }
    }
}
