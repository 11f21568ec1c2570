// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux with a module that misses a flush on purpose (guest/missflush.c): it shows
//! with a TLB that remembers, hunting says where, and neither happens without.
//! scripts/guest-rtc makes the guest, which has the module and selftests of Linux's
//! own; where it couldn't, these are ignored for the reason that it gave.

use std::ops::Range;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::tcg::counter;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};

use crate::reports::{hunter, reports};

inventory::submit! { Family(|add| {
    add("pcid/linux/missed/hunted".into(), Box::new(hunted));
    add("pcid/linux/missed/flushed".into(), Box::new(flushed));
    add("pcid/linux/missed/hidden".into(), Box::new(hidden));
    add("pcid/linux/selftests".into(), Box::new(selftests));
}) }

/// How often the module does it. It shows unless Linux drops everything for a
/// reason of its own in between, which it seldom does.
const ROUNDS: usize = 20;

/// Pages that it does it with, one behind the other: PLACES of guest/missflush.c.
const PLACES: u64 = 32;

/// One CPU, and with page-table isolation, so that each system call makes another context current.
fn boot(dir: &Dir, accel: &str) -> Result<Vm> {
    Config::new(512)?
        .booting(Guest::with_rtc()?)
        .with_accel_options(accel)
        .with_kernel_options("pti=on")
        .with(["-cpu", "max", "-smp", "1", "-trace", "tlb_stale"])
        .boot("vm", dir)
}

/// What was seen after each change, and where.
struct Seen {
    /// How often it was a page from before.
    stale: usize,
    places: Range<u64>,
}

/// Loads the module, and has it change pages in one way.
fn change(vm: &Vm, way: &str) -> Result<Seen> {
    let file = "/sys/module/missflush/parameters/page";
    // All by the shell itself: another process would have another PCID.
    let script = format!(
        "modprobe missflush && read stale where < {file}; i=0; while [ $i -lt {ROUNDS} ]; do \
         echo {way} > {file}; read stale where < {file}; echo $stale $where; i=$((i+1)); done"
    );
    let said = vm.agent.sh(&script)?;
    let mut all = Seen {
        stale: 0,
        places: 0..0,
    };
    ensure!(said.lines().count() == ROUNDS, "it said {said}");
    for line in said.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [stale, at] = words[..] else {
            anyhow::bail!("it said {line}");
        };
        all.stale += stale.parse::<usize>().context("a number")?;
        let first = u64::from_str_radix(at, 16).context("an address")?;
        all.places = first..first + PLACES * 4096;
    }
    Ok(all)
}

/// The stale page is seen, and each time that is reported.
fn hunted(dir: &Dir) -> Result<()> {
    let vm = boot(dir, &hunter("report").accel)?;
    ensure!(
        reports(&vm)?.is_empty(),
        "Linux is said to have missed a flush"
    );
    let seen = change(&vm, "miss")?;
    let found = reports(&vm)?;
    vm.quit()?;
    dir.log(format!(
        "{} times stale, {} reports",
        seen.stale,
        found.len()
    ));
    ensure!(seen.stale > 0, "the module had no effect");
    ensure!(found.len() == seen.stale, "reported were {found:x?}");
    let there = found
        .iter()
        .all(|stale| seen.places.contains(&stale.address) && stale.access == "load");
    ensure!(
        there,
        "reported were {found:x?}, not only {:x?}",
        seen.places
    );
    Ok(())
}

/// The same module with its flush does no harm.
fn flushed(dir: &Dir) -> Result<()> {
    let vm = boot(dir, &hunter("report").accel)?;
    let seen = change(&vm, "flush")?;
    let found = reports(&vm)?;
    vm.quit()?;
    ensure!(
        seen.stale == 0 && found.is_empty(),
        "reported were {found:x?}"
    );
    Ok(())
}

/// A TLB that forgets hides the fault.
fn hidden(dir: &Dir) -> Result<()> {
    let vm = boot(dir, "tlb-contexts=0")?;
    let seen = change(&vm, "miss")?;
    ensure!(counter(&vm, "TLB stale uses")? == 0, "who was looking?");
    vm.quit()?;
    ensure!(seen.stale == 0, "it showed {} times", seen.stale);
    Ok(())
}

/// The kernel's own tests of memory management, with all of its PCIDs remembered.
fn selftests(dir: &Dir) -> Result<()> {
    let vm = boot(dir, "tlb-contexts=16")?;
    // mremap_test maps 2 GiB and touches little of it.
    vm.agent.sh("echo 1 > /proc/sys/vm/overcommit_memory")?;
    for test in ["map_fixed_noreplace", "mremap_dontunmap", "mremap_test"] {
        let said = vm.agent.sh(&format!("{test} 2>&1"))?;
        dir.log(format!("{test}: {said}"));
        // Its last line: "# Totals: pass:5 fail:0 …".
        let totals = said.lines().last().unwrap_or_default();
        ensure!(
            totals.contains("Totals: pass:") && !totals.contains("Totals: pass:0 "),
            "{test}: {said}"
        );
        ensure!(
            totals.contains(" fail:0 ") && totals.contains(" error:0"),
            "{test}: {said}"
        );
    }
    vm.quit()
}
