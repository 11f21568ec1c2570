// SPDX-License-Identifier: GPL-2.0-or-later
//! The ways to ask for a load on demand, and what it reports.

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use crate::fixture::Fixture;

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/states".into(), Box::new(states));
    add("snapshot/on-demand/figures".into(), Box::new(figures));
    add("snapshot/on-demand/background".into(), Box::new(background));
    add("snapshot/on-demand/blocktime".into(), Box::new(blocktime));
    add("snapshot/on-demand/command-line".into(), Box::new(command_line));
    add("snapshot/on-demand/human-monitor".into(), Box::new(human_monitor));
}) }

/// The states that scripts written for QEMU's later releases wait for.
fn states(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::OnDemand)?;
    let from = vm.qmp.now();
    snapshot::begin(&vm, &fixture.path)?.wait_loaded()?;

    let mut seen = Vec::new();
    vm.qmp.wait(from, "all states", LIMIT, |name, event| {
        if name == "MIGRATION" {
            seen.push(event.data["status"].as_str()?.to_owned());
        }
        (seen.last()? == "completed").then_some(())
    })?;
    let expected = [
        "setup",
        "active",
        "postcopy-device",
        "postcopy-active",
        "completed",
    ];
    ensure!(seen == expected, "states {seen:?}, not {expected:?}");
    ensure!(snapshot::query(&vm.qmp)?["status"] == "completed");
    vm.quit()
}

fn number(figures: &Value, name: &str) -> Result<u64> {
    figures[name]
        .as_u64()
        .with_context(|| format!("no {name} in {figures}"))
}

/// The figures add up, and fit what the guest did.
fn figures(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::OnDemand)?;
    let threads = json!({ "mapped-ram-fault-threads": 2, "mapped-ram-load-threads": 2 });
    vm.qmp.execute("migrate-set-parameters", threads)?;
    snapshot::begin(&vm, &fixture.path)?.wait_loaded()?;

    let figures = snapshot::figures(&vm)?;
    dir.log(figures.to_string());
    for unit in ["pages", "bytes"] {
        let of = |kind: &str| number(&figures, &format!("{kind}-{unit}"));
        let (demand, background, zero) = (of("demand")?, of("background")?, of("zero")?);
        let total = number(&figures, &format!("total-{unit}"))?;
        ensure!(
            demand + background + zero == total,
            "{unit} don't add up: {figures}"
        );
        ensure!(
            demand > 0 && background > 0 && zero > 0,
            "a guest has all: {figures}"
        );
    }
    let total = number(&figures, "total-bytes")?;
    ensure!(
        total >= fixture.config.mib << 20,
        "less than the guest's RAM: {figures}"
    );
    let data = number(&figures, "demand-bytes")? + number(&figures, "background-bytes")?;
    ensure!(
        data >= crate::fixture::DATA_MIB << 20,
        "less than the guest's data: {figures}"
    );

    let faults = number(&figures, "faults")?;
    ensure!(faults > 0, "no guest runs without memory: {figures}");
    let (median, p99, worst) = (
        number(&figures, "fault-latency-median")?,
        number(&figures, "fault-latency-p99")?,
        number(&figures, "fault-latency-max")?,
    );
    ensure!(
        0 < median && median <= p99 && p99 <= worst,
        "latencies: {figures}"
    );
    let (run, finish) = (
        number(&figures, "time-to-run")?,
        number(&figures, "time-to-finish")?,
    );
    ensure!(run < finish, "times: {figures}");
    vm.quit()
}

/// A guest runs without a background, which is then switched on, limited and
/// changed under it, and has all of its memory in the end.
fn background(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::DemandOnly)?;
    let loading = snapshot::begin(&vm, &fixture.path)?;
    loading.wait_running()?;
    vm.agent.nonce()?;
    let background = || number(&snapshot::figures(&vm)?, "background-bytes");
    ensure!(
        background()? == 0,
        "something came that nobody touched, without a background"
    );
    let limit = |bytes: u64| {
        let parameters = json!({ "max-postcopy-bandwidth": bytes });
        vm.qmp.execute("migrate-set-parameters", parameters)
    };
    limit(1)?;
    for background in ["full", "linear", "adaptive"] {
        snapshot::set_background(&vm, background)?;
        vm.agent.nonce()?;
    }
    let most = crate::fixture::DATA_MIB << 19;
    ensure!(
        background()? < most,
        "a byte a second brought half of the guest's data"
    );
    limit(0)?;
    loading.wait_loaded()?;
    ensure!(
        background()? > most,
        "the background brought less than half of the guest's data"
    );
    fixture.check(&vm)?;
    vm.quit()
}

/// The figures of postcopy work as they do for postcopy.
fn blocktime(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::enable(&vm.qmp, &["postcopy-blocktime"])?;
    snapshot::prepare(&vm, Mode::OnDemand)?;
    snapshot::begin(&vm, &fixture.path)?.wait_loaded()?;
    let info = snapshot::query(&vm.qmp)?;
    ensure!(
        info["postcopy-blocktime"].is_u64(),
        "no postcopy-blocktime in {info}"
    );
    let vcpus = info["postcopy-vcpu-blocktime"]
        .as_array()
        .context("a time for each vCPU")?;
    ensure!(vcpus.len() == 2, "2 vCPUs, and {vcpus:?}");
    vm.quit()
}

/// -incoming with the path, capabilities set by -global.
fn command_line(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let uri = snapshot::uri(&fixture.path);
    let vm = fixture
        .config
        .with([
            "-global",
            "migration.mapped-ram=on",
            "-global",
            "migration.x-postcopy-ram=on",
        ])
        .with(["-incoming", &uri])
        .start("restored", dir)?;
    vm.wait_run_state("running", LIMIT)?;
    fixture.check_alive(&vm)?;
    wait_completed(&vm)?;
    snapshot::figures(&vm)?;
    vm.agent.verify(crate::fixture::SEED)?;
    vm.quit()
}

/// The human monitor's words for the same, and its account.
fn human_monitor(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    for line in [
        "migrate_set_capability mapped-ram on".into(),
        "migrate_set_capability postcopy-ram on".into(),
        "migrate_set_parameter mapped-ram-fault-threads 1".into(),
        "migrate_set_parameter mapped-ram-load-threads 1".into(),
        format!("migrate_incoming {}", snapshot::uri(&fixture.path)),
    ] {
        let said = vm.qmp.human(&line)?;
        ensure!(said.is_empty(), "{line}: {said}");
    }
    vm.wait_run_state("running", LIMIT)?;
    wait_completed(&vm)?;
    let info = vm.qmp.human("info migrate")?;
    dir.log(&info);
    for word in ["demand", "background", "zero", "fault"] {
        ensure!(
            info.to_lowercase().contains(word),
            "nothing of {word} in:\n{info}"
        );
    }
    let parameters = vm.qmp.human("info migrate_parameters")?;
    for word in ["mapped-ram-fault-threads: 1", "mapped-ram-load-threads: 1"] {
        ensure!(parameters.contains(word), "no {word} in:\n{parameters}");
    }
    fixture.check_alive(&vm)?;
    vm.quit()
}

/// Waits by asking: events have to be enabled, which not every user does.
fn wait_completed(vm: &Vm) -> Result<()> {
    wait::until("the load to complete", LIMIT, || {
        let info = snapshot::query(&vm.qmp)?;
        ensure!(info["status"] != "failed", "the load failed: {info}");
        Ok((info["status"] == "completed").then_some(()))
    })
}
