// SPDX-License-Identifier: GPL-2.0-or-later
//! Both sides of vhost-user: messages, the memory they share, and split rings.
//! Libraries for it hang up on what they don't expect, QEMU's own NICs included,
//! which enable rings before they tell of any features; and they don't send what
//! is wrong.

mod frontend;
mod memory;
mod queue;
mod ring;
pub mod wire;

pub use frontend::{protocol, Frontend, NO_FD};
pub use memory::{describe, Memory};
pub use queue::{Answer, Entry, Part, Queue, Shape, UNWRITTEN};
pub use ring::{Buffer, Chain, Ring, DESCRIPTOR};

/// Feature bits of any device.
pub mod features {
    use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
    use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};

    /// RING_INDIRECT_DESC.
    pub const INDIRECT: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC;
    /// RING_EVENT_IDX.
    pub const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;
    /// Writes to memory are logged when asked for: vhost-user's own.
    pub const LOG_ALL: u64 = 1 << 26;
    /// There are protocol features: vhost-user's own.
    pub const PROTOCOL_FEATURES: u64 = 1 << 30;
    /// VERSION_1.
    pub const VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;
}
