// SPDX-License-Identifier: GPL-2.0-or-later
//! Disks that qemu-storage-daemon serves to a guest whose RAM it never sees.

use std::path::Path;
use std::process::Command;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Config;
use annex_qtest::trial::Family;
use annex_qtest::{stream, wait};
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::backend::{image, Backend};
use crate::rig::{config, wait_under_way, Machine, LIMIT, LONG_MIB, SEED, SOON};

/// What a disk is tried with: its options, and its back-end's.
const KINDS: &[(&str, &str, &str)] = &[
    ("plain", ",num-queues=1", ""),
    ("packed", ",num-queues=1,packed=on", ""),
    ("in-order", ",num-queues=1,in_order=on", ""),
    ("direct-descriptors", ",num-queues=1,indirect_desc=off", ""),
    ("no-event-index", ",num-queues=1,event_idx=off", ""),
    (
        "main-loop",
        ",num-queues=1,memory-isolation-main-loop=on",
        "",
    ),
    ("iothread", ",num-queues=1,memory-isolation-iothread=io", ""),
    ("two-queues", ",num-queues=2", ",num-queues=2"),
    (
        "two-queues-iothread",
        ",num-queues=2,memory-isolation-iothread=io",
        ",num-queues=2",
    ),
    ("short-ring", ",num-queues=1,queue-size=16", ""),
    (
        "packed-iothread",
        ",num-queues=1,packed=on,memory-isolation-iothread=io",
        "",
    ),
];

/// Those that are there when the guest boots; the others are plugged in.
const BOOTED: &[&str] = &["plain", "packed", "two-queues-iothread"];

/// MiB of the disks.
pub const DISK_MIB: u64 = 64;

inventory::submit! { Family(|add| {
    for &(kind, options, export) in KINDS {
        add(format!("isolation/blk/fs/{kind}"), Box::new(move |dir| {
            file_system(dir, options, export, BOOTED.contains(&kind))
        }));
    }
    add("isolation/blk/stop-and-cont".into(), Box::new(stop_and_cont));
    add("isolation/blk/reset".into(), Box::new(reset));
    add("isolation/blk/hotplug".into(), Box::new(hotplug));
    add("isolation/blk/restart".into(), Box::new(restart));
    add("isolation/blk/private".into(), Box::new(private));
    add("isolation/blk/small-area".into(), Box::new(small_area));
}) }

/// The arguments for an isolated disk of these options.
fn disk(socket: &Path, options: &str) -> Vec<String> {
    let chardev = format!(
        "socket,id=backend,reconnect-ms=100,path={}",
        socket.display()
    );
    let disk = format!("vhost-user-blk-pci,id=disk,chardev=backend,memory-isolation=on{options}");
    let thread = "iothread,id=io";
    ["-object", thread, "-chardev", &chardev, "-device", &disk]
        .map(str::to_owned)
        .to_vec()
}

/// A machine that has such a disk from the start.
pub fn with_disk(config: &Config, socket: &Path, options: &str) -> Config {
    config.with(disk(socket, options).iter().map(String::as_str))
}

/// A machine of the pool's kind with such a disk plugged in, once the guest has
/// it.
pub fn with_disk_plugged(name: &str, dir: &Dir, socket: &Path, options: &str) -> Result<Machine> {
    let args = disk(socket, options);
    let machine = Machine::plugged(args.iter().map(String::as_str), name, dir)?;
    machine.wait_disk()?;
    Ok(machine)
}

/// One with a disk of zeros, plugged in; its back-end, too.
pub fn start(dir: &Dir, options: &str, export: &str) -> Result<(Machine, Backend)> {
    let backend = Backend::storage_daemon(dir, "storage", &image(dir, DISK_MIB)?, export)?;
    let machine = with_disk_plugged("vm", dir, &backend.socket, options)?;
    // The disk's file is there before it can be opened, and before Linux has looked for partitions,
    // which holds back those who open it.
    let read =
        "timeout 60 sh -c 'until dd if=/dev/vda of=/dev/null bs=512 count=1; do :; done' 2>&1";
    machine.vm.agent.sh(read)?;
    Ok((machine, backend))
}

/// Boots one, whose firmware, too, has to do with the disk.
fn boot(dir: &Dir, options: &str, export: &str) -> Result<(Machine, Backend)> {
    let backend = Backend::storage_daemon(dir, "storage", &image(dir, DISK_MIB)?, export)?;
    let machine = Machine::boot(&with_disk(&config()?, &backend.socket, options), "vm", dir)?;
    machine.wait_disk()?;
    Ok((machine, backend))
}

/// A file system made, filled, mounted again and read; then the host checks
/// it. The small and the large requests it takes are not the test's choice.
fn file_system(dir: &Dir, options: &str, export: &str, booted: bool) -> Result<()> {
    const MIB: u64 = 24;
    let begin = if booted { boot } else { start };
    let (machine, backend) = begin(dir, options, export)?;
    let agent = &machine.vm.agent;
    agent.sh("mke2fs /dev/vda && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt")?;
    agent.sh(&format!("head -c {} /data/fill > /mnt/large", MIB << 20))?;
    let small = "mkdir /mnt/small && for n in $(seq 200); do echo $n > /mnt/small/$n; done";
    agent.sh(small)?;
    agent.sh("umount /mnt && echo 3 > /proc/sys/vm/drop_caches && mount -t ext4 /dev/vda /mnt")?;
    let digest = agent.sh("sha256sum /mnt/large")?;
    ensure!(
        digest.starts_with(&stream::sha256(SEED, MIB)),
        "the file's digest is {digest}"
    );
    let sum = agent.sh("cat /mnt/small/* | awk '{ s += $1 } END { print s }'")?;
    ensure!(sum == "20100", "the small files' sum is {sum}");
    agent.sh("umount /mnt")?;
    machine.io()?;
    // The guest's CPUs share the queues as they like.
    let mut written = 0;
    for queue in 0..if options.contains("num-queues=2") {
        2
    } else {
        1
    } {
        let figures = machine.figures("disk", queue)?;
        dir.log(format!("queue {queue}: {figures}"));
        written += figures["bytes-out"].as_u64().context("a number")?;
    }
    ensure!(
        written >= MIB << 20,
        "only {written} bytes went through the area"
    );
    machine.check()?;
    agent.sh("mke2fs /dev/vda && mount -t ext4 /dev/vda /mnt && cp -r /bin /mnt && umount /mnt")?;
    machine.vm.quit()?;
    drop(backend);
    check_file_system(&dir.file("disk.img"))
}

