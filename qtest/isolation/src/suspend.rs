// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that sleep with a file on an isolated disk half written.

use std::fs;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{image, Backend};
use crate::blk::{check_file_system, with_disk, DISK_MIB};
use crate::rig::{config, Machine, LIMIT, LONG_MIB, SEED, SOON};

inventory::submit! { Family(|add| {
    add("isolation/suspend".into(), Box::new(suspend));
}) }

/// A disk that was there from the start: to RAM (S3), while the back-end dies and
/// comes back. Then one that was plugged in, with an IOThread and a packed ring.
fn suspend(dir: &Dir) -> Result<()> {
    let image = image(dir, DISK_MIB)?;
    let backend = Backend::storage_daemon(dir, "storage", &image, "")?;
    let config = with_disk(&config()?, &backend.socket, ",num-queues=1");
    let machine = Machine::boot(&config, "vm", dir)?;
    let agent = &machine.vm.agent;
    machine.wait_disk()?;
    agent.sh("mke2fs /dev/vda && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt")?;

    begin_file(&machine)?;
    let backend = asleep(&machine, || {
        let socket = backend.socket.clone();
        backend.kill()?;
        fs::remove_file(&socket)?;
        std::thread::sleep(Duration::from_millis(300));
        Backend::storage_daemon_at(dir, "again", &image, "", socket)
    })?;
    check_file(&machine)?;
    dir.log("awake after S3 with another back-end");

    agent.sh("umount /mnt")?;
    machine.unplug()?;
    drop(backend);
    let backend = Backend::storage_daemon(dir, "plugged", &image, ",num-queues=2")?;
    let options = [
        ("memory-isolation-iothread", json!("io")),
        ("packed", json!(true)),
        ("num-queues", json!(2)),
    ];
    machine.plug(&backend.socket, &options)?;
    machine.wait_disk()?;
    agent.sh("mount -t ext4 /dev/vda /mnt")?;
    begin_file(&machine)?;
    asleep(&machine, || Ok(()))?;
    check_file(&machine)?;
    dir.log("awake after S3, with an IOThread");

    agent.sh("umount /mnt")?;
    machine.check()?;
    machine.vm.quit()?;
    drop(backend);
    check_file_system(&image)
}

/// Has the guest begin to write a file past its cache, and waits until a part
/// of it is written.
fn begin_file(machine: &Machine) -> Result<()> {
    let count = LONG_MIB << 6;
    machine.vm.agent.sh(&format!(
        "rm -f /mnt/file; (dd if=/data/fill of=/mnt/file bs=16k count={count} oflag=direct; \
         echo end) > /data/io 2>&1 &"
    ))?;
    let wait = "timeout 60 sh -c 'until [ $(stat -c %s /mnt/file) -gt 1000000 ]; do :; done'";
    machine.vm.agent.sh(wait).map(drop)
}

/// Waits until it is written, and checks it.
fn check_file(machine: &Machine) -> Result<()> {
    let said = machine.wait_io()?;
    let agent = &machine.vm.agent;
    let digest = agent.sh("echo 3 > /proc/sys/vm/drop_caches && sha256sum /mnt/file")?;
    ensure!(
        digest.starts_with(&stream::sha256(SEED, LONG_MIB)),
        "the file: {digest}; {said}"
    );
    Ok(())
}

/// Has the guest sleep in its RAM (S3), and wakes it when `meanwhile` is done.
fn asleep<T>(machine: &Machine, meanwhile: impl FnOnce() -> Result<T>) -> Result<T> {
    ensure!(
        machine.io_ended()?.is_none(),
        "the file was written before the guest slept"
    );
    let agent = &machine.vm.agent;
    std::thread::scope(|scope| {
        // The shell is told how that went when the guest is awake.
        let slept = scope.spawn(|| agent.run_within("echo mem > /sys/power/state", 2 * LIMIT));
        machine.vm.wait_run_state("suspended", LIMIT)?;
        let result = meanwhile()?;
        machine
            .vm
            .qmp
            .execute_within(SOON, "system_wakeup", json!({}))?;
        let (status, said) = slept.join().expect("an answer or an error")?;
        ensure!(status == 0, "the guest didn't sleep: {said}");
        Ok(result)
    })
}
