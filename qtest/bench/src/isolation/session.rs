// SPDX-License-Identifier: GPL-2.0-or-later
//! A vhost-user connection to a block back-end.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use anyhow::{ensure, Context, Result};
use isolated_memory::AREA_ADDRESS;
use vhost::vhost_user::{
    Frontend, VhostUserFrontend, VhostUserProtocolFeatures, VhostUserVirtioFeatures,
};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};

use super::ring::Notifiers;

/// Entries of each ring: QEMU's default for vhost-user-blk.
pub const ENTRIES: u16 = 128;

const BLK_F_MQ: u64 = 1 << 12;
const RING_F_INDIRECT_DESC: u64 = 1 << 28;
const RING_F_EVENT_IDX: u64 = 1 << 29;
const F_VERSION_1: u64 = 1 << 32;

/// What a back-end is told for byte `offset` of the memory it gets.
pub fn address(offset: u64) -> u64 {
    AREA_ADDRESS + offset
}

/// A ring whose parts are at these offsets.
pub fn vring(table: u64, avail: u64, used: u64) -> VringConfigData {
    VringConfigData {
        queue_max_size: ENTRIES,
        queue_size: ENTRIES,
        flags: 0,
        desc_table_addr: address(table),
        used_ring_addr: address(used),
        avail_ring_addr: address(avail),
        log_addr: None,
    }
}

/// Connects, shares the `len` bytes of `fd`, and starts a queue for each ring.
/// They stop when what is returned is dropped.
pub fn open(
    socket: &Path,
    fd: BorrowedFd<'_>,
    len: u64,
    vrings: &[VringConfigData],
    notifiers: &[Notifiers],
) -> Result<Frontend> {
    let frontend = Frontend::connect(socket, vrings.len() as u64);
    let mut frontend = frontend.with_context(|| socket.display().to_string())?;
    frontend.set_owner()?;
    let wanted = F_VERSION_1 | RING_F_EVENT_IDX | RING_F_INDIRECT_DESC | BLK_F_MQ;
    let wanted = wanted | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();
    let offered = frontend.get_features()?;
    ensure!(
        offered & wanted == wanted,
        "the back-end offers {offered:#x}, {wanted:#x} are needed"
    );
    let protocol = VhostUserProtocolFeatures::MQ | VhostUserProtocolFeatures::CONFIG;
    let offered = frontend.get_protocol_features()?;
    ensure!(
        offered.contains(protocol),
        "the back-end has no multiqueue: {offered:?}"
    );
    frontend.set_protocol_features(protocol)?;
    frontend.set_features(wanted)?;
    frontend.set_mem_table(&[VhostUserMemoryRegionInfo {
        guest_phys_addr: address(0),
        memory_size: len,
        userspace_addr: address(0),
        mmap_offset: 0,
        mmap_handle: fd.as_raw_fd(),
    }])?;
    for (queue, (vring, notifiers)) in vrings.iter().zip(notifiers).enumerate() {
        frontend.set_vring_num(queue, ENTRIES)?;
        frontend.set_vring_base(queue, 0)?;
        frontend.set_vring_addr(queue, vring)?;
        frontend.set_vring_call(queue, &notifiers.call)?;
        frontend.set_vring_kick(queue, &notifiers.kick)?;
        frontend.set_vring_enable(queue, true)?;
    }
    Ok(frontend)
}
