// SPDX-License-Identifier: GPL-2.0-or-later
//! Packets of every type that a side can send, with anything in them.

use proptest::collection::vec;
use proptest::prelude::*;
use usbredir::{
    Caps, Endpoint, Filter, Interface, Packet, Role, Rule, Speed, Status, TransferType, IN,
};

/// Packets that `sender` may send if the receiver has all capabilities; bulk transfers short
/// enough for any.
pub fn packets(sender: Role) -> BoxedStrategy<Packet> {
    let data = prop_oneof![data_packets(sender), filters()];
    match sender {
        Role::Host => prop_oneof![5 => from_host(), 4 => data, 1 => buffered()].boxed(),
        Role::Guest => prop_oneof![1 => from_guest(), 1 => data].boxed(),
    }
}

/// Any capabilities that make sense together.
pub fn caps() -> impl Strategy<Value = Caps> {
    any::<u32>().prop_map(Caps::from_bits)
}

/// Either side.
pub fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Host), Just(Role::Guest)]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![3 => (0..7u8).prop_map(Status), 1 => any::<u8>().prop_map(Status)]
}

fn endpoint_in() -> impl Strategy<Value = u8> {
    any::<u8>().prop_map(|address| address | IN)
}

fn from_host() -> impl Strategy<Value = Packet> {
    let interface = any::<[u8; 4]>().prop_map(|[number, class, subclass, protocol]| Interface {
        number,
        class,
        subclass,
        protocol,
    });
    let endpoint = any::<(u8, u8, u8, u16, u32)>().prop_map(
        |(kind, interval, interface, max_packet_size, max_streams)| Endpoint {
            kind: TransferType(kind),
            interval,
            interface,
            max_packet_size,
            max_streams,
        },
    );
    prop_oneof![
        any::<([u8; 4], u16, u16, u16)>().prop_map(
            |([speed, class, subclass, protocol], vendor, product, version)| {
                let speed = Speed(speed);
                Packet::DeviceConnect {
                    speed,
                    class,
                    subclass,
                    protocol,
                    vendor,
                    product,
                    version,
                }
            }
        ),
        Just(Packet::DeviceDisconnect {}),
        vec(interface, 0..=32).prop_map(|interfaces| Packet::InterfaceInfo { interfaces }),
        vec(endpoint, 32).prop_map(|endpoints| Packet::EpInfo {
            endpoints: Box::new(endpoints.try_into().expect("32")),
        }),
        (status(), any::<u8>()).prop_map(|(status, configuration)| Packet::ConfigurationStatus {
            status,
            configuration
        }),
        (status(), any::<u8>(), any::<u8>()).prop_map(|(status, interface, alt)| {
            Packet::AltSettingStatus {
                status,
                interface,
                alt,
            }
        }),
        (status(), any::<u8>())
            .prop_map(|(status, endpoint)| Packet::IsoStreamStatus { status, endpoint }),
        (status(), endpoint_in())
            .prop_map(|(status, endpoint)| Packet::InterruptReceivingStatus { status, endpoint }),
        (any::<u32>(), any::<u32>(), status()).prop_map(|(endpoints, streams, status)| {
            Packet::BulkStreamsStatus {
                endpoints,
                streams,
                status,
            }
        }),
        (any::<u32>(), endpoint_in(), status()).prop_map(|(stream, endpoint, status)| {
            Packet::BulkReceivingStatus {
                stream,
                endpoint,
                status,
            }
        }),
    ]
}

fn from_guest() -> impl Strategy<Value = Packet> {
    prop_oneof![
        Just(Packet::Reset {}),
        any::<u8>().prop_map(|configuration| Packet::SetConfiguration { configuration }),
        Just(Packet::GetConfiguration {}),
        any::<(u8, u8)>().prop_map(|(interface, alt)| Packet::SetAltSetting { interface, alt }),
        any::<u8>().prop_map(|interface| Packet::GetAltSetting { interface }),
        any::<(u8, u8, u8)>().prop_map(|(endpoint, packets_per_urb, urbs)| {
            Packet::StartIsoStream {
                endpoint,
                packets_per_urb,
                urbs,
            }
        }),
        any::<u8>().prop_map(|endpoint| Packet::StopIsoStream { endpoint }),
        endpoint_in().prop_map(|endpoint| Packet::StartInterruptReceiving { endpoint }),
        endpoint_in().prop_map(|endpoint| Packet::StopInterruptReceiving { endpoint }),
        any::<(u32, u32)>()
            .prop_map(|(endpoints, streams)| Packet::AllocBulkStreams { endpoints, streams }),
        any::<u32>().prop_map(|endpoints| Packet::FreeBulkStreams { endpoints }),
        Just(Packet::CancelDataPacket {}),
        Just(Packet::FilterReject {}),
        Just(Packet::DeviceDisconnectAck {}),
        (
            any::<u32>(),
            0..=usbredir::MAX_BULK,
            endpoint_in(),
            any::<u8>()
        )
            .prop_map(|(stream, bytes_per_transfer, endpoint, transfers)| {
                Packet::StartBulkReceiving {
                    stream,
                    bytes_per_transfer,
                    endpoint,
                    transfers,
                }
            }),
        (any::<u32>(), endpoint_in())
            .prop_map(|(stream, endpoint)| Packet::StopBulkReceiving { stream, endpoint }),
    ]
}

fn buffered() -> impl Strategy<Value = Packet> {
    (
        any::<u32>(),
        endpoint_in(),
        status(),
        vec(any::<u8>(), 0..80),
    )
        .prop_map(|(stream, endpoint, status, data)| Packet::BufferedBulk {
            stream,
            endpoint,
            status,
            data,
        })
}

fn data_packets(sender: Role) -> impl Strategy<Value = Packet> {
    let flows = move |endpoint: u8| (endpoint & IN != 0) == (sender == Role::Host);
    let fields = (any::<u8>(), status(), any::<u16>(), vec(any::<u8>(), 0..80));
    let ids = any::<(u8, u8, u16, u16, u32)>();
    (0..4, fields, ids).prop_map(move |(kind, (endpoint, status, length, data), ids)| {
        let (request, request_type, value, index, stream) = ids;
        let (length, data) = match flows(endpoint) {
            true => (data.len() as u16, data),
            false => (length, vec![]),
        };
        match kind {
            0 => Packet::Control {
                endpoint,
                request,
                request_type,
                status,
                value,
                index,
                length,
                data,
            },
            1 => Packet::Bulk {
                endpoint,
                status,
                length: length.into(),
                stream,
                data,
            },
            2 if flows(endpoint) => Packet::Iso {
                endpoint,
                status,
                data,
            },
            _ if sender == Role::Guest && !flows(endpoint) => Packet::Reset {},
            _ => Packet::Interrupt {
                endpoint,
                status,
                length,
                data,
            },
        }
    })
}

/// Any rules, at least one: the reference sends no empty filter.
pub fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule = any::<(Option<u8>, Option<u16>, Option<u16>, Option<u16>, bool)>().prop_map(
        |(class, vendor, product, version, allow)| Rule {
            class,
            vendor,
            product,
            version,
            allow,
        },
    );
    vec(rule, 1..5)
}

fn filters() -> impl Strategy<Value = Packet> {
    rules().prop_map(|rules| Packet::FilterFilter {
        filter: Filter::new(rules),
    })
}
