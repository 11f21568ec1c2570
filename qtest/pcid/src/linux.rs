// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux in a guest that has PCIDs: what it says of its CPU, memory management
//! under load (guest/mmload.c), snapshots and migrations, and that hunting finds
//! nothing in a kernel that misses no flush.

use std::fs;
use std::path::Path;

use annex_qtest::files::Dir;
use annex_qtest::migrate;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::snapshot::{self, Mode, Snapshot};
use annex_qtest::tcg::counter;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::reports::reports;

inventory::submit! { Family(|add| {
    for (cpus, contexts) in [(1, 0), (1, 2), (1, 16), (4, 0), (4, 16)] {
        for pti in ["on", "off"] {
            add(format!("pcid/linux/storm/{cpus}-cpus/contexts-{contexts}/pti-{pti}"),
                Box::new(move |dir| storm(dir, cpus, contexts, pti)));
        }
    }
    add("pcid/linux/snapshot".into(), Box::new(saved));
    add("pcid/linux/migrate".into(), Box::new(moved));
}) }

/// Rounds of each process of the storm.
const ROUNDS: u32 = 24;

/// Linux itself has six PCIDs, and twice as many with page-table isolation.
const ALL: u32 = 16;

fn config(cpus: u32, contexts: u32, pti: &str) -> Result<Config> {
    Ok(Config::new(256)?
        .with_accel_options(&format!("tlb-contexts={contexts}"))
        .with_kernel_options(&format!("pti={pti}"))
        .with(["-cpu", "max", "-smp", &cpus.to_string()]))
}

/// The guest uses PCIDs, and INVPCID, as its kernel says.
fn uses_pcids(vm: &Vm, pti: &str) -> Result<()> {
    let flags = vm.agent.sh("grep -m 1 ^flags /proc/cpuinfo")?;
    for flag in ["pcid", "invpcid"] {
        let found = flags.split_whitespace().any(|found| found == flag);
        ensure!(found, "/proc/cpuinfo has no {flag}: {flags}");
    }
    let isolated = flags.split_whitespace().any(|flag| flag == "pti");
    ensure!((pti == "on") == isolated, "with pti={pti}: {flags}");
    // CR4.PCIDE, of each CPU.
    let registers = vm.qmp.human("info registers -a")?;
    let cr4 = registers.split("CR4=").skip(1);
    let mut count = 0;
    for value in cr4 {
        let value = value.get(..8).context("CR4 has eight digits")?;
        ensure!(
            u64::from_str_radix(value, 16)? >> 17 & 1 == 1,
            "CR4 is {value}"
        );
        count += 1;
    }
    ensure!(count > 0, "no CR4 in {registers}");
    Ok(())
}

fn run_storm(vm: &Vm) -> Result<()> {
    let said = vm.agent.sh(&format!("mmload storm {ROUNDS}"))?;
    ensure!(said == format!("ok {ROUNDS}"), "{said}");
    Ok(())
}

/// Checksums hold, and what is remembered is used if there is room for it. Where all that Linux
/// uses is remembered, it is hunted as well: nothing is found.
fn storm(dir: &Dir, cpus: u32, contexts: u32, pti: &str) -> Result<()> {
    let mut config = config(cpus, contexts, pti)?;
    if contexts == ALL {
        config = config
            .with_accel_options(&format!("tlb-contexts={contexts},tlb-stale=report"))
            .with(["-trace", "tlb_stale"]);
    }
    let vm = config.boot("vm", dir)?;
    uses_pcids(&vm, pti)?;
    run_storm(&vm)?;
    let found = counter(&vm, "TLB contexts found")?;
    dir.log(format!("{found} contexts were found"));
    ensure!((contexts > 1) == (found > 0), "{found} contexts were found");
    let stale = reports(&vm)?;
    ensure!(
        stale.is_empty(),
        "Linux is said to have missed a flush: {stale:x?}"
    );
    // What one thread unmaps another one may use until the kernel has flushed: reports of that
    // would be no fault of anybody's.
    let said = vm.agent.sh("mmload replace 200")?;
    ensure!(said == "ok 200", "{said}");
    vm.quit()
}

/// A guest that is saved in the midst of it goes on.
fn saved(dir: &Dir) -> Result<()> {
    let vm = config(2, ALL, "on")?.boot("before", dir)?;
    in_background(&vm)?;
    let snapshot = Snapshot::save(vm, dir.file("snapshot"))?;
    let vm = snapshot.load("after", dir, Mode::Eager)?;
    goes_on(&vm)
}

/// The same of one that is moved; but not to a CPU without PCIDs, which can't go on with it.
fn moved(dir: &Dir) -> Result<()> {
    let config = config(2, ALL, "on")?;
    let vm = config.boot("here", dir)?;
    in_background(&vm)?;
    let there = migrate::live(&vm, &config, "there", dir)?;
    vm.quit()?;
    goes_on(&there)?;
    let path = dir.file("snapshot");
    snapshot::save(&there, &path)?;
    there.quit()?;
    refused(dir, &config, &path)
}

fn in_background(vm: &Vm) -> Result<()> {
    uses_pcids(vm, "on")?;
    vm.agent
        .sh(&format!("mmload storm {} > /data/storm 2>&1 &", 4 * ROUNDS))?;
    Ok(())
}

/// It still uses PCIDs, and what ran before comes to its end.
fn goes_on(vm: &Vm) -> Result<()> {
    uses_pcids(vm, "on")?;
    let wait = "timeout 300 sh -c 'until [ -s /data/storm ]; do sleep 0.2; done'; cat /data/storm";
    let said = vm.agent.sh(wait)?;
    ensure!(said == format!("ok {}", 4 * ROUNDS), "{said}");
    run_storm(vm)
}

/// A CPU without PCIDs says what it lacks, and doesn't run.
fn refused(dir: &Dir, config: &Config, path: &Path) -> Result<()> {
    let without = config.with(["-cpu", "max,-pcid,-invpcid"]);
    let vm = without.incoming().start("without", dir)?;
    snapshot::prepare(&vm, Mode::Eager)?;
    let why = snapshot::begin(&vm, path)?.wait_failed()?;
    dir.log(&why);
    // The reason may be on QEMU's standard error only.
    let said = format!("{why}\n{}", fs::read_to_string(&vm.log)?).to_lowercase();
    ensure!(
        said.contains("pcid"),
        "it doesn't say what is missing: {said}"
    );
    let state = vm.qmp.execute("query-status", json!({}))?;
    ensure!(state["running"] == false, "it runs all the same: {state}");
    vm.quit()
}
