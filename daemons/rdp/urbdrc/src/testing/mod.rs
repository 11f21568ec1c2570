// SPDX-License-Identifier: GPL-2.0-or-later
//! The hub between guests' sides of usbredir and a client that is written by hand, byte by byte:
//! neither IronRDP's client nor rdp-usb's other half is in it. Tests and fuzzing share it.

mod exercise;
mod rig;

pub use exercise::exercise;
#[cfg(test)]
pub(crate) use rig::{
    add_device, channel, completion, words, Asked, Rig, CONTROL, URB_COMPLETION,
    URB_COMPLETION_NO_DATA,
};
