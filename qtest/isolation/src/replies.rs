// SPDX-License-Identifier: GPL-2.0-or-later
//! A back-end that answers QEMU's questions wrongly.

use annex_qtest::error::QmpError;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::hostile::PAUSE;
use crate::rig::{with_machine, Left, Machine, SOON};

/// What comes of a wrong answer.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// The device can't be added, and QEMU says so.
    Refused,
    /// That, or a device that the guest can make nothing of.
    Useless,
    /// A device that works.
    Works,
}
use Outcome::{Refused, Useless, Works};

/// Attacks by answers.
pub const CASES: &[(&str, Outcome)] = &[
    ("features-all", Works),
    ("reply-garbage", Useless),
    ("reply-short", Refused),
    ("reply-huge", Refused),
    ("reply-other", Refused),
    ("reply-cut", Refused),
    ("reply-base", Works),
    ("reply-index", Works),
    ("reply-queues", Works),
    ("reply-inflight", Useless),
];

inventory::submit! { Family(|add| {
    for &(attack, outcome) in CASES {
        add(format!("isolation/hostile/{attack}"), Box::new(move |dir| {
            with_machine(dir, |machine| answered(machine, dir, attack, outcome))
        }));
    }
}) }

fn answered(machine: &Machine, dir: &Dir, attack: &str, outcome: Outcome) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", attack, &[])?;
    let plugged = machine.plug(&backend.socket, &[]);
    if let Err(error) = plugged {
        let why = error.downcast::<QmpError>()?;
        dir.log(format!("refused: {why}"));
        ensure!(!matches!(outcome, Works), "{why}");
        ensure!(
            !why.description.contains("memory-isolation"),
            "refused for no answer: {why}"
        );
        ensure!(
            !backend.facts("strike")?.is_empty(),
            "refused before it answered: {why}"
        );
        machine.remove_chardev()?;
        return Ok(Left::Clean);
    }
    match outcome {
        Refused => anyhow::bail!("the device was added"),
        Useless => std::thread::sleep(PAUSE),
        Works => {
            machine.wait_disk()?;
            machine.io()?;
            machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
            machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
            machine.io()?;
            ensure!(!backend.facts("strike")?.is_empty(), "nothing was asked");
        }
    }
    machine.unplug()?;
    Ok(Left::Clean)
}
