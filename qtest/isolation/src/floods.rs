// SPDX-License-Identifier: GPL-2.0-or-later
//! Back-ends that never stop to ask, to complain or to come back: QEMU's log and
//! its memory don't grow with it.

use std::fs;
use std::thread;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::device_start::KINDS;
use crate::rig::SOON;
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for attack in ["flood-requests", "flood-changes", "flood-errors"] {
        add(format!("isolation/floods/{attack}"), Box::new(move |dir| flooded(dir, attack)));
    }
    for attack in ["close-set-mem-table", "close-set-vring-enable"] {
        add(format!("isolation/floods/returning-{attack}"), Box::new(move |dir| {
            returning(dir, attack)
        }));
    }
}) }

/// How long a flood is looked at.
const TIME: Duration = Duration::from_secs(3);
/// Bytes of QEMU's log at most.
const LOG: u64 = 4 << 10;
/// And bytes by which QEMU may grow.
const GROWTH: u64 = 8 << 20;

/// Bytes of memory that QEMU has for itself.
fn memory(machine: &Bare) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", machine.vm.pid()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib: u64 = line
        .context("RssAnon")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib << 10)
}

fn log(dir: &Dir) -> Result<u64> {
    Ok(fs::metadata(dir.file("vm.qemu.log"))?.len())
}

fn flooded(dir: &Dir, attack: &str) -> Result<()> {
    let backend = KINDS[0].backend(dir, attack)?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    KINDS[0].plug(&mut machine)?;
    KINDS[0].begin(&mut machine)?;
    machine.wait_served(&backend)?;
    let before = memory(&machine)?;
    thread::sleep(TIME);
    machine.check_alive()?;
    let (log, grown) = (log(dir)?, memory(&machine)?.saturating_sub(before));
    dir.log(format!("a log of {log} bytes, {grown} bytes more"));
    ensure!(log < LOG, "a log of {log} bytes");
    ensure!(grown < GROWTH, "{grown} bytes more");
    machine.vm.quit()
}

/// One that hangs up whenever QEMU is connected again: how often that is, the
/// chardev's reconnect-ms says, and each time takes a few lines.
fn returning(dir: &Dir, attack: &str) -> Result<()> {
    const LINES: u64 = 12;
    let backend = KINDS[0].backend(dir, attack)?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    KINDS[0].plug(&mut machine)?;
    KINDS[0].begin(&mut machine)?;
    let returned = |count: usize| {
        wait::until(&format!("{count} connections"), SOON, || {
            Ok((backend.facts("strike")?.len() >= count).then_some(()))
        })
    };
    returned(50)?;
    let before = memory(&machine)?;
    returned(250)?;
    let times = backend.facts("strike")?.len() as u64;
    let said = fs::read_to_string(dir.file("vm.qemu.log"))?;
    let (lines, grown) = (
        said.lines().count() as u64,
        memory(&machine)?.saturating_sub(before),
    );
    dir.log(format!(
        "{lines} lines for {times} connections, {grown} bytes more"
    ));
    ensure!(
        lines <= LINES * times,
        "{lines} lines for {times} connections"
    );
    ensure!(grown < GROWTH, "{grown} bytes more");
    machine.check_alive()?;
    machine.vm.quit()
}
