// SPDX-License-Identifier: GPL-2.0-or-later
//! The driver's side of a split ring (Virtio 1.3, 2.7) and of its buffers, with
//! chains as the standard has them and as it forbids them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{fence, Ordering};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};
use virtio_bindings::virtio_ring::{
    VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, VRING_USED_F_NO_NOTIFY,
};

use super::Memory;

/// A descriptor of the ring or of an indirect table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    /// The place of its buffer.
    pub at: u64,
    /// The bytes of its buffer.
    pub len: u32,
    /// See the constants.
    pub flags: u16,
    /// The next one's index.
    pub next: u16,
}

impl Entry {
    /// Another follows.
    pub const NEXT: u16 = VRING_DESC_F_NEXT as u16;
    /// The device writes.
    pub const WRITE: u16 = VRING_DESC_F_WRITE as u16;
    /// Its buffer is a table.
    pub const INDIRECT: u16 = VRING_DESC_F_INDIRECT as u16;

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

/// What a descriptor of a chain stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes that the device reads.
    Bytes(Vec<u8>),
    /// Room for that many, which the device writes.
    Room(usize),
}

/// Where a chain's descriptors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In the ring.
    Direct,
    /// In a table of their own.
    Indirect,
}

/// A chain that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its first descriptor.
    pub head: u16,
    /// How much the device says that it wrote.
    pub len: u32,
    /// What is in the chain's room now.
    pub room: Vec<u8>,
}

impl Answer {
    /// What was written.
    pub fn written(&self) -> &[u8] {
        &self.room[..self.len as usize]
    }
}

/// What room holds before the device writes to it.
pub const UNWRITTEN: u8 = 0xee;

/// Bytes for the rings: of 1024 entries at most.
const RINGS: u64 = 0x8000;
const AVAIL: u64 = 0x4000;
const USED: u64 = 0x5000;
/// What a chain has: what the device reads, what it writes, its table.
const PAGE: u64 = 0x1000;
const ROOM: u64 = 0x400;
const TABLE: u64 = 0x800;

/// A chain that the device has.
struct Lent {
    held: Vec<u16>,
    /// None if nobody looks at what is written.
    room: Option<Vec<(u64, usize)>>,
}

/// A queue: its ring, its chains' memory, and its two eventfds.
pub struct Queue {
    memory: Memory,
    base: u64,
    num: u16,
    event_idx: bool,
    /// How many chains were made available, modulo 65536.
    offered: u16,
    /// The same when the device was told last.
    told: u16,
    /// How many came back.
    seen: u16,
    free: Vec<u16>,
    lent: HashMap<u16, Lent>,
    kick: File,
    call: File,
}

fn event() -> Result<File> {
    let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
    Ok(File::from(eventfd(0, flags)?))
}

impl Queue {
    /// One of `num` entries at the guest's address `base`: its rings, in 0x8000
    /// bytes, and a page for each entry's chain.
    pub fn new(memory: &Memory, base: u64, num: u16, event_idx: bool) -> Result<Self> {
        ensure!(
            num.is_power_of_two() && num <= 1024,
            "a queue of {num} entries"
        );
        memory.write(base, &[0; RINGS as usize])?;
        Ok(Self {
            memory: memory.clone(),
            base,
            num,
            event_idx,
            offered: 0,
            told: 0,
            seen: 0,
            free: (0..num).rev().collect(),
            lent: HashMap::new(),
            kick: event()?,
            call: event()?,
        })
    }

    /// Its entries.
    pub fn num(&self) -> u16 {
        self.num
    }

