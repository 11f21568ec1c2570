// SPDX-License-Identifier: GPL-2.0-or-later
//! RAM that was mapped from a snapshot and becomes the guest's own, while it works.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use annex_peers::backend::Backend;
use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use mapped_ram::hold::Held;
use serde_json::{json, Value};

use crate::fixture::{Fixture, DATA_MIB};

inventory::submit! { Family(|add| {
    add("snapshot/map/detached".into(), Box::new(detached));
}) }

const LIMIT: Duration = Duration::from_secs(300);

const SECTOR: usize = 512;
const SECTORS: usize = 1 << 17;

/// Bytes of a request to the disk, of which there are 32 at a time.
const REQUEST: usize = 1 << 20;

/// Two guests have one snapshot. It becomes the one's own while its disk is read into the
/// snapshot's pages, and then the other's while it computes. Nothing is lost, and the snapshot is
/// let go.
fn detached(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let held = Held::of(&fixture.path)?;
    let load = |name| snapshot::load_whole(&fixture.config, name, dir, &held.path(), Mode::Mapped);
    let (busy, vm) = (load("busy")?, load("vm")?);
    drop(held);

    // What the data was in is what the disk is read into.
    busy.agent.sh("rm /data/fill")?;
    let disk = dir.file("disk");
    fs::write(&disk, numbered())?;
    let reading = Reading::begin(&busy, &disk)?;
    detach(dir, &busy)?;
    dir.log(format!("read: {}", reading.end()?));
    fixture.check_alive(&busy)?;
    busy.quit()?;

    // The other one has the snapshot as before.
    ensure!(mappings(&vm)? > 0, "the other guest has lost the snapshot");
    refused(dir, &vm)?;
    detach(dir, &vm)?;
    let shared = vm.memory_kib("Pss_Shmem")?;
    ensure!(shared < 1024, "{shared} KiB of shared memory are left");
    fixture.check(&vm)?;

    // What the guest gives back is given back again.
    let junk = "dd if=/dev/zero of=/data/junk bs=1M count=200 2>/dev/null && rm /data/junk";
    vm.agent.sh(junk)?;
    let own = vm.memory_kib("Pss_Anon")?;
    vm.qmp.execute("balloon", json!({"value": 880u64 << 20}))?;
    wait::until("memory that the balloon gives back", LIMIT, || {
        Ok((vm.memory_kib("Pss_Anon")? + (64 << 10) < own).then_some(()))
    })?;
    fixture.check(&vm)?;
    vm.quit()
}

/// As long as there is a vhost device nothing is detached.
fn refused(dir: &Dir, vm: &Vm) -> Result<()> {
    let image = dir.file("image");
    fs::write(&image, vec![0; 1 << 20])?;
    let backend = Backend::storage_daemon(dir, "blk", &image, "")?;
    let chardev = format!("socket,id=blk,path={}", backend.socket.display());
    let device = "vhost-user-blk-pci,id=blk0,chardev=blk,num-queues=1,memory-isolation=on";
    vm.plug(["-chardev", &chardev, "-device", device])?;
    let said = vm.qmp.execute("mapped-ram-detach", json!({})).err();
    let said = said.context("it is detached beside a vhost device")?;
    ensure!(said.to_string().contains("a vhost device"), "{said:#}");
    let from = vm.qmp.now();
    vm.qmp.execute("device_del", json!({"id": "blk0"}))?;
    vm.qmp.wait(from, "the device to go", LIMIT, |name, event| {
        (name == "DEVICE_DELETED" && event.data["device"] == "blk0").then_some(())
    })
}

