// SPDX-License-Identifier: GPL-2.0-or-later
//! vhost-user back-ends that have guest memory mapped while pages of it are missing: one that can
//! tell of its page faults is served, one that can't is refused.
//!
//! saved.rs is the machine without a guest that these load; disk.rs has a real back-end and Linux.

mod disk;
mod saved;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use annex_peers::postcopy::{Able, Pager};
use annex_qtest::error::refusal;
use annex_qtest::files::Dir;
use annex_qtest::memory::Backing;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::fixture::Fixture;
use saved::{disk, Devices, Saved, HOLE, PAGE};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/refuses/vhost-user".into(), Box::new(refused));
    let one = Devices::Disks(1);
    for (name, devices, slots) in [
        ("table", one, false),
        ("slots", one, true),
        ("two-pairs", Devices::Net { offered: true }, true),
    ] {
        add(
            format!("snapshot/on-demand/vhost-user/{name}"),
            Box::new(move |dir| served(dir, devices, slots)),
        );
    }
    add("snapshot/on-demand/vhost-user/cut-file".into(), Box::new(waits_for_a_cut_file));
    add("snapshot/on-demand/vhost-user/gone".into(), Box::new(gone));
    add("snapshot/on-demand/vhost-user/not-offered".into(), Box::new(not_offered));
}) }

/// Every page that the back-end reads is the snapshot's, and what it has written stays, wherever the
/// page comes from afterwards.
fn served(dir: &Dir, devices: Devices, slots: bool) -> Result<()> {
    let saved = Saved::make(dir, devices, slots)?;
    let (vm, pagers) = saved.load(dir)?;
    let pager = &pagers[0];
    let pages = saved.pages(pager);
    ensure!(
        pages.len() > saved.ram.len() / PAGE / 2,
        "{} pages",
        pages.len()
    );
    let mut wanted = saved.ram.clone();
    let (written, read) = pages.split_at(pages.len() / 4);
    for page in written {
        let word = (*page as u64).to_le_bytes();
        let at = page * PAGE + 8 * (page % 500);
        pager.write(at as u64, &word)?;
        wanted[at..at + 8].copy_from_slice(&word);
    }
    let mut bytes = [0; PAGE];
    let (now, later) = read.split_at(read.len() / 2);
    for page in now {
        pager.read((page * PAGE) as u64, &mut bytes)?;
        ensure!(bytes == *saved.page(*page), "page {page:#x}");
    }
    // A page is there a little before it is counted.
    let least = (written.len() + now.len()) as u64;
    wait::until("so many pages to have come by faults", LIMIT, || {
        let figures = snapshot::figures(&vm)?;
        let demand = figures["demand-pages"].as_u64().context("a number")?;
        Ok((demand >= least).then_some(()))
    })?;
    // The device is switched off and on again, with the same memory.
    vm.qmp.execute("stop", json!({}))?;
    vm.qmp.execute("cont", json!({}))?;
    pager.check()?;
    // The others come by both.
    snapshot::set_background(&vm, "adaptive")?;
    for page in later {
        pager.read((page * PAGE) as u64, &mut bytes)?;
        ensure!(
            bytes == *saved.page(*page),
            "page {page:#x}, with a background"
        );
    }
    pager.wait_ended()?;
    wait_complete(&vm)?;
    for page in &pages {
        pager.read((page * PAGE) as u64, &mut bytes)?;
        ensure!(
            bytes == wanted[page * PAGE..(page + 1) * PAGE],
            "page {page:#x}, at last"
        );
    }
    check_ram(dir, &vm, &wanted)?;
    pager.check()?;
    vm.quit()
}

/// What QEMU has for the guest's RAM.
fn check_ram(dir: &Dir, vm: &Vm, wanted: &[u8]) -> Result<()> {
    let path = dir.file("ram");
    let what = json!({ "val": 0, "size": wanted.len(), "filename": path });
    vm.qmp.execute("pmemsave", what)?;
    let found = fs::read(&path)?;
    let differ = |at: &usize| !HOLE.contains(at) && found[*at..at + PAGE] != wanted[*at..at + PAGE];
    let wrong = (0..wanted.len()).step_by(PAGE).find(differ);
    ensure!(
        wrong.is_none(),
        "QEMU's RAM at {:#x}",
        wrong.unwrap_or_default()
    );
    Ok(())
}

