// SPDX-License-Identifier: GPL-2.0-or-later
//! A driver of a virtio disk without a guest: QEMU executes no code (qtest),
//! the guest's RAM is a file, and the driver sits here. So it sees each byte
//! of that RAM, and resets a device as fast as one can.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use annex_qtest::accel::Accel;
use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::rig::SOON;

/// MiB of RAM.
const RAM_MIB: u64 = 32;
/// Entries of the ring.
pub const RING: u16 = 64;

/// Where the rings are in RAM.
const TABLE: u64 = 0x10_0000;
const AVAIL: u64 = 0x10_2000;
const USED: u64 = 0x10_3000;
/// Each request has memory of its own, for its indirect table, its header, its
/// status and its data.
const SLOTS: u64 = 0x20_0000;
const SLOT: u64 = 0x2_0000;
const SLOT_HEADER: u64 = 0x800;
const SLOT_STATUS: u64 = 0x900;
const SLOT_DATA: u64 = 0x1000;

/// Of a descriptor.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// Where the device's BAR is put, and its parts (hw/virtio/virtio-pci.c).
const BAR: u64 = 0xe000_0000;
const NOTIFY: u64 = BAR + 0x3000;
const DEVICE_SLOT: u32 = 8;

/// Bits of the device's status.
const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
/// The device is broken.
pub const NEEDS_RESET: u8 = 64;

const F_INDIRECT: u32 = 1 << 28;
/// VIRTIO_F_VERSION_1, in the upper word.
const F_VERSION_1: u32 = 1;

/// QEMU's qtest socket: I/O as a CPU would do it.
struct Bus {
    lines: BufReader<UnixStream>,
}

impl Bus {
    fn ask(&mut self, command: &str) -> Result<u64> {
        writeln!(self.lines.get_ref(), "{command}")?;
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        let answer =
            line.trim().strip_prefix("OK").with_context(|| format!("{command}: {line}"))?;
        match answer.trim().trim_start_matches("0x") {
            "" => Ok(0),
            hex => Ok(u64::from_str_radix(hex, 16)?),
        }
    }

    fn set_pci(&mut self, register: u32, value: u32) -> Result<()> {
        self.ask(&format!("outl 0xcf8 {:#x}", 1 << 31 | DEVICE_SLOT << 11 | register))?;
        self.ask(&format!("outl 0xcfc {value:#x}")).map(drop)
    }
}

/// A request.
#[derive(Clone)]
pub struct Request {
    /// Whether it reads the disk.
    pub reads: bool,
    /// Its first sector.
    pub sector: u64,
    /// The lengths of its data's buffers.
    pub buffers: Vec<u32>,
    /// Whether its descriptors are in a table of their own.
    pub indirect: bool,
}

/// A buffer: its place, its length and whether the device writes it.
type Buffer = (u64, u32, bool);

/// The machine and its driver.
pub struct Rig {
    /// The machine.
    pub vm: Vm,
    bus: Bus,
    ram: File,
    /// What the RAM must hold.
    model: Vec<u8>,
    /// The requests in flight, by slot, with what the device may write.
    in_flight: Vec<Option<Vec<Buffer>>>,
    avail: u16,
    seen: u16,
    /// Descriptors of the ring that aren't in use.
    free: Vec<u16>,
    /// The descriptors of each slot's request.
    held: Vec<Vec<u16>>,
}

