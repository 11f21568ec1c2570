// SPDX-License-Identifier: GPL-2.0-or-later
//! What looks at a CPU with PCIDs from outside, or changes it: the monitor, a
//! debugger, a reset. Each sees what page tables say, whatever is remembered, and
//! what is changed by force drops everything.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::gdb::{Gdb, Register};
use crate::machine::{Machine, Running};
use crate::two::{goes_on, page, read, root, to_marker, Two, ADDRESS};

inventory::submit! { Family(|add| {
    add("pcid/outside/monitor".into(), Box::new(monitor));
    add("pcid/outside/gdb/memory".into(), Box::new(memory));
    add("pcid/outside/gdb/cr3".into(), Box::new(cr3));
    add("pcid/outside/gdb/cr4".into(), Box::new(cr4));
    add("pcid/outside/reset".into(), Box::new(reset));
}) }

/// The program at its marker, with a debugger.
fn debugged(dir: &Dir) -> Result<(Running, Gdb)> {
    let running = Two::moved().paused(dir)?;
    let gdb = to_marker(&running, dir)?;
    Ok((running, gdb))
}

/// The monitor has registers, and what page tables say.
fn monitor(dir: &Dir) -> Result<()> {
    let (running, gdb) = debugged(dir)?;
    for (command, wanted) in [
        ("info registers", format!("CR3={:016x}", root(2) | 2)),
        ("info tlb", format!("{ADDRESS:016x}: {:016x} ", page(3))),
        ("info mem", format!("{ADDRESS:016x}-")),
        (
            &format!("gva2gpa {ADDRESS:#x}"),
            format!("gpa: {:#x}", page(3)),
        ),
        (&format!("x/1gx {ADDRESS:#x}"), format!("{:#018x}", page(3))),
    ] {
        let said = running.vm.qmp.human(command)?;
        ensure!(said.contains(&wanted), "{command}: no {wanted:?} in {said}");
    }
    goes_on(running, gdb, Two::moved().stale())
}

/// A debugger reads and writes by page tables, and nothing is dropped or made by that.
fn memory(dir: &Dir) -> Result<()> {
    let (running, mut gdb) = debugged(dir)?;
    let seen = gdb.read(ADDRESS)?;
    ensure!(seen == page(3), "it reads {seen:#x}");
    gdb.write(ADDRESS + 0x40, 0x1234)?;
    ensure!(
        running.read(page(3) + 0x40)? == 0x1234,
        "it wrote elsewhere"
    );
    goes_on(running, gdb, Two::moved().stale())
}

/// A debugger changes the address space: everything is dropped.
fn cr3(dir: &Dir) -> Result<()> {
    let (running, mut gdb) = debugged(dir)?;
    let found = gdb.register(Register::Cr3)?;
    ensure!(found == root(2) | 2, "CR3 is {found:#x}");
    gdb.set_register(Register::Cr3, root(1) | 1)?;
    let seen = gdb.read(ADDRESS)?;
    ensure!(seen == page(2), "it reads {seen:#x}");
    let [one, two, marker, ..] = Two::moved().fresh();
    goes_on(running, gdb, [one, two, marker, page(2), page(2)])
}

/// A debugger switches PCIDs off, and on again: so is everything then.
fn cr4(dir: &Dir) -> Result<()> {
    let (running, mut gdb) = debugged(dir)?;
    let found = gdb.register(Register::Cr4)?;
    let pcide = 1 << 17;
    ensure!(found & pcide != 0, "CR4 is {found:#x}");
    gdb.set_register(Register::Cr4, found & !pcide)?;
    gdb.set_register(Register::Cr4, found)?;
    goes_on(running, gdb, Two::moved().fresh())
}

/// After a reset the same program comes to the same: nothing is left of the first time.
fn reset(dir: &Dir) -> Result<()> {
    let machine = Machine {
        args: ["-action", "reboot=reset"].map(str::to_owned).to_vec(),
        ..Machine::max("tlb-contexts=4")
    };
    let running = machine.start(dir, &[Two::moved().steps()])?;
    read(&running, Two::moved().stale())?;
    running.again()?;
    read(&running, Two::moved().stale())?;
    running.vm.quit()
}
