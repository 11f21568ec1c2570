// SPDX-License-Identifier: GPL-2.0-or-later
//! What looks at a CPU with PCIDs from outside, or changes it: the monitor, a
//! debugger, a reset. Each sees what page tables say, whatever is remembered, and
//! what is changed by force drops everything.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use tlb_model::entry::{PRESENT, WRITABLE};
use tlb_model::testing::{Observed, Step};
use tlb_model::{Access, Cr3, Cr4, Kind};

use crate::gdb::{Gdb, Register};
use crate::machine::{layout, Machine, Running, SUPERVISORS_CODE};

inventory::submit! { Family(|add| {
    add("pcid/outside/monitor".into(), Box::new(monitor));
    add("pcid/outside/gdb/memory".into(), Box::new(memory));
    add("pcid/outside/gdb/cr3".into(), Box::new(cr3));
    add("pcid/outside/gdb/cr4".into(), Box::new(cr4));
    add("pcid/outside/reset".into(), Box::new(reset));
}) }

/// In PCIDs 1 and 2, by page tables of their own.
const ADDRESS: u64 = 1 << 39;

fn root(pcid: u64) -> u64 {
    layout(0).tables(4)[pcid as usize - 1]
}

fn page(number: usize) -> u64 {
    layout(0).pages()[number]
}

/// Behind it, in both as well: executed when there is something to look at.
const MARKER: u64 = ADDRESS + 0x1000;
const MARKER_PAGE: usize = 5;

/// The entry that maps [`ADDRESS`] for a PCID.
fn entry(pcid: u64) -> u64 {
    layout(0).tables(1)[pcid as usize - 1]
}

fn map(pcid: u64, number: usize) -> Step {
    link(entry(pcid), page(number))
}

fn link(address: u64, target: u64) -> Step {
    Step::Write {
        address,
        value: target | PRESENT | WRITABLE,
    }
}

/// Has pages 0 and 1 in the TLB for PCIDs 1 and 2, which are 2 and 3 by now; comes to the
/// [`MARKER`] in PCID 2, and reads in both.
fn program() -> Vec<Step> {
    let tables = |level: u8, pcid: u64| layout(0).tables(level)[pcid as usize - 1];
    let mut steps = Vec::new();
    for pcid in [1, 2] {
        steps.extend([
            link(root(pcid) + 8, tables(3, pcid)),
            link(tables(3, pcid), tables(2, pcid)),
            link(tables(2, pcid), tables(1, pcid)),
            map(pcid, pcid as usize - 1),
            link(entry(pcid) + 8, page(MARKER_PAGE)),
        ]);
    }
    let cr4 = Cr4 {
        pcide: true,
        ..Cr4::default()
    };
    steps.extend([
        Step::Cr3(root(1)),
        Step::Cr4(cr4),
        Step::Cr3(root(1) | 1),
        Step::read(ADDRESS),
        map(1, 2),
        Step::Cr3(root(2) | 2),
        Step::read(ADDRESS),
        map(2, 3),
        Step::Access(MARKER, Access::of(Kind::Fetch, false)),
        Step::read(ADDRESS),
        Step::Cr3(root(1) | 1 | Cr3::KEEP),
        Step::read(ADDRESS),
    ]);
    steps
}

/// What the program reads, if it is left alone or if all is dropped at the marker.
const STALE: [usize; 5] = [0, 1, MARKER_PAGE, 1, 0];
const FRESH: [usize; 5] = [0, 1, MARKER_PAGE, 3, 2];

/// A machine that waits at its first instruction, with a debugger.
fn debugged(dir: &Dir) -> Result<(Running, Gdb)> {
    let machine = Machine {
        args: vec!["-S".into()],
        ..Machine::max("tlb-contexts=4")
    };
    let running = machine.start(dir, &[program()])?;
    let mut gdb = Gdb::attach(&running.vm, dir)?;
    gdb.run_to(MARKER + SUPERVISORS_CODE)?;
    Ok((running, gdb))
}

/// It goes on, and reads this.
fn goes_on(running: Running, gdb: Gdb, pages: [usize; 5]) -> Result<()> {
    gdb.detach()?;
    read(&running, pages)?;
    running.vm.quit()
}

/// It comes to its end, and has read these pages.
fn read(running: &Running, pages: [usize; 5]) -> Result<()> {
    let answers = running.wait()?;
    let wanted: Vec<Observed> = pages.iter().map(|&number| Some(page(number))).collect();
    ensure!(answers[0] == wanted, "it read {:x?}", answers[0]);
    Ok(())
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
    goes_on(running, gdb, STALE)
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
    goes_on(running, gdb, STALE)
}

/// A debugger changes the address space: everything is dropped.
fn cr3(dir: &Dir) -> Result<()> {
    let (running, mut gdb) = debugged(dir)?;
    let found = gdb.register(Register::Cr3)?;
    ensure!(found == root(2) | 2, "CR3 is {found:#x}");
    gdb.set_register(Register::Cr3, root(1) | 1)?;
    let seen = gdb.read(ADDRESS)?;
    ensure!(seen == page(2), "it reads {seen:#x}");
    goes_on(running, gdb, [0, 1, MARKER_PAGE, 2, 2])
}

/// A debugger switches PCIDs off, and on again: so is everything then.
fn cr4(dir: &Dir) -> Result<()> {
    let (running, mut gdb) = debugged(dir)?;
    let found = gdb.register(Register::Cr4)?;
    let pcide = 1 << 17;
    ensure!(found & pcide != 0, "CR4 is {found:#x}");
    gdb.set_register(Register::Cr4, found & !pcide)?;
    gdb.set_register(Register::Cr4, found)?;
    goes_on(running, gdb, FRESH)
}

/// After a reset the same program comes to the same: nothing is left of the first time.
fn reset(dir: &Dir) -> Result<()> {
    let machine = Machine {
        args: ["-action", "reboot=reset"].map(str::to_owned).to_vec(),
        ..Machine::max("tlb-contexts=4")
    };
    let running = machine.start(dir, &[program()])?;
    read(&running, STALE)?;
    running.again()?;
    read(&running, STALE)?;
    running.vm.quit()
}