impl Rig {
    /// Starts one with an isolated disk.
    pub fn start(dir: &Dir, backend: &Path, options: &str) -> Result<Self> {
        let (ram, bus) = (dir.file("ram"), dir.file("qtest.sock"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&ram)?;
        let model = annex_qtest::stream::bytes(7, 0, (RAM_MIB << 20) as usize);
        file.write_all_at(&model, 0)?;
        let mut config = Config::new(RAM_MIB)?;
        config.accel = Accel::None;
        let memory = format!(
            "memory-backend-file,id=pc.ram,share=on,size={RAM_MIB}M,mem-path={}",
            ram.display()
        );
        let disk = format!(
            "vhost-user-blk-pci,id=disk,addr={DEVICE_SLOT},chardev=backend,num-queues=1,\
             queue-size={RING},memory-isolation=on{options}"
        );
        let chardev = format!("socket,id=backend,path={}", backend.display());
        let server = format!("socket,id=bus,server=on,wait=off,path={}", bus.display());
        let vm = config
            .with(["-object", &memory, "-machine", "memory-backend=pc.ram"])
            .with(["-object", "iothread,id=io", "-chardev", &chardev, "-device", &disk])
            .with(["-chardev", &server, "-qtest", "chardev:bus", "-qtest-log", "none"])
            .start("vm", dir)?;
        let bus = Bus { lines: BufReader::new(UnixStream::connect(&bus)?) };
        let slots = usize::from(RING);
        let mut rig = Self {
            vm,
            bus,
            ram: file,
            model,
            in_flight: vec![None; slots],
            avail: 0,
            seen: 0,
            free: Vec::new(),
            held: vec![Vec::new(); slots],
        };
        const COMMAND: u32 = 4;
        const BAR_4: u32 = 0x20;
        const MEMORY_AND_MASTER: u32 = 6;
        rig.bus.set_pci(BAR_4, BAR as u32)?;
        rig.bus.set_pci(BAR_4 + 4, 0)?;
        rig.bus.set_pci(COMMAND, MEMORY_AND_MASTER)?;
        // Firmware and devices have put their own here and there.
        rig.ram.read_exact_at(&mut rig.model, 0)?;
        Ok(rig)
    }

    fn set_status(&mut self, status: u8) -> Result<()> {
        self.bus.ask(&format!("writeb {:#x} {status:#x}", BAR + 20)).map(drop)
    }

    /// The device's status.
    pub fn status(&mut self) -> Result<u8> {
        Ok(self.bus.ask(&format!("readb {:#x}", BAR + 20))? as u8)
    }

    /// Resets the device and makes it ready.
    pub fn reset(&mut self) -> Result<()> {
        self.set_status(0)?;
        wait::until("the device to be reset", SOON, || Ok((self.status()? == 0).then_some(())))?;
        // What was lent is the driver's again, whatever is in it.
        for slot in 0..self.in_flight.len() {
            if let Some(buffers) = self.in_flight[slot].take() {
                self.accept(&buffers)?;
            }
        }
        (self.avail, self.seen) = (0, 0);
        self.free = (0..RING).collect();
        self.held.iter_mut().for_each(Vec::clear);
        self.store(AVAIL, &[0; 4])?;
        self.store(USED, &[0; 4])?;
        self.set_status(ACKNOWLEDGE | DRIVER)?;
        for (select, features) in [(0, F_INDIRECT), (1, F_VERSION_1)] {
            self.bus.ask(&format!("writel {:#x} {select}", BAR + 8))?;
            self.bus.ask(&format!("writel {:#x} {features:#x}", BAR + 12))?;
        }
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK)?;
        ensure!(self.status()? & FEATURES_OK != 0, "the features aren't accepted");
        self.bus.ask(&format!("writew {:#x} 0", BAR + 22))?;
        self.bus.ask(&format!("writew {:#x} {RING}", BAR + 24))?;
        for (register, place) in [(32, TABLE), (40, AVAIL), (48, USED)] {
            self.bus.ask(&format!("writel {:#x} {place:#x}", BAR + register))?;
            self.bus.ask(&format!("writel {:#x} 0", BAR + register + 4))?;
        }
        self.bus.ask(&format!("writew {:#x} 1", BAR + 28))?;
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)
    }

    /// Writes to RAM as the driver.
    fn store(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.model[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        Ok(self.ram.write_all_at(bytes, at)?)
    }

    /// Takes what the device wrote there for right.
    fn accept(&mut self, buffers: &[Buffer]) -> Result<()> {
        for &(at, len, _) in buffers.iter().filter(|(.., writes)| *writes) {
            self.ram.read_exact_at(&mut self.model[place(at, len)], at)?;
        }
        Ok(())
    }

    /// A slot for another request of so many buffers, if there is one.
    pub fn room(&self, request: &Request) -> Option<usize> {
        let wanted = if request.indirect { 1 } else { request.buffers.len() + 2 };
        let slot = self.in_flight.iter().position(Option::is_none)?;
        (self.free.len() >= wanted).then_some(slot)
    }

    /// Makes a request available in a slot; the device isn't told yet.
    pub fn submit(&mut self, slot: usize, request: &Request) -> Result<()> {
        let base = SLOTS + SLOT * slot as u64;
        let mut header = vec![0; 16];
        header[0] = u8::from(!request.reads);
        header[8..].copy_from_slice(&request.sector.to_le_bytes());
        self.store(base + SLOT_HEADER, &header)?;
        let mut chain = vec![(base + SLOT_HEADER, 16, false)];
        let mut at = base + SLOT_DATA;
        for &len in &request.buffers {
            chain.push((at, len, request.reads));
            at += u64::from(len);
        }
        ensure!(at <= base + SLOT, "a request larger than its slot");
        chain.push((base + SLOT_STATUS, 1, true));
        let head = if request.indirect {
            self.store(base, &table(&chain, |n| n as u16))?;
            let head = self.free.pop().context("a free descriptor")?;
            self.held[slot] = vec![head];
            let entry = entry((base, 16 * chain.len() as u32, false), INDIRECT, 0);
            self.store(TABLE + 16 * u64::from(head), &entry)?;
            head
        } else {
            let held = self.free.split_off(self.free.len() - chain.len());
            let entries = table(&chain, |n| held[n]);
            for (index, entry) in held.iter().zip(entries.chunks(16)) {
                self.store(TABLE + 16 * u64::from(*index), entry)?;
            }
            self.held[slot] = held;
            self.held[slot][0]
        };
        self.in_flight[slot] = Some(chain);
        self.store(AVAIL + 4 + 2 * u64::from(self.avail % RING), &head.to_le_bytes())?;
        self.avail = self.avail.wrapping_add(1);
        self.store(AVAIL + 2, &self.avail.to_le_bytes())
    }

    /// Tells the device that there are requests.
    pub fn kick(&mut self) -> Result<()> {
        self.bus.ask(&format!("writew {NOTIFY:#x} 0")).map(drop)
    }

    /// Takes what the device has used, each checked: it was in flight, its
    /// length fits, and nothing past the length was written. How many.
    pub fn reap(&mut self) -> Result<usize> {
        let mut bytes = [0; 2];
        self.ram.read_exact_at(&mut bytes, USED + 2)?;
        let used = u16::from_le_bytes(bytes);
        let count = used.wrapping_sub(self.seen);
        ensure!(count <= RING, "QEMU's used index went from {} to {used}", self.seen);
        for _ in 0..count {
            let mut element = [0; 8];
            let at = USED + 4 + 8 * u64::from(self.seen % RING);
            self.ram.read_exact_at(&mut element, at)?;
            let id = u32::from_le_bytes(element[..4].try_into()?);
            let len = u32::from_le_bytes(element[4..].try_into()?);
            self.complete(id, len)?;
            self.seen = self.seen.wrapping_add(1);
        }
        Ok(usize::from(count))
    }

    fn complete(&mut self, id: u32, len: u32) -> Result<()> {
        let slot = (0..self.held.len())
            .find(|&slot| self.held[slot].first().is_some_and(|&head| u32::from(head) == id))
            .with_context(|| format!("QEMU used {id}, which isn't in flight"))?;
        let buffers = self.in_flight[slot].take().context("a request in flight")?;
        let room: u32 = buffers.iter().filter(|b| b.2).map(|b| b.1).sum();
        ensure!(len <= room, "QEMU says {len} bytes of {room} were written");
        let mut left = len;
        for &(at, size, _) in buffers.iter().filter(|b| b.2) {
            let written = left.min(size);
            self.accept(&[(at, written, true)])?;
            left -= written;
        }
        let held = std::mem::take(&mut self.held[slot]);
        self.free.extend(held);
        Ok(())
    }

    /// Checks every byte of RAM that nobody may have written.
    pub fn check_ram(&mut self) -> Result<()> {
        let mut found = vec![0; self.model.len()];
        self.ram.read_exact_at(&mut found, 0)?;
        // QEMU may write these while they are looked at.
        let used = (USED, 4 + 8 * u32::from(RING) + 2, true);
        for &(at, len, writes) in self.in_flight.iter().flatten().flatten().chain([&used]) {
            if writes {
                self.model[place(at, len)].copy_from_slice(&found[place(at, len)]);
            }
        }
        if found != self.model {
            let at = found.iter().zip(&self.model).position(|(a, b)| a != b).unwrap_or(0);
            anyhow::bail!(
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

fn place(at: u64, len: u32) -> std::ops::Range<usize> {
    at as usize..at as usize + len as usize
}

/// A descriptor.
fn entry((at, len, writes): Buffer, flags: u16, next: u16) -> Vec<u8> {
    let flags = flags | if writes { WRITE } else { 0 };
    let ends = [flags.to_le_bytes(), next.to_le_bytes()].concat();
    [at.to_le_bytes().as_slice(), &len.to_le_bytes(), &ends].concat()
}

/// A chain's descriptors, the n-th being `index(n)` of its table.
fn table(chain: &[Buffer], index: impl Fn(usize) -> u16) -> Vec<u8> {
    let last = chain.len() - 1;
    let one = |n: usize| match n < last {
        true => entry(chain[n], NEXT, index(n + 1)),
        false => entry(chain[n], 0, 0),
    };
    (0..=last).flat_map(one).collect()
}

/// A time after which a back-end that hasn't answered won't.
pub const STALLED: Duration = Duration::from_millis(200);
