// SPDX-License-Identifier: GPL-2.0-or-later
//! The packets, as values.

use crate::fields::{Reader, Writer};

/// How a transfer or request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// It was done.
    pub const SUCCESS: Status = Status(0);
    /// It was cancelled.
    pub const CANCELLED: Status = Status(1);
    /// The packet's type, length, endpoint or the like can't be.
    pub const INVALID: Status = Status(2);
    /// An I/O error.
    pub const IO_ERROR: Status = Status(3);
    /// The endpoint stalled. For a stream of packets: it has been stopped by the host.
    pub const STALL: Status = Status(4);
    /// It took too long.
    pub const TIMEOUT: Status = Status(5);
    /// The device sent more than it was asked for.
    pub const BABBLE: Status = Status(6);
}

/// A device's speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Speed(pub u8);

impl Speed {
    /// 1.5 Mbit/s.
    pub const LOW: Speed = Speed(0);
    /// 12 Mbit/s.
    pub const FULL: Speed = Speed(1);
    /// 480 Mbit/s.
    pub const HIGH: Speed = Speed(2);
    /// 5 Gbit/s and more.
    pub const SUPER: Speed = Speed(3);
    /// Not known.
    pub const UNKNOWN: Speed = Speed(255);
}

/// The kind of an endpoint's transfers; the values are those of a descriptor's bmAttributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransferType(pub u8);

impl TransferType {
    /// Control.
    pub const CONTROL: TransferType = TransferType(0);
    /// Isochronous.
    pub const ISO: TransferType = TransferType(1);
    /// Bulk.
    pub const BULK: TransferType = TransferType(2);
    /// Interrupt.
    pub const INTERRUPT: TransferType = TransferType(3);
    /// There is no such endpoint.
    pub const INVALID: TransferType = TransferType(255);
}

/// The direction bit of an endpoint's address: from the device to its host.
pub const IN: u8 = 0x80;
/// Entries of an [`Packet::EpInfo`]: endpoints 0 to 15 OUT, then 0 to 15 IN.
pub const ENDPOINTS: usize = 32;
/// The most interfaces that an [`Packet::InterfaceInfo`] has.
pub const MAX_INTERFACES: usize = 32;

/// What is told of one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// bInterfaceNumber.
    pub number: u8,
    /// bInterfaceClass.
    pub class: u8,
    /// bInterfaceSubClass.
    pub subclass: u8,
    /// bInterfaceProtocol.
    pub protocol: u8,
}

/// What is told of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its transfers' type.
    pub kind: TransferType,
    /// In frames or microframes (not as an exponent), from 1 for interrupt and isochronous.
    pub interval: u8,
    /// The number of the interface that it belongs to.
    pub interface: u8,
    /// Bytes in an interval, a high-speed endpoint's additional transactions included.
    pub max_packet_size: u16,
    /// The number of streams that it can have, 0 for none.
    pub max_streams: u32,
}

impl Endpoint {
    /// An endpoint that isn't there.
    pub const ABSENT: Endpoint = Endpoint {
        kind: TransferType::INVALID,
        interval: 0,
        interface: 0,
        max_packet_size: 0,
        max_streams: 0,
    };

    /// The entry of an endpoint's address among [`ENDPOINTS`]. Bits that no address has are
    /// ignored.
    pub fn index(address: u8) -> usize {
        usize::from(address & 0x0f) | usize::from(address & IN) >> 3
    }
}

/// Who sends a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The side that has the device.
    Host,
    /// The side that has the virtual machine.
    Guest,
    /// Either.
    Both,
}

