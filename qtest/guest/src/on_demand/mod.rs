// SPDX-License-Identifier: GPL-2.0-or-later
//! Fast snapshot load: the VM runs at once, its RAM follows.

mod broken;
mod denied;
mod direct_io;
mod discards;
mod interface;
mod ram;
mod refused;
mod stalled;
mod vhost_user;
mod working_set;

use annex_qtest::files::Dir;
use annex_qtest::memory::{Backing, HugePages};
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::fixture::{check_digest, Fixture, RAM_MIB};

inventory::submit! { Family(|add| {
    for backing in Backing::ALL {
        add(
            format!("snapshot/on-demand/{backing}"),
            Box::new(move |dir| carries_on_twice(dir, backing)),
        );
    }
    add("snapshot/on-demand/unpatched".into(), Box::new(loads_what_an_unpatched_qemu_saved));
}) }

/// A guest saved while it ran carries on from where it was; and again from
/// the snapshot that the restored machine makes of it.
fn carries_on_twice(dir: &Dir, backing: Backing) -> Result<()> {
    let _pages = match backing {
        Backing::Hugetlb => Some(HugePages::reserve(RAM_MIB)?),
        _ => None,
    };
    let fixture = Fixture::live()?;
    let config = fixture.config.backed_by(backing);

    let vm = config.incoming().start("restored", dir)?;
    runs_before_it_is_loaded(&vm, fixture)?;
    fixture.check(&vm)?;

    let own = Fixture::of(&vm, dir.file("snapshot"))?;
    snapshot::save(&vm, &own.path)?;
    vm.quit()?;

    let vm = own.config.incoming().start("restored-again", dir)?;
    runs_before_it_is_loaded(&vm, &own)?;
    own.check(&vm)?;
    check_digest(&vm)?;
    vm.quit()
}

/// Loads on demand into `vm`; the guest must run before all is loaded.
fn runs_before_it_is_loaded(vm: &Vm, fixture: &Fixture) -> Result<()> {
    snapshot::prepare(vm, Mode::OnDemand)?;
    let loading = snapshot::begin(vm, &fixture.path)?;
    let running = loading.wait_running()?;
    fixture.check_alive(vm)?;
    let loaded = loading.wait_loaded()?;
    ensure!(
        running.at < loaded.at,
        "the guest only ran when all was loaded"
    );
    Ok(())
}

fn loads_what_an_unpatched_qemu_saved(dir: &Dir) -> Result<()> {
    let fixture = Fixture::by_unpatched()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    runs_before_it_is_loaded(&vm, fixture)?;
    fixture.check(&vm)?;
    vm.quit()
}
