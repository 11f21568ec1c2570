// SPDX-License-Identifier: GPL-2.0-or-later
//! Feature bits: what it offers, and what no isolated device accepts.

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_MQ, VIRTIO_BLK_F_SEG_MAX,
};

pub use crate::vhost_user::features::{EVENT_IDX, PROTOCOL_FEATURES};
use crate::vhost_user::features::{INDIRECT, VERSION_1};

const SEG_MAX: u64 = 1 << VIRTIO_BLK_F_SEG_MAX;
const BLK_SIZE: u64 = 1 << VIRTIO_BLK_F_BLK_SIZE;
const FLUSH: u64 = 1 << VIRTIO_BLK_F_FLUSH;
const MQ: u64 = 1 << VIRTIO_BLK_F_MQ;

/// What it can do.
pub const OFFERED: u64 =
    INDIRECT | EVENT_IDX | PROTOCOL_FEATURES | VERSION_1 | SEG_MAX | BLK_SIZE | FLUSH | MQ;

const P_MQ: u64 = 1;
/// REPLY_ACK.
pub const P_REPLY_ACK: u64 = 1 << 3;
const P_BACKEND_REQ: u64 = 1 << 5;
const P_CONFIG: u64 = 1 << 9;

/// What of the protocol it can do.
pub const PROTOCOL: u64 = P_MQ | P_REPLY_ACK | P_BACKEND_REQ | P_CONFIG;

/// INFLIGHT_SHMFD.
pub const P_INFLIGHT: u64 = 1 << 12;

/// All that would let a back-end reach for the guest's memory: LOG_SHMFD,
/// PAGEFAULT, BACKEND_SEND_FD, HOST_NOTIFIER, CONFIGURE_MEM_SLOTS,
/// SHARED_OBJECT.
pub const P_REACHING: u64 = 1 << 1 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 15 | 1 << 18;
