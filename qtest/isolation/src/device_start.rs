// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices of every kind whose back-end fails when the device is made or begins
//! to work; whose back-end is away for a time; that are looked at meanwhile.

use std::os::unix::fs::FileExt;

use annex_qtest::error::QmpError;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::{json, Value};

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{ring, F_VERSION_1};
use annex_peers::bare::{Bare, Ring};

/// A kind of device.
#[derive(Clone, Copy)]
pub struct Kind {
    /// As in vhost-user-NAME-pci.
    pub name: &'static str,
    /// How many queues the driver uses.
    queues: usize,
    /// What it can't do without.
    features: u64,
    /// Whether QEMU takes a back-end that comes back.
    pub returns: bool,
}

const fn kind(name: &'static str, queues: usize) -> Kind {
    Kind {
        name,
        queues,
        features: 0,
        returns: true,
    }
}

/// What I2C can't do without.
const ZERO_LENGTH_REQUEST: u64 = 1;

/// All of them.
pub const KINDS: &[Kind] = &[
    kind("blk", 1),
    Kind {
        returns: false,
        ..kind("fs", 2)
    },
    kind("gpio", 2),
    Kind {
        features: ZERO_LENGTH_REQUEST,
        ..kind("i2c", 1)
    },
    kind("input", 2),
    kind("rng", 1),
    kind("scsi", 3),
    kind("snd", 2),
    Kind {
        returns: false,
        ..kind("vsock", 2)
    },
];

inventory::submit! { Family(|add| {
    for &kind in KINDS {
        for attack in ["nothing", "changed", "features-close", "memory-close"] {
            add(format!("isolation/starts/{attack}-{}", kind.name), Box::new(move |dir| {
                spoilt(dir, kind, &format!("start-{attack}"))
            }));
        }
    }
}) }

impl Kind {
    /// A back-end of this kind, as far as QEMU can tell.
    pub fn backend(self, dir: &Dir, attack: &str) -> Result<Backend> {
        let features = self.features.to_string();
        Backend::hostile(
            dir,
            "backend",
            attack,
            &["--queues", "8", "--features", &features],
        )
    }

    /// Plugs one in, isolated.
    pub fn plug(self, machine: &mut Bare) -> Result<()> {
        self.plug_with(machine, &[])
    }

    /// The same with more options.
    pub fn plug_with(self, machine: &mut Bare, more: &[(&str, Value)]) -> Result<()> {
        let mut options: Vec<(&str, Value)> = vec![
            ("chardev", json!("backend")),
            ("memory-isolation", json!(true)),
        ];
        options.extend(more.iter().cloned());
        if self.name == "fs" {
            options.push(("tag", json!("annex")));
        }
        machine.plug(&format!("vhost-user-{}-pci", self.name), &options)
    }

    /// A driver begins.
    pub fn begin(self, machine: &mut Bare) -> Result<()> {
        let rings: Vec<Ring> = (0..self.queues).map(ring).collect();
        machine.reset()?;
        for ring in &rings {
            machine.ram.write_all_at(&[0; 4], ring.avail)?;
            machine.ram.write_all_at(&[0; 4], ring.used)?;
        }
        // Some have rings of no more than four.
        machine.make_ready(F_VERSION_1 | self.features, &rings, 4)
    }
}

/// QEMU refuses the device, or it has one that its driver may try to use.
fn spoilt(dir: &Dir, kind: Kind, attack: &str) -> Result<()> {
    let backend = kind.backend(dir, attack)?;
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&backend.socket)?;
    match kind.plug(&mut machine) {
        Err(error) => {
            let why = error.downcast::<QmpError>()?;
            ensure!(attack == "start-nothing", "refused: {why}");
        }
        Ok(()) => {
            kind.begin(&mut machine)?;
            machine.wait_told(&backend, "strike")?;
            for command in ["stop", "cont"] {
                machine.vm.qmp.execute_within(SOON, command, json!({}))?;
            }
            kind.begin(&mut machine)?;
            if attack == "start-changed" {
                machine.wait_served(&backend)?;
                machine.check_device()?;
            }
        }
    }
    machine.check_alive()?;
    machine.vm.quit()
}
