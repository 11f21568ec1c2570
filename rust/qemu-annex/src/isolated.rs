// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that an isolated vhost-user back-end sees: [`isolated_memory`] for C.
//!
//! A device has an area, and in it a queue for each of its virtqueues. The order of calls: new;
//! prepare; send the area to the back-end; start its queues. For a queue that runs: lend all that
//! there is; publish; kick if that says so. When called: disable_notification; reap until there is
//! nothing; clean; lend what waited; publish; enable_notification, and again if that is true. Then
//! stop them, and prepare again, or free.

use isolated_memory::rules::Rule;
use isolated_memory::{features, AREA_ADDRESS};

pub mod device;
pub mod queue;
pub mod types;

/// Where an area begins in the addresses that a back-end is told: the guest address and the user
/// address of its one memory region.
pub const ANNEX_ISOLATED_ADDRESS: u64 = 4_294_967_296;
const _: () = assert!(ANNEX_ISOLATED_ADDRESS == AREA_ADDRESS);

/// The virtio features that an isolated back-end gets, of those that it has `offered` and the guest
/// has accepted: it has a ring of its own.
#[no_mangle]
pub extern "C" fn annex_isolated_features_for_backend(offered: u64, accepted: u64) -> u64 {
    features::for_backend(offered, accepted)
}

/// The virtio features that the guest of an isolated back-end gets, of those that the back-end has
/// `offered`, and those about rings that the device is asked to have.
#[no_mangle]
pub extern "C" fn annex_isolated_features_for_guest(offered: u64, wanted: u64) -> u64 {
    features::for_guest(offered, wanted)
}

/// Whether a virtio feature is between the guest and QEMU, whatever an isolated back-end offers.
#[no_mangle]
pub extern "C" fn annex_isolated_feature_is_served(bit: u32) -> bool {
    features::is_served(bit)
}

/// The features of the vhost-user protocol that an isolated back-end gets, of those that it has
/// `offered`: none that reaches for guest memory.
#[no_mangle]
pub extern "C" fn annex_isolated_features_of_protocol(offered: u64) -> u64 {
    features::of_protocol(offered)
}

/// Whether back-ends of the device with that virtio ID keep what a queue lends them until something
/// happens, which may be never, so that a device that stops needn't wait for it.
#[no_mangle]
pub extern "C" fn annex_isolated_queue_is_held(device: u16, queue: usize) -> bool {
    Rule::new(device, queue).held
}
