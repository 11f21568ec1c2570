// SPDX-License-Identifier: GPL-2.0-or-later
//! A driver of a virtio device in a machine without a guest. It sees each byte
//! of the machine's RAM, and resets the device as fast as one can.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use annex_qtest::files::Dir;
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};
use virtio_bindings::virtio_config::{VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_VERSION_1};
use virtio_bindings::virtio_ring::{
    VIRTIO_RING_F_INDIRECT_DESC, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
};

use super::{Bare, Ring, SOON};

/// Entries of a ring unless its device has shorter ones, and how many requests
/// there may be at once.
pub const RING: u16 = 64;

/// Where a queue's rings are in RAM.
pub const fn ring(queue: usize) -> Ring {
    let base = 0x10_0000 + 0x4000 * queue as u64;
    Ring {
        table: base,
        avail: base + 0x2000,
        used: base + 0x3000,
    }
}

/// Each request has memory of its own, for its indirect table and what it is
/// made of.
const SLOTS: u64 = 0x20_0000;
const SLOT: u64 = 0x2_0000;
// What follows a disk's header, of 16 bytes, begins a page.
const SLOT_PARTS: u64 = 0x1000 - 16;

/// Of a descriptor.
const NEXT: u16 = VRING_DESC_F_NEXT as u16;
const WRITE: u16 = VRING_DESC_F_WRITE as u16;
const INDIRECT: u16 = VRING_DESC_F_INDIRECT as u16;

const F_INDIRECT: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC;
/// VERSION_1.
pub const F_VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;
const F_ACCESS_PLATFORM: u64 = 1 << VIRTIO_F_ACCESS_PLATFORM;

/// What a descriptor of a request stands for.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes that the device reads.
    Bytes(Vec<u8>),
    /// That many, whatever is there.
    Any(u32),
    /// Room for that many, which the device writes.
    Room(u32),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it is made of. What the device reads comes first.
    pub parts: Vec<Part>,
    /// Whether its descriptors are in a table of their own.
    pub indirect: bool,
}

impl Request {
    /// A read of a disk's first sector, as virtio-blk has it: a header that says so, room for
    /// the sector, room for the status.
    pub fn of_first_sector() -> Self {
        Self {
            parts: vec![Part::Bytes(vec![0; 16]), Part::Room(512), Part::Room(1)],
            indirect: false,
        }
    }
}

/// A buffer: its place, its length and whether the device writes it.
type Buffer = (u64, u32, bool);

/// A request in flight.
struct InFlight {
    queue: usize,
    buffers: Vec<Buffer>,
    /// Its descriptors in the ring, the first to begin with.
    held: Vec<u16>,
}

/// What a queue is at.
struct Queue {
    avail: u16,
    seen: u16,
    /// Descriptors of the ring that aren't in use.
    free: Vec<u16>,
}

/// The machine and its driver.
pub struct Driver {
    /// The machine.
    pub machine: Bare,
    /// What the RAM must hold.
    model: Vec<u8>,
    /// Features that are asked for beside those that every driver needs.
    features: u64,
    /// Entries of a ring.
    entries: u16,
    in_flight: Vec<Option<InFlight>>,
    queues: Vec<Queue>,
}

impl Driver {
    /// Starts a machine with an isolated device of `queues` queues, which is
    /// to be reset before it is used.
    pub fn start(dir: &Dir, backend: &Path, device: &str, queues: usize) -> Result<Self> {
        Self::of(Bare::start(dir, backend, device)?, queues)
    }

    /// The driver of a machine that has just been started.
    pub fn of(machine: Bare, queues: usize) -> Result<Self> {
        // Firmware and devices have put their own here and there.
        let model = machine.whole_ram()?;
        let in_flight = (0..RING).map(|_| None).collect();
        let queues = (0..queues)
            .map(|_| Queue {
                avail: 0,
                seen: 0,
                free: Vec::new(),
            })
            .collect();
        Ok(Self {
            machine,
            model,
            features: 0,
            entries: RING,
            in_flight,
            queues,
        })
    }

    /// The same driver in another machine, where its own has gone with all that
    /// it had.
    pub fn moved_to(self, machine: Bare) -> Self {
        Self { machine, ..self }
    }

    /// The same with shorter rings, and with more features of the device's.
    pub fn with(self, entries: u16, features: u64) -> Self {
        Self {
            entries,
            features,
            ..self
        }
    }

    /// Gives the device to a driver that knows more features of it, or fewer,
    /// and uses so many queues.
    pub fn replace(&mut self, features: u64, queues: usize) -> Result<()> {
        self.features = features;
        for queue in 0..self.queues.len() {
            let elements = 8 * u32::from(self.entries);
            self.accept(&[(ring(queue).used, 4 + elements + 2, true)])?;
        }
        let unused = || Queue {
            avail: 0,
            seen: 0,
            free: Vec::new(),
        };
        self.queues.resize_with(queues, unused);
        self.reset()
    }

