// SPDX-License-Identifier: GPL-2.0-or-later
//! What is known of a device, and its requests in flight.

use std::collections::{BTreeMap, BTreeSet};

use usbredir::{Endpoint, Packet, Speed, ENDPOINTS};

use super::streams::Stream;
use crate::descriptor::{self, Configuration};
use crate::urb::{PipeHandle, RequestId, SelectedInterface};

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Asked for its descriptor.
    Descriptor,
    /// Asked for the first part of a configuration's descriptor.
    ConfigurationLength(u8),
    /// Asked for all of it.
    Configuration(u8),
    /// Asked to select the first configuration.
    Selecting,
    /// Ready, if the guest is.
    Waiting,
    /// The guest sees it.
    Connected,
}

/// What a request in flight is for. The guest's ids are those that are answered.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    /// A step of the setup; the stage says which.
    Setup,
    /// A control transfer of the guest, whose packet is sent back with what came of it.
    Control {
        id: u64,
        packet: Packet,
        room: usize,
    },
    /// A bulk transfer.
    Bulk {
        id: u64,
        endpoint: u8,
        stream: u32,
        length: u32,
    },
    /// An interrupt transfer to the device.
    Interrupt { id: u64, endpoint: u8, length: u16 },
    /// A configuration's index, or none.
    SetConfiguration { id: u64, index: Option<usize> },
    /// An alternate setting.
    SetAlt { id: u64, interface: u8, alt: u8 },
    /// A part of an isochronous stream.
    Iso {
        endpoint: u8,
        generation: u32,
        packets: Vec<u16>,
    },
    /// A part of what an interrupt or bulk endpoint is read for.
    Receive {
        endpoint: u8,
        generation: u32,
        room: usize,
    },
    /// A reset, which the guest doesn't wait for.
    Reset,
}

impl Pending {
    /// Bytes of data that the guest or the client may send for it.
    fn bytes(&self) -> usize {
        match self {
            Pending::Control { room, .. } | Pending::Receive { room, .. } => *room,
            Pending::Bulk { length, .. } => *length as usize,
            Pending::Interrupt { length, .. } => (*length).into(),
            Pending::Iso { packets, .. } => packets.iter().map(|it| usize::from(*it)).sum(),
            _ => 0,
        }
    }
}

/// An endpoint that can be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenPipe {
    pub handle: PipeHandle,
    pub endpoint: Endpoint,
}

/// The selected configuration.
#[derive(Debug)]
pub(super) struct Selected {
    /// Which of the device's.
    pub index: usize,
    /// The alternate setting of each interface.
    pub alts: BTreeMap<u8, u8>,
    /// By [`Endpoint::index`].
    pub pipes: [Option<OpenPipe>; ENDPOINTS],
}

#[derive(Debug)]
pub(super) struct Plugged {
    pub speed: Speed,
    pub stage: Stage,
    pub descriptor: Option<descriptor::Device>,
    /// It is a SuperSpeed device, and shown as a high-speed one.
    pub is_super_speed: bool,
    pub configurations: Vec<Configuration>,
    pub selected: Option<Selected>,
    /// By [`Endpoint::index`].
    pub streams: [Option<Stream>; ENDPOINTS],
    /// Streams that have been started so far.
    pub generation: u32,
    in_flight: BTreeMap<RequestId, Pending>,
    /// Those in flight that the client has been asked to cancel.
    cancelled: BTreeSet<RequestId>,
    bytes: usize,
    /// The first request's number.
    first: Option<RequestId>,
}

impl Plugged {
    pub fn new(speed: Speed) -> Plugged {
        Plugged {
            speed,
            stage: Stage::Descriptor,
            descriptor: None,
            is_super_speed: false,
            configurations: Vec::new(),
            selected: None,
            streams: [const { None }; ENDPOINTS],
            generation: 0,
            in_flight: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            bytes: 0,
            first: None,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }

    /// Requests in flight, and their bytes of data.
    pub fn in_flight(&self) -> (usize, usize) {
        (self.in_flight.len(), self.bytes)
    }

    pub fn start(&mut self, request: RequestId, pending: Pending) {
        self.bytes += pending.bytes();
        self.first.get_or_insert(request);
        self.in_flight.insert(request, pending);
    }

    /// Ends a request: what it was for, and whether the client was asked to cancel it.
    pub fn finish(&mut self, request: RequestId) -> Option<(Pending, bool)> {
        let pending = self.in_flight.remove(&request)?;
        let cancelled = self.cancelled.remove(&request);
        self.bytes -= pending.bytes();
        Some((pending, cancelled))
    }

    /// Notes that a request in flight is to be cancelled. False if that was known.
    pub fn cancel(&mut self, request: RequestId) -> bool {
        self.cancelled.insert(request)
    }

    /// Whether a number that isn't in flight is of a request before this device's first. Numbers
    /// begin anew after 2^31 requests.
    pub fn is_older(&self, request: RequestId) -> bool {
        self.first
            .is_none_or(|first| first.wrapping_sub(request) as i32 > 0)
    }

    pub fn take_pending(&mut self) -> Vec<Pending> {
        self.bytes = 0;
        std::mem::take(&mut self.in_flight).into_values().collect()
    }

    /// The request of one of the guest's ids.
    pub fn find(&self, wanted: u64) -> Option<RequestId> {
        self.in_flight
            .iter()
            .find_map(|(request, pending)| match pending {
                Pending::Control { id, .. }
                | Pending::Bulk { id, .. }
                | Pending::Interrupt { id, .. }
                | Pending::SetConfiguration { id, .. }
                | Pending::SetAlt { id, .. }
                    if *id == wanted =>
                {
                    Some(*request)
                }
                _ => None,
            })
    }

    /// The requests of a stream.
    pub fn of_stream(&self, wanted: u32) -> Vec<RequestId> {
        let is_its = |pending: &Pending| match pending {
            Pending::Iso { generation, .. } | Pending::Receive { generation, .. } => {
                *generation == wanted
            }
            _ => false,
        };
        self.in_flight
            .iter()
            .filter(|(_, it)| is_its(it))
            .map(|(request, _)| *request)
            .collect()
    }

    pub fn configuration(&self) -> Option<&Configuration> {
        self.configurations.get(self.selected.as_ref()?.index)
    }

    /// An endpoint that can be used.
    pub fn pipe(&self, endpoint: u8) -> Option<OpenPipe> {
        self.selected.as_ref()?.pipes[Endpoint::index(endpoint)]
    }

    /// Takes what a client says of the interfaces that were selected: handles for the endpoints
    /// that the device's own descriptors have. False if one is missing.
    pub fn open(&mut self, interface: u8, alt: u8, answer: &[SelectedInterface]) -> bool {
        let (Some(selected), configurations) = (&mut self.selected, &self.configurations) else {
            return false;
        };
        let Some(setting) = configurations[selected.index].setting(interface, alt) else {
            return false;
        };
        for pipe in &mut selected.pipes {
            if pipe.is_some_and(|it| it.endpoint.interface == interface) {
                *pipe = None;
            }
        }
        selected.alts.insert(interface, alt);
        let told = answer
            .iter()
            .find(|it| it.interface == interface && it.alt == alt);
        setting.endpoints.iter().all(|(address, endpoint)| {
            let pipe = told
                .and_then(|it| it.pipes.iter().find(|pipe| pipe.endpoint == *address))
                .map(|pipe| OpenPipe {
                    handle: pipe.handle,
                    endpoint: *endpoint,
                });
            selected.pipes[Endpoint::index(*address)] = pipe;
            pipe.is_some()
        })
    }
}