/// Makes the enum of packets, and how those with fields of fixed places are written and read.
macro_rules! packets {
    (
        fixed { $($(#[$doc:meta])* $name:ident = $number:literal $from:ident
            { $($(#[$field_doc:meta])* $field:ident: $get:ident $kind:ty),* })* }
        others { $($(#[$other_doc:meta])* $other:ident = $other_number:literal $other_from:ident
            { $($(#[$other_field_doc:meta])* $other_field:ident: $other_kind:ty),* })* }
    ) => {
        /// A packet. Endpoints are addresses with the direction [`IN`]; lengths are in bytes.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Packet {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $kind),* },)*
            $($(#[$other_doc])* $other { $($(#[$other_field_doc])* $other_field: $other_kind),* },)*
        }

        impl Packet {
            /// The number of its type.
            pub fn number(&self) -> u32 {
                match self {
                    $(Packet::$name { .. } => $number,)*
                    $(Packet::$other { .. } => $other_number,)*
                }
            }

            /// Who may send packets of a type; nothing if there is no such type.
            pub fn sender(number: u32) -> Option<From> {
                match number {
                    $($number => Some(From::$from),)*
                    $($other_number => Some(From::$other_from),)*
                    _ => None,
                }
            }

            /// The length of the fields of a type that has no others.
            pub(crate) fn fixed_length(number: u32) -> Option<usize> {
                match number {
                    $($number => Some(0 $(+ Reader::width(Reader::$get))*),)*
                    _ => None,
                }
            }

            /// Writes the fields of a type that has no others; false of another type.
            pub(crate) fn write_fixed(&self, to: &mut Writer<'_>) -> bool {
                match self {
                    $(Packet::$name { $($field),* } => {
                        $(to.$get((*$field).into_wire());)*
                        true
                    })*
                    _ => false,
                }
            }

            /// Reads a packet of a type that [`Packet::fixed_length`] knows.
            pub(crate) fn read_fixed(number: u32, from: &mut Reader<'_>) -> Option<Packet> {
                match number {
                    $($number => Some(Packet::$name {
                        $($field: Wire::from_wire(from.$get()?)),*
                    }),)*
                    _ => None,
                }
            }
        }
    };
}

/// A field's value, and the number that stands for it.
trait Wire<Number> {
    fn from_wire(number: Number) -> Self;
    fn into_wire(self) -> Number;
}

macro_rules! wire {
    ($($kind:ty = $number:ty, $make:expr, $get:expr;)*) => {
        $(impl Wire<$number> for $kind {
            fn from_wire(number: $number) -> Self {
                ($make)(number)
            }
            fn into_wire(self) -> $number {
                ($get)(self)
            }
        })*
    };
}

wire! {
    u8 = u8, |n| n, |n| n;
    u16 = u16, |n| n, |n| n;
    u32 = u32, |n| n, |n| n;
    Status = u8, Status, |status: Status| status.0;
}

packets! {
    fixed {
        /// The device is gone; what was in flight is answered before.
        DeviceDisconnect = 2 Host {}
        /// Reset the device. Not answered.
        Reset = 3 Guest {}
        /// Select a configuration; 0 for none.
        SetConfiguration = 6 Guest {
            /// bConfigurationValue.
            configuration: u8 u8
        }
        /// Which configuration is selected?
        GetConfiguration = 7 Guest {}
        /// The answer to the two above.
        ConfigurationStatus = 8 Host {
            /// How it went.
            status: u8 Status,
            /// What is selected now.
            configuration: u8 u8
        }
        /// Select an interface's alternate setting.
        SetAltSetting = 9 Guest {
            /// bInterfaceNumber.
            interface: u8 u8,
            /// bAlternateSetting.
            alt: u8 u8
        }
        /// Which alternate setting is selected?
        GetAltSetting = 10 Guest {
            /// bInterfaceNumber.
            interface: u8 u8
        }
        /// The answer to the two above.
        AltSettingStatus = 11 Host {
            /// How it went.
            status: u8 Status,
            /// bInterfaceNumber.
            interface: u8 u8,
            /// What is selected now.
            alt: u8 u8
        }
        /// Start an isochronous stream: IN data is sent as it comes, OUT data is played at the
        /// endpoint's pace.
        StartIsoStream = 12 Guest {
            /// The endpoint.
            endpoint: u8 u8,
            /// Packets that the host hands over at once, 1 to 32.
            packets_per_urb: u8 u8,
            /// How often so many, 1 to 16.
            urbs: u8 u8
        }
        /// Stop it. Answered by an [`Packet::IsoStreamStatus`].
        StopIsoStream = 13 Guest {
            /// The endpoint.
            endpoint: u8 u8
        }
        /// How starting or stopping went, or what has happened to a stream.
        IsoStreamStatus = 14 Host {
            /// How it went; [`Status::STALL`]: stopped.
            status: u8 Status,
            /// The endpoint.
            endpoint: u8 u8
        }
        /// Poll an interrupt IN endpoint, and send what comes.
        StartInterruptReceiving = 15 Guest {
            /// The endpoint, which is one of [`IN`].
            endpoint: u8 u8
        }
        /// Stop it. Answered by an [`Packet::InterruptReceivingStatus`].
        StopInterruptReceiving = 16 Guest {
            /// The endpoint, which is one of [`IN`].
            endpoint: u8 u8
        }
        /// How starting or stopping went, or what has happened to the polling.
        InterruptReceivingStatus = 17 Host {
            /// How it went; [`Status::STALL`]: stopped.
            status: u8 Status,
            /// The endpoint, which is one of [`IN`].
            endpoint: u8 u8
        }
        /// Allocate streams of bulk endpoints.
        AllocBulkStreams = 18 Guest {
            /// A bit for each endpoint, at its [`Endpoint::index`].
            endpoints: u32 u32,
            /// How many, the endpoints' own included.
            streams: u32 u32
        }
        /// Free them.
        FreeBulkStreams = 19 Guest {
            /// A bit for each endpoint, at its [`Endpoint::index`].
            endpoints: u32 u32
        }
        /// The answer to the two above.
        BulkStreamsStatus = 20 Host {
            /// A bit for each endpoint, at its [`Endpoint::index`].
            endpoints: u32 u32,
            /// How many were asked for, 0 if they were to be freed.
            streams: u32 u32,
            /// How it went.
            status: u8 Status
        }
        /// Cancel the transfer of this id. It is still answered, as it then ended.
        CancelDataPacket = 21 Guest {}
        /// The guest's filter doesn't admit the device, which is to be disconnected.
        FilterReject = 22 Guest {}
        /// The device's disconnection has been seen.
        DeviceDisconnectAck = 24 Guest {}
        /// Read from a bulk IN endpoint, and send what comes.
        StartBulkReceiving = 25 Guest {
            /// The stream, 0 for none.
            stream: u32 u32,
            /// A multiple of the endpoint's maximum packet size.
            bytes_per_transfer: u32 u32,
            /// The endpoint, which is one of [`IN`].
            endpoint: u8 u8,
            /// Transfers to be in flight at once.
            transfers: u8 u8
        }
        /// Stop it. Answered by a [`Packet::BulkReceivingStatus`].
        StopBulkReceiving = 26 Guest {
            /// The stream, 0 for none.
            stream: u32 u32,
            /// The endpoint, which is one of [`IN`].
            endpoint: u8 u8
        }
        /// How starting or stopping went, or what has happened to the reading.
        BulkReceivingStatus = 27 Host {
            /// The stream, 0 for none.
            stream: u32 u32,
            /// The endpoint, which is one of [`IN`].
            endpoint: u8 u8,
            /// How it went; [`Status::STALL`]: stopped.
            status: u8 Status
        }
    }
    others {
        /// The first packet of each side.
        Hello = 0 Both {
            /// A name and version for logs, cut off at 64 bytes.
            version: String,
            /// What the sender can do.
            caps: crate::Caps
        }
        /// A device is there. Its interfaces and endpoints are told before.
        DeviceConnect = 1 Host {
            /// Its speed.
            speed: Speed,
            /// bDeviceClass.
            class: u8,
            /// bDeviceSubClass.
            subclass: u8,
            /// bDeviceProtocol.
            protocol: u8,
            /// idVendor.
            vendor: u16,
            /// idProduct.
            product: u16,
            /// bcdDevice; 0 without [`crate::Caps::CONNECT_DEVICE_VERSION`].
            version: u16
        }
        /// The interfaces of the selected configuration, at most [`MAX_INTERFACES`].
        InterfaceInfo = 4 Host {
            /// Each once, in its selected alternate setting.
            interfaces: Vec<Interface>
        }
        /// The endpoints of the selected configuration and alternate settings.
        EpInfo = 5 Host {
            /// By [`Endpoint::index`].
            endpoints: Box<[Endpoint; ENDPOINTS]>
        }
        /// The devices that the sender admits.
        FilterFilter = 23 Both {
            /// Its rules.
            filter: crate::Filter
        }
        /// A control transfer, or its answer.
        Control = 100 Both {
            /// 0, or [`IN`] if data comes from the device.
            endpoint: u8,
            /// bRequest.
            request: u8,
            /// bmRequestType.
            request_type: u8,
            /// How it went; of no meaning from the guest.
            status: Status,
            /// wValue.
            value: u16,
            /// wIndex.
            index: u16,
            /// wLength; in an answer the bytes that were moved.
            length: u16,
            /// OUT data from the guest, IN data from the host: `length` bytes, or none.
            data: Vec<u8>
        }
        /// A bulk transfer, or its answer.
        Bulk = 101 Both {
            /// The endpoint.
            endpoint: u8,
            /// How it went; of no meaning from the guest.
            status: Status,
            /// How long it is; in an answer the bytes that were moved. At most 65,535 without
            /// [`crate::Caps::BULK_LENGTH_32BIT`].
            length: u32,
            /// The stream, 0 for none.
            stream: u32,
            /// OUT data from the guest, IN data from the host: `length` bytes, or none.
            data: Vec<u8>
        }
        /// A packet of an isochronous stream. Not answered.
        Iso = 102 Both {
            /// The endpoint, whose direction is the packet's.
            endpoint: u8,
            /// How it went; of no meaning from the guest.
            status: Status,
            /// `length` bytes of it, at most 65,535.
            data: Vec<u8>
        }
        /// A packet of an interrupt endpoint. From the guest it is OUT, and answered.
        Interrupt = 103 Both {
            /// The endpoint.
            endpoint: u8,
            /// How it went; of no meaning from the guest.
            status: Status,
            /// How long it is; in an answer the bytes that were moved.
            length: u16,
            /// OUT data from the guest, IN data from the host: `length` bytes, or none.
            data: Vec<u8>
        }
        /// What has been read from a bulk endpoint whose receiving was started.
        BufferedBulk = 104 Host {
            /// The stream, 0 for none.
            stream: u32,
            /// The endpoint, which is one of [`IN`].
            endpoint: u8,
            /// How it went.
            status: Status,
            /// What was read.
            data: Vec<u8>
        }
    }
}

impl Packet {
    /// A control transfer's packet with how it ended, how many bytes it moved, and the data that
    /// came; any other packet as it is.
    pub fn ended(mut self, ended: Status, moved: u16, bytes: Vec<u8>) -> Packet {
        if let Packet::Control {
            status,
            length,
            data,
            ..
        } = &mut self
        {
            (*status, *length, *data) = (ended, moved, bytes);
        }
        self
    }
}
