// SPDX-License-Identifier: GPL-2.0-or-later
//! An honest back-end that isn't fast, and a driver that reads the device's
//! configuration byte by byte.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};

use crate::device_start::KINDS;
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for name in ["gpio", "snd"] {
        add(format!("isolation/slow/config-{name}"), Box::new(move |dir| config(dir, name)));
    }
}) }

/// Each takes more than 5 ms, all of them more than a start or stop may.
const READS: usize = 2200;

fn config(dir: &Dir, name: &str) -> Result<()> {
    let kind = KINDS
        .iter()
        .find(|kind| kind.name == name)
        .context("a kind")?;
    let backend = kind.backend(dir, "slow-config")?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    kind.plug(&mut machine)?;
    kind.begin(&mut machine)?;
    machine.wait_served(&backend)?;
    let asked = backend.facts("strike")?.len();
    for _ in 0..READS {
        machine.config_word(0)?;
    }
    let asked = backend.facts("strike")?.len() - asked;
    ensure!(asked >= READS, "asked only {asked} times: is it given up?");
    ensure!(
        !backend.said()?.contains("disconnected"),
        "the back-end was given up"
    );
    kind.begin(&mut machine)?;
    machine.check_device()?;
    machine.vm.quit()
}
