// SPDX-License-Identifier: GPL-2.0-or-later
//! What tests, benches and fuzz targets share: a host, a driver, and what is done to a device
//! with bytes from anywhere.

mod driver;
mod exercise;
mod host;

pub use driver::{Driver, AVAIL, ENTRIES, MEMORY, TABLE, USED};
pub use exercise::{exercise_protocol, exercise_queue};
pub use host::FakeHost;

/// What a front-end writes into the configuration space: the layout of [`crate::counter`].
pub fn counter_message(kind: u8, flags: u8, shift: u8, ratio: u64, offset: u64) -> Vec<u8> {
    let mut bytes = b"RTCX\x01\0\x28\0".to_vec();
    bytes.extend([kind, flags, shift, 0, 0, 0, 0, 0]);
    bytes.extend(ratio.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}
