// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests with isolated disks that move in the middle of I/O. The back-end,
//! qemu-storage-daemon, knows nothing of it: it can't log what it writes.

use annex_qtest::files::Dir;
use annex_qtest::memory::Backing;
use annex_qtest::migrate::{self, Way};
use annex_qtest::qemu::Config;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::Result;

use crate::backend::{image, Backend, Hostile};
use crate::blk::{with_disk, with_disk_plugged, DISK_MIB};
use crate::rig::{config, wait_under_way, Machine, LONG_MIB};

inventory::submit! { Family(|add| {
    for (name, options) in [("plain", ""), ("packed", ",packed=on"),
                            ("main-loop", ",memory-isolation-main-loop=on"),
                            ("iothread", ",memory-isolation-iothread=io")] {
        add(format!("isolation/migrate/{name}"), Box::new(move |dir| {
            moves(dir, Way::Precopy, options, |socket| {
                Ok(with_disk(&config()?, socket, &format!(",num-queues=1{options}")))
            })
        }));
    }
    add("isolation/migrate/to-shared".into(), Box::new(|dir| {
        moves(dir, Way::Precopy, "", |socket| {
            let options = ",num-queues=1,memory-isolation=off";
            Ok(with_disk(&config()?.backed_by(Backing::Memfd), socket, options))
        })
    }));
    add("isolation/migrate/postcopy".into(), Box::new(|dir| {
        moves(dir, Way::Postcopy, "", |socket| Ok(with_disk(&config()?, socket, ",num-queues=1")))
    }));
    add("isolation/migrate/there-and-back".into(), Box::new(there_and_back));
    add("isolation/migrate/stalled".into(), Box::new(stalled));
    for mode in [Mode::Eager, Mode::OnDemand] {
        let name = if mode == Mode::Eager { "eager" } else { "on-demand" };
        add(format!("isolation/snapshot/{name}"), Box::new(move |dir| from_snapshot(dir, mode)));
    }
}) }

/// In the middle of I/O the guest goes on in another machine, with a back-end
/// of its own on the same image.
fn moves(
    dir: &Dir,
    way: Way,
    options: &str,
    there: impl FnOnce(&std::path::Path) -> Result<Config>,
) -> Result<()> {
    let image = image(dir, DISK_MIB)?;
    let here = Backend::storage_daemon(dir, "here", &image, "")?;
    let options = format!(",num-queues=1{options}");
    let machine = with_disk_plugged("source", dir, &here.socket, &options)?;
    machine.begin_io(LONG_MIB)?;
    wait_under_way(&image)?;
    let beyond = Backend::storage_daemon(dir, "there", &image, "")?;
    let moved = migrate::by(
        way,
        &machine.vm,
        &there(&beyond.socket)?,
        "destination",
        dir,
    )?;
    machine.vm.quit()?;
    here.kill()?;
    let moved = Machine::of(moved);
    moved.check_io(LONG_MIB)?;
    moved.io()?;
    moved.check()?;
    moved.vm.quit()
}

/// Twice, with I/O all the time.
fn there_and_back(dir: &Dir) -> Result<()> {
    let image = image(dir, DISK_MIB)?;
    let backends = [0, 1, 2]
        .map(|number| Backend::storage_daemon(dir, &format!("storage-{number}"), &image, ""));
    let backends = backends.into_iter().collect::<Result<Vec<_>>>()?;
    let options = ",num-queues=1";
    let first = with_disk_plugged("first", dir, &backends[0].socket, options)?;
    first.begin_io(LONG_MIB)?;
    wait_under_way(&image)?;
    let machine = |number: usize| -> Result<Config> {
        Ok(with_disk(&config()?, &backends[number].socket, options))
    };
    let second = migrate::live(&first.vm, &machine(1)?, "second", dir)?;
    first.vm.quit()?;
    let third = migrate::live(&second, &machine(2)?, "third", dir)?;
    second.quit()?;
    let third = Machine::of(third);
    third.check_io(LONG_MIB)?;
    third.io()?;
    third.check()?;
    third.vm.quit()
}

/// The back-end doesn't answer, so requests in flight can't be waited for: they
/// go along, and the destination's back-end carries them out.
fn stalled(dir: &Dir) -> Result<()> {
    let image = image(dir, DISK_MIB)?;
    let here = Backend::hostile(dir, "here", "stall", &[])?;
    let options = ",num-queues=1";
    let machine = with_disk_plugged("source", dir, &here.socket, options)?;
    machine.begin_io(LONG_MIB)?;
    here.wait_for("struck")?;
    let beyond = Backend::storage_daemon(dir, "there", &image, "")?;
    let config = with_disk(&config()?, &beyond.socket, options);
    let moved = migrate::live(&machine.vm, &config, "destination", dir)?;
    machine.vm.quit()?;
    let moved = Machine::of(moved);
    // What the first disk took is gone; all requests are answered.
    moved.wait_io()?;
    moved.io()?;
    moved.check()?;
    moved.vm.quit()
}

/// Saved in the middle of I/O, and loaded where pages come when the copies
/// need them.
fn from_snapshot(dir: &Dir, mode: Mode) -> Result<()> {
    let image = image(dir, DISK_MIB)?;
    let backend = Backend::storage_daemon(dir, "storage", &image, "")?;
    let config = with_disk(&config()?, &backend.socket, ",num-queues=1");
    let machine = Machine::boot(&config, "saved", dir)?;
    machine.wait_disk()?;
    machine.begin_io(LONG_MIB)?;
    wait_under_way(&image)?;
    let path = dir.file("snapshot");
    snapshot::save(&machine.vm, &path)?;
    machine.vm.quit()?;
    let restored = snapshot::load_whole(&config, "restored", dir, &path, mode)?;
    let restored = Machine::of(restored);
    restored.check_io(LONG_MIB)?;
    restored.io()?;
    restored.check()?;
    restored.vm.quit()
}