    /// Resets the device and makes it ready.
    pub fn reset(&mut self) -> Result<()> {
        self.machine.reset()?;
        // What was lent is the driver's again, whatever is in it.
        for slot in 0..self.in_flight.len() {
            if let Some(request) = self.in_flight[slot].take() {
                self.accept(&request.buffers)?;
            }
        }
        for queue in 0..self.queues.len() {
            self.queues[queue] = Queue {
                avail: 0,
                seen: 0,
                free: (0..self.entries).collect(),
            };
            self.store(ring(queue).avail, &[0; 4])?;
            self.store(ring(queue).used, &[0; 4])?;
        }
        let rings: Vec<Ring> = (0..self.queues.len()).map(ring).collect();
        let platform = if self.machine.iova == 0 {
            0
        } else {
            F_ACCESS_PLATFORM
        };
        let features = F_INDIRECT | F_VERSION_1 | platform | self.features;
        self.machine.make_ready(features, &rings, self.entries)
    }

    /// The place in RAM of what follows the header of a disk's request.
    pub fn data_at(slot: usize) -> u64 {
        SLOTS + SLOT * slot as u64 + SLOT_PARTS + 16
    }

    /// What is there.
    pub fn data(&self, slot: usize, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.machine
            .ram
            .read_exact_at(&mut bytes, Self::data_at(slot))?;
        Ok(bytes)
    }

    /// Writes to RAM as the driver.
    pub fn store(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.model[place(at, bytes.len() as u32)].copy_from_slice(bytes);
        Ok(self.machine.ram.write_all_at(bytes, at)?)
    }

    /// Takes what the device wrote there for right.
    fn accept(&mut self, buffers: &[Buffer]) -> Result<()> {
        for &(at, len, _) in buffers.iter().filter(|(.., writes)| *writes) {
            self.machine
                .ram
                .read_exact_at(&mut self.model[place(at, len)], at)?;
        }
        Ok(())
    }

    /// A slot for another request in a queue, if there is one.
    pub fn room(&self, queue: usize, request: &Request) -> Option<usize> {
        let wanted = if request.indirect {
            1
        } else {
            request.parts.len()
        };
        let slot = self.in_flight.iter().position(Option::is_none)?;
        (self.queues[queue].free.len() >= wanted).then_some(slot)
    }

    /// Makes a request available in a slot; the device isn't told yet.
    pub fn submit(&mut self, queue: usize, slot: usize, request: &Request) -> Result<()> {
        let base = SLOTS + SLOT * slot as u64;
        let mut at = base + SLOT_PARTS;
        let mut buffers = Vec::new();
        for part in &request.parts {
            let (len, writes) = match part {
                Part::Bytes(bytes) => (bytes.len() as u32, false),
                Part::Any(len) => (*len, false),
                Part::Room(len) => (*len, true),
            };
            ensure!(
                at + u64::from(len) <= base + SLOT,
                "a request larger than its slot"
            );
            if let Part::Bytes(bytes) = part {
                self.store(at, bytes)?;
            }
            buffers.push((at, len, writes));
            at += u64::from(len);
        }
        let (ring, iova) = (ring(queue), self.machine.iova);
        let free = &mut self.queues[queue].free;
        let held = if request.indirect {
            let head = free.pop().context("a free descriptor")?;
            self.store(base, &table(&buffers, iova, |n| n as u16))?;
            let entry = entry((iova + base, 16 * buffers.len() as u32, false), INDIRECT, 0);
            self.store(ring.table + 16 * u64::from(head), &entry)?;
            vec![head]
        } else {
            let held = free.split_off(free.len() - buffers.len());
            let entries = table(&buffers, iova, |n| held[n]);
            for (index, entry) in held.iter().zip(entries.chunks(16)) {
                self.store(ring.table + 16 * u64::from(*index), entry)?;
            }
            held
        };
        let head = held[0].to_le_bytes();
        self.in_flight[slot] = Some(InFlight {
            queue,
            buffers,
            held,
        });
        let avail = self.queues[queue].avail;
        self.store(ring.avail + 4 + 2 * u64::from(avail % self.entries), &head)?;
        self.queues[queue].avail = avail.wrapping_add(1);
        self.store(ring.avail + 2, &avail.wrapping_add(1).to_le_bytes())
    }

    /// Has a part of a request that isn't indirect lie elsewhere, maybe not in
    /// RAM. The device mustn't know of the request yet.
    pub fn redirect(&mut self, slot: usize, part: usize, to: u64) -> Result<()> {
        let request = self.in_flight[slot]
            .as_ref()
            .context("a request in flight")?;
        let at = ring(request.queue).table + 16 * u64::from(request.held[part]);
        self.store(at, &to.to_le_bytes())
    }

