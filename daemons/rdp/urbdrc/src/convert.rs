// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests and completions of rdp-usb, as ironrdp-rdpeusb has them.

use ironrdp_pdu::{pdu_other_err, PduResult};
use ironrdp_rdpeusb::io::{
    IoControlPacket, IoctlInternalUsb, TransferInCompletionResult, TransferInPacket,
    TransferOutCompletionResult, TransferOutPacket, TsUrbInKind, TsUrbInPacket, TsUrbOutKind,
    TsUrbOutPacket, UrbFunction,
};
use ironrdp_rdpeusb::pdu::completion::ts_urb_result::{
    TsUrbIsochTransferResult, TsUrbResultPayload, TsUsbdInterfaceInfoResult,
};
use ironrdp_rdpeusb::pdu::usb_dev::ts_urb::utils::{
    TsUsbdInterfaceInfo, TsUsbdPipeInfo, UsbConfigDesc,
};
use ironrdp_rdpeusb::pdu::usb_dev::ts_urb::{
    TsUrbBulkOrInterruptTransfer, TsUrbIsochTransfer, TsUrbPipeRequest, TsUrbSelectConfig,
    TsUrbSelectInterface,
};
use ironrdp_rdpeusb::pdu::utils::UsbdIsoPacketDesc;
use ironrdp_rdpeusb::usb::{control_transfer, TransferRequest};
use ironrdp_usb::control::SetupPacket;
use rdp_usb::descriptor::{Configuration, Setting};
use rdp_usb::{Buffer, IsoResult, Outcome, Pipe, Request, SelectedInterface, UsbdStatus};
use usbredir::Speed;

/// TransferFlags (MS-RDPEUSB 2.2.9.7 and 2.2.9.8, as USBD has them).
const DIRECTION_IN: u32 = 1;
const SHORT_TRANSFER_OK: u32 = 2;
const START_ISO_ASAP: u32 = 4;

/// What is to be sent for a request that isn't a cancellation.
pub(crate) enum Sent {
    In(TransferInPacket),
    Out(TransferOutPacket),
    IoControl(IoControlPacket),
}

/// What a client is asked with, and what of the device that depends on.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The client's handle of it, and its descriptors.
    configuration: Option<(u32, Configuration)>,
}

impl Selection {
    /// A new configuration has been selected, or none.
    pub(crate) fn selected(&mut self, handle: u32, descriptor: Option<Vec<u8>>) {
        self.configuration = descriptor
            .and_then(|bytes| Configuration::parse(bytes, Speed::HIGH).ok())
            .map(|configuration| (handle, configuration));
    }

