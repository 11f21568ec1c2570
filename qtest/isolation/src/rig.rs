// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that tests plug isolated devices into, one test at a time. A guest
//! that had to do with a broken device goes; the others stay for the next test.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use annex_peers::backend::chardev;
pub use annex_peers::bare::SOON;
use annex_qtest::files::Dir;
pub use annex_qtest::pool::Left;
use annex_qtest::pool::{Kind, Pool};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::{stream, wait};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

/// What a guest under TCG on a busy host takes for the I/O of a test.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What the guests' RAM is filled with, and how much of it.
pub const SEED: u64 = 4;
const FILLED_MIB: u64 = 48;

/// How much the guest writes and reads in a test with the requests of which
/// something happens.
pub const IO_MIB: u64 = 2;

/// The same for a test with a longer way to go.
pub const LONG_MIB: u64 = 24;

/// Machines that tests plug devices into.
static POOL: Pool<Plain> = Pool::new("isolation/machines");

/// The one kind of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plain;

impl Kind for Plain {
    fn config(self) -> Result<Config> {
        config()
    }

    fn prepare(self, vm: &Vm) -> Result<()> {
        fill(vm)
    }
}

/// A machine of private RAM: nothing of it can be shared.
pub fn config() -> Result<Config> {
    Ok(Config::new(512)?.with(["-action", "reboot=reset"]))
}

/// Quietens a guest that has booted, and fills some of its RAM.
fn fill(vm: &Vm) -> Result<()> {
    vm.agent.ask("tick 10000")?;
    vm.agent.fill(SEED, FILLED_MIB)
}

/// Does `body` with a machine, which has to be alive and unharmed after it.
pub fn with_machine(dir: &Dir, body: impl FnOnce(&Machine) -> Result<Left>) -> Result<()> {
    let mut machine = Machine::of(POOL.take(Plain, dir)?);
    machine.mark = machine.whole_log()?.len();
    let result = body(&machine).and_then(|left| machine.check().map(|()| left));
    POOL.give_back(Plain, machine.vm, dir, result)
}

/// Ends the machines that are left.
pub fn quit_all() {
    POOL.empty();
}

/// A guest whose RAM holds a known stream.
pub struct Machine {
    /// It.
    pub vm: Vm,
    /// How much of QEMU's log is of earlier tests.
    mark: usize,
}

impl Machine {
    /// Boots one, and fills some of its RAM.
    pub fn boot(config: &Config, name: &str, dir: &Dir) -> Result<Self> {
        let vm = config.boot(name, dir)?;
        fill(&vm)?;
        Ok(Self::of(vm))
    }

