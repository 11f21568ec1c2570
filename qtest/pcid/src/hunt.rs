// SPDX-License-Identifier: GPL-2.0-or-later
//! Hunting: a kernel that misses a flush is told so when it uses what it should
//! have dropped, and one that misses none isn't.

use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::tcg::counter;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use serde_json::json;
use tlb_model::entry::{GLOBAL, PRESENT, WRITABLE};
use tlb_model::testing::{Observed, Step};
use tlb_model::{Cr3, Cr4, Invpcid};

use crate::machine::{layout, Machine};
use crate::reports::{hunter, reports, Stale, NOTHING};

inventory::submit! { Family(|add| {
    for kernel in KERNELS {
        add(format!("pcid/hunt/{}", kernel.name), Box::new(move |dir| hunt(dir, kernel)));
    }
    add("pcid/hunt/global-everywhere".into(), Box::new(global_everywhere));
    add("pcid/hunt/ignore".into(), Box::new(ignores));
    add("pcid/hunt/stop".into(), Box::new(stops));
    add("pcid/hunt/refused".into(), Box::new(refused));
}) }

const SOON: Duration = Duration::from_secs(30);

/// The address that is read: the first entries of all tables, behind the
/// second of a PML4.
const ADDRESS: u64 = 1 << 39;

/// A small kernel with two address spaces, PCIDs 1 and 2. In the first a page
/// is read; while the second is current, its entry changes.
#[derive(Clone, Copy)]
struct Kernel {
    name: &'static str,
    /// Besides [`PRESENT`] and [`WRITABLE`], before the change.
    bits: u64,
    /// The page after it, or none.
    becomes: Option<usize>,
    /// What it does about it, before it switches back.
    flush: &'static [Step],
    /// Whether the switch back asks that nothing be dropped.
    keep: bool,
    /// Whether it is caught.
    misses: bool,
}

const REMAPS: Kernel = Kernel {
    name: "remaps",
    bits: 0,
    becomes: Some(1),
    flush: &[],
    keep: true,
    misses: true,
};

const KERNELS: [Kernel; 10] = [
    REMAPS,
    Kernel {
        name: "unmaps",
        becomes: None,
        ..REMAPS
    },
    Kernel {
        name: "remaps-global",
        bits: GLOBAL,
        ..REMAPS
    },
    // It drops what belongs to the PCID that is current, which the page's isn't.
    Kernel {
        name: "flushes-another-context",
        flush: &[Step::Invlpg(ADDRESS)],
        ..REMAPS
    },
    Kernel {
        name: "flushes-another-page",
        flush: &[Step::Invpcid(Invpcid::Address {
            pcid: 1,
            address: ADDRESS + 0x1000,
        })],
        ..REMAPS
    },
    Kernel {
        name: "keeps-global",
        bits: GLOBAL,
        flush: &[Step::Invpcid(Invpcid::AllButGlobal)],
        ..REMAPS
    },
    Kernel {
        name: "flushes-the-page",
        flush: &[Step::Invpcid(Invpcid::Address {
            pcid: 1,
            address: ADDRESS,
        })],
        misses: false,
        ..REMAPS
    },
    Kernel {
        name: "flushes-the-context",
        flush: &[Step::Invpcid(Invpcid::Context { pcid: 1 })],
        misses: false,
        ..REMAPS
    },
    Kernel {
        name: "flushes-global",
        bits: GLOBAL,
        flush: &[Step::Invlpg(ADDRESS)],
        misses: false,
        ..REMAPS
    },
    Kernel {
        name: "drops-at-the-switch",
        keep: false,
        misses: false,
        ..REMAPS
    },
];

impl Kernel {
    fn program(&self) -> Vec<Step> {
        let layout = layout(0);
        let link = |table: u64, target: u64| Step::Write {
            address: table,
            value: target | PRESENT | WRITABLE,
        };
        let roots = layout.tables(4);
        let [directories, directory, table] = [3, 2, 1].map(|level| layout.tables(level)[0]);
        let pages = layout.pages();
        let write = |value| Step::Write {
            address: table,
            value,
        };
        let keep = if self.keep { Cr3::KEEP } else { 0 };
        let after = self
            .becomes
            .map_or(0, |page| pages[page] | PRESENT | WRITABLE | self.bits);
        let mut steps = vec![
            link(roots[0] + 8, directories),
            link(roots[1] + 8, layout.tables(3)[1]),
            link(directories, directory),
            link(directory, table),
            write(pages[0] | PRESENT | WRITABLE | self.bits),
            Step::Cr3(roots[0]),
            Step::Cr4(Cr4 {
                pge: true,
                pcide: true,
                smep: false,
            }),
            Step::Cr3(roots[0] | 1),
            Step::read(ADDRESS),
            Step::Cr3(roots[1] | 2),
            write(after),
        ];
        steps.extend(self.flush);
        steps.extend([
            Step::Cr3(roots[0] | 1 | keep),
            Step::read(ADDRESS),
            // Not reported again: it is the same use.
            Step::read(ADDRESS),
        ]);
        steps
    }

