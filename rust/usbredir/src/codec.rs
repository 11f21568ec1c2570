// SPDX-License-Identifier: GPL-2.0-or-later
//! A packet's header and data to bytes and back, and what makes a packet one that can be.

use crate::fields::{Reader, Writer};
use crate::packet::{
    Endpoint, From, Interface, Packet, Speed, Status, TransferType, ENDPOINTS, IN, MAX_INTERFACES,
};
use crate::{Caps, Filter, FilterError, Role};

/// The longest bulk transfer, in bytes, that the protocol's reference implementation takes.
pub const MAX_BULK: u32 = 128 << 20;
/// Bytes of a hello's version.
pub const VERSION_LENGTH: usize = 64;

/// Why a packet wasn't taken, or can't be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No packet has this type.
    #[error("a packet of the unknown type {0}")]
    UnknownType(u32),
    /// The other side sends these.
    #[error("a packet of type {0} from the wrong side")]
    WrongSide(u32),
    /// Its length isn't its type's.
    #[error("a packet of type {number} with a length of {length}")]
    Length {
        /// Its type.
        number: u32,
        /// What its head says, in bytes.
        length: u32,
    },
    /// It is longer than [`crate::Limits::packet`] or, to be sent, than the protocol allows.
    #[error("a packet of type {number} with {length} bytes, of which {limit} are allowed")]
    TooLong {
        /// Its type.
        number: u32,
        /// Its length.
        length: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The first packet must be a hello.
    #[error("a packet of type {0} before the hello")]
    NoHello(u32),
    /// There is one hello, as the first packet.
    #[error("a second hello")]
    SecondHello,
    /// The receiver didn't say that it knows these.
    #[error("a packet of type {0} without its capability")]
    NoCapability(u32),
    /// More interfaces than [`MAX_INTERFACES`].
    #[error("{0} interfaces, of which 32 are allowed")]
    Interfaces(u64),
    /// An endpoint of the other direction.
    #[error("a packet of type {number} for endpoint {endpoint:#04x}")]
    Direction {
        /// Its type.
        number: u32,
        /// The endpoint.
        endpoint: u8,
    },
    /// The data isn't as long as the header says, or there should be none.
    #[error("{data} bytes of data for endpoint {endpoint:#04x} in a packet of {length}")]
    Data {
        /// The endpoint.
        endpoint: u8,
        /// How many bytes came.
        data: usize,
        /// How many the header says.
        length: u32,
    },
    /// A filter's text doesn't end with a zero byte.
    #[error("a filter without its end")]
    Unterminated,
    /// A filter's text has a fault.
    #[error("a filter that can't be read")]
    Filter(#[from] FilterError),
    /// [`crate::Limits::unsent`] is reached.
    #[error("too much waits to be sent")]
    Full,
}

impl Packet {
    /// The length of a type's header, when both sides have `common`.
    pub(crate) fn header_length(number: u32, common: Caps) -> usize {
        match number {
            0 => VERSION_LENGTH,
            1 if common.has(Caps::CONNECT_DEVICE_VERSION) => 10,
            1 => 8,
            4 => 4 + 4 * MAX_INTERFACES,
            5 if common.has(Caps::BULK_STREAMS) => 9 * ENDPOINTS,
            5 if common.has(Caps::EP_INFO_MAX_PACKET_SIZE) => 5 * ENDPOINTS,
            5 => 3 * ENDPOINTS,
            100 => 10,
            101 if common.has(Caps::BULK_LENGTH_32BIT) => 10,
            101 => 8,
            102 | 103 => 4,
            104 => 10,
            _ => Packet::fixed_length(number).unwrap_or(0),
        }
    }

    /// Whether packets of a type belong to a request.
    pub(crate) fn has_id(number: u32) -> bool {
        !matches!(number, 0..=5 | 22..=24)
    }

    /// Whether data may follow the header.
    pub(crate) fn has_data(number: u32) -> bool {
        matches!(number, 0 | 23 | 100..=104)
    }

    /// Writes header and data. The packet has been checked.
    pub(crate) fn write(&self, common: Caps, bytes: &mut Vec<u8>) {
        let mut to = Writer(bytes);
        if self.write_fixed(&mut to) {
            return;
        }
        match self {
            Packet::Hello { version, caps } => {
                let mut name = [0; VERSION_LENGTH];
                // The last byte stays 0.
                let length = version.len().min(VERSION_LENGTH - 1);
                name[..length].copy_from_slice(&version.as_bytes()[..length]);
                to.0.extend(name);
                to.u32(caps.bits());
            }
            Packet::DeviceConnect {
                speed,
                class,
                subclass,
                protocol,
                vendor,
                product,
                version,
            } => {
                to.0.extend([speed.0, *class, *subclass, *protocol]);
                to.u16(*vendor);
                to.u16(*product);
                if common.has(Caps::CONNECT_DEVICE_VERSION) {
                    to.u16(*version);
                }
            }
            Packet::InterfaceInfo { interfaces } => {
                to.u32(interfaces.len() as u32);
                let mut column = |value: fn(&Interface) -> u8| {
                    let mut values = [0; MAX_INTERFACES];
                    for (to, interface) in values.iter_mut().zip(interfaces) {
                        *to = value(interface);
                    }
                    to.0.extend(values);
                };
                column(|interface| interface.number);
                column(|interface| interface.class);
                column(|interface| interface.subclass);
                column(|interface| interface.protocol);
            }
            Packet::EpInfo { endpoints } => {
                to.0.extend(endpoints.iter().map(|endpoint| endpoint.kind.0));
                to.0.extend(endpoints.iter().map(|endpoint| endpoint.interval));
                to.0.extend(endpoints.iter().map(|endpoint| endpoint.interface));
                if common.has(Caps::EP_INFO_MAX_PACKET_SIZE) {
                    endpoints
                        .iter()
                        .for_each(|endpoint| to.u16(endpoint.max_packet_size));
                }
                if common.has(Caps::BULK_STREAMS) {
                    endpoints
                        .iter()
                        .for_each(|endpoint| to.u32(endpoint.max_streams));
                }
            }
            Packet::FilterFilter { filter } => {
                to.0.extend(filter.to_string().as_bytes());
                to.u8(0);
            }
            Packet::Control {
                endpoint,
                request,
                request_type,
                status,
                value,
                index,
                length,
                data,
            } => {
                to.0.extend([*endpoint, *request, *request_type, status.0]);
                to.u16(*value);
                to.u16(*index);
                to.u16(*length);
                to.0.extend(data);
            }
            Packet::Bulk {
                endpoint,
                status,
                length,
                stream,
                data,
            } => {
                to.0.extend([*endpoint, status.0]);
                to.u16(*length as u16);
                to.u32(*stream);
                if common.has(Caps::BULK_LENGTH_32BIT) {
                    to.u16((length >> 16) as u16);
                }
                to.0.extend(data);
            }
            Packet::Iso {
                endpoint,
                status,
                data,
            } => {
                to.0.extend([*endpoint, status.0]);
                to.u16(data.len() as u16);
                to.0.extend(data);
            }
            Packet::Interrupt {
                endpoint,
                status,
                length,
                data,
            } => {
                to.0.extend([*endpoint, status.0]);
                to.u16(*length);
                to.0.extend(data);
            }
            Packet::BufferedBulk {
                stream,
                endpoint,
                status,
                data,
            } => {
                to.u32(*stream);
                to.u32(data.len() as u32);
                to.0.extend([*endpoint, status.0]);
                to.0.extend(data);
            }
            _ => unreachable!("write_fixed() has written all others"),
        }
    }

    /// Reads header and data, whose length fits the type. Fields are as they come: see
    /// [`Packet::check`].
    pub(crate) fn read(number: u32, common: Caps, bytes: &[u8]) -> Result<Packet, Refusal> {
        let short = Refusal::Length {
            number,
            length: bytes.len() as u32,
        };
        Packet::read_fields(number, common, &mut Reader(bytes)).unwrap_or(Err(short))
    }

    fn read_fields(
        number: u32,
        common: Caps,
        from: &mut Reader<'_>,
    ) -> Option<Result<Packet, Refusal>> {
        Some(Ok(match number {
            0 => {
                let name = from.take(VERSION_LENGTH)?;
                let end = name
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(VERSION_LENGTH - 1);
                Packet::Hello {
                    version: String::from_utf8_lossy(&name[..end]).into_owned(),
                    // Later versions may have more words of them.
                    caps: Caps::from_bits(from.u32().unwrap_or(0)),
                }
            }
            1 => Packet::DeviceConnect {
                speed: Speed(from.u8()?),
                class: from.u8()?,
                subclass: from.u8()?,
                protocol: from.u8()?,
                vendor: from.u16()?,
                product: from.u16()?,
                version: match common.has(Caps::CONNECT_DEVICE_VERSION) {
                    true => from.u16()?,
                    false => 0,
                },
            },
            4 => {
                let count = from.u32()?;
                if count as usize > MAX_INTERFACES {
                    return Some(Err(Refusal::Interfaces(count.into())));
                }
                let mut column = || from.take(MAX_INTERFACES);
                let [numbers, classes, subclasses, protocols] =
                    [column()?, column()?, column()?, column()?];
                Packet::InterfaceInfo {
                    interfaces: (0..count as usize)
                        .map(|i| Interface {
                            number: numbers[i],
                            class: classes[i],
                            subclass: subclasses[i],
                            protocol: protocols[i],
                        })
                        .collect(),
                }
            }
            5 => {
                let mut endpoints = Box::new([Endpoint::ABSENT; ENDPOINTS]);
                for endpoint in endpoints.iter_mut() {
                    endpoint.kind = TransferType(from.u8()?);
                }
                for endpoint in endpoints.iter_mut() {
                    endpoint.interval = from.u8()?;
                }
                for endpoint in endpoints.iter_mut() {
                    endpoint.interface = from.u8()?;
                }
                if common.has(Caps::EP_INFO_MAX_PACKET_SIZE) {
                    for endpoint in endpoints.iter_mut() {
                        endpoint.max_packet_size = from.u16()?;
                    }
                }
                if common.has(Caps::BULK_STREAMS) {
                    for endpoint in endpoints.iter_mut() {
                        endpoint.max_streams = from.u32()?;
                    }
                }
                Packet::EpInfo { endpoints }
            }
            23 => return Some(read_filter(from.0)),
            100 => Packet::Control {
                endpoint: from.u8()?,
                request: from.u8()?,
                request_type: from.u8()?,
                status: Status(from.u8()?),
                value: from.u16()?,
                index: from.u16()?,
                length: from.u16()?,
                data: from.0.to_vec(),
            },
            101 => {
                let endpoint = from.u8()?;
                let status = Status(from.u8()?);
                let low = from.u16()?;
                let stream = from.u32()?;
                let high = match common.has(Caps::BULK_LENGTH_32BIT) {
                    true => from.u16()?,
                    false => 0,
                };
                let length = u32::from(high) << 16 | u32::from(low);
                Packet::Bulk {
                    endpoint,
                    status,
                    length,
                    stream,
                    data: from.0.to_vec(),
                }
            }
            102 => {
                let endpoint = from.u8()?;
                let status = Status(from.u8()?);
                let length = u32::from(from.u16()?);
                let data = from.0.to_vec();
                if data.len() != length as usize {
                    return Some(Err(Refusal::Data {
                        endpoint,
                        data: data.len(),
                        length,
                    }));
                }
                Packet::Iso {
                    endpoint,
                    status,
                    data,
                }
            }
            103 => Packet::Interrupt {
                endpoint: from.u8()?,
                status: Status(from.u8()?),
                length: from.u16()?,
                data: from.0.to_vec(),
            },
            104 => {
                let stream = from.u32()?;
                let length = from.u32()?;
                let endpoint = from.u8()?;
                let status = Status(from.u8()?);
                let data = from.0.to_vec();
                if data.len() != length as usize {
                    return Some(Err(Refusal::Data {
                        endpoint,
                        data: data.len(),
                        length,
                    }));
                }
                Packet::BufferedBulk {
                    stream,
                    endpoint,
                    status,
                    data,
                }
            }
            _ => return Packet::read_fixed(number, from).map(Ok),
        }))
    }

    /// Whether `sender` can send this to a side that has told `receiver`, and both have `common`.
    pub(crate) fn check(&self, sender: Role, receiver: Caps, common: Caps) -> Result<(), Refusal> {
        let number = self.number();
        allowed_from(number, sender)?;
        let needed = match self {
            Packet::FilterReject {} | Packet::FilterFilter { .. } => Caps::FILTER,
            Packet::DeviceDisconnectAck {} => Caps::DEVICE_DISCONNECT_ACK,
            Packet::StartBulkReceiving { .. }
            | Packet::StopBulkReceiving { .. }
            | Packet::BulkReceivingStatus { .. }
            | Packet::BufferedBulk { .. } => Caps::BULK_RECEIVING,
            _ => Caps::NONE,
        };
        if !receiver.has(needed) {
            return Err(Refusal::NoCapability(number));
        }
        let too_long = |length: u64, limit: u64| match length > limit {
            true => Err(Refusal::TooLong {
                number,
                length,
                limit,
            }),
            false => Ok(()),
        };
        let to_guest = |endpoint: u8| match endpoint & IN != 0 {
            true => Ok(()),
            false => Err(Refusal::Direction { number, endpoint }),
        };
        // Data is sent by the side that it comes from.
        let sends = |endpoint: u8| (endpoint & IN != 0) == (sender == Role::Host);
        let data_fits = |endpoint: u8, length: u32, data: &[u8]| {
            let expected = if sends(endpoint) { length as usize } else { 0 };
            match data.len() == expected {
                true => Ok(()),
                false => Err(Refusal::Data {
                    endpoint,
                    data: data.len(),
                    length,
                }),
            }
        };
        match self {
            Packet::InterfaceInfo { interfaces } if interfaces.len() > MAX_INTERFACES => {
                Err(Refusal::Interfaces(interfaces.len() as u64))
            }
            Packet::StartInterruptReceiving { endpoint }
            | Packet::StopInterruptReceiving { endpoint }
            | Packet::InterruptReceivingStatus { endpoint, .. }
            | Packet::StopBulkReceiving { endpoint, .. }
            | Packet::BulkReceivingStatus { endpoint, .. } => to_guest(*endpoint),
            Packet::StartBulkReceiving {
                bytes_per_transfer,
                endpoint,
                ..
            } => {
                too_long((*bytes_per_transfer).into(), MAX_BULK.into())?;
                to_guest(*endpoint)
            }
            Packet::Control {
                endpoint,
                length,
                data,
                ..
            } => data_fits(*endpoint, (*length).into(), data),
            Packet::Bulk {
                endpoint,
                length,
                data,
                ..
            } => {
                let limit = match common.has(Caps::BULK_LENGTH_32BIT) {
                    true => MAX_BULK.into(),
                    false => u16::MAX.into(),
                };
                too_long((*length).into(), limit)?;
                data_fits(*endpoint, *length, data)
            }
            Packet::Iso { endpoint, .. } if !sends(*endpoint) => Err(Refusal::Direction {
                number,
                endpoint: *endpoint,
            }),
            Packet::Iso { data, .. } => too_long(data.len() as u64, u16::MAX.into()),
            Packet::Interrupt { endpoint, .. } if sender == Role::Guest && !sends(*endpoint) => {
                Err(Refusal::Direction {
                    number,
                    endpoint: *endpoint,
                })
            }
            Packet::Interrupt {
                endpoint,
                length,
                data,
                ..
            } => data_fits(*endpoint, (*length).into(), data),
            Packet::BufferedBulk { endpoint, data, .. } => {
                too_long(data.len() as u64, MAX_BULK.into())?;
                to_guest(*endpoint)
            }
            _ => Ok(()),
        }
    }
}

/// Whether packets of a type come from `sender`.
pub(crate) fn allowed_from(number: u32, sender: Role) -> Result<(), Refusal> {
    match (Packet::sender(number), sender) {
        (None, _) => Err(Refusal::UnknownType(number)),
        (Some(From::Both), _)
        | (Some(From::Host), Role::Host)
        | (Some(From::Guest), Role::Guest) => Ok(()),
        _ => Err(Refusal::WrongSide(number)),
    }
}

fn read_filter(bytes: &[u8]) -> Result<Packet, Refusal> {
    let [text @ .., 0] = bytes else {
        return Err(Refusal::Unterminated);
    };
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| FilterError::NotText)?;
    Ok(Packet::FilterFilter {
        filter: Filter::parse(text, ',')?,
    })
}
