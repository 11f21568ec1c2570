// SPDX-License-Identifier: GPL-2.0-or-later
//! vhost-user back-ends that have guest memory mapped while pages of it are missing: one that can
//! tell of its page faults is served, one that can't is refused.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use annex_peers::backend::Backend;
use annex_peers::bare::driver::{self, Driver, Part, Request};
use annex_peers::bare::{Bare, DEVICE_SLOT};
use annex_peers::postcopy::{Able, Pager};
use annex_qtest::error::refusal;
use annex_qtest::files::Dir;
use annex_qtest::memory::{Backing, HugePages};
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::stream;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ,
};

use crate::fixture::{Fixture, RAM_MIB, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/refuses/vhost-user".into(), Box::new(refused));
    let disk = Devices::Disks(1);
    for (name, devices, slots) in [
        ("table", disk, false),
        ("slots", disk, true),
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
    for backing in [Backing::Memfd, Backing::Hugetlb] {
        add(
            format!("snapshot/on-demand/vhost-user/disk/{backing}"),
            Box::new(move |dir| reads_a_disk(dir, backing)),
        );
    }
}) }

const PAGE: usize = 4096;

/// What a guest's agent fills its RAM with is in a file there.
const FILLED: &str = "/data/fill";

/// A network device's that has pairs of queues.
const NET_FEATURES: u64 = 1 << VIRTIO_NET_F_CTRL_VQ | 1 << VIRTIO_NET_F_MQ;

/// The BIOS and the screen are mapped over the RAM there, whose pages nobody needs.
const HOLE: std::ops::Range<usize> = 0xa_0000..0x10_0000;

/// Arguments of a disk in the `n`th slot whose back-end listens there.
fn disk(socket: &Path, n: u32) -> Vec<String> {
    let slot = DEVICE_SLOT + n;
    vec![
        "-chardev".into(),
        format!("socket,id=backend{n},path={}", socket.display()),
        "-device".into(),
        format!("vhost-user-blk-pci,id=disk{n},num-queues=1,addr={slot:#x},chardev=backend{n}"),
    ]
}

/// Arguments of a network device with two pairs of queues, likewise.
fn net(socket: &Path) -> Vec<String> {
    vec![
        "-chardev".into(),
        format!("socket,id=backend0,path={}", socket.display()),
        "-netdev".into(),
        "vhost-user,id=net,chardev=backend0,queues=2".into(),
        "-device".into(),
        format!("virtio-net-pci,mq=on,romfile=,addr={DEVICE_SLOT},netdev=net"),
    ]
}

/// What a machine without a guest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Devices {
    Disks(u32),
    /// A network device, and whether it offers what its driver asks for.
    Net {
        offered: bool,
    },
}

impl Devices {
    /// Back-ends of all of them that can do that, and QEMU's arguments.
    fn plug(self, dir: &Dir, able: Able) -> Result<(Vec<Pager>, Vec<String>)> {
        let (mut pagers, mut args) = (Vec::new(), Vec::new());
        let count = match self {
            Self::Disks(count) => count,
            Self::Net { offered } => {
                let features = if offered { NET_FEATURES } else { 0 };
                let able = Able {
                    queues: 2,
                    features,
                    ..able
                };
                let pager = Pager::listen(dir, "backend0", able)?;
                args.extend(net(&pager.socket));
                pagers.push(pager);
                0
            }
        };
        for n in 0..count {
            let pager = Pager::listen(dir, &format!("backend{n}"), able)?;
            args.extend(disk(&pager.socket, n));
            pagers.push(pager);
        }
        Ok((pagers, args))
    }
}

/// A machine without a guest whose devices were in use when it was saved.
struct Saved {
    devices: Devices,
    slots: bool,
    path: PathBuf,
    /// All of its RAM.
    ram: Vec<u8>,
}

impl Saved {
    fn make(dir: &Dir, devices: Devices, slots: bool) -> Result<Self> {
        let dir = Dir::at(dir.file("from"))?;
        let able = Able {
            page_faults: false,
            slots,
            queues: 1,
            features: 0,
        };
        let (_pagers, args) = devices.plug(&dir, able)?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut machine = Bare::empty(&dir, &args)?;
        match devices {
            Devices::Disks(count) => {
                for n in 0..count {
                    machine.choose(n);
                    machine.place()?;
                    machine.reset()?;
                    let ring = driver::ring(n as usize);
                    machine.make_ready(driver::F_VERSION_1, &[ring], driver::RING)?;
                }
            }
            Devices::Net { offered } => machine = use_both_pairs(machine, offered)?,
        }
        let path = dir.file("snapshot");
        let ram = machine.whole_ram()?;
        snapshot::save(&machine.vm, &path)?;
        ensure!(machine.whole_ram()? == ram, "its RAM has changed");
        machine.vm.quit()?;
        Ok(Self {
            devices,
            slots,
            path,
            ram,
        })
    }

