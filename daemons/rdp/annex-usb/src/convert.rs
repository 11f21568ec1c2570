// SPDX-License-Identifier: GPL-2.0-or-later
//! A server's messages as rdp-usb's requests, and its completions as messages.

use ironrdp_rdpeusb::io::{
    TransferInCompletionResult, TransferInPacket, TransferOutCompletionResult, TransferOutPacket,
    TsUrbInKind, TsUrbOutKind, TsUrbResult, UrbFunction,
};
use ironrdp_rdpeusb::pdu::completion::ts_urb_result::{
    TsUrbGetCurrFrameNumResult, TsUrbIsochTransferResult, TsUrbResultHeader, TsUrbResultPayload,
    TsUrbSelectConfigResult, TsUrbSelectInterfaceResult, TsUsbdInterfaceInfoResult,
    TsUsbdPipeInfoResult, UsbdPipeType,
};
use ironrdp_rdpeusb::pdu::usb_dev::ts_urb::utils::{SetupPacket, UsbConfigDesc};
use ironrdp_rdpeusb::pdu::usb_dev::ts_urb::{
    TsUrbControlDescRequest, TsUrbControlVendorClassRequest, TsUrbIsochTransfer,
};
use ironrdp_rdpeusb::pdu::utils::UsbdIsoPacketDesc;
use rdp_usb::descriptor::Configuration;
use rdp_usb::{
    Buffer, Completion, IsoResult, Outcome, PipeHandle, Request, SelectedInterface, UsbdStatus,
};
use usbredir::{TransferType, IN};

/// HRESULT_FROM_WIN32(ERROR_GEN_FAILURE): the device is told to have failed; how is USBD's status.
const FAILED: u32 = 0x8007_001f;
/// A configuration's handle. Only one is selected at a time.
const CONFIGURATION: u32 = 1;

/// What a message asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Something of the device.
    Request(Request),
    /// All transfers of an endpoint are to be cancelled: URB_FUNCTION_ABORT_PIPE.
    AbortPipe(PipeHandle),
    /// The number of the frame on the bus.
    FrameNumber,
}

/// What the answer to a message has to look like.
#[derive(Debug)]
pub(crate) struct Form {
    /// The most bytes that it may have.
    room: usize,
    kind: Kind,
    /// The endpoint of a transfer.
    pub(crate) pipe: Option<PipeHandle>,
}

#[derive(Debug)]
enum Kind {
    In,
    Out,
    Iso(Vec<u16>),
    IsoOut(Vec<u16>),
    Configuration,
    Interface,
}

/// An answer.
pub(crate) enum Answer {
    In(TransferInCompletionResult),
    Out(TransferOutCompletionResult),
}

