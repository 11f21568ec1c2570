// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices in software: a storage stick, a keyboard, a serial adapter, and one with isochronous
//! endpoints.

use std::collections::{BTreeSet, VecDeque};

use crate::share::{Done, Operation};
use crate::urb::{Buffer, IsoResult, UsbdStatus};

/// A device. All of them have one configuration, whose value is 1.
pub trait Device {
    /// The device descriptor.
    fn descriptor(&self) -> Vec<u8>;
    /// The configuration's descriptors.
    fn configuration(&self) -> Vec<u8>;
    /// A class or vendor request on endpoint 0.
    fn request(&mut self, _setup: [u8; 8], _buffer: &Buffer) -> Done {
        Done::with(UsbdStatus::STALL_PID)
    }
    /// A transfer of another endpoint. `None`: the device isn't ready, and is asked again.
    fn transfer(&mut self, operation: &Operation) -> Option<Done>;
    /// An alternate setting has been selected.
    fn set_interface(&mut self, _alt: u8) {}
    /// A halt has been cleared.
    fn clear_halt(&mut self, _endpoint: u8) {}

    /// Carries out an operation. `None`: the device isn't ready, and is asked again.
    fn perform(&mut self, operation: &Operation) -> Option<Done> {
        match operation {
            Operation::Control { setup, buffer } => Some(match ([setup[0], setup[1]], setup[3]) {
                ([0x80, 6], 1) => received(self.descriptor(), buffer),
                ([0x80, 6], 2) => received(self.configuration(), buffer),
                ([0x80, 0], _) => received(vec![0, 0], buffer),
                _ => self.request(*setup, buffer),
            }),
            Operation::SetConfiguration(value) => Some(Done::with(match value {
                Some(1) | None => UsbdStatus::SUCCESS,
                _ => UsbdStatus::STALL_PID,
            })),
            Operation::SetInterface { alt, .. } => {
                self.set_interface(*alt);
                Some(Done::with(UsbdStatus::SUCCESS))
            }
            Operation::ClearHalt { endpoint } => {
                self.clear_halt(*endpoint);
                Some(Done::with(UsbdStatus::SUCCESS))
            }
            Operation::Reset => Some(Done::with(UsbdStatus::SUCCESS)),
            other => self.transfer(other),
        }
    }
}

fn received(mut data: Vec<u8>, buffer: &Buffer) -> Done {
    data.truncate(buffer.len());
    Done {
        data,
        ..Done::with(UsbdStatus::SUCCESS)
    }
}

fn sent(count: usize) -> Done {
    Done {
        sent: count,
        ..Done::with(UsbdStatus::SUCCESS)
    }
}

fn device_descriptor(vendor: u16, product: u16) -> Vec<u8> {
    let [vendor, product] = [vendor, product].map(u16::to_le_bytes);
    let [v, p] = [vendor, product];
    vec![
        18, 1, 0, 2, 0, 0, 0, 64, v[0], v[1], p[0], p[1], 0, 1, 0, 0, 0, 1,
    ]
}

fn configuration_descriptor(interfaces: u8, parts: &[&[u8]]) -> Vec<u8> {
    let rest = parts.concat();
    let [low, high] = (9 + rest.len() as u16).to_le_bytes();
    [&[9, 2, low, high, interfaces, 1, 0, 0x80, 50][..], &rest].concat()
}

fn interface(number: u8, alt: u8, endpoints: u8, class: [u8; 3]) -> Vec<u8> {
    vec![
        9, 4, number, alt, endpoints, class[0], class[1], class[2], 0,
    ]
}

fn endpoint(address: u8, attributes: u8, size: u16, interval: u8) -> Vec<u8> {
    let [low, high] = size.to_le_bytes();
    vec![7, 5, address, attributes, low, high, interval]
}

/// The size of a [`Stick`]'s blocks, in bytes.
pub const BLOCK: usize = 512;

