// SPDX-License-Identifier: GPL-2.0-or-later
//! RAM that is the snapshot, copy on write: guests that share what they don't
//! write. (That it holds the same bytes as after other loads is in
//! on_demand/ram.rs.)

use std::path::Path;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use mapped_ram::hold::Held;

use crate::fixture::{Fixture, DATA_MIB};

inventory::submit! { Family(|add| {
    add("snapshot/map/two-guests".into(), Box::new(two_guests));
}) }

/// Two guests from one held snapshot go on from where they were, each with its
/// own changes and every word of the data right, when the holder has let go; and
/// together they have the data in memory once.
fn two_guests(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let copied = memory_kib(&load_two(
        fixture,
        dir,
        "copied",
        &fixture.path,
        Mode::Eager,
    )?)?;

    let held = Held::of(&fixture.path)?;
    let vms = load_two(fixture, dir, "mapped", &held.path(), Mode::Mapped)?;
    drop(held);
    for vm in &vms {
        fixture.check(vm)?;
    }
    // All of the data was read: it is mapped, and shared.
    let mapped = memory_kib(&vms)?;
    dir.log(format!(
        "two guests: {copied} KiB copied, {mapped} KiB mapped"
    ));
    for vm in &vms {
        let shared = vm.memory_kib("Pss_Shmem")?;
        ensure!(
            shared > DATA_MIB * 1024 / 2,
            "{}'s share of the snapshot is {shared} KiB",
            vm.name
        );
    }
    // But for what each writes it is one copy less.
    ensure!(
        mapped + DATA_MIB * 1024 * 3 / 4 < copied,
        "two guests have {mapped} KiB mapped, {copied} KiB copied"
    );
    vms.into_iter().try_for_each(Vm::quit)
}

fn load_two(fixture: &Fixture, dir: &Dir, kind: &str, path: &Path, mode: Mode) -> Result<[Vm; 2]> {
    let load = |number| {
        let name = format!("{kind}-{number}");
        snapshot::load_whole(&fixture.config, &name, dir, path, mode)
    };
    Ok([load(1)?, load(2)?])
}

/// What machines have in memory together; what they share counts once.
fn memory_kib(vms: &[Vm]) -> Result<u64> {
    vms.iter().map(|vm| vm.memory_kib("Pss")).sum()
}
