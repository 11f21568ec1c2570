// SPDX-License-Identifier: GPL-2.0-or-later
//! The client's half: a local device that its user has named, and what a server asks of it.

use std::collections::{BTreeMap, VecDeque};

use usbredir::{Speed, TransferType};

use crate::descriptor::{is_in, Configuration, DescriptorError};
use crate::urb::{
    Buffer, Completion, IsoResult, Outcome, Pipe, PipeHandle, Request, RequestId,
    SelectedInterface, UsbdStatus,
};

/// An operation's number, for its answer.
pub type OperationId = u64;

/// What a server may use of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// The longest transfer, in bytes.
    pub transfer: usize,
    /// What may be in flight, in bytes of data.
    pub bytes: usize,
    /// Requests in flight.
    pub requests: usize,
}

impl Default for ShareLimits {
    /// 4 MiB for a transfer, 32 MiB in 1,024 requests.
    fn default() -> ShareLimits {
        ShareLimits {
            transfer: 4 << 20,
            bytes: 32 << 20,
            requests: 1024,
        }
    }
}

/// What is to be done with the device, by libusb or the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A control transfer.
    Control {
        /// The setup packet.
        setup: [u8; 8],
        /// As long as wLength, and of its direction.
        buffer: Buffer,
    },
    /// A bulk transfer.
    Bulk {
        /// The endpoint.
        endpoint: u8,
        /// What is transferred.
        buffer: Buffer,
    },
    /// An interrupt transfer.
    Interrupt {
        /// The endpoint.
        endpoint: u8,
        /// What is transferred.
        buffer: Buffer,
    },
    /// An isochronous transfer.
    Iso {
        /// The endpoint.
        endpoint: u8,
        /// The length of each packet, one behind the other in the buffer.
        packets: Vec<u16>,
        /// What is transferred.
        buffer: Buffer,
    },
    /// Select a configuration, and claim its interfaces; none for no configuration.
    SetConfiguration(Option<u8>),
    /// Select an alternate setting.
    SetInterface {
        /// bInterfaceNumber.
        interface: u8,
        /// bAlternateSetting.
        alt: u8,
    },
    /// Clear an endpoint's halt on both sides.
    ClearHalt {
        /// The endpoint.
        endpoint: u8,
    },
    /// Reset the device.
    Reset,
    /// Cancel an operation, which is still answered. This one isn't.
    Cancel(OperationId),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// How.
    pub status: UsbdStatus,
    /// Bytes that were received.
    pub data: Vec<u8>,
    /// Bytes that were sent.
    pub sent: usize,
    /// Each packet of an isochronous transfer.
    pub packets: Vec<IsoResult>,
}

impl Done {
    /// One that has nothing but its status.
    pub fn with(status: UsbdStatus) -> Done {
        Done {
            status,
            data: vec![],
            sent: 0,
            packets: vec![],
        }
    }
}

/// What an operation in flight is for.
#[derive(Clone, Debug)]
struct Pending {
    request: RequestId,
    bytes: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Data { is_in: bool },
    Iso { is_in: bool },
    Configuration { index: Option<usize> },
    Interface { interface: u8, alt: u8 },
    Nothing,
}

/// A local device that a server uses.
///
/// Requests go to [`Share::handle`], and how operations ended to [`Share::done`]. After either,
/// carry out all of [`Share::poll_operation`] and send all of [`Share::poll_completion`].
#[derive(Debug)]
pub struct Share {
    limits: ShareLimits,
    configurations: Vec<Configuration>,
    /// Index among the configurations, and each interface's alternate setting.
    selected: Option<(usize, BTreeMap<u8, u8>)>,
    /// Handles count up, so that one of a setting that was left is none.
    pipes: BTreeMap<PipeHandle, (u8, u8, TransferType)>,
    next_pipe: PipeHandle,
    in_flight: BTreeMap<OperationId, Pending>,
    bytes: usize,
    next: OperationId,
    operations: VecDeque<(OperationId, Operation)>,
    completions: VecDeque<Completion>,
}