/// A storage device by bulk-only transport (USB Mass Storage Class, Bulk-Only Transport 1.0), with
/// what of SCSI a driver needs. Endpoints 0x81 and 0x02.
pub struct Stick {
    /// Its blocks.
    pub blocks: Vec<u8>,
    state: Bot,
    halted: BTreeSet<u8>,
    /// Why the last command failed: SCSI's additional sense code.
    sense: u8,
}

/// SCSI's additional sense codes (SPC-4, annex D): no such command, and no such block.
const NO_COMMAND: u8 = 0x20;
const NO_BLOCK: u8 = 0x21;

/// A command block wrapper of bulk-only transport (section 5.1): a SCSI command that sends or
/// receives so many bytes.
pub fn command_block(cdb: &[u8], sent: usize, received: usize) -> Vec<u8> {
    let length = (sent + received) as u32;
    let mut wrapper = [b"USBC", &[1, 2, 3, 4][..], &length.to_le_bytes()].concat();
    let direction = if received > 0 { 0x80 } else { 0 };
    wrapper.extend([direction, 0, cdb.len() as u8]);
    wrapper.extend(cdb);
    wrapper.resize(31, 0);
    wrapper
}

enum Bot {
    Command,
    DataIn {
        tag: [u8; 4],
        data: Vec<u8>,
        expected: usize,
    },
    DataOut {
        tag: [u8; 4],
        at: usize,
        left: usize,
    },
    Status {
        tag: [u8; 4],
        residue: u32,
        failed: bool,
    },
}

impl Stick {
    /// A stick with so many blocks of zeros.
    pub fn new(blocks: usize) -> Stick {
        Stick {
            blocks: vec![0; blocks * BLOCK],
            state: Bot::Command,
            halted: BTreeSet::new(),
            sense: 0,
        }
    }

    fn command(&mut self, wrapper: &[u8]) -> UsbdStatus {
        let valid = wrapper.len() == 31 && wrapper.starts_with(b"USBC");
        if !valid {
            self.halted.extend([0x81, 0x02]);
            return UsbdStatus::STALL_PID;
        }
        let word = |at: usize| {
            u32::from_be_bytes([
                wrapper[at],
                wrapper[at + 1],
                wrapper[at + 2],
                wrapper[at + 3],
            ])
        };
        let tag = [wrapper[4], wrapper[5], wrapper[6], wrapper[7]];
        let expected = word(8).swap_bytes() as usize;
        let (lba, count) = (
            word(17) as usize,
            usize::from(wrapper[22]) << 8 | usize::from(wrapper[23]),
        );
        let fits = (lba + count) * BLOCK <= self.blocks.len();
        let range = lba * BLOCK..(lba + count) * BLOCK;
        let last = (self.blocks.len() / BLOCK - 1) as u32;
        self.state = match wrapper[15] {
            0x00 => Bot::Status {
                tag,
                residue: 0,
                failed: false,
            },
            // REQUEST SENSE: fixed format; an illegal request, if anything.
            0x03 => {
                let code = std::mem::take(&mut self.sense);
                let key = if code == 0 { 0 } else { 5 };
                let data = vec![
                    0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, 0, 0, 0, 0, 0,
                ];
                Bot::DataIn {
                    tag,
                    data,
                    expected,
                }
            }
            0x12 => Bot::DataIn {
                tag,
                data: b"\0\x80\x05\x02\x1f\0\0\0ANNEX   STICK           1.0 ".to_vec(),
                expected,
            },
            0x25 => {
                let data = [last.to_be_bytes(), (BLOCK as u32).to_be_bytes()].concat();
                Bot::DataIn {
                    tag,
                    data,
                    expected,
                }
            }
            0x28 if fits && expected == range.len() => Bot::DataIn {
                tag,
                data: self.blocks[range].to_vec(),
                expected,
            },
            0x2a if fits && expected == range.len() => Bot::DataOut {
                tag,
                at: range.start,
                left: expected,
            },
            code => {
                let is_known = [0x28, 0x2a].contains(&code);
                self.sense = if is_known { NO_BLOCK } else { NO_COMMAND };
                if expected > 0 {
                    self.halted
                        .insert(if wrapper[12] & 0x80 != 0 { 0x81 } else { 0x02 });
                }
                Bot::Status {
                    tag,
                    residue: expected as u32,
                    failed: true,
                }
            }
        };
        if let Bot::DataIn { data, expected, .. } = &mut self.state {
            data.truncate(*expected);
        }
        UsbdStatus::SUCCESS
    }
}