/// What a TRANSFER_IN_REQUEST asks for, and what its answer has to look like. Nothing to ask for
/// what isn't known here.
pub(crate) fn asked_in(packet: TransferInPacket) -> (Option<Asked>, Form) {
    let room = packet.output_buffer_size;
    let func = packet.ts_urb.func;
    let mut form = Form {
        room: room as usize,
        kind: Kind::In,
        pipe: None,
    };
    let control = |setup| {
        let buffer = Buffer::In(room);
        Request::Control { setup, buffer }
    };
    let request = match packet.ts_urb.kind {
        TsUrbInKind::CtlTransfer(urb) => control(bytes(&urb.setup_packet)),
        TsUrbInKind::CtlTransferEx(urb) => control(bytes(&urb.setup_packet)),
        TsUrbInKind::CtlDescReq(urb) => control(descriptor(&urb, func, IN, 6, room)),
        TsUrbInKind::VendorClassReq(urb) => control(vendor_or_class(&urb, func, room)),
        TsUrbInKind::CtlGetStatus(urb) => {
            let [low, high] = urb.index.to_le_bytes();
            control([IN | recipient(func), 0, 0, 0, low, high, 2, 0])
        }
        TsUrbInKind::CtlFeatReq(urb) => {
            let ([value, more], [index, high]) =
                (urb.feat_selector.to_le_bytes(), urb.index.to_le_bytes());
            let request = if is_set_feature(func) { 3 } else { 1 };
            control([recipient(func), request, value, more, index, high, 0, 0])
        }
        TsUrbInKind::CtlGetConfig(_) => control([IN, 8, 0, 0, 0, 0, 1, 0]),
        TsUrbInKind::CtlGetIface(urb) => {
            let [low, high] = urb.interface.to_le_bytes();
            control([IN | 1, 10, 0, 0, low, high, 1, 0])
        }
        TsUrbInKind::BulkInterruptTransfer(urb) => {
            form.pipe = Some(urb.pipe_handle);
            let (pipe, buffer) = (urb.pipe_handle, Buffer::In(room));
            Request::Transfer { pipe, buffer }
        }
        TsUrbInKind::IsochTransfer(urb) => {
            form.pipe = Some(urb.pipe_handle);
            let packets = packets(&urb, room);
            form.kind = Kind::Iso(packets.clone());
            let (pipe, buffer) = (urb.pipe_handle, Buffer::In(room));
            Request::Iso {
                pipe,
                packets,
                buffer,
            }
        }
        TsUrbInKind::SelectConfig(urb) => {
            form.kind = Kind::Configuration;
            let descriptor = urb.desc.map(|it| configuration(&it));
            Request::SelectConfiguration { descriptor }
        }
        TsUrbInKind::SelectIface(urb) => {
            form.kind = Kind::Interface;
            Request::SelectInterface {
                interface: urb.usbd_iface.interface_number,
                alt: urb.usbd_iface.alternate_setting,
            }
        }
        TsUrbInKind::PipeReq(urb) => match func {
            UrbFunction::URB_FUNCTION_ABORT_PIPE => {
                return (Some(Asked::AbortPipe(urb.pipe_handle)), form);
            }
            UrbFunction::URB_FUNCTION_CLOSE_STATIC_STREAMS => return (None, form),
            _ => Request::ResetPipe {
                pipe: urb.pipe_handle,
            },
        },
        TsUrbInKind::GetCurFrameNum(_) => return (Some(Asked::FrameNumber), form),
        // Windows' own descriptors, which need a vendor's request to be found out first.
        TsUrbInKind::OsFeatDescReq(_) => return (None, form),
    };
    (Some(Asked::Request(request)), form)
}

/// What a TRANSFER_OUT_REQUEST asks for.
pub(crate) fn asked_out(packet: TransferOutPacket) -> (Request, Form) {
    let data = packet.output_buffer;
    let func = packet.ts_urb.func;
    let length = data.len() as u32;
    let mut form = Form {
        room: data.len(),
        kind: Kind::Out,
        pipe: None,
    };
    let buffer = Buffer::Out(data);
    let request = match packet.ts_urb.kind {
        TsUrbOutKind::CtlTransfer(urb) => {
            let setup = bytes(&urb.setup_packet);
            Request::Control { setup, buffer }
        }
        TsUrbOutKind::CtlTransferEx(urb) => {
            let setup = bytes(&urb.setup_packet);
            Request::Control { setup, buffer }
        }
        TsUrbOutKind::CtlDescReq(urb) => {
            let setup = descriptor(&urb, func, 0, 7, length);
            Request::Control { setup, buffer }
        }
        TsUrbOutKind::VendorClassReq(urb) => {
            let setup = vendor_or_class(&urb, func, length);
            Request::Control { setup, buffer }
        }
        TsUrbOutKind::BulkInterruptTransfer(urb) => {
            form.pipe = Some(urb.pipe_handle);
            let pipe = urb.pipe_handle;
            Request::Transfer { pipe, buffer }
        }
        TsUrbOutKind::IsochTransfer(urb) => {
            form.pipe = Some(urb.pipe_handle);
            let packets = packets(&urb, length);
            form.kind = Kind::IsoOut(packets.clone());
            let pipe = urb.pipe_handle;
            Request::Iso {
                pipe,
                packets,
                buffer,
            }
        }
    };
    (request, form)
}

