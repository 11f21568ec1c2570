// SPDX-License-Identifier: GPL-2.0-or-later
//! Starts that fail, again and again, at each message there is: QEMU has as
//! many file descriptors afterwards as before.

use std::fs;
use std::time::Duration;

use annex_qtest::error::QmpError;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::device_start::{Kind, KINDS};
use crate::rig::SOON;
use annex_peers::bare::Bare;

/// Messages that a device is made with.
const TO_MAKE: &[&str] = &[
    "get-features",
    "get-protocol-features",
    "set-protocol-features",
    "get-queue-num",
    "set-backend-req-fd",
    "set-owner",
    "set-vring-err",
    "get-config",
];

/// Messages with which it begins to work for a driver.
const TO_START: &[&str] = &[
    "set-features",
    "set-mem-table",
    "set-vring-num",
    "set-vring-base",
    "set-vring-addr",
    "set-vring-call",
    "set-vring-kick",
    "set-vring-enable",
];

inventory::submit! { Family(|add| {
    for how in ["refuse", "close"] {
        for message in TO_MAKE {
            add(format!("isolation/descriptors/{how}-{message}"), Box::new(move |dir| {
                made(dir, &format!("{how}-{message}"))
            }));
        }
        for message in TO_START {
            for &kind in KINDS.iter().filter(|kind| ["blk", "rng"].contains(&kind.name)) {
                let name = format!("isolation/descriptors/{how}-{message}-{}", kind.name);
                add(name, Box::new(move |dir| started(dir, kind, &format!("{how}-{message}"))));
            }
        }
    }
}) }

/// Whether an attack is tried here.
pub fn tries(attack: &str) -> bool {
    let message = attack
        .strip_prefix("refuse-")
        .or_else(|| attack.strip_prefix("close-"));
    message.is_some_and(|message| TO_MAKE.contains(&message) || TO_START.contains(&message))
}

/// Failed starts before the descriptors are counted for the first time.
const BEFORE: usize = 6;
/// And until they are counted for the second time.
const MORE: usize = 20;
/// Connections that may come and go while they are counted.
const TRANSIENT: usize = 3;

/// How many QEMU has, connections that are made and lost meanwhile left out as
/// far as can be.
fn descriptors(machine: &Bare) -> Result<usize> {
    let folder = format!("/proc/{}/fd", machine.vm.pid());
    let mut least = usize::MAX;
    for _ in 0..20 {
        least = least.min(fs::read_dir(&folder)?.count());
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(least)
}

/// None is left behind. On a busy host, connections that were lost are closed late.
fn check(dir: &Dir, machine: &Bare, before: usize) -> Result<()> {
    let mut after = 0;
    let closed = wait::until("lost connections to be closed", SOON, || {
        after = descriptors(machine)?;
        Ok((after <= before + TRANSIENT).then_some(()))
    });
    dir.log(format!("{before} descriptors, then {after}"));
    closed.with_context(|| {
        format!("{before} descriptors, and {after} after {MORE} more starts that failed")
    })
}

/// The driver tries it, or QEMU does when it is connected again.
fn started(dir: &Dir, kind: Kind, attack: &str) -> Result<()> {
    let backend = kind.backend(dir, attack)?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    kind.plug(&mut machine)?;
    let fail = |machine: &mut Bare, wanted: usize| {
        wait::until(&format!("{wanted} starts to fail"), SOON, || {
            let failed = backend.facts("strike")?.len();
            if failed >= wanted {
                return Ok(Some(failed));
            }
            kind.begin(machine)?;
            machine.check_alive()?;
            Ok(None)
        })
    };
    let failed = fail(&mut machine, BEFORE)?;
    let before = descriptors(&machine)?;
    fail(&mut machine, failed + MORE)?;
    check(dir, &machine, before)?;
    machine.vm.quit()
}

/// The device is added, and refused, again and again; or it is made all the
/// same, and taken out.
fn made(dir: &Dir, attack: &str) -> Result<()> {
    let kind = KINDS[0];
    let backend = kind.backend(dir, attack)?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    let add = |machine: &mut Bare, times: usize| -> Result<()> {
        for _ in 0..times {
            match kind.plug(machine) {
                Err(error) => drop(error.downcast::<QmpError>()?),
                Ok(()) => machine.unplug()?,
            }
        }
        Ok(())
    };
    add(&mut machine, BEFORE)?;
    let before = descriptors(&machine)?;
    add(&mut machine, MORE)?;
    ensure!(!backend.facts("strike")?.is_empty(), "it was never asked");
    check(dir, &machine, before)?;
    machine.vm.quit()
}