impl Device for Stick {
    fn descriptor(&self) -> Vec<u8> {
        device_descriptor(0x46f4, 1)
    }

    fn configuration(&self) -> Vec<u8> {
        let (one, other) = (endpoint(0x81, 2, 512, 0), endpoint(0x02, 2, 512, 0));
        configuration_descriptor(1, &[&interface(0, 0, 2, [8, 6, 0x50]), &one, &other])
    }

    fn request(&mut self, setup: [u8; 8], buffer: &Buffer) -> Done {
        match [setup[0], setup[1]] {
            // GET_MAX_LUN
            [0xa1, 0xfe] => received(vec![0], buffer),
            _ => Done::with(UsbdStatus::STALL_PID),
        }
    }

    fn transfer(&mut self, operation: &Operation) -> Option<Done> {
        let Operation::Bulk { endpoint, buffer } = operation else {
            return Some(Done::with(UsbdStatus::INVALID_PARAMETER));
        };
        if self.halted.contains(endpoint) {
            return Some(Done::with(UsbdStatus::STALL_PID));
        }
        match (&mut self.state, buffer) {
            (Bot::Command, Buffer::Out(wrapper)) => {
                let status = self.command(wrapper);
                Some(Done {
                    sent: wrapper.len(),
                    ..Done::with(status)
                })
            }
            (Bot::DataOut { tag, at, left }, Buffer::Out(data)) => {
                let count = data.len().min(*left);
                self.blocks[*at..*at + count].copy_from_slice(&data[..count]);
                (*at, *left) = (*at + count, *left - count);
                if *left == 0 {
                    self.state = Bot::Status {
                        tag: *tag,
                        residue: 0,
                        failed: false,
                    };
                }
                Some(sent(count))
            }
            (
                Bot::DataIn {
                    tag,
                    data,
                    expected,
                },
                Buffer::In(room),
            ) => {
                let count = data.len().min(*room as usize);
                let part: Vec<u8> = data.drain(..count).collect();
                *expected = expected.saturating_sub(count);
                if data.is_empty() {
                    let residue = *expected as u32;
                    self.state = Bot::Status {
                        tag: *tag,
                        residue,
                        failed: false,
                    };
                }
                Some(Done {
                    data: part,
                    ..Done::with(UsbdStatus::SUCCESS)
                })
            }
            (
                Bot::Status {
                    tag,
                    residue,
                    failed,
                },
                Buffer::In(13..),
            ) => {
                let status = [u8::from(*failed)];
                let data = [b"USBS", &tag[..], &residue.to_le_bytes(), &status].concat();
                self.state = Bot::Command;
                Some(Done {
                    data,
                    ..Done::with(UsbdStatus::SUCCESS)
                })
            }
            // Not ready for that.
            _ => None,
        }
    }

    fn clear_halt(&mut self, endpoint: u8) {
        self.halted.remove(&endpoint);
    }
}

/// A boot keyboard, with an interrupt endpoint 0x81.
#[derive(Default)]
pub struct Keyboard {
    /// Reports that it is going to send.
    pub reports: VecDeque<[u8; 8]>,
    /// The LEDs, as they were set.
    pub leds: u8,
}

impl Device for Keyboard {
    fn descriptor(&self) -> Vec<u8> {
        device_descriptor(0x0627, 1)
    }

    fn configuration(&self) -> Vec<u8> {
        let one = endpoint(0x81, 3, 8, 4);
        configuration_descriptor(
            1,
            &[
                &interface(0, 0, 1, [3, 1, 1]),
                &[9, 33, 0, 1, 0, 1, 34, 0, 0],
                &one,
            ],
        )
    }

