// SPDX-License-Identifier: GPL-2.0-or-later
//! What clients do otherwise than MS-RDPEUSB says, and what is done about it. Nothing else of
//! this crate knows of any client.
//!
//! | what | client | what is done |
//! |---|---|---|
//! | a transfer to the device is answered by URB_COMPLETION with the data that was sent behind it, instead of URB_COMPLETION_NO_DATA (2.2.7.3) | FreeRDP 2.x, and 3.x until its change #13129 | [`mend`]: it becomes that, without the data |
//! | IOCONTROL_COMPLETION says that it has 4 bytes more than were asked for, and they don't come (2.2.7.1) | FreeRDP 2.x, and 3.x until its change #13170 | [`mend`]: the sizes become those of the data that is there |
//! | UsbdStatus is libusb's status of the transfer: 1 to 6, which USBD has as successes | FreeRDP, for bulk, interrupt and isochronous transfers | [`mend`]: it becomes USBD's |
//! | the same for the packets of an isochronous transfer | FreeRDP | [`mend`] |
//! | a control transfer from the device that has failed has as many bytes as were asked for | FreeRDP | [`mend`]: they are dropped |
//! | a SELECT_CONFIGURATION that has failed is answered as done, with the number of its interfaces and none of them | FreeRDP | [`mend`]: it has failed |
//! | transfers that can't be begun, or end with some errors, are never answered, not even when they are cancelled | FreeRDP | [`UNANSWERED`] after it was to be cancelled, a request counts as cancelled |
//! | bulk and interrupt transfers end after 10 s with a timeout | FreeRDP | rdp-usb's `Slot` asks again |
//! | SYNC_RESET_PIPE_AND_CLEAR_STALL cancels the transfers of all endpoints | FreeRDP | rdp-usb's `Slot` asks again |
//! | RETRACT_DEVICE is an error and does nothing (2.2.6.10) | FreeRDP | the device's channel is closed as well |
//! | IOCTL_INTERNAL_USB_RESET_PORT does nothing | FreeRDP | nothing can be done |
//! | the packets of an isochronous transfer to the device are taken to have one length | FreeRDP | nothing is done: a sound device with packets of two lengths plays noise |

use std::borrow::Cow;
use std::time::Duration;

use rdp_usb::UsbdStatus;

/// How long a request may be unanswered after it was to be cancelled.
pub const UNANSWERED: Duration = Duration::from_secs(5);

/// What an answer is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// That of a control transfer from the device, or without data.
    ControlIn,
    /// That of another transfer from the device.
    In,
    /// That of packets from the device.
    IsoIn,
    /// That of any transfer to the device.
    Out,
    /// That of packets to the device.
    IsoOut,
    /// That of a SELECT_CONFIGURATION.
    SelectConfiguration,
    /// That of an IO_CONTROL with so many bytes at most.
    IoControl(u32),
}

/// FunctionId of the completions (MS-RDPEUSB 2.2.7).
const IOCONTROL_COMPLETION: u32 = 0x100;
const URB_COMPLETION: u32 = 0x101;
const URB_COMPLETION_NO_DATA: u32 = 0x102;

/// Where the fields of a completion are, in bytes from its beginning.
const INTERFACE: usize = 0;
const FUNCTION: usize = 8;
const REQUEST: usize = 12;
/// HResult, Information, OutputBufferSize and OutputBuffer of an IOCONTROL_COMPLETION.
const IO_HRESULT: usize = 16;
const IO_INFORMATION: usize = 20;
const IO_SIZE: usize = 24;
const IO_BUFFER: usize = 28;
/// CbTsUrbResult, and of the TS_URB_RESULT Size, UsbdStatus and what follows its header.
const RESULT_SIZE: usize = 16;
const RESULT: usize = 20;
const RESULT_STATUS: usize = 24;
const RESULT_BODY: usize = 28;
/// The header's own length.
const RESULT_HEADER: usize = 8;
/// NumInterfaces of a TS_URB_SELECT_CONFIGURATION_RESULT; the packets of a
/// TS_URB_ISOCH_TRANSFER_RESULT, each of 12 bytes with its status as the last four.
const INTERFACES: usize = 32;
const PACKETS: usize = 40;
const PACKET: usize = 12;