/// A page that can't be read stops the VM, and the back-end waits until it can.
fn waits_for_a_cut_file(dir: &Dir) -> Result<()> {
    let saved = Saved::make(dir, Devices::Disks(1), true)?;
    let (vm, mut pagers) = saved.load(dir)?;
    let pager = Arc::new(pagers.remove(0));
    let pages = saved.pages(&pager);
    let page = *pages.iter().max().context("a page")?;
    let file = OpenOptions::new().write(true).open(&saved.path)?;
    let whole = fs::read(&saved.path)?;
    file.set_len(whole.len() as u64 / 4)?;
    let (sender, receiver) = mpsc::channel();
    let reader = pager.clone();
    // Not waited for: if the page never comes, it never ends.
    thread::spawn(move || {
        let mut bytes = [0; PAGE];
        let read = reader.read((page * PAGE) as u64, &mut bytes);
        let _ = sender.send(read.map(|()| bytes));
    });
    vm.wait_run_state("io-error", Duration::from_secs(60))?;
    let early = receiver.recv_timeout(Duration::from_secs(2));
    ensure!(early.is_err(), "it has read what wasn't there");
    file.write_all_at(&whole, 0)?;
    vm.qmp.execute("cont", json!({}))?;
    let bytes = receiver.recv_timeout(LIMIT).context("the page")??;
    ensure!(bytes == *saved.page(page), "page {page:#x}");
    vm.wait_run_state("running", LIMIT)?;
    vm.quit()
}

/// A back-end that goes while pages are missing, or at the end, ends neither QEMU nor the load, and
/// the others are told of the end.
fn gone(dir: &Dir) -> Result<()> {
    let saved = Saved::make(dir, Devices::Disks(3), true)?;
    let (vm, pagers) = saved.load(dir)?;
    // Whoever was plugged in last is told first.
    pagers[2].leave_at_end();
    let pages = saved.pages(&pagers[0]);
    let mut bytes = [0; PAGE];
    for page in &pages[..pages.len() / 8] {
        pagers[0].read((page * PAGE) as u64, &mut bytes)?;
    }
    pagers[0].hang_up()?;
    snapshot::set_background(&vm, "adaptive")?;
    wait_complete(&vm)?;
    pagers[1].wait_ended()?;
    check_ram(dir, &vm, &saved.ram)?;
    vm.quit()
}

/// A driver that asks for pairs of queues that its device doesn't offer has none, and goes on from a
/// snapshot without.
fn not_offered(dir: &Dir) -> Result<()> {
    let saved = Saved::make(dir, Devices::Net { offered: false }, true)?;
    let (vm, pagers) = saved.load(dir)?;
    snapshot::set_background(&vm, "adaptive")?;
    pagers[0].wait_ended()?;
    wait_complete(&vm)?;
    vm.quit()
}

fn wait_complete(vm: &Vm) -> Result<()> {
    wait::until("the load to be complete", LIMIT, || {
        Ok((snapshot::query(&vm.qmp)?["status"] == "completed").then_some(()))
    })
}

/// A back-end that knows nothing of postcopy: its accesses to missing pages would never be served.
fn refused(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let able = Able {
        page_faults: false,
        slots: true,
        queues: 1,
        features: 0,
    };
    let pager = Pager::listen(dir, "backend", able)?;
    let vm = fixture
        .config
        .backed_by(Backing::Memfd)
        .with(disk(&pager.socket, 0).iter().map(String::as_str))
        .incoming()
        .start("restored", dir)?;
    let why = match snapshot::prepare(&vm, Mode::OnDemand) {
        Ok(()) => refusal(snapshot::begin(&vm, &fixture.path).map(drop))?,
        refused => refusal(refused)?,
    };
    dir.log(&why);
    ensure!(
        why.contains("'backend0' is not capable of postcopy"),
        "not named: {why:?}"
    );
    Ok(())
}