    /// Takes what the device has used, each checked: it was in flight, its
    /// length fits, and nothing past the length was written. What was written,
    /// with the slot.
    pub fn reap(&mut self, queue: usize) -> Result<Vec<(usize, Vec<u8>)>> {
        let at = ring(queue).used;
        let mut bytes = [0; 2];
        self.machine.ram.read_exact_at(&mut bytes, at + 2)?;
        let used = u16::from_le_bytes(bytes);
        let seen = self.queues[queue].seen;
        let count = used.wrapping_sub(seen);
        ensure!(
            count <= self.entries,
            "QEMU's used index went from {seen} to {used}"
        );
        self.queues[queue].seen = used;
        let mut done = Vec::new();
        for n in 0..count {
            let mut element = [0; 8];
            let index = seen.wrapping_add(n) % self.entries;
            self.machine
                .ram
                .read_exact_at(&mut element, at + 4 + 8 * u64::from(index))?;
            let id = u32::from_le_bytes(element[..4].try_into()?);
            let len = u32::from_le_bytes(element[4..].try_into()?);
            done.push(self.complete(queue, id, len)?);
        }
        Ok(done)
    }

    fn complete(&mut self, queue: usize, id: u32, len: u32) -> Result<(usize, Vec<u8>)> {
        let is_it = |request: &Option<InFlight>| {
            request
                .as_ref()
                .is_some_and(|r| r.queue == queue && u32::from(r.held[0]) == id)
        };
        let slot = self.in_flight.iter().position(is_it);
        let slot = slot.with_context(|| format!("QEMU used {id}, which isn't in flight"))?;
        let request = self.in_flight[slot].take().context("a request in flight")?;
        let room: u32 = request.buffers.iter().filter(|b| b.2).map(|b| b.1).sum();
        ensure!(len <= room, "QEMU says {len} bytes of {room} were written");
        let mut written = Vec::new();
        for &(at, size, _) in request.buffers.iter().filter(|b| b.2) {
            let part = size.min(len - written.len() as u32);
            self.accept(&[(at, part, true)])?;
            written.extend_from_slice(&self.model[place(at, part)]);
        }
        self.queues[queue].free.extend(request.held);
        Ok((slot, written))
    }

    /// Gives the device a message, and waits for the answer, of `room` bytes
    /// at most.
    pub fn ask(&mut self, queue: usize, message: Vec<u8>, room: u32) -> Result<Vec<u8>> {
        let parts = vec![Part::Bytes(message), Part::Room(room)];
        let request = Request {
            parts,
            indirect: false,
        };
        let slot = self.room(queue, &request).context("room for a request")?;
        self.submit(queue, slot, &request)?;
        self.machine.notify(queue)?;
        wait::until("the device to answer", SOON, || {
            match self.reap(queue)?.as_slice() {
                [] => Ok(None),
                [(done, answer)] if *done == slot => Ok(Some(answer.clone())),
                others => bail!("not the answer: {others:?}"),
            }
        })
    }

    /// Checks every byte of RAM that nobody may have written.
    pub fn check_ram(&mut self) -> Result<()> {
        let found = self.machine.whole_ram()?;
        // QEMU may write these while they are looked at.
        let elements = 8 * u32::from(self.entries);
        let used = (0..self.queues.len()).map(|n| (ring(n).used, 4 + elements + 2));
        let lent = self
            .in_flight
            .iter()
            .flatten()
            .flat_map(|request| &request.buffers);
        let lent = lent
            .filter(|buffer| buffer.2)
            .map(|&(at, len, _)| (at, len));
        for (at, len) in used.chain(lent) {
            self.model[place(at, len)].copy_from_slice(&found[place(at, len)]);
        }
        if found != self.model {
            let at = found
                .iter()
                .zip(&self.model)
                .position(|(a, b)| a != b)
                .unwrap_or(0);
            bail!(
                "the guest's RAM at {at:#x}: {:#x}, not {:#x}",
                found[at],
                self.model[at]
            );
        }
        Ok(())
    }

    /// Whether requests are in flight.
    pub fn busy(&self) -> bool {
        self.in_flight.iter().any(Option::is_some)
    }
}

fn place(at: u64, len: u32) -> Range<usize> {
    at as usize..at as usize + len as usize
}

/// A descriptor.
fn entry((at, len, writes): Buffer, flags: u16, next: u16) -> Vec<u8> {
    let flags = flags | if writes { WRITE } else { 0 };
    let ends = [flags.to_le_bytes(), next.to_le_bytes()].concat();
    [at.to_le_bytes().as_slice(), &len.to_le_bytes(), &ends].concat()
}

/// A chain's descriptors, the n-th being `index(n)` of its table, for a device
/// that has RAM at `iova`.
fn table(chain: &[Buffer], iova: u64, index: impl Fn(usize) -> u16) -> Vec<u8> {
    let last = chain.len() - 1;
    let one = |n: usize| {
        let (at, len, writes) = chain[n];
        let (flags, next) = if n < last {
            (NEXT, index(n + 1))
        } else {
            (0, 0)
        };
        entry((iova + at, len, writes), flags, next)
    };
    (0..=last).flat_map(one).collect()
}
