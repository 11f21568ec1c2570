// SPDX-License-Identifier: GPL-2.0-or-later
//! What hunting says: a line of the trace event `tlb_stale` in a VM's log.

use std::fs;

use annex_qtest::qemu::Vm;
use anyhow::{Context, Result};

use crate::machine::Machine;

/// What `now` is where page tables have nothing.
pub const NOTHING: u64 = u64::MAX;

/// A machine that hunts, and says what it finds in its log.
pub fn hunter(mode: &str) -> Machine {
    Machine {
        args: ["-trace", "tlb_stale"].map(str::to_owned).to_vec(),
        ..Machine::max(&format!("tlb-contexts=16,tlb-stale={mode}"))
    }
}

/// A report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The PCID that was current.
    pub context: u64,
    /// "load", "store" or "fetch".
    pub access: &'static str,
    /// The page that was used.
    pub address: u64,
    /// Where it was.
    pub remembered: u64,
    /// Where it is, or [`NOTHING`].
    pub now: u64,
}

/// The reports in a machine's log.
pub fn reports(vm: &Vm) -> Result<Vec<Stale>> {
    let log = fs::read_to_string(&vm.log)?;
    let lines = log.lines().filter(|line| line.contains("tlb_stale cpu "));
    lines
        .map(|line| parse(line).with_context(|| line.to_owned()))
        .collect()
}

/// "… tlb_stale cpu N context 0xN vaddr 0xN access load remembered 0xN now 0xN".
fn parse(line: &str) -> Result<Stale> {
    let words: Vec<_> = line.split_whitespace().collect();
    let after = |name: &str| -> Result<&str> {
        let at = words
            .iter()
            .position(|word| *word == name)
            .with_context(|| format!("no {name}"))?;
        words.get(at + 1).copied().context("it ends there")
    };
    let number = |name| -> Result<u64> {
        Ok(u64::from_str_radix(
            after(name)?.trim_start_matches("0x"),
            16,
        )?)
    };
    let access = after("access")?;
    let known = ["load", "store", "fetch"].into_iter();
    Ok(Stale {
        context: number("context")?,
        access: known
            .into_iter()
            .find(|known| *known == access)
            .with_context(|| format!("access {access}"))?,
        address: number("vaddr")? & !0xfff,
        remembered: number("remembered")?,
        now: number("now")?,
    })
}
