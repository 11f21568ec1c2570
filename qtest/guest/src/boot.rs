// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest boots, and its agent tells the truth.

use std::time::Duration;

use annex_qtest::accel::Accel;
use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use annex_qtest::qemu::{kvm_works, Config};
use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

inventory::submit! { Family(|add| {
    add("boot/tcg".into(), Box::new(|dir| boots(dir, Accel::Tcg)));
    add("boot/memory-map-changes".into(), Box::new(memory_map_changes));
    add("boot/kvm".into(), Box::new(|dir| {
        kvm_works().map_err(Skip)?;
        boots(dir, Accel::Kvm)
    }));
}) }

fn boots(dir: &Dir, accel: Accel) -> Result<()> {
    let config = Config::with_accel(512, accel)?;
    let vm = config.boot("vm", dir)?;

    let limit = Duration::from_secs(60);
    let tick = vm.console.wait_tick(0, 0, limit)?;
    let later = vm.console.wait_tick(0, tick.number, limit)?;
    ensure!(
        later.number == tick.number + 1,
        "{later:?} comes after {tick:?}"
    );
    ensure!(
        later.nonce == tick.nonce,
        "one boot, two nonces: {tick:?}, {later:?}"
    );
    ensure!(vm.agent.nonce()? == tick.nonce);
    ensure!(vm.agent.counter()? >= later.number);

    vm.agent.fill(1, 16)?;
    ensure!(
        vm.agent.sha256()? == stream::sha256(1, 16),
        "the guest's stream isn't the host's"
    );
    vm.agent.verify(1)?;
    let wrong = vm
        .agent
        .verify(2)
        .expect_err("stream(2) isn't in the file")
        .to_string();
    ensure!(wrong.contains("byte 0 (page 0)"), "no place in {wrong:?}");

    vm.agent.ask("churn 4")?;
    annex_qtest::wait::until("4 rounds of churn", Duration::from_secs(30), || {
        Ok((vm.agent.churned()? >= 4).then_some(()))
    })?;
    vm.quit()
}

/// One CPU uses a device while another changes the memory map: it is always the
/// device that answers. A machine's CPUs do that to each other while it boots.
fn memory_map_changes(dir: &Dir) -> Result<()> {
    let config = Config::with_accel(512, Accel::Tcg)?;
    let vm = config.with(["-device", "edu"]).boot("vm", dir)?;
    // By vendor and device: QEMU's edu, whose first register is its identity, and
    // the VGA, below which everything else is mapped again when it goes and comes.
    let find = "cd /sys/bus/pci/devices; \
                find() { for d in *; do grep -q $1 $d/vendor && grep -q $2 $d/device && echo $PWD/$d; done; }; \
                edu=$(find 0x1234 0x11e8); vga=$(find 0x1234 0x1111); echo 1 > $edu/enable";
    let reads = vm.agent.sh(&format!("{find}; remap $edu $vga 5000"))?;
    ensure!(
        reads.parse::<u64>()? > 1000,
        "the device was read {reads} times"
    );
    vm.quit()
}