/// Checks with the host's own tool that a file system is whole.
pub fn check_file_system(image: &Path) -> Result<()> {
    let output = Command::new("e2fsck")
        .args(["-f", "-n"])
        .arg(image)
        .output();
    let output = output.context("e2fsck (scripts/deps installs it)")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "e2fsck: {said}");
    Ok(())
}

/// In the middle of I/O, many times.
fn stop_and_cont(dir: &Dir) -> Result<()> {
    let (machine, _backend) = start(dir, ",num-queues=1", "")?;
    machine.begin_io(LONG_MIB)?;
    for _ in 0..20 {
        machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
        machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    machine.check_io(LONG_MIB)?;
    machine.check()?;
    machine.vm.quit()
}

/// With I/O in flight: the guest that boots next has its disk.
fn reset(dir: &Dir) -> Result<()> {
    let (machine, _backend) = start(dir, ",num-queues=2", ",num-queues=2")?;
    machine.begin_io(LONG_MIB)?;
    wait_under_way(&dir.file("disk.img"))?;
    machine.reboot()?;
    machine.wait_disk()?;
    machine.io()?;
    machine.check()?;
    machine.vm.quit()
}

/// Plugged in, used, unplugged, and again: nothing is left behind.
fn hotplug(dir: &Dir) -> Result<()> {
    let machine = Machine::plugged([], "vm", dir)?;
    let image = image(dir, DISK_MIB)?;
    for round in 0..3 {
        let name = format!("storage-{round}");
        let backend = Backend::storage_daemon(dir, &name, &image, "")?;
        machine.plug(&backend.socket, &[])?;
        machine.wait_disk()?;
        machine.io()?;
        machine.unplug()?;
        ensure!(machine.areas()? == 0, "an area is left");
    }
    machine.check()?;
    machine.vm.quit()
}

/// The back-end is killed in the middle of I/O, and another one started, some
/// times over: every request is answered, and the disk holds what was written.
fn restart(dir: &Dir) -> Result<()> {
    let (machine, mut backend) = start(dir, ",num-queues=1", "")?;
    let image = dir.file("disk.img");
    machine.begin_io(LONG_MIB)?;
    wait_under_way(&image)?;
    for round in 0..3 {
        let socket = backend.socket.clone();
        backend.kill()?;
        std::fs::remove_file(&socket)?;
        std::thread::sleep(std::time::Duration::from_millis(300));
        // A name of its own for its log; the socket is the same.
        backend = Backend::storage_daemon_at(dir, &format!("again-{round}"), &image, "", socket)?;
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    machine.check_io(LONG_MIB)?;
    machine.io()?;
    machine.check()?;
    machine.vm.quit()
}

/// The guest's RAM is mapped by QEMU alone, and privately.
fn private(dir: &Dir) -> Result<()> {
    let (machine, backend) = start(dir, ",num-queues=1", "")?;
    machine.io()?;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", backend.pid()))?;
    let shared: Vec<&str> = maps
        .lines()
        .filter(|line| line.contains("/memfd:"))
        .collect();
    dir.log(format!("{shared:#?}"));
    ensure!(
        shared.len() == 1,
        "not one mapping of shared memory: {shared:#?}"
    );
    let size = |line: &str| -> Option<u64> {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    };
    ensure!(
        size(shared[0]) < Some(machine.vm.config.mib << 20),
        "as large as the guest's RAM"
    );
    ensure!(machine.areas()? == 1, "not one area in QEMU");
    machine.vm.quit()
}

/// More requests than fit: they wait for each other.
fn small_area(dir: &Dir) -> Result<()> {
    let (machine, backend) = start(dir, ",num-queues=1,memory-isolation-size=1M", "")?;
    let agent = &machine.vm.agent;
    // Eight at a time, and none comes back until they have met.
    backend.frozen(|| {
        agent.sh("(for n in 0 1 2 3 4 5 6 7; do \
             dd if=/data/fill of=/dev/vda bs=512k count=8 skip=$((8 * n)) seek=$((8 * n)) \
             oflag=direct & done; wait; echo $? > /data/written) > /dev/null 2>&1 &")?;
        let waits = wait::until("a request to wait for room", LIMIT, || {
            let waits = machine.figures("disk", 0)?["waits"].as_u64();
            Ok((waits >= Some(1)).then_some(()))
        });
        waits.with_context(|| format!("{:?}", machine.figures("disk", 0)))
    })?;
    agent.sh("until [ -s /data/written ]; do sleep 0.1; done")?;
    let digest = agent.sh("dd if=/dev/vda bs=512k count=64 iflag=direct | sha256sum")?;
    ensure!(digest.contains(&stream::sha256(SEED, 32)), "{digest}");
    dir.log(machine.figures("disk", 0)?.to_string());
    machine.check()?;
    machine.vm.quit()
}