    /// What it reads first, and what later.
    fn answers(&self) -> [Observed; 3] {
        let pages = layout(0).pages();
        let later = match self.misses {
            true => Some(pages[0]),
            false => self.becomes.map(|page| pages[page]),
        };
        [Some(pages[0]), later, later]
    }

    fn stale(&self) -> Vec<Stale> {
        let pages = layout(0).pages();
        let stale = Stale {
            context: 1,
            access: "load",
            address: ADDRESS,
            remembered: pages[0],
            now: self.becomes.map_or(NOTHING, |page| pages[page]),
        };
        Vec::from_iter(self.misses.then_some(stale))
    }
}

fn hunt(dir: &Dir, kernel: Kernel) -> Result<()> {
    let (vm, answers) = hunter("report").run(dir, &[kernel.program()])?;
    ensure!(answers[0] == kernel.answers(), "it read {:x?}", answers[0]);
    let uses = counter(&vm, "TLB stale uses")?;
    let reports = reports(&vm)?;
    vm.quit()?;
    ensure!(reports == kernel.stale(), "reported were {reports:x?}");
    ensure!(
        uses == reports.len() as u64,
        "{uses} stale uses were counted"
    );
    Ok(())
}

/// A global translation that should have been dropped is reported in each context that uses it,
/// also in one of which all but global translations have just been dropped.
fn global_everywhere(dir: &Dir) -> Result<()> {
    let kernel = Kernel {
        bits: GLOBAL,
        ..REMAPS
    };
    let root = layout(0).tables(4)[0];
    let mut program = kernel.program();
    // Before its way back to where the translation was made.
    program.truncate(program.len() - 3);
    let mut wanted = Vec::new();
    for (pcid, flush) in [
        (3, None),
        (4, None),
        (3, Some(Invpcid::Context { pcid: 3 })),
        (4, Some(Invpcid::AllButGlobal)),
        (1, None),
    ] {
        program.extend(flush.map(Step::Invpcid));
        program.extend([Step::Cr3(root | pcid | Cr3::KEEP), Step::read(ADDRESS)]);
        wanted.extend(kernel.stale().into_iter().map(|stale| Stale {
            context: pcid,
            ..stale
        }));
    }
    let (vm, answers) = hunter("report").run(dir, &[program])?;
    let found = reports(&vm)?;
    vm.quit()?;
    let stale = Some(layout(0).pages()[0]);
    ensure!(
        answers[0].iter().all(|answer| *answer == stale),
        "it read {:x?}",
        answers[0]
    );
    ensure!(found == wanted, "reported were {found:x?}");
    Ok(())
}

/// Unless it is asked for, nobody looks; but the stale page is used all the same.
fn ignores(dir: &Dir) -> Result<()> {
    let (vm, answers) = hunter("ignore").run(dir, &[REMAPS.program()])?;
    ensure!(answers[0] == REMAPS.answers(), "it read {:x?}", answers[0]);
    let reports = reports(&vm)?;
    ensure!(
        reports.is_empty() && counter(&vm, "TLB stale uses")? == 0,
        "{reports:x?}"
    );
    vm.quit()?;
    // And today's TLB hides the fault.
    let there = Dir::at(dir.file("forgets"))?;
    let (vm, answers) = Machine::max("tlb-contexts=0").run(&there, &[REMAPS.program()])?;
    let fresh = Kernel {
        misses: false,
        ..REMAPS
    };
    ensure!(answers[0] == fresh.answers(), "it read {:x?}", answers[0]);
    vm.quit()
}

/// The VM stops at the use, goes on when told, and has used the stale page.
fn stops(dir: &Dir) -> Result<()> {
    let running = hunter("stop").start(dir, &[REMAPS.program()])?;
    running.vm.wait_run_state("debug", SOON)?;
    ensure!(
        reports(&running.vm)? == REMAPS.stale(),
        "it stopped for another reason"
    );
    running.vm.qmp.execute("cont", json!({}))?;
    let answers = running.wait()?;
    ensure!(answers[0] == REMAPS.answers(), "it read {:x?}", answers[0]);
    running.vm.quit()
}

/// Hunting needs something that is remembered.
fn refused(dir: &Dir) -> Result<()> {
    for accel in [
        "tlb-contexts=1,tlb-stale=report",
        "tlb-stale=stop",
        "tlb-contexts=65",
        "tlb-stale=maybe",
    ] {
        let there = Dir::at(dir.file(&accel.replace(['=', ','], "-")))?;
        let started = Machine::max(accel).start(&there, &[REMAPS.program()]);
        let error = format!(
            "{:#}",
            started
                .err()
                .with_context(|| format!("it started with {accel}"))?
        );
        ensure!(error.contains("tlb-"), "{accel}: {error}");
    }
    Ok(())
}
