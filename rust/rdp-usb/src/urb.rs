// SPDX-License-Identifier: GPL-2.0-or-later
//! What a server asks a client to do with a device, and the answers: MS-RDPEUSB's requests as
//! values, without their encoding. [`Request::Control`] and the like are its TS_URBs (section
//! 2.2.9), the rest are messages of the device interface (2.2.6).

/// A request's number, the server's choice. The protocol has 31 bits for it.
pub type RequestId = u32;

/// A number that a client gives to an endpoint of the selected alternate settings.
pub type PipeHandle = u32;

/// How a request ended: a USBD_STATUS as Windows has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UsbdStatus(pub u32);

impl UsbdStatus {
    /// It was done.
    pub const SUCCESS: UsbdStatus = UsbdStatus(0);
    /// The endpoint answered with STALL.
    pub const STALL_PID: UsbdStatus = UsbdStatus(0xc000_0004);
    /// The device didn't answer.
    pub const DEV_NOT_RESPONDING: UsbdStatus = UsbdStatus(0xc000_0005);
    /// The device sent more than it was asked for.
    pub const DATA_OVERRUN: UsbdStatus = UsbdStatus(0xc000_0008);
    /// An error on the bus.
    pub const XACT_ERROR: UsbdStatus = UsbdStatus(0xc000_0011);
    /// The device went on sending at a frame's end.
    pub const BABBLE_DETECTED: UsbdStatus = UsbdStatus(0xc000_0012);
    /// The endpoint has stalled before, and wasn't reset.
    pub const ENDPOINT_HALTED: UsbdStatus = UsbdStatus(0xc000_0030);
    /// A field of the request can't be.
    pub const INVALID_PARAMETER: UsbdStatus = UsbdStatus(0x8000_0300);
    /// No endpoint has this handle.
    pub const INVALID_PIPE_HANDLE: UsbdStatus = UsbdStatus(0x8000_0600);
    /// It took too long.
    pub const TIMEOUT: UsbdStatus = UsbdStatus(0xc000_6000);
    /// The device has been removed.
    pub const DEVICE_GONE: UsbdStatus = UsbdStatus(0xc000_7000);
    /// It was cancelled.
    pub const CANCELED: UsbdStatus = UsbdStatus(0xc001_0000);

    /// Whether it was done.
    pub fn is_success(self) -> bool {
        // The two top bits are the severity; informational ones are successes, too.
        self.0 & 0x8000_0000 == 0
    }
}

/// Data to the device, or room for data from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Bytes to be sent.
    Out(Vec<u8>),
    /// The most bytes that may be received.
    In(u32),
}

impl Buffer {
    /// How many bytes it has, or has room for.
    pub fn len(&self) -> usize {
        match self {
            Buffer::Out(data) => data.len(),
            Buffer::In(room) => *room as usize,
        }
    }

    /// Whether that is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A request to a client, or to a device in [`crate::Operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A transfer of endpoint 0: CONTROL_TRANSFER.
    Control {
        /// The setup packet.
        setup: [u8; 8],
        /// As long as wLength and of the direction of bmRequestType.
        buffer: Buffer,
    },
    /// A transfer of a bulk or interrupt endpoint: BULK_OR_INTERRUPT_TRANSFER.
    Transfer {
        /// The endpoint.
        pipe: PipeHandle,
        /// What is transferred.
        buffer: Buffer,
    },
    /// Packets of an isochronous endpoint, as soon as possible: ISOCH_TRANSFER.
    Iso {
        /// The endpoint.
        pipe: PipeHandle,
        /// The length of each packet, one behind the other in the buffer.
        packets: Vec<u16>,
        /// What is transferred.
        buffer: Buffer,
    },
    /// SELECT_CONFIGURATION, with alternate settings 0.
    SelectConfiguration {
        /// The configuration's descriptor with all that belongs to it; none to have no
        /// configuration.
        descriptor: Option<Vec<u8>>,
    },
    /// SELECT_INTERFACE.
    SelectInterface {
        /// bInterfaceNumber.
        interface: u8,
        /// bAlternateSetting.
        alt: u8,
    },
    /// Clear an endpoint's halt on both sides: SYNC_RESET_PIPE_AND_CLEAR_STALL.
    ResetPipe {
        /// The endpoint.
        pipe: PipeHandle,
    },
    /// Reset the device: IOCTL_INTERNAL_USB_RESET_PORT.
    ResetPort,
    /// Cancel another request, which is then answered by itself. This one isn't.
    Cancel {
        /// Which.
        request: RequestId,
    },
}

/// An endpoint as a client tells it: TS_USBD_PIPE_INFORMATION_RESULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// bEndpointAddress.
    pub endpoint: u8,
    /// Its handle from now on.
    pub handle: PipeHandle,
}

/// An interface as a client tells it: TS_USBD_INTERFACE_INFORMATION_RESULT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedInterface {
    /// bInterfaceNumber.
    pub interface: u8,
    /// bAlternateSetting.
    pub alt: u8,
    /// Its endpoints.
    pub pipes: Vec<Pipe>,
}

/// How one packet of an [`Request::Iso`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsoResult {
    /// How many bytes were moved.
    pub length: u16,
    /// How it ended.
    pub status: UsbdStatus,
}

/// What an answer has beside its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was received.
    Data(Vec<u8>),
    /// How many bytes were sent.
    Sent(u32),
    /// Packets, and for IN what was received, at the places that the request gave them.
    Iso {
        /// Each packet.
        packets: Vec<IsoResult>,
        /// The buffer, up to the last byte that was received.
        data: Vec<u8>,
    },
    /// The interfaces of what was selected.
    Selected(Vec<SelectedInterface>),
    /// Nothing.
    None,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which request.
    pub request: RequestId,
    /// How it ended.
    pub status: UsbdStatus,
    /// What came of it.
    pub outcome: Outcome,
}
