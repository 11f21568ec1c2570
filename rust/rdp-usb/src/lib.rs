// SPDX-License-Identifier: GPL-2.0-or-later
//! USB devices of an RDP client in a virtual machine (MS-RDPEUSB): what a server and a client do
//! with a device, without I/O and without the encoding of the protocol's messages.
//!
//! ```text
//!   QEMU                      server                          client                 device
//!   usb-redir  <- usbredir -> Slot  <- Request, Completion -> Share <- Operation, Done -> libusb
//!              Slot::receive        Slot::poll_request               Share::poll_operation
//!              Slot::unsent         Slot::complete                   Share::done
//! ```
//!
//! A [`Slot`] is one `usb-redir` of a machine, which stays while devices come and go; a [`Share`]
//! is one device that a client's user has named. Both sides of each are strangers to it: what
//! doesn't fit what was asked for is counted, and ends the device when it is too much. Nothing
//! else is touched.
//!
//! | module | what it does |
//! |---|---|
//! | `urb` | requests and answers, as values |
//! | [`descriptor`] | descriptors, bounded, and what usbredir says of endpoints |
//! | `high_speed` | a SuperSpeed device's descriptors, as a guest is shown them |
//! | `slot` | the server's half: setup, requests, streams, answers |
//! | `share` | the client's half |
//!
//! # How usbredir and MS-RDPEUSB differ
//!
//! | usbredir, from the guest | requests to the client |
//! |---|---|
//! | `set_configuration`, `set_alt_setting` | SELECT_CONFIGURATION with the device's own descriptor, SELECT_INTERFACE; the handles of endpoints come with the answers, and endpoints without one are an error |
//! | a control transfer that clears a halt | SYNC_RESET_PIPE_AND_CLEAR_STALL, since the client's host has to begin anew, too |
//! | `start_interrupt_receiving` | two transfers of the endpoint's packet size in flight, always |
//! | `start_bulk_receiving` | as many as the guest wants, 1 to 16 |
//! | `start_iso_stream` | IN: as many requests of as many packets as the guest wants; OUT: packets are gathered to requests, and dropped if they come faster than they go |
//! | `cancel_data_packet` | CANCEL_REQUEST; the transfer is answered when the client has ended it |
//! | a stream's transfer fails | `…_status` with a stall: it is stopped, and can be started again |
//! | (a transfer from the device waits) | asked for again if the client gives it up by itself |
//! | `reset` | IOCTL_INTERNAL_USB_RESET_PORT |
//! | bulk streams (USB 3) | none; the capability isn't announced |

pub mod descriptor;
mod high_speed;
mod share;
mod slot;
#[cfg(feature = "testing")]
pub mod testing;
mod urb;

pub use share::{Done, Operation, OperationId, Share, ShareLimits};
pub use slot::{Event, Failure, Limits, Slot};
pub use urb::{
    Buffer, Completion, IsoResult, Outcome, Pipe, PipeHandle, Request, RequestId,
    SelectedInterface, UsbdStatus,
};
