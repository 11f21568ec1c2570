// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine without a guest, saved while its vhost-user devices were in use.

use std::path::{Path, PathBuf};

use annex_peers::bare::driver::{self, Driver};
use annex_peers::bare::{Bare, DEVICE_SLOT};
use annex_peers::postcopy::{Able, Pager};
use annex_qtest::files::Dir;
use annex_qtest::memory::Backing;
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode};
use anyhow::{ensure, Result};
use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ,
    VIRTIO_NET_OK,
};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// A network device's that has pairs of queues.
const NET_FEATURES: u64 = 1 << VIRTIO_NET_F_CTRL_VQ | 1 << VIRTIO_NET_F_MQ;

/// The BIOS and the screen are mapped over the RAM there, whose pages nobody needs.
pub const HOLE: std::ops::Range<usize> = 0xa_0000..0x10_0000;

/// Arguments of a disk in the `n`th slot whose back-end listens there.
pub fn disk(socket: &Path, n: u32) -> Vec<String> {
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
pub enum Devices {
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
pub struct Saved {
    devices: Devices,
    slots: bool,
    /// The snapshot.
    pub path: PathBuf,
    /// All of its RAM.
    pub ram: Vec<u8>,
}

impl Saved {
    pub fn make(dir: &Dir, devices: Devices, slots: bool) -> Result<Self> {
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
    pub fn load(&self, dir: &Dir) -> Result<(Vm, Vec<Pager>)> {
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
    pub fn pages(&self, pager: &Pager) -> Vec<usize> {
        let parts = pager.parts();
        let seen = |page: &usize| {
            let at = (page * PAGE) as u64;
            !HOLE.contains(&(at as usize))
                && parts
                    .iter()
                    .any(|(from, len)| (*from..from + len).contains(&at))
        };
        let pages: Vec<usize> = (0..self.ram.len() / PAGE).filter(seen).collect();
        // A step that has no divisor in common with their number meets each once.
        let count = pages.len();
        let step = (count / 3..)
            .find(|step| gcd(*step, count) == 1)
            .unwrap_or(1);
        (0..count).map(|n| pages[n * step % count]).collect()
    }

    pub fn page(&self, page: usize) -> &[u8] {
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
    let two = [
        VIRTIO_NET_CTRL_MQ as u8,
        VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET as u8,
        2,
        0,
    ];
    let answer = driver.ask(CONTROL, two.into(), 1)?;
    ensure!(answer == [VIRTIO_NET_OK as u8], "two pairs: {answer:?}");
    Ok(driver.machine)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}
