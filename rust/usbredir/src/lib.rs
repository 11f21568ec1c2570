// SPDX-License-Identifier: GPL-2.0-or-later
//! The usbredir protocol (docs/usb-redirection-protocol.md of the usbredir project, version 0.7):
//! a USB device that one side, the *host*, has, and the other, the *guest*, uses. QEMU's
//! `usb-redir` is a guest.
//!
//! No I/O: a [`Connection`] is given the bytes that a peer has sent and gives its packets, and
//! makes bytes of those that are to be sent.
//!
//! ```text
//! packet   type u32 | length u32 | id u32 or u64 | header of the type | data
//!                                                 `------- length bytes ----'
//! ```
//!
//! Little-endian. The id is that of the guest's request, and of the answer to it; it has 64 bits
//! once both sides have said [`Caps::IDS_64BIT`] in their [`Packet::Hello`], which is each side's
//! first packet. The headers are at [`Packet`]; some depend on what both sides can do:
//!
//! | packet | without the capability | with it |
//! |---|---|---|
//! | `device_connect` | 8 bytes | 10, the device's version with [`Caps::CONNECT_DEVICE_VERSION`] |
//! | `ep_info` | 96 | 160 with [`Caps::EP_INFO_MAX_PACKET_SIZE`], 288 with [`Caps::BULK_STREAMS`] |
//! | `bulk_packet` | 8 | 10, more of the length with [`Caps::BULK_LENGTH_32BIT`] |
//!
//! # What a peer can do
//!
//! It is a stranger. Of a packet nothing is allocated but what has arrived, and never more than
//! [`Limits::packet`]. A packet that can't be is refused with the reason, and skipped; the
//! connection goes on behind it, as libusbredirparser's does. It is for the caller to end a
//! connection whose peer is refused too often.
//!
//! [`Filter`] has the rules that both sides use for the devices that they admit.

mod caps;
mod codec;
mod connection;
mod fields;
mod filter;
mod packet;
#[cfg(feature = "testing")]
pub mod testing;

pub use caps::Caps;
pub use codec::{Refusal, MAX_BULK, VERSION_LENGTH};
pub use connection::{Connection, Limits, Received, Role};
pub use filter::{Filter, FilterError, Rule, Verdict, MAX_RULES};
pub use packet::{
    Endpoint, From, Interface, Packet, Speed, Status, TransferType, ENDPOINTS, IN, MAX_INTERFACES,
};