    fn request(&mut self, setup: [u8; 8], buffer: &Buffer) -> Done {
        match ([setup[0], setup[1]], buffer) {
            // SET_REPORT
            ([0x21, 9], Buffer::Out(data)) if data.len() == 1 => {
                self.leds = data[0];
                sent(1)
            }
            _ => Done::with(UsbdStatus::STALL_PID),
        }
    }

    fn transfer(&mut self, _: &Operation) -> Option<Done> {
        let report = self.reports.pop_front()?;
        Some(Done {
            data: report.to_vec(),
            ..Done::with(UsbdStatus::SUCCESS)
        })
    }
}

/// A serial adapter whose line is a loop: endpoints 0x81 and 0x02, as a CP210x has them.
#[derive(Default)]
pub struct Serial {
    /// What is on the line.
    pub line: VecDeque<u8>,
}

impl Device for Serial {
    fn descriptor(&self) -> Vec<u8> {
        device_descriptor(0x10c4, 0xea60)
    }

    fn configuration(&self) -> Vec<u8> {
        let (one, other) = (endpoint(0x81, 2, 64, 0), endpoint(0x02, 2, 64, 0));
        configuration_descriptor(1, &[&interface(0, 0, 2, [0xff, 0, 0]), &one, &other])
    }

    fn transfer(&mut self, operation: &Operation) -> Option<Done> {
        match operation {
            Operation::Bulk {
                buffer: Buffer::Out(data),
                ..
            } => {
                self.line.extend(data);
                Some(sent(data.len()))
            }
            Operation::Bulk {
                buffer: Buffer::In(room),
                ..
            } if !self.line.is_empty() => {
                let count = self.line.len().min(*room as usize);
                let data = self.line.drain(..count).collect();
                Some(Done {
                    data,
                    ..Done::with(UsbdStatus::SUCCESS)
                })
            }
            _ => None,
        }
    }
}

/// Isochronous endpoints 0x83 and 0x04 in the alternate setting 1: a source of packets that count
/// up, and a sink.
#[derive(Default)]
pub struct IsoLoop {
    /// The next packet's first byte.
    pub count: u8,
    /// What came.
    pub sink: Vec<u8>,
    /// The alternate setting.
    pub alt: u8,
}

impl Device for IsoLoop {
    fn descriptor(&self) -> Vec<u8> {
        device_descriptor(0x1209, 3)
    }

    fn configuration(&self) -> Vec<u8> {
        let (one, other) = (endpoint(0x83, 5, 192, 4), endpoint(0x04, 9, 192, 4));
        let class = [1, 2, 0];
        configuration_descriptor(
            1,
            &[
                &interface(0, 0, 0, class),
                &interface(0, 1, 2, class),
                &one,
                &other,
            ],
        )
    }

    fn set_interface(&mut self, alt: u8) {
        self.alt = alt;
    }

    fn transfer(&mut self, operation: &Operation) -> Option<Done> {
        let Operation::Iso {
            packets, buffer, ..
        } = operation
        else {
            return Some(Done::with(UsbdStatus::INVALID_PARAMETER));
        };
        let result = |length| IsoResult {
            length,
            status: UsbdStatus::SUCCESS,
        };
        Some(match buffer {
            Buffer::Out(data) => {
                self.sink.extend(data);
                let packets = packets.iter().map(|it| result(*it)).collect();
                Done {
                    packets,
                    sent: data.len(),
                    ..Done::with(UsbdStatus::SUCCESS)
                }
            }
            Buffer::In(room) => {
                let mut data = vec![0; *room as usize];
                let mut results = Vec::new();
                let mut offset = 0;
                for size in packets {
                    // Packets are shorter than their room, if there is any.
                    let length = (1 + u16::from(self.count % 4)).min(*size);
                    data[offset..offset + usize::from(length)].fill(self.count);
                    self.count = self.count.wrapping_add(1);
                    offset += usize::from(*size);
                    results.push(result(length));
                }
                Done {
                    data,
                    packets: results,
                    ..Done::with(UsbdStatus::SUCCESS)
                }
            }
        })
    }
}
