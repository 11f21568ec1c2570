// SPDX-License-Identifier: GPL-2.0-or-later
//! What tests and bench of annex-rdp share: guests, annex-rdp, clients, and pictures.

pub mod client;
pub mod client_guest;
pub mod confirm;
pub mod cpio;
pub mod drawn;
pub mod gallery;
pub mod machine;
pub mod measure;
pub mod picture;
pub mod usb_client;
pub mod usb_guest;
pub mod usb_measure;
pub mod vnc;
