// SPDX-License-Identifier: GPL-2.0-or-later
//! Back-ends that say that they wrote less than they did, or nothing, as others
//! do (`hostile-backend --habit`): what failed fails in the guest.

use std::os::unix::fs::FileExt;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::backend::{Backend, Hostile};
use crate::rig::{with_machine, Left, Machine, SOON};
use annex_peers::bare::driver::{Driver, Part, Request, RING};

inventory::submit! { Family(|add| {
    for habit in ["spdk-blk", "cloud-hypervisor-blk", "silent", "boastful"] {
        add(format!("isolation/habits/disk-{habit}"), Box::new(move |dir| {
            with_machine(dir, |machine| disk(machine, dir, habit))
        }));
    }
    for &(name, habit, case) in CASES {
        add(format!("isolation/habits/{name}"), Box::new(move |dir| bare(dir, habit, case)));
    }
}) }

/// A flush that fails, and a read: the guest must hear of both, and of nothing
/// else.
fn disk(machine: &Machine, dir: &Dir, habit: &str) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", "none", &["--habit", habit])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.io()?;
    let agent = &machine.vm.agent;
    let serial = agent.sh("cat /sys/block/vda/serial")?;
    ensure!(serial.trim() == "hostile", "the disk's name: {serial:?}");
    let flush = "dd if=/data/fill of=/dev/vda bs=64k count=1 conv=fsync 2>&1";
    let (status, said) = agent.run(flush)?;
    ensure!(
        status != 0 && said.contains("rror"),
        "a flush that failed: {status} {said}"
    );
    let read = "dd if=/dev/vda of=/dev/null bs=4k count=1 skip=8192 iflag=direct 2>&1";
    let (status, said) = agent.run(read)?;
    ensure!(
        status != 0 && said.contains("nput/output error"),
        "a bad sector: {status} {said}"
    );
    machine.io()?;
    ensure!(
        machine.status("disk")?["broken"] == false,
        "the device is broken"
    );
    machine.unplug()?;
    Ok(Left::Clean)
}

/// A request to a device, and what its driver must find.
#[derive(Clone, Copy)]
struct Case {
    device: &'static str,
    queues: usize,
    /// Entries of its rings.
    entries: u16,
    /// What it can't do without.
    features: u64,
    queue: usize,
    /// What it may write, buffer by buffer.
    room: &'static [u32],
    /// Where the status is, and what it says.
    status: (usize, &'static [u8]),
}

const fn case(
    device: &'static str,
    queues: usize,
    queue: usize,
    room: &'static [u32],
    status: (usize, &'static [u8]),
) -> Case {
    Case {
        device,
        queues,
        entries: RING,
        features: 0,
        queue,
        room,
        status,
    }
}

const I2C: Case = Case {
    entries: 4,
    features: 1,
    ..case("vhost-user-i2c-pci", 1, 0, &[6, 1], (6, &[1]))
};
const SCSI: Case = case(
    "vhost-user-scsi-pci",
    3,
    2,
    &[108, 512],
    (0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
);
const SCSI_CONTROL: Case = case("vhost-user-scsi-pci", 3, 0, &[1], (0, &[9]));
/// 16 bytes, -EIO, and the request's number.
const FS: Case = case(
    "vhost-user-fs-pci,tag=annex",
    2,
    1,
    &[16, 100],
    (
        0,
        &[
            16, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff, 9, 10, 11, 12, 13, 14, 15, 16,
        ],
    ),
);
const GPIO: Case = case("vhost-user-gpio-pci", 2, 0, &[2], (0, &[1, 0]));
const SOUND: Case = case("vhost-user-snd-pci", 4, 0, &[4, 32], (0, &[3, 0x80, 0, 0]));
const SOUND_PLAYS: Case = case("vhost-user-snd-pci", 4, 2, &[8], (0, &[3, 0x80, 0, 0]));
const SOUND_CAPTURES: Case = case("vhost-user-snd-pci", 4, 3, &[64, 8], (64, &[3, 0x80, 0, 0]));

const CASES: &[(&str, &str, Case)] = &[
    ("i2c", "vhost-device-i2c", I2C),
    ("i2c-silent", "silent", I2C),
    ("i2c-boastful", "boastful", I2C),
    ("scsi-silent", "silent", SCSI),
    ("scsi-boastful", "boastful", SCSI),
    ("scsi-control-silent", "silent", SCSI_CONTROL),
    ("fs-silent", "silent", FS),
    ("fs-boastful", "boastful", FS),
    ("gpio-silent", "silent", GPIO),
    ("gpio-boastful", "boastful", GPIO),
    ("snd-silent", "silent", SOUND),
    ("snd-boastful", "boastful", SOUND),
    ("snd-plays-silent", "silent", SOUND_PLAYS),
    ("snd-captures-boastful", "boastful", SOUND_CAPTURES),
];

/// The driver has something that reads as success where the status will be: what
/// it finds there is what QEMU wrote.
fn bare(dir: &Dir, habit: &str, case: Case) -> Result<()> {
    let features = case.features.to_string();
    let options = ["--queues", "8", "--features", &features, "--habit", habit];
    let backend = Backend::hostile(dir, "backend", "none", &options)?;
    let driver = Driver::start(dir, &backend.socket, case.device, case.queues)?;
    let mut driver = driver.with(case.entries, case.features);
    driver.reset()?;
    // A kind that no disk knows, and a number.
    let mut parts = vec![Part::Bytes((1..=16).collect())];
    parts.extend(case.room.iter().map(|&len| Part::Room(len)));
    let request = Request {
        parts,
        indirect: false,
    };
    let slot = 0;
    let room = case.room.iter().sum::<u32>() as usize;
    driver.store(Driver::data_at(slot), &vec![0; room])?;
    driver.submit(case.queue, slot, &request)?;
    driver.machine.notify(case.queue)?;
    let told = wait::until("the request to come back", SOON, || {
        Ok(driver.reap(case.queue)?.pop().map(|(_, told)| told.len()))
    })?;
    let mut found = vec![0; room];
    driver
        .machine
        .ram
        .read_exact_at(&mut found, Driver::data_at(slot))?;
    let (at, status) = case.status;
    let end = at + status.len();
    ensure!(
        &found[at..end] == status,
        "the status: {:x?} in {found:x?}",
        &found[at..end]
    );
    let others = [&found[..at], &found[end..]].concat();
    ensure!(
        others.iter().all(|&byte| byte == 0),
        "not written by anybody: {found:x?}"
    );
    let captures = case.device == SOUND_CAPTURES.device && case.queue == SOUND_CAPTURES.queue;
    ensure!(
        told >= end || captures,
        "the driver is told of {told} bytes of {end}"
    );
    driver.machine.vm.quit()
}
