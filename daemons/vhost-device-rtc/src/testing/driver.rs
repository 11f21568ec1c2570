// SPDX-License-Identifier: GPL-2.0-or-later
//! A driver's side of a split queue, and the guest's memory.

use virtio_bindings::bindings::virtio_ring::{
    VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
};
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Entries of the queue.
pub const ENTRIES: u16 = 16;
/// The length of the guest's memory.
pub const MEMORY: u64 = 0x10000;
/// Where the descriptors are.
pub const TABLE: u64 = 0x0;
/// Where the driver's ring is.
pub const AVAIL: u64 = 0x1000;
/// Where the device's ring is.
pub const USED: u64 = 0x2000;
const INDIRECT: u64 = 0x3000;
const BUFFERS: u64 = 0x4000;

/// A guest with a queue. Buffers are laid anew for each chain that it puts in.
#[derive(Debug)]
pub struct Driver {
    /// The guest's memory.
    pub memory: GuestMemoryMmap,
    /// The device's side of the queue.
    pub queue: Queue,
    /// Where the queue and its buffers begin.
    from: u64,
    avail: u16,
    used: u16,
    next: u16,
    buffer: u64,
}

impl Driver {
    /// A queue with or without VIRTIO_RING_F_EVENT_IDX.
    pub fn new(event_idx: bool) -> Driver {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY as usize)]);
        Driver::over(memory.expect("64 KiB of memory"), 0, event_idx)
    }

    /// The same in [`MEMORY`] bytes of this memory.
    pub fn over(memory: GuestMemoryMmap, from: u64, event_idx: bool) -> Driver {
        let mut queue = Queue::new(ENTRIES).expect("a power of 2");
        queue.set_size(ENTRIES);
        queue.set_desc_table_address(Some((from + TABLE) as u32), Some(0));
        queue.set_avail_ring_address(Some((from + AVAIL) as u32), Some(0));
        queue.set_used_ring_address(Some((from + USED) as u32), Some(0));
        queue.set_event_idx(event_idx);
        queue.set_ready(true);
        Driver {
            memory,
            queue,
            from,
            avail: 0,
            used: 0,
            next: 0,
            buffer: BUFFERS,
        }
    }

    /// Go on with a queue in which this many buffers were made available and used.
    pub fn begin_at(&mut self, base: u16) {
        (self.avail, self.used) = (base, base);
        self.put(&base.to_le_bytes(), AVAIL + 2);
        self.put(&base.to_le_bytes(), USED + 2);
    }

    fn put(&self, bytes: &[u8], at: u64) {
        self.memory
            .write_slice(bytes, GuestAddress(self.from + at))
            .expect("within memory");
    }

    fn get16(&self, at: u64) -> u16 {
        self.memory
            .read_obj(GuestAddress(self.from + at))
            .map(u16::from_le)
            .expect("within memory")
    }

    fn get32(&self, at: u64) -> u32 {
        self.memory
            .read_obj(GuestAddress(self.from + at))
            .map(u32::from_le)
            .expect("within memory")
    }

    fn descriptor(&self, at: u64, address: u64, length: u32, flags: u32, next: u16) {
        let mut bytes = address.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend((flags as u16).to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.put(&bytes, at);
    }

    /// Make a request available in descriptors of these lengths, with room for its answer in
    /// descriptors of those lengths. Gives the addresses of the rooms.
    pub fn request(
        &mut self,
        request: &[u8],
        lengths: &[usize],
        rooms: &[usize],
        indirect: bool,
    ) -> Vec<(u64, usize)> {
        let mut parts = Vec::new();
        let mut rest = request;
        for length in lengths {
            let (part, after) = rest.split_at(*length);
            parts.push((self.lay(part), *length, 0));
            rest = after;
        }
        let mut room_at = Vec::new();
        for length in rooms {
            let at = self.lay(&vec![0xaa; *length]);
            parts.push((at, *length, VRING_DESC_F_WRITE));
            room_at.push((at, *length));
        }
        self.chain(&parts, indirect);
        room_at
    }

    fn lay(&mut self, bytes: &[u8]) -> u64 {
        if self.buffer + bytes.len() as u64 > MEMORY {
            self.buffer = BUFFERS;
        }
        let at = self.buffer;
        self.put(bytes, at);
        self.buffer += bytes.len() as u64;
        self.from + at
    }

    /// Make a chain of descriptors (address, length, flags) available.
    pub fn chain(&mut self, parts: &[(u64, usize, u32)], indirect: bool) {
        let head = self.next;
        let (table, first) = if indirect {
            (INDIRECT, 0)
        } else {
            (TABLE, head)
        };
        for (number, (at, length, flags)) in (0u16..).zip(parts) {
            let index = if indirect {
                number
            } else {
                (first + number) % ENTRIES
            };
            let last = usize::from(number) + 1 == parts.len();
            let next = if indirect {
                number + 1
            } else {
                (index + 1) % ENTRIES
            };
            let flags = if last {
                *flags
            } else {
                flags | VRING_DESC_F_NEXT
            };
            self.descriptor(
                table + u64::from(index) * 16,
                *at,
                *length as u32,
                flags,
                next,
            );
        }
        if indirect {
            let length = parts.len() as u32 * 16;
            let at = TABLE + u64::from(head) * 16;
            self.descriptor(at, self.from + INDIRECT, length, VRING_DESC_F_INDIRECT, 0);
        }
        let taken = if indirect { 1 } else { parts.len() as u16 };
        self.next = (head + taken) % ENTRIES;
        self.available(head);
    }

    /// Make the descriptor of this number available, whatever it is.
    pub fn available(&mut self, head: u16) {
        self.put(
            &head.to_le_bytes(),
            AVAIL + 4 + u64::from(self.avail % ENTRIES) * 2,
        );
        self.avail = self.avail.wrapping_add(1);
        self.put(&self.avail.to_le_bytes(), AVAIL + 2);
    }

    /// Buffers that the device has and hasn't used, as far as [`Driver::used`] has looked. A ring has
    /// room for [`ENTRIES`].
    pub fn out(&self) -> u16 {
        self.avail.wrapping_sub(self.used)
    }

    /// With event indices: call when this many buffers were used.
    pub fn call_at(&mut self, used: u16) {
        self.put(&used.to_le_bytes(), AVAIL + 4 + u64::from(ENTRIES) * 2);
    }

    /// With event indices: the device wants a kick for the buffer of this number.
    pub fn kick_at(&self) -> u16 {
        self.get16(USED + 4 + u64::from(ENTRIES) * 8)
    }

    /// With event indices: whether the device wants a kick for the buffer made available last.
    pub fn wants_kick(&self) -> bool {
        self.kick_at() == self.avail.wrapping_sub(1)
    }

    /// With event indices: call for the next buffer that is used.
    pub fn call_for_next(&mut self) {
        self.call_at(self.used);
    }

    /// The next buffer that the device has used: head, and bytes written.
    pub fn used(&mut self) -> Option<(u32, u32)> {
        if self.used == self.get16(USED + 2) {
            return None;
        }
        let at = USED + 4 + u64::from(self.used % ENTRIES) * 8;
        self.used = self.used.wrapping_add(1);
        Some((self.get32(at), self.get32(at + 4)))
    }

    /// How many buffers the device has used, modulo 2^16.
    pub fn used_idx(&self) -> u16 {
        self.get16(USED + 2)
    }

    /// What is in rooms of an answer.
    pub fn rooms(&self, rooms: &[(u64, usize)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, length) in rooms {
            let from = bytes.len();
            bytes.resize(from + length, 0);
            self.memory
                .read_slice(&mut bytes[from..], GuestAddress(*at))
                .expect("within memory");
        }
        bytes
    }
}