impl Share {
    /// A device with its configurations' descriptors, as the operating system has them.
    ///
    /// # Errors
    ///
    /// One of them can't be read.
    pub fn new(
        speed: Speed,
        configurations: Vec<Vec<u8>>,
        limits: ShareLimits,
    ) -> Result<Share, DescriptorError> {
        let configurations = configurations
            .into_iter()
            .map(|bytes| Configuration::parse(bytes, speed))
            .collect::<Result<Vec<Configuration>, DescriptorError>>()?;
        Ok(Share {
            limits,
            configurations,
            selected: None,
            pipes: BTreeMap::new(),
            next_pipe: 1,
            in_flight: BTreeMap::new(),
            bytes: 0,
            next: 0,
            operations: VecDeque::new(),
            completions: VecDeque::new(),
        })
    }

    /// The configuration that is selected.
    pub fn selected(&self) -> Option<&Configuration> {
        let (index, _) = self.selected.as_ref()?;
        self.configurations.get(*index)
    }

    /// The next thing to be done with the device, if there is one.
    pub fn poll_operation(&mut self) -> Option<(OperationId, Operation)> {
        self.operations.pop_front()
    }

    /// The next answer to the server, if there is one.
    pub fn poll_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// Takes a request of the server.
    pub fn handle(&mut self, request: RequestId, what: Request) {
        if let Request::Cancel { request } = what {
            let wanted = self
                .in_flight
                .iter()
                .find(|(_, pending)| pending.request == request);
            if let Some((operation, _)) = wanted {
                let cancel = Operation::Cancel(*operation);
                self.operations.push_back((self.next, cancel));
                self.next += 1;
            }
            return;
        }
        let known = self
            .in_flight
            .values()
            .any(|pending| pending.request == request);
        match self.operation(what) {
            _ if known || self.in_flight.len() >= self.limits.requests => {
                self.answer(request, UsbdStatus::INVALID_PARAMETER, Outcome::None);
            }
            Ok((_, bytes, _))
                if bytes > self.limits.transfer || self.bytes + bytes > self.limits.bytes =>
            {
                self.answer(request, UsbdStatus::INVALID_PARAMETER, Outcome::None);
            }
            Ok((operation, bytes, what)) => {
                self.bytes += bytes;
                self.in_flight.insert(
                    self.next,
                    Pending {
                        request,
                        bytes,
                        what,
                    },
                );
                self.operations.push_back((self.next, operation));
                self.next += 1;
            }
            Err(status) => self.answer(request, status, Outcome::None),
        }
    }

    fn answer(&mut self, request: RequestId, status: UsbdStatus, outcome: Outcome) {
        self.completions.push_back(Completion {
            request,
            status,
            outcome,
        });
    }

    /// The operation that a request is, its bytes of data, and what its answer has.
    fn operation(&self, request: Request) -> Result<(Operation, usize, What), UsbdStatus> {
        let data = |buffer: &Buffer| (buffer.len(), matches!(buffer, Buffer::In(_)));
        Ok(match request {
            Request::Control { setup, buffer } => {
                let (bytes, is_in) = data(&buffer);
                let length = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
                let fits = bytes == length && (length == 0 || is_in == (setup[0] & 0x80 != 0));
                if !fits || is_reserved(setup) {
                    return Err(UsbdStatus::INVALID_PARAMETER);
                }
                (
                    Operation::Control { setup, buffer },
                    bytes,
                    What::Data { is_in },
                )
            }
            Request::Transfer { pipe, buffer } => {
                let (bytes, is_in) = data(&buffer);
                let (endpoint, kind) = self.pipe(pipe, is_in)?;
                let operation = match kind {
                    TransferType::BULK => Operation::Bulk { endpoint, buffer },
                    TransferType::INTERRUPT => Operation::Interrupt { endpoint, buffer },
                    _ => return Err(UsbdStatus::INVALID_PARAMETER),
                };
                (operation, bytes, What::Data { is_in })
            }
            Request::Iso {
                pipe,
                packets,
                buffer,
            } => {
                let (bytes, is_in) = data(&buffer);
                let (endpoint, kind) = self.pipe(pipe, is_in)?;
                let total: usize = packets.iter().map(|it| usize::from(*it)).sum();
                if kind != TransferType::ISO || total != bytes || packets.len() > 255 {
                    return Err(UsbdStatus::INVALID_PARAMETER);
                }
                (
                    Operation::Iso {
                        endpoint,
                        packets,
                        buffer,
                    },
                    bytes,
                    What::Iso { is_in },
                )
            }
            Request::SelectConfiguration { descriptor } => {
                // Of the server's descriptor only its value is believed.
                let value = match &descriptor {
                    Some(bytes) => Some(*bytes.get(5).ok_or(UsbdStatus::INVALID_PARAMETER)?),
                    None => None,
                };
                let index = match value {
                    Some(value) => Some(
                        self.configurations
                            .iter()
                            .position(|it| it.value == value)
                            .ok_or(UsbdStatus::INVALID_PARAMETER)?,
                    ),
                    None => None,
                };
                (
                    Operation::SetConfiguration(value),
                    0,
                    What::Configuration { index },
                )
            }
            Request::SelectInterface { interface, alt } => {
                let known = self.selected.as_ref().is_some_and(|(i, _)| {
                    self.configurations[*i].setting(interface, alt).is_some()
                });
                if !known {
                    return Err(UsbdStatus::INVALID_PARAMETER);
                }
                (
                    Operation::SetInterface { interface, alt },
                    0,
                    What::Interface { interface, alt },
                )
            }
            Request::ResetPipe { pipe } => {
                let (endpoint, ..) = *self
                    .pipes
                    .get(&pipe)
                    .ok_or(UsbdStatus::INVALID_PIPE_HANDLE)?;
                (Operation::ClearHalt { endpoint }, 0, What::Nothing)
            }
            Request::ResetPort => (Operation::Reset, 0, What::Nothing),
            Request::Cancel { .. } => return Err(UsbdStatus::INVALID_PARAMETER),
        })
    }

