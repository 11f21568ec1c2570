// SPDX-License-Identifier: GPL-2.0-or-later
//! Random programs: whatever an access comes to, the architecture allows it. And
//! what must not be allowed is caught: a processor that doesn't do all that its
//! program says.

use annex_qtest::files::Dir;
use annex_qtest::seed;
use annex_qtest::trial::Family;
use anyhow::{bail, ensure, Result};
use tlb_model::testing::{Features, Program, Step};
use tlb_model::{Cr3, Invpcid};

use crate::follow::{follow, Seen};
use crate::machine::{layout, Machine};

/// Steps of each CPU in make check, and of a kind of machine in make check-all.
const FEW: usize = 10_000;
const MILLION: usize = 1_000_000;

const PCID: Features = Features {
    pcid: true,
    smep: true,
};

inventory::submit! { Family(|add| {
    for (cpus, contexts) in [(1, 0), (1, 1), (1, 2), (1, 8), (2, 0), (2, 2), (2, 8)] {
        let name = format!("contexts-{contexts}/{cpus}-cpus");
        add(format!("pcid/random/{name}"), Box::new(move |dir| {
            seed::with(dir, |seed| remembers(dir, &max(contexts), seed, cpus, FEW))
        }));
        add(format!("pcid/random/million/{name}"), Box::new(move |dir| {
            seed::with(dir, |seed| remembers(dir, &max(contexts), seed, cpus, MILLION / cpus))
        }));
    }
    add("pcid/random/icount".into(), Box::new(|dir| {
        let mut machine = max(8);
        machine.args = ["-icount", "shift=5"].map(str::to_owned).to_vec();
        seed::with(dir, |seed| remembers(dir, &machine, seed, 2, FEW))
    }));
    for contexts in [0, 8] {
        add(format!("pcid/random/without-pcids/contexts-{contexts}"), Box::new(move |dir| {
            seed::with(dir, |seed| without_pcids(dir, seed, contexts))
        }));
    }
    for missed in MISSED {
        add(format!("pcid/random/missed/{}", missed.name), Box::new(move |dir| {
            seed::with(dir, |seed| caught(dir, seed, missed))
        }));
    }
}) }

/// A machine whose TLB remembers so many contexts.
fn max(contexts: u32) -> Machine {
    Machine::max(&format!("tlb-contexts={contexts}"))
}

/// Whether it is more than one.
fn keeps(machine: &Machine) -> bool {
    !machine.accel.ends_with("=0") && !machine.accel.ends_with("=1")
}

/// A program for each CPU.
fn programs(seed: u64, features: Features, cpus: usize, count: usize) -> Vec<Vec<Step>> {
    let program = |cpu| Program::new(seed.wrapping_add(cpu as u64), layout(cpu), features);
    (0..cpus)
        .map(|cpu| program(cpu).take(count).collect())
        .collect()
}

/// Has each CPU do a program of its own, and looks at what came of it.
fn run(dir: &Dir, machine: &Machine, programs: &[Vec<Step>]) -> Result<Seen> {
    let (vm, answers) = machine.run(dir, programs)?;
    vm.quit()?;
    let mut all = Seen::default();
    for (cpu, (program, answers)) in programs.iter().zip(&answers).enumerate() {
        // QEMU's own TLB doesn't, and with fewer than two contexts it is as it was.
        let seen = follow(layout(cpu), program, answers, keeps(machine))?;
        dir.log(format!("CPU {cpu}: {seen:?}"));
        all += seen;
    }
    // 34 to 55 of a hundred fault, by the seed.
    let went_well = all.accesses - all.faults;
    ensure!(
        4 * went_well > all.accesses && 4 * all.faults > all.accesses && all.stale > 0,
        "not what programs are made for: {all:?}"
    );
    Ok(all)
}

/// What is remembered over loads of CR3 is what may be, and something is if, and only if, there is
/// room for more than one context.
fn remembers(dir: &Dir, machine: &Machine, seed: u64, cpus: usize, count: usize) -> Result<()> {
    let seen = run(dir, machine, &programs(seed, PCID, cpus, count))?;
    ensure!(
        keeps(machine) == (seen.remembered > 0),
        "with {}: {seen:?}",
        machine.accel
    );
    Ok(())
}

/// Without PCIDs a load of CR3 drops all but global pages.
fn without_pcids(dir: &Dir, seed: u64, contexts: u32) -> Result<()> {
    let features = Features {
        pcid: false,
        ..PCID
    };
    let seen = run(dir, &max(contexts), &programs(seed, features, 1, FEW))?;
    ensure!((contexts > 1) == (seen.remembered > 0), "{seen:?}");
    Ok(())
}

/// A kind of flush that a CPU leaves out, while the model believes in it.
#[derive(Clone, Copy)]
struct Missed {
    name: &'static str,
    /// What the CPU does instead of a step, given whether PCIDs are on.
    instead: fn(Step, bool) -> Option<Step>,
}

const MISSED: [Missed; 6] = [
    Missed {
        name: "cr3",
        instead: |step, pcide| match step {
            Step::Cr3(value) if pcide => Some(Step::Cr3(value | Cr3::KEEP)),
            _ => Some(step),
        },
    },
    Missed {
        name: "invlpg",
        instead: |step, _| (!matches!(step, Step::Invlpg(_))).then_some(step),
    },
    Missed {
        name: "invpcid-address",
        instead: |step, _| match step {
            Step::Invpcid(Invpcid::Address { .. }) => None,
            _ => Some(step),
        },
    },
    Missed {
        name: "invpcid-context",
        instead: |step, _| match step {
            Step::Invpcid(Invpcid::Context { .. }) => None,
            _ => Some(step),
        },
    },
    Missed {
        name: "invpcid-all",
        instead: |step, _| match step {
            // The globals stay.
            Step::Invpcid(Invpcid::All) => Some(Step::Invpcid(Invpcid::AllButGlobal)),
            _ => Some(step),
        },
    },
    Missed {
        name: "invpcid-all-but-global",
        instead: |step, _| match step {
            Step::Invpcid(Invpcid::AllButGlobal) => None,
            _ => Some(step),
        },
    },
];

/// So many steps that each kind of flush matters to some access.
const MANY: usize = 60_000;

fn caught(dir: &Dir, seed: u64, missed: Missed) -> Result<()> {
    let program = programs(seed, PCID, 1, MANY).remove(0);
    let mut pcide = false;
    let done: Vec<Step> = program
        .iter()
        .filter_map(|&step| {
            if let Step::Cr4(cr4) = step {
                pcide = cr4.pcide;
            }
            (missed.instead)(step, pcide)
        })
        .collect();
    let (vm, answers) = max(16).run(dir, &[done])?;
    vm.quit()?;
    match follow(layout(0), &program, &answers[0], true) {
        Ok(seen) => bail!("nobody noticed: {seen:?}"),
        Err(error) => {
            dir.log(format!("as it should be: {error:#}"));
            Ok(())
        }
    }
}
