// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests that are larger than what their queue has of the area: they fail,
//! and nothing else does.

use std::fs;

use annex_qtest::files::Dir;
use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::rig::{Machine, SEED};
use crate::{blk, devices};

inventory::submit! { Family(|add| {
    for (name, options) in [("main-loop", ",memory-isolation-main-loop=on"), ("iothread", ",memory-isolation-iothread=io"),
                            ("packed", ",packed=on")] {
        add(format!("isolation/large/blk-{name}"), Box::new(move |dir| disk(dir, options)));
    }
    add("isolation/large/fs".into(), Box::new(file_system));
}) }

/// Has the guest copy 8 MiB of its stream to `to` in blocks that are too large,
/// which fails, and in smaller ones.
fn copy(machine: &Machine, device: &str, to: &str) -> Result<()> {
    let agent = &machine.vm.agent;
    for round in 0..3 {
        let large =
            format!("dd if=/data/fill of={to} bs=1M count=1 seek={round} oflag=direct 2>&1");
        let (status, said) = agent.run(&large)?;
        ensure!(
            status != 0 && said.contains("rror"),
            "a large request: {status} {said}"
        );
        agent.sh(&format!(
            "dd if=/data/fill of={to} bs=64k count=128 oflag=direct conv=notrunc"
        ))?;
    }
    machine.wait_said("doesn't fit in the queue's")?;
    let lines = machine.said()?.matches("memory isolation: queue").count();
    ensure!(
        lines == 1,
        "QEMU said it {lines} times: {}",
        machine.said()?
    );
    ensure!(
        machine.status(device)?["broken"] == false,
        "the device is broken"
    );
    machine.check()
}

/// What is written to it, and read.
fn disk(dir: &Dir, options: &str) -> Result<()> {
    // 2 MiB together, the least there is.
    let options = format!(",num-queues=8,memory-isolation-size=2M{options}");
    let (machine, _backend) = blk::start(dir, &options, ",num-queues=8")?;
    copy(&machine, "disk", "/dev/vda")?;
    let agent = &machine.vm.agent;
    let large = "dd if=/dev/vda of=/dev/null bs=1M count=1 iflag=direct 2>&1";
    let (status, said) = agent.run(large)?;
    ensure!(
        status != 0 && said.contains("rror"),
        "a large read: {status} {said}"
    );
    let digest = agent.sh("dd if=/dev/vda bs=64k count=128 iflag=direct | sha256sum")?;
    ensure!(digest.contains(&stream::sha256(SEED, 8)), "{digest}");
    machine.vm.quit()
}

fn file_system(dir: &Dir) -> Result<()> {
    let shared = dir.file("shared");
    fs::create_dir(&shared)?;
    let backend = devices::virtiofsd(dir, &shared)?;
    // Linux asks for no more than a ring has descriptors for.
    let device = "vhost-user-fs-pci,tag=annex,queue-size=1024,memory-isolation-size=2M";
    let machine = devices::start(dir, &backend.socket, device, "")?;
    machine
        .vm
        .agent
        .sh("mkdir -p /mnt && mount -t virtiofs annex /mnt")?;
    copy(&machine, "isolated", "/mnt/file")?;
    let digest = stream::sha256_of(&shared.join("file"))?;
    ensure!(digest == stream::sha256(SEED, 8), "the file: {digest}");
    machine.vm.quit()
}