    /// What the device reads from.
    pub fn kick_fd(&self) -> BorrowedFd<'_> {
        self.kick.as_fd()
    }

    /// What the device writes to.
    pub fn call(&self) -> BorrowedFd<'_> {
        self.call.as_fd()
    }

    /// Where its three parts are, as the guest sees them: descriptors, the avail
    /// ring, the used ring.
    pub fn parts(&self) -> [u64; 3] {
        [self.base, self.base + AVAIL, self.base + USED]
    }

    /// The payload of SET_VRING_ADDR.
    pub fn addresses(&self, index: u32) -> Vec<u8> {
        let [table, avail, used] = self.parts().map(|at| self.memory.user(at));
        let mut payload = u64::from(index).to_le_bytes().to_vec();
        for field in [table, used, avail, 0] {
            payload.extend(field.to_le_bytes());
        }
        payload
    }

    /// Writes a descriptor of the ring, whatever it says.
    pub fn describe(&self, index: u16, entry: Entry) -> Result<()> {
        let at = self.base + 16 * u64::from(index);
        self.memory.write(at, &entry.bytes())
    }

    /// The memory of the chain that begins with `head`: a page, where the device
    /// reads; room is 0x400 above, a table 0x800.
    pub fn page(&self, head: u16) -> u64 {
        self.base + RINGS + PAGE * u64::from(head)
    }

    /// Makes what begins with `head` available, whatever that is, without a kick.
    pub fn offer(&mut self, head: u16) -> Result<()> {
        let at = self.base + AVAIL + 4 + 2 * u64::from(self.offered % self.num);
        self.memory.write(at, &head.to_le_bytes())?;
        self.offered = self.offered.wrapping_add(1);
        self.memory.set_u16(self.base + AVAIL + 2, self.offered)
    }

    /// Sets the avail index to what it isn't.
    pub fn set_offered(&mut self, index: u16) -> Result<()> {
        self.offered = index;
        self.memory.set_u16(self.base + AVAIL + 2, index)
    }

    /// How many chains were made available, modulo 65536.
    pub fn offered(&self) -> u16 {
        self.offered
    }

    /// How many chains came back, modulo 65536.
    pub fn seen(&self) -> u16 {
        self.seen
    }

    /// Makes a chain and makes it available, without a kick. Its first descriptor.
    pub fn submit(&mut self, parts: &[Part], shape: Shape) -> Result<u16> {
        let wanted = match shape {
            Shape::Direct => parts.len(),
            Shape::Indirect => 1,
        };
        ensure!(
            !parts.is_empty() && self.free.len() >= wanted,
            "no room for a chain of {}",
            parts.len()
        );
        let held = self.free.split_off(self.free.len() - wanted);
        let (head, page) = (held[0], self.page(held[0]));
        let (mut read, mut write) = (page, page + ROOM);
        self.memory.write(page + ROOM, &[UNWRITTEN; 0x400])?;
        let mut room = Vec::new();
        let mut entries = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(bytes) => {
                    self.memory.write(read, bytes)?;
                    entries.push((read, bytes.len(), 0));
                    read += bytes.len() as u64;
                }
                Part::Room(len) => {
                    entries.push((write, *len, Entry::WRITE));
                    room.push((write, *len));
                    write += *len as u64;
                }
            }
        }
        ensure!(
            read <= page + ROOM && write <= page + TABLE && parts.len() <= 128,
            "a chain larger than its page"
        );
        let last = entries.len() - 1;
        for (n, (at, len, flags)) in entries.into_iter().enumerate() {
            let index = |n: usize| match shape {
                Shape::Direct => held[n],
                Shape::Indirect => n as u16,
            };
            let (flags, next) = match n == last {
                true => (flags, 0),
                false => (flags | Entry::NEXT, index(n + 1)),
            };
            let len = len as u32;
            let entry = Entry {
                at,
                len,
                flags,
                next,
            };
            match shape {
                Shape::Direct => self.describe(index(n), entry)?,
                Shape::Indirect => {
                    let at = page + TABLE + 16 * n as u64;
                    self.memory.write(at, &entry.bytes())?;
                }
            }
        }
        if shape == Shape::Indirect {
            let table = Entry {
                at: page + TABLE,
                len: 16 * parts.len() as u32,
                flags: Entry::INDIRECT,
                next: 0,
            };
            self.describe(head, table)?;
        }
        let room = Some(room);
        self.lent.insert(head, Lent { held, room });
        self.offer(head)?;
        Ok(head)
    }

    /// Lends a chain that [`Queue::describe`] made of these descriptors. What the
    /// device makes of it isn't looked at.
    pub fn lend_raw(&mut self, held: &[u16]) -> Result<()> {
        self.free.retain(|index| !held.contains(index));
        let lent = Lent {
            held: held.to_vec(),
            room: None,
        };
        self.lent.insert(held[0], lent);
        self.offer(held[0])
    }

    /// Tells the device that there is something, if it wants to be told.
    pub fn kick(&mut self) -> Result<()> {
        fence(Ordering::SeqCst);
        let wanted = if self.event_idx {
            let at = self.base + USED + 4 + 8 * u64::from(self.num);
            let passed = self.offered.wrapping_sub(self.memory.u16(at)?);
            passed.wrapping_sub(1) < self.offered.wrapping_sub(self.told)
        } else {
            self.memory.u16(self.base + USED)? & VRING_USED_F_NO_NOTIFY as u16 == 0
        };
        self.told = self.offered;
        if wanted {
            self.kick_anyway()?;
        }
        Ok(())
    }

    /// Tells it, whatever it wants.
    pub fn kick_anyway(&self) -> Result<()> {
        Ok((&self.kick).write_all(&1u64.to_ne_bytes())?)
    }

    /// How often the device has called since this was asked.
    pub fn calls(&self) -> Result<u64> {
        let mut count = [0; 8];
        match (&self.call).read(&mut count) {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// A chain that came back, if there is one.
    pub fn reap(&mut self) -> Result<Option<Answer>> {
        let given = self.memory.u16(self.base + USED + 2)?;
        if given == self.seen {
            return Ok(None);
        }
        ensure!(
            given.wrapping_sub(self.seen) <= self.num,
            "the used index went from {} to {given}",
            self.seen
        );
        let at = self.base + USED + 4 + 8 * u64::from(self.seen % self.num);
        let element = self.memory.read(at, 8)?;
        self.seen = self.seen.wrapping_add(1);
        let id = u32::from_le_bytes(element[..4].try_into()?);
        let len = u32::from_le_bytes(element[4..].try_into()?);
        let head = u16::try_from(id)?;
        let lent = self.lent.remove(&head);
        let lent = lent.with_context(|| format!("chain {head} came back, which nobody lent"))?;
        self.free.extend(lent.held);
        let Some(places) = lent.room else {
            let room = Vec::new();
            return Ok(Some(Answer { head, len, room }));
        };
        let size: usize = places.iter().map(|(_, len)| len).sum();
        ensure!(
            len as usize <= size,
            "{len} bytes written to {size} bytes of room"
        );
        let mut room = Vec::with_capacity(size);
        for (at, len) in &places {
            room.extend(self.memory.read(*at, *len)?);
        }
        // The rest of the page's room was never the device's.
        let mut beyond = self.memory.read(self.page(head) + ROOM, 0x400)?;
        beyond.drain(..size);
        ensure!(
            places.is_empty() || beyond.iter().all(|byte| *byte == UNWRITTEN),
            "the device wrote past a chain's room"
        );
        ensure!(
            room[len as usize..].iter().all(|byte| *byte == UNWRITTEN),
            "more was written than the {len} bytes that the device says"
        );
        Ok(Some(Answer { head, len, room }))
    }

    /// The next chain that comes back within `limit`, asleep until the device
    /// calls.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<Answer>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(answer) = self.reap()? {
                return Ok(Some(answer));
            }
            if self.event_idx {
                let at = self.base + AVAIL + 4 + 2 * u64::from(self.num);
                self.memory.set_u16(at, self.seen)?;
                fence(Ordering::SeqCst);
                if let Some(answer) = self.reap()? {
                    return Ok(Some(answer));
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left)?;
            let mut fds = [PollFd::new(&self.call, PollFlags::IN)];
            let called = match poll(&mut fds, Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            if called == 0 {
                return self.reap();
            }
            self.calls()?;
        }
    }
}
