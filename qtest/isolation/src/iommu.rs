// SPDX-License-Identifier: GPL-2.0-or-later
//! Isolated devices behind an IOMMU of the guest's (iommu_platform=on): it is
//! QEMU that translates, and the back-end isn't told of any of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Config;
use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use crate::backend::{image, Backend, Hostile};
use crate::blk::{with_disk, DISK_MIB};
use crate::contact;
use crate::devices::{finish_network, network};
use crate::rig::{config, wait_under_way, Machine, LONG_MIB, SEED, SOON};

inventory::submit! { Family(|add| {
    add("isolation/iommu/blk".into(), Box::new(disks));
    add("isolation/iommu/net".into(), Box::new(|dir| {
        let net = network(dir, Some(&translating()?), ",disable-legacy=on,iommu_platform=on")?;
        check_translated(&net.0, "isolated", "/sys/class/net/eth0")?;
        finish_network(net)
    }));
}) }

/// A machine with an IOMMU that the guest uses, and a port to plug into.
fn translating() -> Result<Config> {
    Ok(config()?
        .with(["-machine", "q35", "-device", "intel-iommu"])
        .with(["-device", "pcie-root-port,id=root-port,slot=1"])
        .with_kernel_options("intel_iommu=on iommu.passthrough=0 iommu.strict=1"))
}

/// One disk after the other in the same port: the first is there from the
/// start, the others are plugged in.
fn disks(dir: &Dir) -> Result<()> {
    let image = image(dir, DISK_MIB)?;
    let start = |name: &str| {
        fs::File::create(&image)?.set_len(DISK_MIB << 20)?;
        Backend::storage_daemon(dir, name, &image, "")
    };
    let backend = start("main-loop")?;
    let options =
        ",memory-isolation-main-loop=on,num-queues=1,bus=root-port,disable-legacy=on,iommu_platform=on";
    let machine = Machine::boot(
        &with_disk(&translating()?, &backend.socket, options),
        "vm",
        dir,
    )?;
    disk(&machine, dir, backend, &image).context("in the main loop")?;

    let kinds: [(&str, (&str, Value)); 2] = [
        ("iothread", ("memory-isolation-iothread", json!("io"))),
        ("packed", ("packed", json!(true))),
    ];
    for (kind, option) in kinds {
        let backend = start(kind)?;
        plug(&machine, &backend.socket, &[option])?;
        disk(&machine, dir, backend, &image).context(kind)?;
    }

    let backend = Backend::hostile(dir, "contact", "features-all", &[])?;
    plug(&machine, &backend.socket, &[])?;
    machine.wait_disk()?;
    check_translated(&machine, "disk", "/sys/block/vda")?;
    machine.io()?;
    contact::check(&backend)?;
    machine.check()?;
    machine.vm.quit()
}

fn plug(machine: &Machine, socket: &Path, options: &[(&str, Value)]) -> Result<()> {
    let place = [
        ("bus", json!("root-port")),
        ("disable-legacy", json!("on")),
        ("iommu_platform", json!(true)),
    ];
    machine.plug(socket, &[&place, options].concat())
}

/// Written and read, while the VM stops and the back-end dies; unplugged.
fn disk(machine: &Machine, dir: &Dir, backend: Backend, image: &Path) -> Result<()> {
    machine.wait_disk()?;
    check_translated(machine, "disk", "/sys/block/vda")?;
    machine.begin_io(LONG_MIB)?;
    wait_under_way(image)?;
    machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
    machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
    let socket = backend.socket.clone();
    backend.kill()?;
    fs::remove_file(&socket)?;
    std::thread::sleep(Duration::from_millis(300));
    let again = Backend::storage_daemon_at(dir, "again", image, "", socket)?;
    machine.check_io(LONG_MIB)?;
    check_image(image, LONG_MIB)?;
    let figures = machine.figures("disk", 0)?;
    dir.log(format!("{figures}"));
    ensure!(
        figures["bytes-in"].as_u64() > Some(LONG_MIB << 20),
        "not read through it: {figures}"
    );
    machine.unplug()?;
    ensure!(machine.areas()? == 0, "an area is left");
    drop(again);
    Ok(())
}

/// Checks that the host has on the disk what the guest wrote.
fn check_image(image: &Path, mib: u64) -> Result<()> {
    let bytes = fs::read(image)?;
    let len = (mib as usize) << 20;
    ensure!(
        bytes[..len] == stream::bytes(SEED, 0, len),
        "the image isn't what was written"
    );
    Ok(())
}

/// Checks that the guest gives the device `id`, which it has at `path` in its
/// sysfs, addresses that are nothing without its IOMMU.
fn check_translated(machine: &Machine, id: &str, path: &str) -> Result<()> {
    // The device there is virtio's; what it is on is the PCI device.
    let domain = machine
        .vm
        .agent
        .sh(&format!("cat {path}/device/../iommu_group/type"))?;
    ensure!(
        domain == "DMA",
        "the guest's IOMMU has it in a domain of type {domain:?}"
    );
    let ram = machine.vm.config.mib << 20;
    for vring in ["vring-desc", "vring-avail", "vring-used"] {
        let queue = machine.queue(id, 0)?;
        let at = queue[vring].as_u64().context("an address")?;
        ensure!(
            at >= ram,
            "the {vring} is at {at:#x}, in RAM: it isn't translated"
        );
    }
    Ok(())
}