fn bytes(setup: &SetupPacket) -> [u8; 8] {
    let [value, index, length] = [setup.value, setup.index, setup.length].map(u16::to_le_bytes);
    let (kind, request) = (setup.request_type, setup.request);
    [
        kind, request, value[0], value[1], index[0], index[1], length[0], length[1],
    ]
}

/// The length of a control transfer's data. Longer ones than there can be don't fit their buffer,
/// and are refused for that.
fn length(length: u32) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes()
}

fn descriptor(
    urb: &TsUrbControlDescRequest,
    func: UrbFunction,
    direction: u8,
    request: u8,
    room: u32,
) -> [u8; 8] {
    let [low, high] = urb.lang_id.to_le_bytes();
    let [size, more] = length(room);
    let kind = direction | recipient(func);
    [
        kind,
        request,
        urb.index,
        urb.desc_type,
        low,
        high,
        size,
        more,
    ]
}

fn vendor_or_class(urb: &TsUrbControlVendorClassRequest, func: UrbFunction, room: u32) -> [u8; 8] {
    let [value, index] = [urb.value, urb.index].map(u16::to_le_bytes);
    let [size, more] = length(room);
    let is_in = urb.transfer_flags & 1 != 0;
    let kind = if is_vendor(func) { 0x40 } else { 0x20 };
    let request_type = if is_in { IN } else { 0 } | kind | recipient(func);
    [
        request_type,
        urb.request,
        value[0],
        value[1],
        index[0],
        index[1],
        size,
        more,
    ]
}

/// The recipient's bits of bmRequestType (USB 2.0, table 9-2).
fn recipient(func: UrbFunction) -> u8 {
    match func {
        UrbFunction::URB_FUNCTION_GET_DESCRIPTOR_FROM_INTERFACE
        | UrbFunction::URB_FUNCTION_SET_DESCRIPTOR_TO_INTERFACE
        | UrbFunction::URB_FUNCTION_SET_FEATURE_TO_INTERFACE
        | UrbFunction::URB_FUNCTION_CLEAR_FEATURE_TO_INTERFACE
        | UrbFunction::URB_FUNCTION_GET_STATUS_FROM_INTERFACE
        | UrbFunction::URB_FUNCTION_VENDOR_INTERFACE
        | UrbFunction::URB_FUNCTION_CLASS_INTERFACE => 1,
        UrbFunction::URB_FUNCTION_GET_DESCRIPTOR_FROM_ENDPOINT
        | UrbFunction::URB_FUNCTION_SET_DESCRIPTOR_TO_ENDPOINT
        | UrbFunction::URB_FUNCTION_SET_FEATURE_TO_ENDPOINT
        | UrbFunction::URB_FUNCTION_CLEAR_FEATURE_TO_ENDPOINT
        | UrbFunction::URB_FUNCTION_GET_STATUS_FROM_ENDPOINT
        | UrbFunction::URB_FUNCTION_VENDOR_ENDPOINT
        | UrbFunction::URB_FUNCTION_CLASS_ENDPOINT => 2,
        UrbFunction::URB_FUNCTION_SET_FEATURE_TO_OTHER
        | UrbFunction::URB_FUNCTION_CLEAR_FEATURE_TO_OTHER
        | UrbFunction::URB_FUNCTION_GET_STATUS_FROM_OTHER
        | UrbFunction::URB_FUNCTION_VENDOR_OTHER
        | UrbFunction::URB_FUNCTION_CLASS_OTHER => 3,
        _ => 0,
    }
}

