// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that tests plug isolated devices into, one test at a time. A guest
//! that had to do with a broken device goes; the others stay for the next test.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm, BOOT_LIMIT};
use annex_qtest::{stream, wait};
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

/// What a guest under TCG on a busy host takes for the I/O of a test.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What QEMU may take to answer, whatever its back-ends do.
pub const SOON: Duration = Duration::from_secs(30);

/// What the guests' RAM is filled with, and how much of it.
pub const SEED: u64 = 4;
const FILLED_MIB: u64 = 48;

/// How much the guest writes and reads in a test with the requests of which
/// something happens.
pub const IO_MIB: u64 = 2;

/// The same for a test with a longer way to go.
pub const LONG_MIB: u64 = 24;

/// A guest whose RAM holds a known stream.
pub struct Machine {
    /// It.
    pub vm: Vm,
    /// Where QEMU's log is.
    log: std::path::PathBuf,
    /// How much of the log is of earlier tests.
    mark: usize,
}

/// What the test has left the guest with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: it may serve another test.
    Clean,
    /// A device that doesn't work.
    Broken,
}

/// Booted, and in nobody's hands.
static IDLE: Mutex<Vec<Machine>> = Mutex::new(Vec::new());

fn idle() -> std::sync::MutexGuard<'static, Vec<Machine>> {
    IDLE.lock().expect("nothing panics while it holds them")
}

/// A machine of private RAM: nothing of it can be shared.
pub fn config() -> Result<Config> {
    Ok(Config::new(512)?.with(["-action", "reboot=reset"]))
}

/// Does `body` with a machine, which has to be alive and unharmed after it.
pub fn with_machine(dir: &Dir, body: impl FnOnce(&Machine) -> Result<Left>) -> Result<()> {
    let machine = take()?;
    dir.log(format!("on {}", machine.vm.name));
    let result = body(&machine).and_then(|left| {
        machine.check()?;
        Ok(left)
    });
    match result {
        Ok(Left::Clean) => {
            idle().push(machine);
            Ok(())
        }
        Ok(Left::Broken) => machine.vm.quit(),
        Err(error) => {
            machine.keep_logs(dir);
            Err(error)
        }
    }
}

fn take() -> Result<Machine> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    // A lock held in an `if let` would be held while booting.
    let found = idle().pop();
    if let Some(mut machine) = found {
        machine.mark = machine.whole_log()?.len();
        return Ok(machine);
    }
    let name = format!("machine-{}", COUNT.fetch_add(1, Relaxed));
    Machine::boot(
        &config()?,
        &name,
        &Dir::for_test(&format!("isolation/machines/{name}"))?,
    )
}

/// Ends the machines that are left.
pub fn quit_all() {
    for machine in idle().drain(..) {
        // Dropped, it is killed: by now no test depends on it.
        let _ = machine.vm.quit();
    }
}

impl Machine {
    /// Boots one, and fills some of its RAM.
    pub fn boot(config: &Config, name: &str, dir: &Dir) -> Result<Self> {
        let vm = config.boot(name, dir)?;
        let machine = Self::of(vm, dir);
        machine.fill()?;
        Ok(machine)
    }

    /// Prepares a guest that was just booted.
    pub fn fill(&self) -> Result<()> {
        self.vm.agent.ask("tick 10000")?;
        self.vm.agent.fill(SEED, FILLED_MIB)
    }

    /// A guest that was booted by [`Machine::boot`], maybe elsewhere.
    pub fn of(vm: Vm, dir: &Dir) -> Self {
        let log = dir.file(&format!("{}.qemu.log", vm.name));
        Self { vm, log, mark: 0 }
    }

    fn whole_log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
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

    fn keep_logs(&self, dir: &Dir) {
        let limit = Duration::from_secs(10);
        if let Ok((_, messages)) = self.vm.agent.run_within("dmesg | tail -n 20", limit) {
            dir.log(format!("the guest's kernel says:\n{messages}"));
        }
        if let Ok(said) = self.said() {
            dir.log(format!("QEMU said:\n{said}"));
        }
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
        let from = self.vm.console.now();
        self.vm
            .qmp
            .execute_within(SOON, "system_reset", json!({}))?;
        // The first tick comes soon after a boot, and seldom later.
        self.vm.console.wait_tick(from, 0, BOOT_LIMIT)?;
        self.fill()
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

/// What adds the chardev "backend", which connects to `socket` again so many
/// milliseconds after a back-end is lost.
pub fn chardev(socket: &Path, reconnect_ms: u32) -> Value {
    json!({
        "id": "backend",
        "backend": { "type": "socket", "data": {
            "addr": { "type": "unix", "data": { "path": socket } },
            "server": false,
            "reconnect-ms": reconnect_ms,
        } },
    })
}