    /// Begins to load it without a background, with back-ends that tell of their faults.
    fn load(&self, dir: &Dir) -> Result<(Vm, Vec<Pager>)> {
        let able = Able {
            page_faults: true,
            slots: self.slots,
            queues: 1,
            features: 0,
        };
        let (pagers, args) = self.devices.plug(dir, able)?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let vm = Bare::incoming(dir, Backing::Memfd, &args)?;
        snapshot::prepare(&vm, Mode::DemandOnly)?;
        snapshot::begin(&vm, &self.path)?.wait_running()?;
        for pager in &pagers {
            pager.wait_watched()?;
        }
        Ok((vm, pagers))
    }

    /// The pages of its RAM that the back-end sees, in no order.
    fn pages(&self, pager: &Pager) -> Vec<usize> {
        let parts = pager.parts();
        let seen = |page: &usize| {
            let at = (page * PAGE) as u64;
            !HOLE.contains(&(at as usize))
                && parts
                    .iter()
                    .any(|(from, len)| (*from..from + len).contains(&at))
        };
        let mut pages: Vec<usize> = (0..self.ram.len() / PAGE).filter(seen).collect();
        // A step that has no divisor in common with their number meets each once.
        let count = pages.len();
        let step = (count / 3..)
            .find(|step| gcd(*step, count) == 1)
            .unwrap_or(1);
        pages = (0..count).map(|n| pages[n * step % count]).collect();
        pages
    }

    fn page(&self, page: usize) -> &[u8] {
        &self.ram[page * PAGE..(page + 1) * PAGE]
    }
}

/// The machine, whose network device has a driver that uses both of its pairs of queues, or wants to.
fn use_both_pairs(mut machine: Bare, offered: bool) -> Result<Bare> {
    /// Behind two pairs.
    const CONTROL: usize = 4;
    machine.place()?;
    let mut driver = Driver::of(machine, CONTROL + 1)?.with(driver::RING, NET_FEATURES);
    driver.reset()?;
    if !offered {
        return Ok(driver.machine);
    }
    let request = Request {
        parts: vec![
            Part::Bytes(vec![
                VIRTIO_NET_CTRL_MQ as u8,
                VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET as u8,
            ]),
            Part::Bytes(vec![2, 0]),
            Part::Room(1),
        ],
        indirect: false,
    };
    driver.submit(CONTROL, 0, &request)?;
    driver.machine.notify(CONTROL)?;
    wait::until("the pairs to be set", LIMIT, || {
        Ok((!driver.reap(CONTROL)?.is_empty()).then_some(()))
    })?;
    Ok(driver.machine)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

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
    let (vm, pagers) = saved.load(dir)?;
    let pager = &pagers[0];
    let pages = saved.pages(pager);
    let page = *pages.iter().max().context("a page")?;
    let file = OpenOptions::new().write(true).open(&saved.path)?;
    let whole = fs::read(&saved.path)?;
    file.set_len(whole.len() as u64 / 4)?;
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let reader = scope.spawn(move || {
            let mut bytes = [0; PAGE];
            let read = pager.read((page * PAGE) as u64, &mut bytes);
            let _ = sender.send(());
            read.map(|()| bytes)
        });
        let held = vm.wait_run_state("io-error", Duration::from_secs(60));
        let early = receiver.recv_timeout(Duration::from_secs(2)).is_ok();
        file.write_all_at(&whole, 0)?;
        vm.qmp.execute("cont", json!({}))?;
        let bytes = reader.join().expect("a reader that doesn't panic")?;
        held?;
        ensure!(!early, "it has read what wasn't there");
        ensure!(bytes == *saved.page(page), "page {page:#x}");
        vm.wait_run_state("running", LIMIT)
    })?;
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

/// Linux writes and reads its disk by qemu-storage-daemon, which has its memory mapped. What it
/// writes was in its page cache when it was saved, and nobody has touched that since.
fn reads_a_disk(dir: &Dir, backing: Backing) -> Result<()> {
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
