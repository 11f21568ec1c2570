// SPDX-License-Identifier: GPL-2.0-or-later
//! The device's side of a split ring (Virtio 1.3, 2.7), done right.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{ensure, Context, Result};
use virtio_bindings::virtio_ring::{
    VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
};

use super::features::{EVENT_IDX, PROTOCOL_FEATURES};
use super::wire::{Code, Message};
use super::Memory;

const NEXT: u16 = VRING_DESC_F_NEXT as u16;
const WRITE: u16 = VRING_DESC_F_WRITE as u16;
const INDIRECT: u16 = VRING_DESC_F_INDIRECT as u16;
/// In the avail ring's flags.
const NO_INTERRUPT: u16 = VRING_AVAIL_F_NO_INTERRUPT as u16;
/// Of a descriptor.
pub const DESCRIPTOR: u64 = 16;

/// A ring, as QEMU has set it up so far.
#[derive(Default)]
pub struct Ring {
    /// Entries.
    pub num: u16,
    /// Where the descriptors are.
    pub table: u64,
    /// Where the avail ring is.
    pub avail: u64,
    /// Where the used ring is.
    pub used: u64,
    /// How many chains were taken, modulo 65536.
    pub taken: u16,
    /// How many were given back, modulo 65536.
    pub given: u16,
    /// Whether event indexes were negotiated.
    pub event_idx: bool,
    /// QEMU writes to it.
    pub kick: Option<File>,
    /// QEMU reads from it.
    pub call: Option<File>,
    /// Whether it may be used.
    pub enabled: bool,
}

/// A buffer of a request.
#[derive(Clone, Copy)]
pub struct Buffer {
    /// Its place.
    pub at: u64,
    /// Its bytes.
    pub len: u32,
}

/// A request.
pub struct Chain {
    /// Its first descriptor.
    pub head: u16,
    /// What it gives to read.
    pub readable: Vec<Buffer>,
    /// What it lends to write.
    pub writable: Vec<Buffer>,
    /// The place and descriptors of its indirect table.
    pub indirect: Option<(u64, u64)>,
}

struct Descriptor {
    buffer: Buffer,
    flags: u16,
    next: u16,
}

fn descriptor(memory: &Memory, at: u64) -> Result<Descriptor> {
    let bytes = memory.read(at, DESCRIPTOR as usize)?;
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    Ok(Descriptor {
        buffer: Buffer {
            at: u64::from_le_bytes(bytes[..8].try_into()?),
            len: u32::from_le_bytes(bytes[8..12].try_into()?),
        },
        flags: word(12),
        next: word(14),
    })
}