    fn pipe(&self, pipe: PipeHandle, data_in: bool) -> Result<(u8, TransferType), UsbdStatus> {
        match self.pipes.get(&pipe) {
            Some((endpoint, _, kind)) if is_in(*endpoint) == data_in => Ok((*endpoint, *kind)),
            _ => Err(UsbdStatus::INVALID_PIPE_HANDLE),
        }
    }

    /// Takes how an operation ended. One that isn't in flight is ignored.
    pub fn done(&mut self, operation: OperationId, done: Done) {
        let Some(pending) = self.in_flight.remove(&operation) else {
            return;
        };
        self.bytes -= pending.bytes;
        let request = pending.request;
        let good = done.status.is_success();
        let outcome = match pending.what {
            What::Data { is_in: true } => Outcome::Data(done.data),
            What::Data { is_in: false } => Outcome::Sent(done.sent as u32),
            What::Iso { is_in } => {
                let data = if is_in { done.data } else { vec![] };
                Outcome::Iso {
                    packets: done.packets,
                    data,
                }
            }
            What::Configuration { index } if good => {
                self.pipes.clear();
                self.selected = index.map(|index| (index, BTreeMap::new()));
                let numbers: Vec<u8> =
                    index.map_or(vec![], |i| self.configurations[i].interfaces().collect());
                let told = numbers
                    .into_iter()
                    .filter_map(|number| self.open(number, 0));
                Outcome::Selected(told.collect())
            }
            What::Interface { interface, alt } if good => {
                self.pipes.retain(|_, (_, of, _)| *of != interface);
                Outcome::Selected(self.open(interface, alt).into_iter().collect())
            }
            _ => Outcome::None,
        };
        self.answer(request, done.status, outcome);
    }

    /// Gives handles to the endpoints of a setting.
    fn open(&mut self, interface: u8, alt: u8) -> Option<SelectedInterface> {
        let (index, alts) = self.selected.as_mut()?;
        let setting = self.configurations[*index].setting(interface, alt)?;
        alts.insert(interface, alt);
        let mut pipes = Vec::new();
        for (address, endpoint) in &setting.endpoints {
            let handle = self.next_pipe;
            self.next_pipe = self.next_pipe.wrapping_add(1).max(1);
            self.pipes
                .insert(handle, (*address, interface, endpoint.kind));
            pipes.push(Pipe {
                endpoint: *address,
                handle,
            });
        }
        Some(SelectedInterface {
            interface,
            alt,
            pipes,
        })
    }

    /// The device is gone: all that is in flight ends so.
    pub fn gone(&mut self) {
        self.operations.clear();
        self.bytes = 0;
        for pending in std::mem::take(&mut self.in_flight).into_values() {
            self.answer(pending.request, UsbdStatus::DEVICE_GONE, Outcome::None);
        }
    }
}

/// Control transfers that would change the device behind its host's back: SET_ADDRESS,
/// SET_CONFIGURATION and SET_INTERFACE, for which there are requests.
fn is_reserved(setup: [u8; 8]) -> bool {
    matches!(setup[..2], [0x00, 5 | 9] | [0x01, 11])
}