    /// The message of a request.
    ///
    /// # Errors
    ///
    /// It can't be told to a client, and has to end as [`UsbdStatus::INVALID_PARAMETER`].
    pub(crate) fn message(&self, request: Request) -> PduResult<Sent> {
        Ok(match request {
            Request::Control { setup, buffer } => {
                let data = match buffer {
                    Buffer::Out(data) => data,
                    Buffer::In(_) => vec![],
                };
                match control_transfer(SetupPacket::from_bytes(setup), data)
                    .map_err(|error| pdu_other_err!("a control transfer", source: error))?
                {
                    TransferRequest::In(packet) => Sent::In(packet),
                    TransferRequest::Out(packet) => Sent::Out(packet),
                }
            }
            Request::Transfer { pipe, buffer } => {
                let flags = |transfer_flags| TsUrbBulkOrInterruptTransfer {
                    pipe_handle: pipe,
                    transfer_flags,
                };
                let func = UrbFunction::URB_FUNCTION_BULK_OR_INTERRUPT_TRANSFER;
                match buffer {
                    Buffer::In(room) => Sent::In(input(
                        TsUrbInKind::BulkInterruptTransfer(flags(DIRECTION_IN | SHORT_TRANSFER_OK)),
                        func,
                        room,
                    )),
                    Buffer::Out(data) => Sent::Out(output(
                        TsUrbOutKind::BulkInterruptTransfer(flags(0)),
                        func,
                        data,
                    )),
                }
            }
            Request::Iso {
                pipe,
                packets,
                buffer,
            } => {
                let mut offset = 0;
                let iso_packet = packets
                    .iter()
                    .map(|length| {
                        let packet = UsbdIsoPacketDesc {
                            offset,
                            length: 0,
                            status: 0,
                        };
                        offset += u32::from(*length);
                        packet
                    })
                    .collect();
                let urb = |flags| TsUrbIsochTransfer {
                    pipe_handle: pipe,
                    transfer_flags: flags | START_ISO_ASAP,
                    start_frame: 0,
                    error_count: 0,
                    iso_packet,
                };
                let func = UrbFunction::URB_FUNCTION_ISOCH_TRANSFER;
                match buffer {
                    Buffer::In(room) => Sent::In(input(
                        TsUrbInKind::IsochTransfer(urb(DIRECTION_IN)),
                        func,
                        room,
                    )),
                    Buffer::Out(data) => {
                        Sent::Out(output(TsUrbOutKind::IsochTransfer(urb(0)), func, data))
                    }
                }
            }
            Request::SelectConfiguration { descriptor } => {
                let urb = match descriptor {
                    Some(bytes) => select_configuration(bytes)?,
                    None => TsUrbSelectConfig {
                        usbd_ifaces: vec![],
                        desc: None,
                    },
                };
                let func = UrbFunction::URB_FUNCTION_SELECT_CONFIGURATION;
                Sent::In(input(TsUrbInKind::SelectConfig(urb), func, 0))
            }
            Request::SelectInterface { interface, alt } => {
                let (config_handle, setting) = self
                    .configuration
                    .as_ref()
                    .and_then(|(handle, it)| Some((*handle, it.setting(interface, alt)?)))
                    .ok_or_else(|| pdu_other_err!("no such alternate setting"))?;
                let urb = TsUrbSelectInterface {
                    config_handle,
                    usbd_iface: interface_information(setting),
                };
                let func = UrbFunction::URB_FUNCTION_SELECT_INTERFACE;
                Sent::In(input(TsUrbInKind::SelectIface(urb), func, 0))
            }
            Request::ResetPipe { pipe } => Sent::In(input(
                TsUrbInKind::PipeReq(TsUrbPipeRequest { pipe_handle: pipe }),
                UrbFunction::URB_FUNCTION_SYNC_RESET_PIPE_AND_CLEAR_STALL,
                0,
            )),
            Request::ResetPort => Sent::IoControl(IoControlPacket {
                ioctl_code: IoctlInternalUsb::ResetPort,
                input_buffer: vec![],
                output_buffer_size: 0,
            }),
            Request::Cancel { .. } => return Err(pdu_other_err!("not a request of its own")),
        })
    }
}

fn input(kind: TsUrbInKind, func: UrbFunction, output_buffer_size: u32) -> TransferInPacket {
    TransferInPacket {
        ts_urb: TsUrbInPacket { kind, func },
        output_buffer_size,
    }
}

fn output(kind: TsUrbOutKind, func: UrbFunction, output_buffer: Vec<u8>) -> TransferOutPacket {
    TransferOutPacket {
        ts_urb: TsUrbOutPacket {
            kind,
            // A completion tells the guest how the packets went.
            no_ack: false,
            func,
        },
        output_buffer,
    }
}

/// TS_USBD_INTERFACE_INFORMATION. The client knows packet sizes from the device.
fn interface_information(setting: &Setting) -> TsUsbdInterfaceInfo {
    let pipe = TsUsbdPipeInfo {
        max_packet_size: 0,
        max_transfer_size: 0,
        pipe_flags: 0,
    };
    TsUsbdInterfaceInfo {
        interface_number: setting.interface.number,
        alternate_setting: setting.alt,
        ts_usbd_pipe_info: vec![pipe; setting.endpoints.len()],
    }
}

fn select_configuration(bytes: Vec<u8>) -> PduResult<TsUrbSelectConfig> {
    let configuration = Configuration::parse(bytes, Speed::HIGH)
        .map_err(|error| pdu_other_err!("a configuration", source: error))?;
    let usbd_ifaces = configuration
        .interfaces()
        .filter_map(|number| configuration.setting(number, 0))
        .map(interface_information)
        .collect();
    let &[length, descriptor_type, low, high, num_interfaces, configuration_value, index, attributes, max_power, ref trailing @ ..] =
        &configuration.bytes[..]
    else {
        return Err(pdu_other_err!("a configuration's descriptor is cut off"));
    };
    Ok(TsUrbSelectConfig {
        usbd_ifaces,
        desc: Some(UsbConfigDesc {
            length,
            descriptor_type,
            total_length: u16::from_le_bytes([low, high]),
            num_interfaces,
            configuration_value,
            configuration: index,
            attributes,
            max_power,
            trailing: trailing.to_vec(),
        }),
    })
}

