// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine without a guest: QEMU executes no code (qtest), the guest's RAM
//! is a file, and who drives its device does it from here.

pub mod driver;
mod plugged;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use annex_qtest::accel::Accel;
use annex_qtest::files::Dir;
use annex_qtest::memory::Backing;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::{stream, wait};
use anyhow::{ensure, Context, Result};

/// What QEMU may take to answer, whatever its back-ends do.
pub const SOON: Duration = Duration::from_secs(30);

/// MiB of RAM.
const RAM_MIB: u64 = 32;

/// Where the device's BAR is put, and its parts (hw/virtio/virtio-pci.c).
pub const BAR: u64 = 0xe000_0000;
const CONFIG: u64 = 0x2000;
const NOTIFY: u64 = 0x3000;
/// How far apart those of several devices are.
const BAR_LEN: u64 = 0x1_0000;
/// Where it is on the PCI bus.
pub const DEVICE_SLOT: u32 = 8;

/// Bits of the device's status.
const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
/// The device is broken.
pub const NEEDS_RESET: u8 = 64;

/// A split ring's three parts in RAM.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// The descriptors.
    pub table: u64,
    /// What the driver offers.
    pub avail: u64,
    /// What the device has used.
    pub used: u64,
}

/// The machine, with one device, or the one of several that was chosen.
pub struct Bare {
    /// The machine.
    pub vm: Vm,
    /// Its RAM.
    pub ram: File,
    lines: BufReader<UnixStream>,
    /// Which of several devices.
    chosen: u32,
    /// Added to an address in RAM it is what the device is told.
    pub iova: u64,
}

impl Bare {
    /// Starts it; `device` is its kind with its options, but for those that all
    /// have.
    pub fn start(dir: &Dir, backend: &Path, device: &str) -> Result<Self> {
        Self::start_with(dir, &[], backend, device)
    }

    /// The same with more arguments for QEMU, that come first.
    pub fn start_with(dir: &Dir, args: &[&str], backend: &Path, device: &str) -> Result<Self> {
        let device =
            format!("{device},id=isolated,addr={DEVICE_SLOT},chardev=backend,memory-isolation=on");
        let chardev = format!("socket,id=backend,path={}", backend.display());
        let args = [args, &["-chardev", &chardev, "-device", &device]].concat();
        let mut machine = Self::empty(dir, &args)?;
        machine.place()?;
        Ok(machine)
    }

    /// A machine without a device, unless there is one in the arguments.
    pub fn empty(dir: &Dir, args: &[&str]) -> Result<Self> {
        Self::under(Accel::None, dir, args)
    }

    /// The same whose CPUs run, and have halted: there are counters that go on.
    pub fn halted(dir: &Dir, args: &[&str]) -> Result<Self> {
        // At the reset vector: cli; hlt; and once more if it wakes up.
        let mut firmware = vec![0; 0x1_0000];
        firmware[0xfff0..0xfff4].copy_from_slice(&[0xfa, 0xf4, 0xeb, 0xfd]);
        let path = dir.file("halt.bin");
        std::fs::write(&path, firmware)?;
        let path = path.to_str().context("a path of text")?;
        Self::under(Accel::Tcg, dir, &[&["-bios", path], args].concat())
    }

    /// A machine like [`Bare::empty`]'s that waits for its snapshot, its RAM of another kind.
    pub fn incoming(dir: &Dir, backing: Backing, args: &[&str]) -> Result<Vm> {
        let mut config = Config::new(RAM_MIB)?;
        config.accel = Accel::None;
        let config = config.backed_by(backing).with(args.iter().copied());
        config.incoming().start("restored", dir)
    }

