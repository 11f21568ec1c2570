// SPDX-License-Identifier: GPL-2.0-or-later
//! What a CPU's accesses came to, beside what the model allows.

use std::ops::AddAssign;

use anyhow::{ensure, Context, Result};
use tlb_model::testing::{Layout, Observed, Run, Step};

/// What was seen in a program that did nothing wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Accesses.
    pub accesses: usize,
    /// Of these, page faults.
    pub faults: usize,
    /// Accesses that used what page tables no longer said, or no longer allowed.
    pub stale: usize,
    /// Stale ones that a processor which drops everything at each load of CR3 couldn't have made.
    pub remembered: usize,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.accesses += other.accesses;
        self.faults += other.faults;
        self.stale += other.stale;
        self.remembered += other.remembered;
    }
}

/// Goes through a program with its answers. `faults_drop`: whether a page fault drops what there is
/// of its page, as it should.
pub fn follow(
    layout: Layout,
    program: &[Step],
    answers: &[Observed],
    faults_drop: bool,
) -> Result<Seen> {
    let (mut run, mut forgetful) = (Run::new(layout), Run::new(layout));
    let mut answers = answers.iter();
    let mut seen = Seen::default();
    for (number, &step) in program.iter().enumerate() {
        let allowed = run.step(step).with_context(|| format!("step {number}"))?;
        let by_forgetful = forgetful.step(step)?;
        if matches!(step, Step::Cr3(_)) {
            forgetful.forget();
        }
        let (Step::Access(address, access), Some(allowed), Some(by_forgetful)) =
            (step, allowed, by_forgetful)
        else {
            continue;
        };
        let answer = *answers.next().context("an answer for each access")?;
        ensure!(
            allowed.has(answer),
            "step {number}: {access:?} of {address:#x} came to {answer:#x?}, which isn't among \
             {allowed:#x?}\nthe steps before: {}",
            before(program, number)
        );
        seen.accesses += 1;
        seen.stale += usize::from(answer.is_some() && run.walk(address, access) != answer);
        seen.remembered += usize::from(!by_forgetful.has(answer));
        if answer.is_none() {
            seen.faults += 1;
            if faults_drop {
                run.faulted(address);
                forgetful.faulted(address);
            }
        }
    }
    ensure!(
        answers.next().is_none(),
        "there are more answers than accesses"
    );
    Ok(seen)
}

/// The last steps, for the reader of a failure.
pub fn before(program: &[Step], number: usize) -> String {
    let first = number.saturating_sub(40);
    let lines = program[first..=number].iter().zip(first..);
    lines
        .map(|(step, number)| format!("\n{number}: {step:x?}"))
        .collect()
}
