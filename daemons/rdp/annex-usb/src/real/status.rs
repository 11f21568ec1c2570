// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors of nusb and Linux as USBD has them.

use nusb::transfer::TransferError;
use nusb::ErrorKind;
use rdp_usb::UsbdStatus;
use rustix::io::Errno;

pub(super) fn failed(error: TransferError) -> UsbdStatus {
    match error {
        TransferError::Cancelled => UsbdStatus::CANCELED,
        TransferError::Stall => UsbdStatus::STALL_PID,
        TransferError::Disconnected => UsbdStatus::DEVICE_GONE,
        TransferError::InvalidArgument => UsbdStatus::INVALID_PARAMETER,
        TransferError::Fault | TransferError::Unknown(_) => UsbdStatus::XACT_ERROR,
    }
}

pub(super) fn of(result: Result<(), nusb::Error>) -> UsbdStatus {
    match result {
        Ok(()) => UsbdStatus::SUCCESS,
        Err(error) => match error.kind() {
            ErrorKind::Disconnected => UsbdStatus::DEVICE_GONE,
            ErrorKind::NotFound => UsbdStatus::INVALID_PARAMETER,
            _ => UsbdStatus::DEV_NOT_RESPONDING,
        },
    }
}

/// Linux's of a transfer, too.
pub(super) fn of_errno(error: Errno) -> UsbdStatus {
    match error {
        Errno::NOENT | Errno::CONNRESET => UsbdStatus::CANCELED,
        Errno::PIPE => UsbdStatus::STALL_PID,
        Errno::NODEV | Errno::SHUTDOWN => UsbdStatus::DEVICE_GONE,
        Errno::INVAL => UsbdStatus::INVALID_PARAMETER,
        Errno::OVERFLOW => UsbdStatus::DATA_OVERRUN,
        _ => UsbdStatus::XACT_ERROR,
    }
}
