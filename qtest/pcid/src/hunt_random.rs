// SPDX-License-Identifier: GPL-2.0-or-later
//! Hunting in random programs.

use std::collections::BTreeSet;

use annex_qtest::files::Dir;
use annex_qtest::seed;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use tlb_model::testing::{Features, Observed, Program, Run, Step};
use tlb_model::{Cr3, Kind};

use crate::follow::before;
use crate::machine::layout;
use crate::reports::{hunter, reports, Stale, NOTHING};

inventory::submit! { Family(|add| {
    add("pcid/hunt/random".into(), Box::new(|dir| seed::with(dir, |seed| random(dir, seed))));
}) }

/// Programs that miss flushes everywhere: every report is true, and the first use after a switch
/// to another context that keeps is never left out.
fn random(dir: &Dir, seed: u64) -> Result<()> {
    let features = Features {
        pcid: true,
        smep: true,
    };
    let program: Vec<_> = Program::new(seed, layout(0), features)
        .take(20_000)
        .collect();
    let (vm, answers) = hunter("report").run(dir, std::slice::from_ref(&program))?;
    let found = reports(&vm)?;
    vm.quit()?;
    dir.log(format!("{} reports", found.len()));
    // How many reports may belong to the accesses so far: some may be reported, or not.
    let mut counts = BTreeSet::from([0]);
    for Use { number, stale, due } in uses(&program, &answers[0])? {
        let mut next = BTreeSet::new();
        for count in counts {
            if found.get(count) == Some(&stale) {
                next.insert(count + 1);
            }
            if !due {
                next.insert(count);
            }
        }
        ensure!(
            !next.is_empty(),
            "step {number}: {stale:x?} wasn't reported; before it: {}",
            before(&program, number)
        );
        counts = next;
    }
    let count = counts.last().copied().unwrap_or(0);
    ensure!(count > 0, "there was nothing to report");
    ensure!(count == found.len(), "what is that: {:x?}", found[count]);
    Ok(())
}

/// An access that came to what page tables no longer say.
struct Use {
    /// The step.
    number: usize,
    stale: Stale,
    /// Whether it has to be reported.
    due: bool,
}

/// All of a program's.
fn uses(program: &[Step], answers: &[Observed]) -> Result<Vec<Use>> {
    let (mut run, mut forgetful) = (Run::new(layout(0)), Run::new(layout(0)));
    let mut answers = answers.iter();
    let (mut kept, mut made_since_switch) = (false, Vec::new());
    let mut uses = Vec::new();
    for (number, &step) in program.iter().enumerate() {
        let pcid = run.processor.pcid();
        run.step(step)?;
        let allowed = forgetful.step(step)?;
        if let Step::Cr3(value) = step {
            forgetful.forget();
            made_since_switch.clear();
            kept = value & Cr3::KEEP != 0 && run.processor.pcid() != pcid;
        }
        let (Step::Access(address, access), Some(allowed)) = (step, allowed) else {
            continue;
        };
        let answer = *answers.next().context("an answer for each access")?;
        let first = !made_since_switch.contains(&(address, access));
        made_since_switch.push((address, access));
        let now = run.walk(address, access);
        match answer {
            Some(remembered) if answer != now => uses.push(Use {
                number,
                stale: Stale {
                    context: pcid.into(),
                    access: match access.kind {
                        Kind::Load => "load",
                        Kind::Store => "store",
                        Kind::Fetch => "fetch",
                    },
                    address,
                    remembered,
                    now: now.unwrap_or(NOTHING),
                },
                due: kept && first && !allowed.has(answer),
            }),
            Some(_) => {}
            None => {
                run.faulted(address);
                forgetful.faulted(address);
            }
        }
    }
    Ok(uses)
}