/// The request that a message answers; nothing if it is no completion.
pub fn answers(message: &[u8]) -> Option<u32> {
    // The interface is the server's own choice, on the client's side of the channel.
    let proxy = word(message, INTERFACE)? >> 30 == 1;
    let own = word(message, INTERFACE)? & 0x3fff_ffff > 3;
    let completion =
        (IOCONTROL_COMPLETION..=URB_COMPLETION_NO_DATA).contains(&word(message, FUNCTION)?);
    (proxy && own && completion).then_some(word(message, REQUEST)?)
}

/// Makes of a completion what the standard says, if it can be told what was meant. What isn't
/// understood is left as it is.
pub fn mend(message: &[u8], expected: Expected) -> Cow<'_, [u8]> {
    try_mend(message, expected).map_or(Cow::Borrowed(message), Cow::Owned)
}

fn try_mend(message: &[u8], expected: Expected) -> Option<Vec<u8>> {
    let function = word(message, FUNCTION)?;
    let mut mended = message.to_vec();
    match (function, expected) {
        (IOCONTROL_COMPLETION, Expected::IoControl(most)) => {
            if word(message, IO_HRESULT)? != 0 {
                return None;
            }
            let there = u32::try_from(message.len().checked_sub(IO_BUFFER)?).ok()?;
            let size = word(message, IO_SIZE)?.min(there).min(most);
            put(&mut mended, IO_INFORMATION, size);
            put(&mut mended, IO_SIZE, size);
            mended.truncate(IO_BUFFER + size as usize);
        }
        (URB_COMPLETION | URB_COMPLETION_NO_DATA, _) => {
            let body = (word(message, RESULT_SIZE)? as usize).checked_sub(RESULT_HEADER)?;
            let end = RESULT_BODY.checked_add(body)?;
            let (hresult, size) = (end, end.checked_add(4)?);
            word(message, size)?;
            let status = usbd(word(message, RESULT_STATUS)?);
            put(&mut mended, RESULT_STATUS, status);
            if let Expected::IsoIn | Expected::IsoOut = expected {
                let mut at = PACKETS + PACKET;
                while at <= end {
                    let status = usbd(word(message, at - 4)?);
                    put(&mut mended, at - 4, status);
                    at += PACKET;
                }
            }
            let failed = !UsbdStatus(status).is_success();
            match expected {
                Expected::Out | Expected::IsoOut => {
                    put(&mut mended, FUNCTION, URB_COMPLETION_NO_DATA);
                    mended.truncate(size + 4);
                }
                Expected::ControlIn if failed => {
                    put(&mut mended, FUNCTION, URB_COMPLETION_NO_DATA);
                    put(&mut mended, size, 0);
                    mended.truncate(size + 4);
                }
                Expected::SelectConfiguration if body == 8 && word(message, INTERFACES)? > 0 => {
                    put(&mut mended, RESULT_STATUS, UsbdStatus::INVALID_PARAMETER.0);
                    put(&mut mended, RESULT_SIZE, RESULT_HEADER as u32);
                    mended[RESULT..RESULT + 2]
                        .copy_from_slice(&(RESULT_HEADER as u16).to_le_bytes());
                    mended.drain(RESULT_BODY..hresult);
                }
                _ => (),
            }
        }
        _ => return None,
    }
    (mended != message).then_some(mended)
}

/// USBD's status for a `libusb_transfer_status`. USBD has no status of its own below 7 but 0.
fn usbd(status: u32) -> u32 {
    match status {
        1 => UsbdStatus::XACT_ERROR.0,
        2 => UsbdStatus::TIMEOUT.0,
        3 => UsbdStatus::CANCELED.0,
        4 => UsbdStatus::STALL_PID.0,
        5 => UsbdStatus::DEVICE_GONE.0,
        6 => UsbdStatus::DATA_OVERRUN.0,
        other => other,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// Writes a word where one has been read.
fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
