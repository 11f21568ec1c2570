// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests from one snapshot that differ where they must: in their disks, network cards
//! and random numbers. It is done as docs/fleet.md says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annex_qtest::files::{self, Dir, Guest};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::snapshot::{self, Mode, Snapshot};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};
use mapped_ram::hold::Held;
use serde_json::json;

inventory::submit! { Family(|add| {
    add("snapshot/fleet".into(), Box::new(fleet));
}) }

const LIMIT: Duration = Duration::from_secs(120);

/// What the first bytes of the disk are that all begin with.
const BASE: &str = "the base";

/// What the kernel says that its generation ID has told to reseed.
const RESEEDED: &str = "crng reseeded due to virtual machine fork";

/// Two guests are loaded on demand, and then two mapped: each has a disk, a network card,
/// an address and random numbers of its own, and reaches the other one. To one more with
/// the generation ID of before nothing is told.
fn fleet(dir: &Dir) -> Result<()> {
    let base = dir.file("base.img");
    let mut image = vec![0; 1 << 20];
    image[..BASE.len()].copy_from_slice(BASE.as_bytes());
    fs::write(&base, &image)?;
    // Its kernel has a driver for the generation ID; the usual guest's hasn't.
    let machine = Config::new(256)?
        .booting(Guest::with_tapes()?)
        .with(["-device", "virtio-scsi-pci"]);

    let source = with_own(&machine, 0, "raw", &base).boot("source", dir)?;
    ensure!(first_bytes(&source, 0, BASE)? == BASE);
    let snapshot = Snapshot::save(source, dir.file("snapshot"))?;
    let held = Held::of(&snapshot.path)?;

    let mut numbers = Vec::new();
    for (kind, mode, path) in [
        ("on-demand", Mode::OnDemand, &snapshot.path),
        ("mapped", Mode::Mapped, &held.path()),
    ] {
        let load = |number| {
            let name = format!("{kind}-{number}");
            let overlay = overlay(dir, &base, &name)?;
            let config = with_own(&machine, number, "qcow2", &overlay);
            snapshot::load_whole(&config, &name, dir, path, mode)
        };
        let pair = [load(1)?, load(2)?];
        for (vm, number) in pair.iter().zip(1..) {
            snapshot.check_same(vm)?;
            numbers.push(reseeded_number(vm)?);
            writes_to_its_disk(vm)?;
            joins(vm, number, &dir.file(&format!("{kind}.sock")))?;
        }
        reaches(&pair[0], 2)?;
        reaches(&pair[1], 1)?;
        pair.into_iter().try_for_each(Vm::quit)?;
    }

    let twin = with_own(&machine, 0, "qcow2", &overlay(dir, &base, "twin")?);
    let twin = snapshot::load_whole(&twin, "twin", dir, &held.path(), Mode::Mapped)?;
    numbers.push(random_number(&twin)?);
    ensure!(
        !has_reseeded(&twin)?,
        "the twin's kernel was told of a fork"
    );
    twin.quit()?;

    dir.log(format!("random numbers: {numbers:?}"));
    numbers.sort();
    numbers.dedup();
    ensure!(numbers.len() == 5, "some have the same: {numbers:?}");
    ensure!(fs::read(&base)? == image, "the base was written to");
    Ok(())
}

/// The machine with a generation ID of its own, and a disk of its own.
fn with_own(machine: &Config, number: u8, format: &str, image: &Path) -> Config {
    let generation = format!("vmgenid,guid=00000000-0000-4000-8000-{number:012x}");
    let disk = json!({
        "driver": format,
        "node-name": "disk",
        "file": { "driver": "file", "filename": image },
    });
    machine
        .with(["-device", &generation])
        .with(["-blockdev", &disk.to_string()])
        .with(["-device", "scsi-hd,drive=disk"])
}

/// What a guest writes goes here instead of into `base`.
fn overlay(dir: &Dir, base: &Path, name: &str) -> Result<PathBuf> {
    let overlay = dir.file(&format!("{name}.qcow2"));
    let base = base.to_str().expect("a test's path is UTF-8");
    files::make_qcow2(&overlay, &["-b", base, "-F", "raw"])?;
    Ok(overlay)
}

fn has_reseeded(vm: &Vm) -> Result<bool> {
    Ok(vm.agent.sh("dmesg")?.contains(RESEEDED))
}

/// A random number that the guest drew when its kernel had been told that it is another.
fn reseeded_number(vm: &Vm) -> Result<String> {
    let what = format!("\"{RESEEDED}\" in {}", vm.name);
    wait::until(&what, LIMIT, || Ok(has_reseeded(vm)?.then_some(())))?;
    random_number(vm)
}

fn random_number(vm: &Vm) -> Result<String> {
    vm.agent.sh("head -c 16 /dev/urandom | sha256sum")
}

/// As many bytes of the disk as `like` has, from a sector; no zeros.
fn first_bytes(vm: &Vm, sector: u32, like: &str) -> Result<String> {
    let length = like.len();
    vm.agent.sh("echo 3 > /proc/sys/vm/drop_caches")?;
    vm.agent.sh(&format!(
        "dd if=/dev/sda bs=512 skip={sector} count=1 2>/dev/null | head -c {length}"
    ))
}

/// The guest's name is the first that its disk gets, and it stays its own.
fn writes_to_its_disk(vm: &Vm) -> Result<()> {
    const SECTOR: u32 = 64;
    let before = first_bytes(vm, SECTOR, &vm.name)?;
    ensure!(before.is_empty(), "{before:?} is there");
    vm.agent.sh(&format!(
        "printf %s '{}' | dd of=/dev/sda bs=512 seek={SECTOR} conv=sync,fsync",
        vm.name
    ))?;
    let after = first_bytes(vm, SECTOR, &vm.name)?;
    ensure!(after == vm.name, "{after:?} is there");
    let base = first_bytes(vm, 0, BASE)?;
    ensure!(base == BASE, "{base:?} is in front");
    Ok(())
}

fn address(number: u8) -> String {
    format!("10.0.0.{number}")
}

/// Plugs a network card in, whose wire is `socket`: the first guest listens there.
fn joins(vm: &Vm, number: u8, socket: &Path) -> Result<()> {
    let wire = json!({
        "type": "stream",
        "id": "wire",
        "server": number == 1,
        "addr": { "type": "unix", "path": socket },
    });
    vm.qmp.execute("netdev_add", wire)?;
    let mac = format!("52:54:00:00:00:{number:02x}");
    vm.plug(["-device", &format!("virtio-net-pci,netdev=wire,mac={mac}")])?;
    let card = wait::until(&format!("a network card in {}", vm.name), LIMIT, || {
        let cards = vm.agent.sh("ls /sys/class/net")?;
        Ok(cards
            .split_whitespace()
            .find(|card| card.starts_with('e'))
            .map(str::to_owned))
    })?;
    let found = vm.agent.sh(&format!("cat /sys/class/net/{card}/address"))?;
    ensure!(found == mac, "{} has the MAC address {found}", vm.name);
    let address = address(number);
    vm.agent
        .sh(&format!(
            "ip addr add {address}/24 dev {card} && ip link set {card} up"
        ))
        .map(drop)
}

fn reaches(vm: &Vm, number: u8) -> Result<()> {
    let command = format!("ping -c 1 -W 2 {}", address(number));
    let what = format!("{} to reach guest {number}", vm.name);
    wait::until(&what, LIMIT, || {
        Ok((vm.agent.run(&command)?.0 == 0).then_some(()))
    })
}