impl Ring {
    /// Does what a message asks that is about one ring; false of all others.
    pub fn set(&mut self, message: &Message, memory: Option<&Memory>) -> Result<bool> {
        let file = || message.fds.first()?.try_clone().ok();
        match message.code {
            Code::SET_VRING_NUM => {
                let num = u16::try_from(message.u32(4))?;
                ensure!(num.is_power_of_two(), "a ring of {num}");
                self.num = num;
            }
            Code::SET_VRING_BASE => {
                let base = message.u32(4) as u16;
                (self.taken, self.given) = (base, base);
            }
            Code::SET_VRING_ADDR => {
                let memory = memory.context("rings before memory")?;
                let [table, used, avail] = [8, 16, 24].map(|at| memory.place(message.u64(at)));
                (self.table, self.used, self.avail) = (table?, used?, avail?);
                self.given = memory.u16(self.used + 2)?;
            }
            Code::SET_VRING_KICK => self.kick = file(),
            Code::SET_VRING_CALL => self.call = file(),
            Code::SET_VRING_ENABLE => self.enabled = message.u32(4) == 1,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the features that a SET_FEATURES says.
    pub fn set_features(&mut self, features: u64) {
        self.event_idx = features & EVENT_IDX != 0;
        // Without this bit there is no message that enables rings.
        self.enabled |= features & PROTOCOL_FEATURES == 0;
    }

    /// Whether it can be looked at.
    pub fn runs(&self) -> bool {
        self.enabled && self.kick.is_some() && self.num > 0 && self.table != 0
    }

    /// How many requests wait to be taken.
    pub fn waiting(&self, memory: &Memory) -> Result<u16> {
        Ok(memory.u16(self.avail + 2)?.wrapping_sub(self.taken))
    }

    /// Takes the next request, if there is one.
    pub fn take(&mut self, memory: &Memory) -> Result<Option<Chain>> {
        let waiting = self.waiting(memory)?;
        if waiting == 0 {
            return Ok(None);
        }
        ensure!(waiting <= self.num, "the avail index is {waiting} ahead");
        let entry = self.avail + 4 + 2 * u64::from(self.taken % self.num);
        let head = memory.u16(entry)?;
        self.taken = self.taken.wrapping_add(1);
        let mut chain = Chain {
            head,
            readable: vec![],
            writable: vec![],
            indirect: None,
        };
        let (mut table, mut entries, mut index) = (self.table, u64::from(self.num), head);
        for _ in 0..=entries.max(1 << 16) {
            ensure!(
                u64::from(index) < entries,
                "descriptor {index} of {entries}"
            );
            let found = descriptor(memory, table + DESCRIPTOR * u64::from(index))?;
            if found.flags & INDIRECT != 0 {
                ensure!(
                    chain.indirect.is_none(),
                    "an indirect table in an indirect table"
                );
                (table, entries) = (found.buffer.at, u64::from(found.buffer.len) / DESCRIPTOR);
                chain.indirect = Some((table, entries));
                index = 0;
                continue;
            }
            let list = if found.flags & WRITE != 0 {
                &mut chain.writable
            } else {
                &mut chain.readable
            };
            list.push(found.buffer);
            if found.flags & NEXT == 0 {
                return Ok(Some(chain));
            }
            index = found.next;
        }
        anyhow::bail!("a loop of descriptors")
    }

    /// Writes a used element without giving it yet: `ahead` after the next.
    pub fn put(&self, memory: &Memory, ahead: u16, id: u32, len: u32) -> Result<()> {
        let at = self.used + 4 + 8 * u64::from(self.given.wrapping_add(ahead) % self.num);
        memory.write(at, &[id.to_le_bytes(), len.to_le_bytes()].concat())
    }

    /// Moves the used index by `count`, and calls if that is wanted.
    pub fn give(&mut self, memory: &Memory, count: u16) -> Result<()> {
        let before = self.given;
        self.given = self.given.wrapping_add(count);
        memory.set_u16(self.used + 2, self.given)?;
        if self.wants_call(memory, before)? {
            self.call()?;
        }
        Ok(())
    }

    fn wants_call(&self, memory: &Memory, before: u16) -> Result<bool> {
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if !self.event_idx {
            return Ok(memory.u16(self.avail)? & NO_INTERRUPT == 0);
        }
        let event = memory.u16(self.avail + 4 + 2 * u64::from(self.num))?;
        let passed = self.given.wrapping_sub(event).wrapping_sub(1);
        Ok(passed < self.given.wrapping_sub(before))
    }

    /// Calls, wanted or not.
    pub fn call(&self) -> Result<()> {
        match &self.call {
            // A counter that is full has something to tell already.
            Some(call) => Ok((&*call).write_all(&1u64.to_ne_bytes())?),
            None => Ok(()),
        }
    }

    /// Asks to be kicked for the next request; whether one is there already.
    pub fn wait_for_kick(&self, memory: &Memory) -> Result<bool> {
        if self.event_idx {
            memory.set_u16(self.used + 4 + 8 * u64::from(self.num), self.taken)?;
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        }
        Ok(self.waiting(memory)? != 0)
    }

    /// Takes back a kick.
    pub fn kicked(&self) -> Result<()> {
        match &self.kick {
            Some(kick) => Ok((&*kick).read_exact(&mut [0; 8])?),
            None => Ok(()),
        }
    }

    /// Bytes of the table, the avail ring and the used ring with its end.
    pub fn extents(&self) -> [(u64, u64); 3] {
        let num = u64::from(self.num);
        [
            (self.table, DESCRIPTOR * num),
            (self.avail, 4 + 2 * num + 2),
            (self.used, 4 + 8 * num + 2),
        ]
    }
}