/// How a request ended: USBD's status, or a failure of the client before there was one.
fn status(hresult: u32, usbd: u32) -> UsbdStatus {
    let usbd = UsbdStatus(usbd);
    match hresult & 0x8000_0000 != 0 && usbd.is_success() {
        true => UsbdStatus::XACT_ERROR,
        false => usbd,
    }
}

/// What came of a TRANSFER_IN_REQUEST, and the handle of a configuration that was selected.
pub(crate) fn ended_in(
    request: &Request,
    result: TransferInCompletionResult,
) -> (UsbdStatus, Outcome, Option<u32>) {
    let status = status(result.hresult, result.ts_urb_result.header.usbd_status);
    let mut handle = None;
    let outcome = match (request, result.ts_urb_result.payload) {
        (Request::SelectConfiguration { .. }, Some(TsUrbResultPayload::SelectConfig(told))) => {
            handle = Some(told.config_handle);
            Outcome::Selected(told.interface.iter().map(selected).collect())
        }
        (Request::SelectInterface { .. }, Some(TsUrbResultPayload::SelectIface(told))) => {
            Outcome::Selected(vec![selected(&told.interface)])
        }
        (Request::Iso { packets, .. }, Some(TsUrbResultPayload::Isoch(told))) => Outcome::Iso {
            data: spread(packets, &told, &result.output_buffer),
            packets: iso_results(&told),
        },
        // Requests with data to the device are these only if they have none.
        (Request::Control { setup, .. }, None) if setup[0] & 0x80 == 0 => Outcome::None,
        (Request::Control { .. } | Request::Transfer { .. }, None) => {
            Outcome::Data(result.output_buffer)
        }
        _ => Outcome::None,
    };
    (status, outcome, handle)
}

/// What came of a TRANSFER_OUT_REQUEST.
pub(crate) fn ended_out(result: TransferOutCompletionResult) -> (UsbdStatus, Outcome) {
    let status = status(result.hresult, result.ts_urb_result.header.usbd_status);
    let outcome = match result.ts_urb_result.payload {
        Some(TsUrbResultPayload::Isoch(told)) => Outcome::Iso {
            packets: iso_results(&told),
            data: vec![],
        },
        _ => Outcome::Sent(result.output_buffer_size),
    };
    (status, outcome)
}

/// How a request without an URB ended.
pub(crate) fn ended_io_control(hresult: u32) -> UsbdStatus {
    status(hresult, UsbdStatus::SUCCESS.0)
}

fn selected(told: &TsUsbdInterfaceInfoResult) -> SelectedInterface {
    let pipes = told
        .pipes
        .iter()
        .map(|pipe| Pipe {
            endpoint: pipe.endpoint_address,
            handle: pipe.pipe_handle,
        })
        .collect();
    SelectedInterface {
        interface: told.interface_number,
        alt: told.alternate_setting,
        pipes,
    }
}

fn iso_results(told: &TsUrbIsochTransferResult) -> Vec<IsoResult> {
    told.iso_packet
        .iter()
        .map(|packet| IsoResult {
            // Longer than any packet can be: not the length that was asked for, either.
            length: u16::try_from(packet.length).unwrap_or(u16::MAX),
            status: UsbdStatus(packet.status as u32),
        })
        .collect()
}

/// Puts the data of packets at the places that the request has for them: in a completion the
/// packets that went well are one behind the other (MS-RDPEUSB 2.2.10.5).
fn spread(packets: &[u16], told: &TsUrbIsochTransferResult, data: &[u8]) -> Vec<u8> {
    let total = packets.iter().map(|it| usize::from(*it)).sum();
    let mut spread = vec![0; total];
    let (mut from, mut to) = (0, 0);
    for (room, packet) in packets.iter().zip(&told.iso_packet) {
        let length = packet.length as usize;
        let good = UsbdStatus(packet.status as u32).is_success();
        if good && length <= usize::from(*room) {
            if let Some(part) = data.get(from..from + length) {
                spread[to..to + length].copy_from_slice(part);
            }
            from += length;
        }
        to += usize::from(*room);
    }
    spread
}
