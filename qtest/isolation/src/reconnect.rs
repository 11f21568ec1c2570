// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices of every kind whose back-end dies, is away for a time and comes back.

use std::fs;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::Result;
use serde_json::json;

use crate::device_start::{Kind, KINDS};
use crate::rig::SOON;
use annex_peers::bare::Bare;

inventory::submit! { Family(|add| {
    for &kind in KINDS {
        for (name, meanwhile) in CASES {
            add(format!("isolation/away/{name}-{}", kind.name), Box::new(move |dir| {
                away(dir, kind, meanwhile)
            }));
        }
    }
}) }

/// What happens to a device that nobody serves.
type Meanwhile = fn(&mut Bare, Kind) -> Result<()>;

const CASES: [(&str, Meanwhile); 4] = [
    ("alone", alone),
    ("config", config),
    ("driver", driver),
    ("status", status),
];

fn away(dir: &Dir, kind: Kind, meanwhile: Meanwhile) -> Result<()> {
    let mut backend = kind.backend(dir, "none")?;
    let socket = backend.socket.clone();
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&socket)?;
    kind.plug(&mut machine)?;
    kind.begin(&mut machine)?;
    for _ in 0..3 {
        machine.wait_served(&backend)?;
        machine.check_device()?;
        // No other is there when QEMU connects again.
        fs::remove_file(&socket)?;
        backend.kill()?;
        machine.wait_connected(false)?;
        meanwhile(&mut machine, kind)?;
        if !kind.returns {
            machine.check_alive()?;
            return machine.vm.quit();
        }
        backend = kind.backend(dir, "none")?;
    }
    machine.wait_served(&backend)?;
    machine.check_device()?;
    machine.vm.quit()
}

fn alone(_: &mut Bare, _: Kind) -> Result<()> {
    Ok(())
}

/// Its driver looks at its configuration.
fn config(machine: &mut Bare, _: Kind) -> Result<()> {
    machine.config_word(0).map(drop)
}

/// Another driver begins.
fn driver(machine: &mut Bare, kind: Kind) -> Result<()> {
    kind.begin(machine)
}

/// QEMU is asked how the device is, before and after its driver goes.
fn status(machine: &mut Bare, kind: Kind) -> Result<()> {
    let ask = |machine: &Bare| {
        let path = json!({ "path": "/machine/peripheral/isolated/virtio-backend" });
        machine
            .vm
            .qmp
            .execute_within(SOON, "x-query-virtio-status", path)
            .map(drop)
    };
    ask(machine)?;
    machine.reset()?;
    ask(machine)?;
    kind.begin(machine)
}
