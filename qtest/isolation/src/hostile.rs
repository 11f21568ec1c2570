// SPDX-License-Identifier: GPL-2.0-or-later
//! Attacks on requests in flight, and what comes of them. (`hostile-backend
//! --list` says what they do.)

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::rig::{with_machine, Left, Machine, IO_MIB, SOON};

/// What comes of an attack.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// The guest's I/O goes on and its data are right.
    Harmless,
    /// QEMU says this of the back-end, and the device is broken.
    Violation(&'static str),
}
use Outcome::{Harmless, Violation};

/// Attacks on a request.
const CASES: &[(&str, Outcome)] = &[
    (
        "used-id-range",
        Violation("the back-end says that it used request"),
    ),
    (
        "used-id-huge",
        Violation("used request 4294967295, of a ring of"),
    ),
    ("used-id-not-lent", Violation("which it doesn't have")),
    ("used-id-twice", Violation("which it doesn't have")),
    ("used-index-ahead", Violation("moved the used index")),
    ("used-index-half", Violation("moved the used index")),
    ("used-index-back", Violation("moved the used index")),
    ("used-len-huge", Harmless),
    ("used-len-zero", Harmless),
    ("table-elsewhere", Harmless),
    ("table-grown", Harmless),
    ("table-loop", Harmless),
    ("indirect-elsewhere", Harmless),
    ("avail-garbage", Harmless),
    ("used-garbage", Harmless),
    ("flags-garbage", Harmless),
    ("area-garbage", Violation("the back-end")),
    ("area-zeros", Violation("moved the used index")),
    ("file-resize", Harmless),
    ("file-seal", Harmless),
    ("file-holes", Violation("moved the used index")),
    ("call-storm", Harmless),
    ("config-storm", Harmless),
    ("unasked", Harmless),
    ("close", Harmless),
    ("ask-notifier", Harmless),
    ("ask-iotlb", Harmless),
    ("ask-object", Harmless),
    ("ask-garbage", Harmless),
];

inventory::submit! { Family(|add| {
    for &(attack, outcome) in CASES {
        add(format!("isolation/hostile/{attack}"), Box::new(move |dir| {
            with_machine(dir, |machine| attacked(machine, dir, attack, outcome))
        }));
    }
    add("isolation/hostile/each-is-tried".into(), Box::new(each_is_tried));
}) }

fn attacked(machine: &Machine, dir: &Dir, attack: &str, outcome: Outcome) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", attack, &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.begin_io(IO_MIB)?;
    backend.wait_for("strike")?;
    match outcome {
        Violation(words) => {
            broken(machine, words)?;
            return Ok(Left::Broken);
        }
        Harmless => machine.check_io(IO_MIB)?,
    }
    machine.io()?;
    ensure!(
        machine.status("disk")?["broken"] == false,
        "the device is broken"
    );
    particulars(machine, &backend, attack)?;
    machine.unplug()?;
    Ok(Left::Clean)
}

/// Checks that the device is broken and nothing else is.
pub fn broken(machine: &Machine, words: &str) -> Result<()> {
    machine.wait_said("vhost-user memory isolation: queue 0: ")?;
    let said = machine.said()?;
    ensure!(
        said.contains(words),
        "QEMU said {said:?}, but not {words:?}"
    );
    let lines = said.matches("memory isolation: queue").count();
    ensure!(lines == 1, "QEMU said it {lines} times: {said}");
    wait::until("the device to be broken", SOON, || {
        Ok((machine.status("disk")?["broken"] == true).then_some(()))
    })?;
    machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
    machine
        .vm
        .qmp
        .execute_within(SOON, "cont", json!({}))
        .map(drop)
}

/// What is to be seen of some attacks besides.
fn particulars(machine: &Machine, backend: &Backend, attack: &str) -> Result<()> {
    match attack {
        "used-len-huge" => {
            let clamped = machine.figures("disk", 0)?["clamped"].clone();
            ensure!(
                clamped.as_u64() >= Some(1),
                "{clamped} lengths were clamped"
            );
        }
        "file-resize" | "file-seal" => {
            ensure!(backend.facts("couldn't")?.len() == 4, "{}", backend.said()?);
        }
        "call-storm" => {
            backend.wait_for("called")?;
            machine.io()?;
        }
        "config-storm" => backend.wait_for("stormed 5000")?,
        "close" => {
            let count = backend.said()?.matches("\nconnected").count();
            ensure!(count == 2, "connected {count} times");
        }
        _ if attack.starts_with("ask-") => {
            let asked = backend.facts("asked")?;
            ensure!(!asked.is_empty(), "it asked nothing");
            for answer in asked {
                ensure!(answer.contains(" refused"), "asked {answer}");
            }
            ensure!(
                !backend.said()?.contains("IOTLB_MSG"),
                "told where the guest's memory is"
            );
        }
        _ => {}
    }
    Ok(())
}

/// Attacks that have tests of their own elsewhere.
const ELSEWHERE: &[&str] = &[
    "none",
    "reaching",
    "random",
    "stall",
    "keep",
    "mute",
    "die",
    "used-second",
    "start-nothing",
    "start-silent",
    "start-changed",
    "start-features-close",
    "start-memory-close",
    "start-unread",
    "block-kick",
    "block-call",
    "block-answers",
    "slow-config",
    "flood-requests",
    "flood-changes",
    "flood-errors",
];

/// No attack is forgotten.
fn each_is_tried(dir: &Dir) -> Result<()> {
    let list = Command::new(env!("CARGO_BIN_EXE_hostile-backend"))
        .arg("--list")
        .output()?;
    let list = String::from_utf8(list.stdout)?;
    dir.log(&list);
    let known: BTreeSet<&str> = list.lines().filter_map(|l| l.split(' ').next()).collect();
    let tried: BTreeSet<&str> = CASES
        .iter()
        .map(|(attack, _)| *attack)
        .chain(
            known
                .iter()
                .copied()
                .filter(|attack| crate::descriptors::tries(attack)),
        )
        .chain(crate::replies::CASES.iter().map(|(attack, _)| *attack))
        .chain(ELSEWHERE.iter().copied())
        .collect();
    ensure!(
        known == tried,
        "{:?}",
        known.symmetric_difference(&tried).collect::<Vec<_>>()
    );
    Ok(())
}

/// A time in which a back-end that stalls would have answered.
pub const PAUSE: Duration = Duration::from_secs(2);