    /// One of a test's own that begins as those of the pool do, and has `args`
    /// plugged in: see [`Vm::plug`].
    pub fn plugged<'a>(
        args: impl IntoIterator<Item = &'a str>,
        name: &str,
        dir: &Dir,
    ) -> Result<Self> {
        let vm = POOL.start(Plain, name, dir)?;
        vm.plug(args)?;
        Ok(Self::of(vm))
    }

    /// A guest that was begun in one of these ways, maybe elsewhere.
    pub fn of(vm: Vm) -> Self {
        Self { vm, mark: 0 }
    }

    fn whole_log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.vm.log)?).into_owned())
    }

    /// What QEMU has written since the test began.
    pub fn said(&self) -> Result<String> {
        Ok(self.whole_log()?.split_off(self.mark))
    }

    /// Waits until QEMU has written `text`.
    pub fn wait_said(&self, text: &str) -> Result<()> {
        wait::until(&format!("QEMU to say \"{text}\""), SOON, || {
            Ok(self.said()?.contains(text).then_some(()))
        })
    }

    /// Checks that QEMU and the guest live, and that the guest's RAM holds
    /// what was written there.
    pub fn check(&self) -> Result<()> {
        let status = self
            .vm
            .qmp
            .execute_within(SOON, "query-status", json!({}))?;
        ensure!(status["status"] == "running", "{status}");
        let (_, said) = self.vm.agent.run_within("echo alive", LIMIT)?;
        ensure!(said.trim() == "alive", "the guest's shell said {said:?}");
        self.vm.agent.verify(SEED)
    }

    /// Plugs in a vhost-user-blk device, isolated, whose back-end listens on
    /// `socket`; the guest sees it later.
    pub fn plug(&self, socket: &Path, options: &[(&str, Value)]) -> Result<()> {
        self.vm.qmp.execute("chardev-add", chardev(socket, 100))?;
        let mut device = json!({
            "driver": "vhost-user-blk-pci", "id": "disk", "chardev": "backend",
            "num-queues": 1,
            "memory-isolation": true,
        });
        for (name, value) in options {
            device[*name] = value.clone();
        }
        self.vm
            .qmp
            .execute_within(SOON, "device_add", device)
            .map(drop)
    }

    /// Waits until the guest has the disk.
    pub fn wait_disk(&self) -> Result<()> {
        let wait = "timeout 60 sh -c 'until [ -b /dev/vda ]; do sleep 0.1; done'";
        self.vm
            .agent
            .sh(wait)
            .map(drop)
            .context("the guest doesn't see the disk")
    }

    /// Waits until the guest drives the device `id`.
    pub fn wait_driver(&self, id: &str) -> Result<()> {
        wait::until(&format!("the guest to drive {id}"), LIMIT, || {
            let statuses = self.status(id)?["status"]["statuses"].to_string();
            Ok(statuses.contains("DRIVER_OK").then_some(()))
        })
    }

    /// Takes the device out; the guest has to agree.
    pub fn unplug(&self) -> Result<()> {
        let from = self.vm.qmp.now();
        self.vm.qmp.execute("device_del", json!({ "id": "disk" }))?;
        self.vm
            .qmp
            .wait(from, "the disk to be unplugged", LIMIT, |name, event| {
                (name == "DEVICE_DELETED" && event.data["device"] == "disk").then_some(())
            })?;
        self.remove_chardev()
    }

    /// Removes what [`Machine::plug`] leaves behind if it fails.
    pub fn remove_chardev(&self) -> Result<()> {
        // QEMU lets go of it a little after the event.
        wait::until("the chardev to be removed", SOON, || {
            let removed = self
                .vm
                .qmp
                .execute("chardev-remove", json!({ "id": "backend" }));
            Ok(removed.is_ok().then_some(()))
        })
    }

    /// Has the guest begin to write some MiB of its RAM to the disk and to
    /// read them back, past its cache, in many requests, some at a time.
    pub fn begin_io(&self, mib: u64) -> Result<()> {
        let count = mib << 6;
        let others =
            "for n in 1 2 3; do dd if=/dev/vda of=/dev/null bs=4k count=64 iflag=direct & done";
        let write = format!("dd if=/data/fill of=/dev/vda bs=16k count={count} oflag=direct");
        let read = format!("dd if=/dev/vda bs=16k count={count} iflag=direct");
        self.vm
            .agent
            .sh(&format!(
                "rm -f /data/io; ({others}; {write}; {read} | sha256sum; wait; echo end) \
                 > /data/io 2>&1 &"
            ))
            .map(drop)
    }

    /// Whether that has ended; what it wrote if so.
    pub fn io_ended(&self) -> Result<Option<String>> {
        let (_, said) = self.vm.agent.run_within("cat /data/io", LIMIT)?;
        Ok(said.ends_with("end\n").then_some(said))
    }

    /// Waits until it has ended, well or not.
    pub fn wait_io(&self) -> Result<String> {
        wait::until("the guest's I/O to end", LIMIT, || {
            std::thread::sleep(Duration::from_millis(100));
            self.io_ended()
        })
    }

    /// Waits until it has ended, and checks that what was read is what was
    /// written.
    pub fn check_io(&self, mib: u64) -> Result<()> {
        let said = self.wait_io()?;
        ensure!(
            said.contains(&stream::sha256(SEED, mib)),
            "wrong data or none: {said}"
        );
        Ok(())
    }

    /// All of that, with little.
    pub fn io(&self) -> Result<()> {
        self.begin_io(IO_MIB)?;
        self.check_io(IO_MIB)
    }

    /// Resets the machine, and waits until the guest is up again.
    pub fn reboot(&self) -> Result<()> {
        self.vm.reboot()?;
        fill(&self.vm)
    }

    /// How many memory areas for back-ends QEMU has mapped.
    pub fn areas(&self) -> Result<usize> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.vm.pid()))?;
        Ok(maps
            .lines()
            .filter(|line| line.contains("/memfd:isolated-memory"))
            .count())
    }

    /// What QEMU knows of the virtio device `id`.
    pub fn status(&self, id: &str) -> Result<Value> {
        self.vm
            .qmp
            .execute("x-query-virtio-status", json!({ "path": virtio_path(id) }))
    }

    /// What QEMU knows of a queue of the virtio device `id`.
    pub fn queue(&self, id: &str, queue: u16) -> Result<Value> {
        let arguments = json!({ "path": virtio_path(id), "queue": queue });
        self.vm
            .qmp
            .execute("x-query-virtio-queue-status", arguments)
    }

    /// The figures of a queue of the device `id`.
    pub fn figures(&self, id: &str, queue: u16) -> Result<Value> {
        figures_of(&self.vm, id, queue)
    }
}

/// The figures of a queue of a VM's device `id`.
pub fn figures_of(vm: &Vm, id: &str, queue: u16) -> Result<Value> {
    let arguments = json!({ "path": virtio_path(id), "queue": queue });
    let mut status = vm
        .qmp
        .execute("x-query-virtio-vhost-queue-status", arguments)?;
    let figures = status["isolation"].take();
    ensure!(
        figures.is_object(),
        "no figures of an isolated queue in {status}"
    );
    Ok(figures)
}

/// What is behind the PCI device `id`.
fn virtio_path(id: &str) -> String {
    format!("/machine/peripheral/{id}/virtio-backend")
}

/// Waits until the guest has written a part of what it writes to `image`.
pub fn wait_under_way(image: &Path) -> Result<()> {
    let file = fs::File::open(image)?;
    let place = (LONG_MIB << 20) / 4;
    wait::until("the guest's I/O to be under way", LIMIT, || {
        let mut bytes = [0; 64];
        file.read_exact_at(&mut bytes, place)?;
        Ok((bytes != [0; 64]).then_some(()))
    })
}
