// SPDX-License-Identifier: GPL-2.0-or-later
//! USB redirection over RDP: the dynamic channels of MS-RDPEUSB on a server, between an RDP
//! session and the `usb-redir` devices of a virtual machine.
//!
//! ```text
//!  session (annex-rdp)           this crate                                QEMU
//!  DrdynvcServer <- Channel ->  Hub: Device ... Device    <- Link ->  usb-redir ... usb-redir
//!                <- ToSession -      one for each channel    a byte stream for each
//! ```
//!
//! A client opens a control channel, and asks there for a channel for each device that it has.
//! A device is put into a `usb-redir` that is free, whichever session it is from; without one, its
//! channel is closed. The
//! `usb-redir`s stay when a session ends, and a device stays when its `usb-redir` goes: it waits
//! for QEMU to come back.
//!
//! | module | what it does |
//! |---|---|
//! | `hub` | sessions' channels, devices and `usb-redir`s: bytes in, messages out, no I/O |
//! | `device` | one device's channel, and its requests in flight |
//! | `convert` | rdp-usb's requests and completions as ironrdp-rdpeusb has them |
//! | [`clients`] | what clients do otherwise than the standard says, and what is done about it |
//! | `session` | the channels as IronRDP wants them |
//! | `link` | the byte streams: Unix sockets |
//! | [`dbus`] | the byte streams that QEMU's D-Bus display has |
//!
//! A session is given its channel and what it is to send in one line each:
//!
//! ```ignore
//! let usb = urbdrc::Usb::new(urbdrc::Config::default()); // once
//! let mut redirs = urbdrc::dbus::UsbRedirs::new(usb.clone());
//! redirs.serve(&connection, None).await?;                // for each QEMU, beside its screen
//! let (channel, mut messages) = usb.session();           // for each session
//! let drdynvc = DrdynvcServer::new().with_dynamic_channel(channel);
//! // in the session's loop
//! Some(message) = messages.recv() => send(message.apply(drdynvc)?),
//! ```

pub mod clients;
mod convert;
pub mod dbus;
mod device;
mod hub;
mod link;
mod session;

pub use hub::Config;
pub use link::Link;
pub use session::{Channel, Messages, ToSession, Usb};

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