    fn under(accel: Accel, dir: &Dir, args: &[&str]) -> Result<Self> {
        let (ram, bus) = (dir.file("ram"), dir.file("qtest.sock"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&ram)?;
        file.write_all_at(&stream::bytes(7, 0, (RAM_MIB << 20) as usize), 0)?;
        let mut config = Config::new(RAM_MIB)?;
        config.accel = accel;
        let memory = format!(
            "memory-backend-file,id=pc.ram,share=on,size={RAM_MIB}M,mem-path={}",
            ram.display()
        );
        let server = format!("socket,id=bus,server=on,wait=off,path={}", bus.display());
        let vm = config
            .with(["-object", &memory, "-machine", "memory-backend=pc.ram"])
            .with(["-object", "iothread,id=io"])
            .with(args.iter().copied())
            .with([
                "-chardev",
                &server,
                "-qtest",
                "chardev:bus",
                "-qtest-log",
                "none",
            ])
            .start("vm", dir)?;
        let lines = BufReader::new(UnixStream::connect(&bus)?);
        // QEMU's main loop is what answers.
        lines.get_ref().set_read_timeout(Some(SOON))?;
        Ok(Self {
            vm,
            ram: file,
            lines,
            chosen: 0,
            iova: 0,
        })
    }

    /// From here on, the device is the one in the `n`th slot after the first's.
    pub fn choose(&mut self, n: u32) {
        self.chosen = n;
    }

    fn bar(&self) -> u64 {
        BAR + BAR_LEN * u64::from(self.chosen)
    }

    /// Puts the device's BAR to its place.
    pub fn place(&mut self) -> Result<()> {
        const COMMAND: u32 = 4;
        const BAR_4: u32 = 0x20;
        const MEMORY_AND_MASTER: u32 = 6;
        self.set_pci(BAR_4, self.bar() as u32)?;
        self.set_pci(BAR_4 + 4, 0)?;
        self.set_pci(COMMAND, MEMORY_AND_MASTER)
    }

    /// All of its RAM.
    pub fn whole_ram(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (RAM_MIB << 20) as usize];
        self.ram.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// I/O as a CPU would do it.
    pub fn ask(&mut self, command: &str) -> Result<u64> {
        writeln!(self.lines.get_ref(), "{command}")?;
        let mut line = String::new();
        self.lines
            .read_line(&mut line)
            .with_context(|| format!("after {command}"))?;
        let answer = line
            .trim()
            .strip_prefix("OK")
            .with_context(|| format!("{command}: {line}"))?;
        match answer.trim().trim_start_matches("0x") {
            "" => Ok(0),
            hex => Ok(u64::from_str_radix(hex, 16)?),
        }
    }

    fn set_pci(&mut self, register: u32, value: u32) -> Result<()> {
        let slot = DEVICE_SLOT + self.chosen;
        self.ask(&format!(
            "outl 0xcf8 {:#x}",
            1 << 31 | slot << 11 | register
        ))?;
        self.ask(&format!("outl 0xcfc {value:#x}")).map(drop)
    }

    fn set_status(&mut self, status: u8) -> Result<()> {
        self.ask(&format!("writeb {:#x} {status:#x}", self.bar() + 20))
            .map(drop)
    }

    /// The device's status.
    pub fn status(&mut self) -> Result<u8> {
        Ok(self.ask(&format!("readb {:#x}", self.bar() + 20))? as u8)
    }

    /// Resets the device, and waits until it is.
    pub fn reset(&mut self) -> Result<()> {
        self.set_status(0)?;
        wait::until("the device to be reset", SOON, || {
            Ok((self.status()? == 0).then_some(()))
        })
    }

    /// Makes a device that was reset ready, with rings of `size` entries.
    pub fn make_ready(&mut self, features: u64, rings: &[Ring], size: u16) -> Result<()> {
        let bar = self.bar();
        self.set_status(ACKNOWLEDGE | DRIVER)?;
        for (select, features) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.ask(&format!("writel {:#x} {select}", bar + 8))?;
            self.ask(&format!("writel {:#x} {features:#x}", bar + 12))?;
        }
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK)?;
        ensure!(
            self.status()? & FEATURES_OK != 0,
            "the features aren't accepted"
        );
        for (queue, ring) in rings.iter().enumerate() {
            self.ask(&format!("writew {:#x} {queue}", bar + 22))?;
            self.ask(&format!("writew {:#x} {size}", bar + 24))?;
            for (register, place) in [(32, ring.table), (40, ring.avail), (48, ring.used)] {
                let place = self.iova + place;
                self.ask(&format!("writel {:#x} {:#x}", bar + register, place as u32))?;
                self.ask(&format!(
                    "writel {:#x} {:#x}",
                    bar + register + 4,
                    place >> 32
                ))?;
            }
            self.ask(&format!("writew {:#x} 1", bar + 28))?;
        }
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)
    }

    /// Tells the device that there is something in a queue.
    pub fn notify(&mut self, queue: usize) -> Result<()> {
        self.ask(&format!(
            "writew {:#x} {queue}",
            self.bar() + NOTIFY + 4 * queue as u64
        ))
        .map(drop)
    }

    /// A field of the device's own configuration.
    pub fn config_word(&mut self, offset: u64) -> Result<u32> {
        Ok(self.ask(&format!("readl {:#x}", self.bar() + CONFIG + offset))? as u32)
    }
}
