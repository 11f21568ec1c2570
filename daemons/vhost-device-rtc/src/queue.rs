// SPDX-License-Identifier: GPL-2.0-or-later
//! The two queues. Whatever is in them is the guest's, and may change while it is read: each
//! byte is copied once, by virtio-queue and vm-memory, and what was copied is looked at.

use std::io::{Read, Write};
use std::ops::Deref;

use log::warn;
use virtio_queue::{DescriptorChain, Error, Queue, QueueOwnedT, QueueT};
use vm_memory::bitmap::WithBitmapSlice;
use vm_memory::{GuestMemory, GuestMemoryBackend};

use crate::device::Device;
use crate::host::Host;
use crate::protocol::{answer, notification, MAX_REQUEST, NOTIFICATION};

/// A chain that can't be read or written, of which the driver is told no bytes were written.
struct BadChain;

impl From<Error> for BadChain {
    fn from(_: Error) -> BadChain {
        BadChain
    }
}

impl From<std::io::Error> for BadChain {
    fn from(_: std::io::Error) -> BadChain {
        BadChain
    }
}

/// Answer every request in the queue, in order, and leave it so that the driver kicks for the
/// next. True if the driver has to be called. An error says that the ring itself is broken: it
/// lies outside of memory, or holds more than fits into it. The next kick tries again.
pub fn answer_requests<M>(
    queue: &mut Queue,
    memory: &M,
    device: &mut Device,
    host: &mut dyn Host,
) -> Result<bool, Error>
where
    M: GuestMemoryBackend,
    for<'a> <M as GuestMemory>::Bitmap: WithBitmapSlice<'a>,
{
    let (mut used, mut taken) = (false, true);
    loop {
        queue.disable_notification(memory)?;
        let before = std::mem::take(&mut taken);
        while let Some(chain) = queue.iter(memory)?.next() {
            taken = true;
            let head = chain.head_index();
            if known(queue, head) {
                let written = answer_request(chain, memory, device, host).unwrap_or(0);
                queue.add_used(memory, head, written)?;
                used = true;
            }
        }
        // What has come in the meantime wasn't kicked for. If there is something and it can't
        // be taken, time and again, the ring isn't in memory as a whole.
        if !queue.enable_notification(memory)? || !(taken || before) {
            break;
        }
    }
    Ok(used && queue.needs_notification(memory)?)
}

/// Whether there is such a descriptor. If not, there is nothing that could be given back.
fn known(queue: &Queue, head: u16) -> bool {
    let known = head < queue.size();
    if !known {
        warn!(
            "the driver made descriptor {head} of {} available",
            queue.size()
        );
    }
    known
}

fn answer_request<M, D>(
    chain: DescriptorChain<D>,
    memory: &M,
    device: &mut Device,
    host: &mut dyn Host,
) -> Result<u32, BadChain>
where
    M: GuestMemoryBackend,
    for<'a> <M as GuestMemory>::Bitmap: WithBitmapSlice<'a>,
    D: Deref<Target = M> + Clone,
{
    let mut reader = chain.clone().reader(memory)?;
    let mut writer = chain.writer(memory)?;
    let mut request = [0; MAX_REQUEST];
    let length = reader.available_bytes().min(MAX_REQUEST);
    reader.read_exact(&mut request[..length])?;
    let answer = answer(device, host, &request[..length], writer.available_bytes());
    writer.write_all(answer.bytes())?;
    Ok(answer.bytes().len() as u32)
}

/// Notify of each alarm that is due, as long as there are buffers. True if the driver has to be
/// called; errors as of [`answer_requests`]. Where a notification doesn't fit into a buffer, the
/// buffer is given back empty and the next is tried.
pub fn notify_alarms<M>(queue: &mut Queue, memory: &M, device: &mut Device) -> Result<bool, Error>
where
    M: GuestMemoryBackend,
    for<'a> <M as GuestMemory>::Bitmap: WithBitmapSlice<'a>,
{
    let (mut used, mut again) = (false, true);
    while let Some(id) = device.due() {
        let Some(chain) = queue.iter(memory)?.next() else {
            // The driver is asked to kick when it has put a buffer in; it may have just now.
            if queue.enable_notification(memory)? && std::mem::take(&mut again) {
                continue;
            }
            break;
        };
        again = true;
        let head = chain.head_index();
        if !known(queue, head) {
            continue;
        }
        let written = write_notification(chain, memory, id).unwrap_or(0);
        queue.add_used(memory, head, written)?;
        used = true;
        if written > 0 {
            device.delivered(id);
        }
    }
    Ok(used && queue.needs_notification(memory)?)
}

fn write_notification<M, D>(chain: DescriptorChain<D>, memory: &M, id: u16) -> Result<u32, BadChain>
where
    M: GuestMemoryBackend,
    for<'a> <M as GuestMemory>::Bitmap: WithBitmapSlice<'a>,
    D: Deref<Target = M> + Clone,
{
    let mut writer = chain.writer(memory)?;
    if writer.available_bytes() < NOTIFICATION {
        return Err(BadChain);
    }
    writer.write_all(&notification(id))?;
    Ok(NOTIFICATION as u32)
}
