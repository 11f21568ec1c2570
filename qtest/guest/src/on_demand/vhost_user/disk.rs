// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux, whose disk is qemu-storage-daemon.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use annex_peers::backend::Backend;
use annex_qtest::files::Dir;
use annex_qtest::memory::{Backing, HugePages};
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use super::saved::disk;
use crate::fixture::{Fixture, RAM_MIB, SEED};

inventory::submit! { Family(|add| {
    for backing in [Backing::Memfd, Backing::Hugetlb] {
        add(
            format!("snapshot/on-demand/vhost-user/disk/{backing}"),
            Box::new(move |dir| written_and_read(dir, backing)),
        );
    }
}) }

/// What a guest's agent fills its RAM with is in a file there.
const FILLED: &str = "/data/fill";

/// Linux writes and reads its disk by qemu-storage-daemon, which has its memory mapped. What it
/// writes was in its page cache when it was saved, and nobody has touched that since.
fn written_and_read(dir: &Dir, backing: Backing) -> Result<()> {
    const DISK_MIB: u64 = 64;
    const DIRTY_MIB: u64 = 8;
    const DIGEST: &str = "dd if=/dev/vda bs=1M iflag=direct 2>/dev/null | sha256sum";

    let _pages = match backing {
        Backing::Hugetlb => Some(HugePages::reserve(RAM_MIB)?),
        _ => None,
    };
    let image = dir.file("disk");
    File::create(&image)?.set_len(DISK_MIB << 20)?;
    let backend = Backend::storage_daemon(dir, "before", &image, "")?;
    let config = Fixture::live()?.config.backed_by(backing);
    let vm = config
        .with(disk(&backend.socket, 0).iter().map(String::as_str))
        .boot("source", dir)?;
    vm.agent.fill(SEED, RAM_MIB / 4)?;
    // Nothing is written by itself, nor because there is much of it for this disk, nor when the last
    // one closes it.
    vm.agent
        .sh("echo 0 > /proc/sys/vm/dirty_writeback_centisecs")?;
    vm.agent.sh("echo 90 > /sys/block/vda/bdi/min_ratio")?;
    vm.agent.sh("sleep 100000 < /dev/vda >/dev/null 2>&1 & \
         until readlink /proc/$!/fd/0 | grep -q vda; do sleep 0.1; done")?;
    vm.agent.sh(&format!(
        "dd if={FILLED} of=/dev/vda bs=1M count={DIRTY_MIB} 2>/dev/null"
    ))?;
    // As a guest does that is saved: it is in the midst of something.
    vm.agent.sh(
        "(while :; do dd if=/dev/vda of=/dev/null bs=256k skip=128 iflag=direct; done) \
         >/dev/null 2>&1 &",
    )?;
    let fixture = Fixture::of(&vm, dir.file("snapshot"))?;
    snapshot::save(&vm, &fixture.path)?;
    vm.quit()?;
    drop(backend);
    let front = || -> Result<Vec<u8>> {
        let mut bytes = vec![0; (DIRTY_MIB << 20) as usize];
        File::open(&image)?.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    ensure!(
        front()?.iter().all(|byte| *byte == 0),
        "it was written before the guest was saved"
    );

    let backend = Backend::storage_daemon(dir, "after", &image, "")?;
    let vm = config
        .with(disk(&backend.socket, 0).iter().map(String::as_str))
        .with(["-trace", "mapped_ram_load_shared_fault"])
        .incoming()
        .start("restored", dir)?;
    snapshot::prepare(&vm, Mode::DemandOnly)?;
    let loading = snapshot::begin(&vm, &fixture.path)?;
    loading.wait_running()?;
    fixture.check_alive(&vm)?;
    vm.agent.sh("sync")?;
    let wanted = stream::bytes(SEED, 0, (DIRTY_MIB << 20) as usize);
    ensure!(front()? == wanted, "what the storage daemon has written");
    let log = fs::read_to_string(&vm.log)?;
    let faults = log.matches("mapped_ram_load_shared_fault").count();
    dir.log(format!("{faults} faults of the storage daemon"));
    // Up to 32 pages come for one of them, and of huge ones it may find all that it needs.
    ensure!(
        faults > 32 || backing == Backing::Hugetlb,
        "it met {faults} missing pages"
    );
    snapshot::set_background(&vm, "adaptive")?;
    loading.wait_loaded()?;
    let found = vm.agent.sh(DIGEST)?;
    let wanted = stream::sha256_of(&image)?;
    ensure!(
        found.starts_with(&wanted),
        "the disk afterwards: {found}, not {wanted}"
    );
    vm.agent.verify(SEED)?;
    vm.quit()
}