fn is_set_feature(func: UrbFunction) -> bool {
    matches!(
        func,
        UrbFunction::URB_FUNCTION_SET_FEATURE_TO_DEVICE
            | UrbFunction::URB_FUNCTION_SET_FEATURE_TO_INTERFACE
            | UrbFunction::URB_FUNCTION_SET_FEATURE_TO_ENDPOINT
            | UrbFunction::URB_FUNCTION_SET_FEATURE_TO_OTHER
    )
}

fn is_vendor(func: UrbFunction) -> bool {
    matches!(
        func,
        UrbFunction::URB_FUNCTION_VENDOR_DEVICE
            | UrbFunction::URB_FUNCTION_VENDOR_INTERFACE
            | UrbFunction::URB_FUNCTION_VENDOR_ENDPOINT
            | UrbFunction::URB_FUNCTION_VENDOR_OTHER
    )
}

/// The packets' lengths: from each one's offset to the next one's. Offsets that go back make
/// lengths that don't add up, and are refused for that.
fn packets(urb: &TsUrbIsochTransfer, total: u32) -> Vec<u16> {
    let ends = urb.iso_packet.iter().skip(1).map(|it| it.offset);
    urb.iso_packet
        .iter()
        .zip(ends.chain([total]))
        .map(|(packet, end)| u16::try_from(end.wrapping_sub(packet.offset)).unwrap_or(u16::MAX))
        .collect()
}

/// The configuration's descriptor as it was; all that is believed of it is its value.
fn configuration(it: &UsbConfigDesc) -> Vec<u8> {
    let [low, high] = it.total_length.to_le_bytes();
    let head = [
        it.length,
        it.descriptor_type,
        low,
        high,
        it.num_interfaces,
        it.configuration_value,
        it.configuration,
        it.attributes,
        it.max_power,
    ];
    [&head[..], &it.trailing].concat()
}

fn result(
    status: UsbdStatus,
    payload: Option<TsUrbResultPayload>,
) -> (TsUrbResult<TsUrbResultPayload>, u32) {
    let header = TsUrbResultHeader {
        usbd_status: status.0,
    };
    let hresult = if status.is_success() { 0 } else { FAILED };
    (TsUrbResult { header, payload }, hresult)
}

impl Form {
    /// Whether the message was a TRANSFER_OUT_REQUEST.
    fn is_out(&self) -> bool {
        matches!(self.kind, Kind::Out | Kind::IsoOut(_))
    }

    /// The answer for what came of it, by a device whose configurations are these.
    pub(crate) fn answer(&self, done: Completion, selected: Option<&Configuration>) -> Answer {
        let status = done.status;
        let good = status.is_success();
        let mut output_buffer = Vec::new();
        let mut output_buffer_size = 0;
        let payload = match (&self.kind, done.outcome) {
            (Kind::Configuration, Outcome::Selected(told)) if good => {
                Some(TsUrbResultPayload::SelectConfig(TsUrbSelectConfigResult {
                    config_handle: CONFIGURATION,
                    interface: told.iter().map(|it| interface(it, selected)).collect(),
                }))
            }
            (Kind::Interface, Outcome::Selected(told)) if good => told.first().map(|it| {
                TsUrbResultPayload::SelectIface(TsUrbSelectInterfaceResult {
                    interface: interface(it, selected),
                })
            }),
            (Kind::Iso(rooms) | Kind::IsoOut(rooms), Outcome::Iso { packets, data }) if good => {
                if !self.is_out() {
                    output_buffer = packed(rooms, &packets, &data);
                }
                output_buffer_size = packets.iter().map(|it| u32::from(it.length)).sum();
                Some(TsUrbResultPayload::Isoch(iso(rooms, &packets)))
            }
            (_, Outcome::Data(mut data)) => {
                data.truncate(self.room);
                output_buffer = data;
                None
            }
            (_, Outcome::Sent(count)) => {
                output_buffer_size = count;
                None
            }
            _ => None,
        };
        let (ts_urb_result, hresult) = result(status, payload);
        if self.is_out() {
            return Answer::Out(TransferOutCompletionResult {
                ts_urb_result,
                hresult,
                output_buffer_size: output_buffer_size.min(self.room as u32),
            });
        }
        Answer::In(TransferInCompletionResult {
            ts_urb_result,
            hresult,
            output_buffer,
        })
    }
}

