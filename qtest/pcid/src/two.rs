// SPDX-License-Identifier: GPL-2.0-or-later
//! A program in two PCIDs that comes to a place where something is done to its
//! machine, and shows by what it reads then whether that has dropped what was
//! remembered.

use annex_qtest::files::Dir;
use anyhow::{ensure, Result};
use tlb_model::entry::{PRESENT, WRITABLE};
use tlb_model::testing::{Observed, Step};
use tlb_model::{Access, Cr3, Cr4, Kind};

use crate::gdb::Gdb;
use crate::machine::{layout, Machine, Running, SUPERVISORS_CODE};

/// In PCIDs 1 and 2, by page tables of their own.
pub const ADDRESS: u64 = 1 << 39;

/// Behind it, in both as well: executed when there is something to look at.
const MARKER: u64 = ADDRESS + 0x1000;
const MARKER_PAGE: usize = 5;

/// The PML4 of a PCID.
pub fn root(pcid: u64) -> u64 {
    layout(0).tables(4)[pcid as usize - 1]
}

/// A page that it may map.
pub fn page(number: usize) -> u64 {
    layout(0).pages()[number]
}

fn link(address: u64, target: u64) -> Step {
    Step::Write {
        address,
        value: target | PRESENT | WRITABLE,
    }
}

/// The program: what PCIDs 1 and 2 have at [`ADDRESS`].
#[derive(Clone, Copy)]
pub struct Two {
    /// When it is read first.
    pub before: [u64; 2],
    /// By page tables when the program comes to its marker; nobody has flushed.
    pub after: [u64; 2],
}

impl Two {
    /// One whose pages are others at the marker.
    pub fn moved() -> Self {
        Self {
            before: [page(0), page(1)],
            after: [page(2), page(3)],
        }
    }

    /// The steps. The marker is reached in PCID 2.
    pub fn steps(self) -> Vec<Step> {
        let tables = |level: u8, pcid: u64| layout(0).tables(level)[pcid as usize - 1];
        let map = |pcid: u64, page: [u64; 2]| link(tables(1, pcid), page[pcid as usize - 1]);
        let mut steps = Vec::new();
        for pcid in [1, 2] {
            steps.extend([
                link(root(pcid) + 8, tables(3, pcid)),
                link(tables(3, pcid), tables(2, pcid)),
                link(tables(2, pcid), tables(1, pcid)),
                map(pcid, self.before),
                link(tables(1, pcid) + 8, page(MARKER_PAGE)),
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
            map(1, self.after),
            Step::Cr3(root(2) | 2),
            Step::read(ADDRESS),
            map(2, self.after),
            Step::Access(MARKER, Access::of(Kind::Fetch, false)),
            Step::read(ADDRESS),
            Step::Cr3(root(1) | 1 | Cr3::KEEP),
            Step::read(ADDRESS),
        ]);
        steps
    }

    /// What it reads if nothing is dropped.
    pub fn stale(self) -> [u64; 5] {
        let [one, two] = self.before;
        [one, two, page(MARKER_PAGE), two, one]
    }

    /// What it reads if all is dropped at the marker.
    pub fn fresh(self) -> [u64; 5] {
        let ([one, two], [new_one, new_two]) = (self.before, self.after);
        [one, two, page(MARKER_PAGE), new_two, new_one]
    }

    /// A machine that waits at its first instruction.
    pub fn paused(self, dir: &Dir) -> Result<Running> {
        let machine = Machine {
            args: vec!["-S".into()],
            ..Machine::max("tlb-contexts=4")
        };
        machine.start(dir, &[self.steps()])
    }
}

/// Runs it to its marker, where it stands still.
pub fn to_marker(running: &Running, dir: &Dir) -> Result<Gdb> {
    let mut gdb = Gdb::attach(&running.vm, dir)?;
    gdb.run_to(MARKER + SUPERVISORS_CODE)?;
    Ok(gdb)
}

/// It goes on, and reads this.
pub fn goes_on(running: Running, gdb: Gdb, wanted: [u64; 5]) -> Result<()> {
    gdb.detach()?;
    read(&running, wanted)?;
    running.vm.quit()
}

/// It comes to its end, and has read this.
pub fn read(running: &Running, wanted: [u64; 5]) -> Result<()> {
    let answers = running.wait()?;
    let wanted: Vec<Observed> = wanted.into_iter().map(Some).collect();
    ensure!(
        answers[0] == wanted,
        "it read {:x?} instead of {wanted:x?}",
        answers[0]
    );
    Ok(())
}
