// SPDX-License-Identifier: GPL-2.0-or-later
//! What a board does to its CPU while contexts are remembered: memory that
//! changes under them, and system management mode.

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::machine::SMI_COUNT;
use crate::two::{goes_on, read, to_marker, Two};

inventory::submit! { Family(|add| {
    add("pcid/board/shadowed".into(), Box::new(|dir| memory_map(dir, Shadow::Ram)));
    add("pcid/board/unshadowed".into(), Box::new(|dir| memory_map(dir, Shadow::Rom)));
    add("pcid/board/smi".into(), Box::new(smi));
}) }

/// Where i440FX has RAM or the ROMs of cards, as its PAM registers say.
const SHADOWED: u64 = 0xc_0000;

/// What there is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shadow {
    /// As after a reset. There are no cards: it reads as zero.
    Rom,
    /// For reads and writes.
    Ram,
}

impl Shadow {
    /// Has the chipset change it.
    fn set(self, vm: &Vm) -> Result<()> {
        const PAM1: u32 = 0x5a;
        let value = match self {
            Self::Rom => 0,
            Self::Ram => 0x33,
        };
        configure(vm, 0, PAM1, value)
    }

    /// What is read there.
    fn content(self) -> u64 {
        match self {
            Self::Rom => 0,
            Self::Ram => SHADOWED,
        }
    }
}

/// Writes a byte of a PCI function's configuration, by the machine's ports.
fn configure(vm: &Vm, function: u32, register: u32, value: u8) -> Result<()> {
    let address = 1 << 31 | function << 8 | register & !3;
    vm.qmp.human(&format!("o/w 0xcf8 {address:#x}"))?;
    let port = 0xcfc + (register & 3);
    vm.qmp.human(&format!("o/b {port:#x} {value:#x}"))?;
    Ok(())
}

/// The chipset puts other memory at an address: each context sees it, also the one that was
/// remembered at that time.
fn memory_map(dir: &Dir, then: Shadow) -> Result<()> {
    let program = Two {
        before: [SHADOWED; 2],
        after: [SHADOWED; 2],
    };
    let running = program.paused(dir)?;
    running.write(SHADOWED, SHADOWED)?;
    let first = if then == Shadow::Ram {
        Shadow::Rom
    } else {
        Shadow::Ram
    };
    first.set(&running.vm)?;
    let gdb = to_marker(&running, dir)?;
    then.set(&running.vm)?;
    let [.., marker, _, _] = program.fresh();
    let (old, new) = (first.content(), then.content());
    goes_on(running, gdb, [old, old, marker, new, new])
}

/// A system management interrupt in PCID 2: CR3 and CR4 come back as they were, and what was
/// remembered is dropped.
fn smi(dir: &Dir) -> Result<()> {
    const PIIX4_PM: u32 = 1 << 3 | 3;
    const APMC_EN: u8 = 2;
    let program = Two::moved();
    let running = program.paused(dir)?;
    let gdb = to_marker(&running, dir)?;
    configure(&running.vm, PIIX4_PM, 0x5b, APMC_EN)?;
    running.vm.qmp.human("o/b 0xb2 1")?;
    gdb.detach()?;
    read(&running, program.fresh())?;
    let count = running.read(SMI_COUNT)?;
    ensure!(count == 1, "there were {count} interrupts");
    running.vm.quit()
}
