// SPDX-License-Identifier: GPL-2.0-or-later
//! Sixteen guests from one snapshot: each with a copy of it, and all sharing it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use annex_qtest::fleet::Fleet;
use annex_qtest::kept::{Fill, Kept};
use annex_qtest::snapshot::Mode;
use anyhow::{Context, Result};
use mapped_ram::hold::Held;

use crate::seconds;

const GUESTS: u8 = 16;
const RAM_MIB: u64 = 256;
const DATA_MIB: u64 = 64;

/// What one way gave.
struct Figures {
    to_first_life: Duration,
    to_life: Duration,
    /// Bytes that all have together.
    memory: u64,
}

/// Starts them in both ways, and prints what each took.
pub fn demo() -> Result<()> {
    println!(
        "Then sixteen guests, each with {RAM_MIB} MiB of RAM, from one snapshot: first each reads"
    );
    println!("a copy of it, then all map the one that annex-snapshot would hold in memory.\n");
    println!("4. The snapshot (made once, kept in build/demo/sixteen)");
    let kept = Kept::get("demo/sixteen", RAM_MIB, Fill::Mib(DATA_MIB), &|step| {
        println!("   {step}")
    })?;
    println!("5. Sixteen that read it eagerly ...");
    let copied = start(&kept, &kept.path, Mode::Eager, 0)?;
    println!("6. Sixteen that map it ...");
    let held = Held::of(&kept.path).context("holding the snapshot in memory")?;
    let mapped = start(&kept, &held.path(), Mode::Mapped, held.memory()?)?;
    report(&copied, &mapped);
    Ok(())
}

/// What is held in memory for them counts as theirs.
fn start(kept: &Kept, path: &Path, mode: Mode, held: u64) -> Result<Figures> {
    let fleet = Fleet::load(kept, path, mode, 1, GUESTS, &progress)?;
    let figures = Figures {
        to_first_life: fleet.to_first_life,
        to_life: fleet.to_life,
        memory: fleet.memory()? + held,
    };
    fleet.quit()?;
    Ok(figures)
}

/// One line that changes on a terminal; elsewhere only its last state.
fn progress(alive: usize) {
    let count = usize::from(GUESTS);
    let all = alive == count;
    if io::stdout().is_terminal() {
        let bar = "#".repeat(alive) + &".".repeat(count - alive);
        print!("\r   [{bar}] {alive} of {count} show life");
        if all {
            println!();
        }
        // A bar that isn't seen is no failure.
        let _ = io::stdout().flush();
    } else if all {
        println!("   {alive} of {count} show life");
    }
}

fn report(copied: &Figures, mapped: &Figures) {
    let row = |what: &str, of: &dyn Fn(&Figures) -> String| {
        println!("   {what:<28}{:>10}{:>14}", of(copied), of(mapped));
    };
    println!("\n   {:<28}{:>10}{:>14}", "", "read", "mapped");
    row("the first shows life after", &|of| {
        seconds(of.to_first_life)
    });
    row("the last shows life after", &|of| seconds(of.to_life));
    row("memory of all sixteen", &|of| {
        format!("{} MiB", of.memory >> 20)
    });
    row("for each", &|of| {
        format!("{} MiB", (of.memory / u64::from(GUESTS)) >> 20)
    });
    println!("\n   How such guests get disks, addresses and names of their own: docs/fleet.md\n");
}
