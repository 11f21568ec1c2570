// SPDX-License-Identifier: GPL-2.0-or-later
//! Control transfers, by nusb.

use std::time::Duration;

use nusb::transfer::{ControlIn, ControlOut, ControlType, Recipient, TransferError};
use rdp_usb::{Buffer, Done, UsbdStatus};

use super::status::failed;
use super::IN;

/// How long a control transfer may take: as long as Linux gives most of its own.
pub(super) const CONTROL: Duration = Duration::from_secs(5);

pub(super) async fn control(device: &nusb::Device, setup: [u8; 8], buffer: Buffer) -> Done {
    let control_type = match setup[0] >> 5 & 3 {
        0 => ControlType::Standard,
        1 => ControlType::Class,
        2 => ControlType::Vendor,
        _ => return Done::with(UsbdStatus::INVALID_PARAMETER),
    };
    let recipient = match setup[0] & 0x1f {
        0 => Recipient::Device,
        1 => Recipient::Interface,
        2 => Recipient::Endpoint,
        3 => Recipient::Other,
        _ => return Done::with(UsbdStatus::INVALID_PARAMETER),
    };
    let word = |at: usize| u16::from_le_bytes([setup[at], setup[at + 1]]);
    let (request, value, index) = (setup[1], word(2), word(4));
    let result = if setup[0] & IN != 0 {
        let length = word(6);
        let transfer = ControlIn {
            control_type,
            recipient,
            request,
            value,
            index,
            length,
        };
        device.control_in(transfer, CONTROL).await
    } else {
        let data = match &buffer {
            Buffer::Out(data) => &data[..],
            Buffer::In(_) => &[],
        };
        let transfer = ControlOut {
            control_type,
            recipient,
            request,
            value,
            index,
            data,
        };
        let sent = data.len();
        return match device.control_out(transfer, CONTROL).await {
            Ok(()) => Done {
                sent,
                ..Done::with(UsbdStatus::SUCCESS)
            },
            Err(error) => Done::with(timed(error)),
        };
    };
    match result {
        Ok(data) => Done {
            data,
            ..Done::with(UsbdStatus::SUCCESS)
        },
        Err(error) => Done::with(timed(error)),
    }
}

/// A control transfer is only cancelled by its time.
fn timed(error: TransferError) -> UsbdStatus {
    match error {
        TransferError::Cancelled => UsbdStatus::TIMEOUT,
        other => failed(other),
    }
}