/// Has all that is mapped made the machine's own.
fn detach(dir: &Dir, vm: &Vm) -> Result<()> {
    let before = figures(vm)?;
    ensure!(
        number(&before, "mapped-bytes")? > DATA_MIB << 20,
        "{before}"
    );
    ensure!(mappings(vm)? > 0, "nothing is mapped");
    let begin = || vm.qmp.execute("mapped-ram-detach", json!({}));
    let (from, begun) = (vm.qmp.now(), Instant::now());
    begin()?;
    let twice = begin().err().context("it is begun twice")?;
    ensure!(twice.to_string().contains("already"), "{twice:#}");
    let ended = vm.qmp.wait_event(from, "MAPPED_RAM_DETACH_ENDED", LIMIT)?;
    ensure!(ended.data["error"].is_null(), "{}", ended.data);

    let after = figures(vm)?;
    dir.log(format!(
        "{}: detached in {:?}: {after}",
        vm.name,
        begun.elapsed()
    ));
    ensure!(number(&after, "mapped-bytes")? == 0, "{after}");
    ensure!(after["detaching"] == false, "{after}");
    ensure!(mappings(vm)? == 0, "the snapshot is mapped still");
    wait::until("the snapshot to be closed", LIMIT, || {
        let fds = fs::read_dir(format!("/proc/{}/fd", vm.pid()))?;
        let links = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        let mut open = links.filter(|it| it.to_string_lossy().contains("held-snapshot"));
        Ok(open.next().is_none().then_some(()))
    })?;
    let again = begin().err().context("nothing was detached")?;
    ensure!(again.to_string().contains("no RAM is mapped"), "{again:#}");
    Ok(())
}

/// A disk each of whose sectors begins with its number.
fn numbered() -> Vec<u8> {
    let mut disk = vec![0; SECTORS * SECTOR];
    for (number, sector) in disk.chunks_mut(SECTOR).enumerate() {
        sector[..8].copy_from_slice(&(number as u64).to_le_bytes());
    }
    disk
}

fn figures(vm: &Vm) -> Result<Value> {
    let mut migration = vm.qmp.execute("query-migrate", json!({}))?;
    Ok(migration["mapped-ram-map"].take())
}

fn number(figures: &Value, name: &str) -> Result<u64> {
    figures[name]
        .as_u64()
        .with_context(|| format!("{name}: {figures}"))
}

/// How many mappings of the held snapshot it has.
fn mappings(vm: &Vm) -> Result<usize> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", vm.pid()))?;
    Ok(maps.matches("memfd:held-snapshot").count())
}

/// A guest that reads its disk, many requests at a time.
struct Reading<'a>(&'a Vm);

impl<'a> Reading<'a> {
    fn begin(vm: &'a Vm, disk: &Path) -> Result<Self> {
        let file = json!({"driver": "file", "filename": disk, "aio": "native",
            "cache": {"direct": true}});
        let node = json!({"driver": "raw", "node-name": "disk", "file": file}).to_string();
        vm.plug(["-blockdev", &node, "-object", "iothread,id=io"])?;
        vm.plug(["-device", "virtio-blk-pci,drive=disk,iothread=io"])?;
        wait::until("a disk in the guest", LIMIT, || {
            Ok((vm.agent.run("[ -e /dev/vda ]")?.0 == 0).then_some(()))
        })?;
        let round = format!("diskload /dev/vda verify {REQUEST} 16 2 1");
        vm.agent.sh(&format!(
            "(while [ ! -e /data/stop ]; do {round} || exit; done; echo good) >/data/read 2>&1 &"
        ))?;
        Ok(Self(vm))
    }

    /// What each second brought; all of it was what is on the disk.
    fn end(self) -> Result<String> {
        let agent = &self.0.agent;
        agent.sh("touch /data/stop")?;
        let said = wait::until("the end of reading", LIMIT, || {
            let said = agent.sh("cat /data/read")?;
            let is_over = said.contains("good") || said.contains("diskload");
            Ok(is_over.then_some(said))
        })?;
        ensure!(said.trim_end().ends_with("good"), "{said}");
        ensure!(said.lines().count() > 1, "nothing was read");
        Ok(said)
    }
}
