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
//! | [`device`] | what a device is, real or in software |
//! | [`real`] | devices of this machine, by nusb |
//! | [`select`] | which devices a user has named |
//! | [`session`] | the RDP connection, and what runs while it stands |

pub mod client;
mod convert;
pub mod device;
pub mod real;
pub mod select;
pub mod session;
