// SPDX-License-Identifier: GPL-2.0-or-later
//! The hub between a guest's side of usbredir and a client that is written by hand, byte by byte:
//! neither IronRDP's client nor rdp-usb's other half is in these.

mod clients;
mod hostile;
mod life;
mod rig;
