// SPDX-License-Identifier: GPL-2.0-or-later
//! USB redirection over RDP: a client that hands local devices to a server, and nothing else.
//!
//! ```text
//!  server <- RDP -> session <- Client: Share ... Share <- Operation, Done -> real, or in software
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`client`] | the channels of MS-RDPEUSB and a share for each device: no I/O |
//! | `convert` | messages as rdp-usb's requests, and completions as messages |
//! | [`connect`] | to an RDP server, by TLS and NLA |
//! | [`device`] | what a device is, real or in software |
//! | [`devices`] | the devices that are shared, whichever session there is |
//! | [`hotplug`] | which devices come and go |
//! | [`keep`] | one session after another |
//! | [`real`] | devices of this machine, by nusb, and by Linux where it lacks something |
//! | [`reconnect`] | whether to connect again, and when: no I/O and no clock |
//! | [`select`] | which devices a user has named |
//! | [`session`] | what runs while a connection stands |
//! | `short` | a message that ironrdp-rdpeusb can't be given |

pub mod client;
pub mod connect;
mod convert;
pub mod device;
pub mod devices;
pub mod hotplug;
pub mod keep;
pub mod real;
pub mod reconnect;
pub mod select;
pub mod session;
mod short;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