/// An answer that has nothing but its status.
pub(crate) fn plain_in(status: UsbdStatus) -> TransferInCompletionResult {
    let (ts_urb_result, hresult) = result(status, None);
    TransferInCompletionResult {
        ts_urb_result,
        hresult,
        output_buffer: vec![],
    }
}

/// The answer to URB_FUNCTION_GET_CURRENT_FRAME_NUMBER.
pub(crate) fn frame_number(frame_number: u32) -> TransferInCompletionResult {
    let frame = TsUrbGetCurrFrameNumResult { frame_number };
    let payload = Some(TsUrbResultPayload::FrameNum(frame));
    let (ts_urb_result, hresult) = result(UsbdStatus::SUCCESS, payload);
    TransferInCompletionResult {
        ts_urb_result,
        hresult,
        output_buffer: vec![],
    }
}

fn interface(
    told: &SelectedInterface,
    selected: Option<&Configuration>,
) -> TsUsbdInterfaceInfoResult {
    let setting = selected.and_then(|it| it.setting(told.interface, told.alt));
    let class = setting.map(|it| it.interface).unwrap_or_default();
    let pipes = told.pipes.iter().map(|pipe| {
        let endpoint = setting
            .and_then(|it| it.endpoints.iter().find(|(at, _)| *at == pipe.endpoint))
            .map(|(_, endpoint)| *endpoint);
        TsUsbdPipeInfoResult {
            max_packet_size: endpoint.map_or(0, |it| it.max_packet_size),
            endpoint_address: pipe.endpoint,
            interval: endpoint.map_or(0, |it| it.interval),
            pipe_type: match endpoint.map(|it| it.kind) {
                Some(TransferType::ISO) => UsbdPipeType::Isochronous,
                Some(TransferType::BULK) => UsbdPipeType::Bulk,
                Some(TransferType::INTERRUPT) => UsbdPipeType::Interrupt,
                _ => UsbdPipeType::Control,
            },
            pipe_handle: pipe.handle,
            max_transfer_size: u32::MAX,
            pipe_flags: 0,
        }
    });
    TsUsbdInterfaceInfoResult {
        interface_number: told.interface,
        alternate_setting: told.alt,
        class: class.class,
        sub_class: class.subclass,
        protocol: class.protocol,
        interface_handle: u32::from(told.interface) + 1,
        pipes: pipes.collect(),
    }
}

fn iso(rooms: &[u16], packets: &[IsoResult]) -> TsUrbIsochTransferResult {
    let mut offset = 0;
    let iso_packet = rooms
        .iter()
        .zip(packets)
        .map(|(room, packet)| {
            let it = UsbdIsoPacketDesc {
                offset,
                length: packet.length.into(),
                status: packet.status.0 as i32,
            };
            offset += u32::from(*room);
            it
        })
        .collect::<Vec<_>>();
    TsUrbIsochTransferResult {
        start_frame: 0,
        error_count: iso_packet.iter().filter(|it| it.status < 0).count() as u32,
        iso_packet,
    }
}

/// The data of packets that went well, one behind the other (MS-RDPEUSB 2.2.10.5).
fn packed(rooms: &[u16], packets: &[IsoResult], data: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut at = 0;
    for (room, packet) in rooms.iter().zip(packets) {
        if packet.status.is_success() {
            let length = usize::from(packet.length.min(*room));
            packed.extend(data.get(at..at + length).unwrap_or_default());
        }
        at += usize::from(*room);
    }
    packed
}
