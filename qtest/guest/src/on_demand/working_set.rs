// SPDX-License-Identifier: GPL-2.0-or-later
//! Working sets: what one load of a guest touched the next one brings first.

use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::fixture::{Fixture, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/working-set/recorded".into(), Box::new(recorded));
    add("snapshot/on-demand/working-set/any-load".into(), Box::new(any_load));
}) }

/// Pages that the guest reads of its data, in random order.
const PAGES: u64 = 3000;

fn work(vm: &Vm) -> Result<()> {
    vm.agent.ask(&format!("probe {SEED} {PAGES}")).map(drop)
}

fn figure(vm: &Vm, name: &str) -> Result<u64> {
    let figures = snapshot::figures(vm)?;
    figures[name]
        .as_u64()
        .with_context(|| format!("no {name} in {figures}"))
}

/// Without a background, a guest that does again what was recorded finds nearly
/// all of it there.
fn recorded(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let set = dir.file("set");

    let vm = fixture.config.incoming().start("recorded", dir)?;
    snapshot::prepare(&vm, Mode::DemandOnly)?;
    snapshot::record_working_set(&vm, &set)?;
    snapshot::begin(&vm, &fixture.path)?.wait_running()?;
    work(&vm)?;
    snapshot::end_recording(&vm)?;
    let asked_for = figure(&vm, "demand-pages")?;
    ensure!(asked_for > PAGES / 2, "{asked_for} pages were asked for");
    ensure!(figure(&vm, "background-pages")? == 0);
    ensure!(set.is_file(), "nothing was written");
    vm.quit()?;

    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::DemandOnly)?;
    snapshot::use_working_set(&vm, &set)?;
    let loading = snapshot::begin(&vm, &fixture.path)?;
    loading.wait_running()?;
    wait::until("the working set", Duration::from_secs(60), || {
        let brought = figure(&vm, "working-set-pages")? + figure(&vm, "demand-pages")?;
        Ok((brought >= asked_for).then_some(()))
    })?;
    let before = figure(&vm, "demand-pages")?;
    work(&vm)?;
    let missing = figure(&vm, "demand-pages")? - before;
    dir.log(format!(
        "{asked_for} pages without, {missing} with the working set"
    ));
    ensure!(
        missing < asked_for / 4,
        "{missing} pages were still asked for, without a set {asked_for}"
    );
    snapshot::set_background(&vm, "adaptive")?;
    loading.wait_loaded()?;
    fixture.check(&vm)?;
    vm.quit()
}

/// Any load records and adds to what is there, also one that is given a set;
/// and the guest has all of its memory in the end.
fn any_load(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let set = dir.file("set");
    let mut sizes = Vec::new();
    for name in ["first", "second"] {
        let vm = fixture.config.incoming().start(name, dir)?;
        snapshot::prepare(&vm, Mode::OnDemand)?;
        if set.exists() {
            snapshot::use_working_set(&vm, &set)?;
        }
        snapshot::record_working_set(&vm, &set)?;
        let loading = snapshot::begin(&vm, &fixture.path)?;
        loading.wait_running()?;
        work(&vm)?;
        loading.wait_loaded()?;
        ensure!(
            figure(&vm, "recorded-pages")? > 0,
            "no guest runs without memory"
        );
        sizes.push(set.metadata().context("nothing was written")?.len());
        ensure!(
            (figure(&vm, "working-set-pages")? > 0) == (name == "second"),
            "the second load alone has a set"
        );
        fixture.check(&vm)?;
        vm.quit()?;
    }
    ensure!(sizes[1] >= sizes[0], "a set became smaller: {sizes:?}");
    Ok(())
}
