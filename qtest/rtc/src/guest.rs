// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that have Linux's own driver for virtio-rtc, and what they read beside
//! the host's clocks. `scripts/guest-rtc` makes the guest; where it couldn't, each
//! trial is ignored for the reason that it gave.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annex_peers::backend::socket;
use annex_qtest::files::{self, Dir};
use annex_qtest::memory::Backing;
use annex_qtest::pool::{Kind, Left, Pool};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Body;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use rustix::time::{clock_gettime, ClockId};
use serde_json::json;

use crate::rig::{program, Daemon};

/// What a guest under TCG on a busy host may take.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The RTC of the device: the machine's own is rtc0.
pub const RTC: &str = "/dev/rtc1";

/// How wrong a disciplined clock may be.
const RIGHT_NS: i64 = 1_000_000;

/// A clock of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// Civil time.
    Utc,
    /// The same without leap seconds.
    Tai,
    /// One that nobody steps.
    Monotonic,
    /// Civil time without steps: for Linux an RTC as well.
    Smeared,
}

impl Clock {
    /// All that [`daemon`] offers, in their order.
    pub const ALL: [Self; 4] = [Self::Utc, Self::Tai, Self::Monotonic, Self::Smeared];

    /// What Linux calls it: the type and the variant of smearing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utc => "Virtio PTP type 0/variant 0",
            Self::Tai => "Virtio PTP type 1/variant 0",
            Self::Monotonic => "Virtio PTP type 2/variant 0",
            Self::Smeared => "Virtio PTP type 3/variant 1",
        }
    }

    /// What it should say now, by the host's clocks.
    pub fn host_ns(self) -> u64 {
        /// TAI less UTC since 2017.
        const AHEAD: u64 = 37_000_000_000;
        match self {
            // No trial runs within a day of a leap second.
            Self::Utc | Self::Smeared => ns(ClockId::Realtime),
            Self::Tai => ns(ClockId::Realtime) + AHEAD,
            Self::Monotonic => ns(ClockId::Monotonic),
        }
    }
}

fn ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither is negative on a host of ours.
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// The host's civil time in seconds.
pub fn host_seconds() -> u64 {
    Clock::Utc.host_ns() / 1_000_000_000
}

/// Starts a daemon that has every clock that Linux tells apart.
pub fn daemon(dir: &Dir, name: &str) -> Result<Daemon> {
    daemon_at(dir, name, socket(dir, name)?)
}

/// The same on another's socket.
pub fn daemon_at(dir: &Dir, name: &str, socket: PathBuf) -> Result<Daemon> {
    // TAI is known whatever this host knows: in seconds since 1900, since when it
    // is so much ahead, and until when that is known.
    let leap_seconds = dir.file("leap-seconds.list");
    fs::write(&leap_seconds, "#@ 4294967295\n3692217600 37\n")?;
    let leap_seconds = leap_seconds.to_str().context("a path in UTF-8")?;
    let clocks = "utc,tai,monotonic,smeared=noon-linear";
    let options = ["--clock", clocks, "--leap-seconds", leap_seconds];
    Daemon::start_at(dir, name, socket, &options)
}

/// Whether the device's back-end has the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// All of it.
    Shared,
    /// None: `memory-isolation=on`.
    Isolated,
}

impl Memory {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Shared, Self::Isolated];
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::Isolated => "isolated",
        })
    }
}

/// A reading, and the host's before and after it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    before: u64,
    said: u64,
    after: u64,
}

impl Reading {
    /// By how many ns it is wrong at least; negative where it is late.
    pub fn wrong_ns(&self) -> i64 {
        let less =
            |a: u64, b: u64| i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX);
        if self.said < self.before {
            less(self.said, self.before)
        } else if self.said > self.after {
            less(self.said, self.after)
        } else {
            0
        }
    }
}

/// Machines that tests plug the device into.
static POOL: Pool<Bare> = Pool::new("rtc/machines");

/// The one kind of them, without the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bare;

impl Kind for Bare {
    fn config(self) -> Result<Config> {
        config()
    }

    fn prepare(self, vm: &Vm) -> Result<()> {
        vm.agent.ask("tick 10000").map(drop)
    }

    /// Rids it of its last test's files and processes.
    fn renew(self, vm: &Vm) -> Result<()> {
        vm.agent.sh("rm -rf /data/*").map(drop)
    }
}

/// A machine whose memory can be shared, that boots the guest with the driver.
pub fn config() -> Result<Config> {
    Ok(Config::new(256)?
        .booting(files::Guest::with_rtc()?)
        .backed_by(Backing::Memfd)
        .with(["-action", "reboot=reset"]))
}

/// Ends the machines that are left.
pub fn quit_all() {
    POOL.empty();
}

/// QEMU's arguments for the device, whose daemon listens on `socket`. QEMU
/// connects again 100 ms after it lost it.
pub fn device(socket: &Path, memory: Memory, options: &str) -> Vec<String> {
    let isolation = match memory {
        Memory::Shared => "",
        Memory::Isolated => ",memory-isolation=on",
    };
    [
        "-chardev",
        &format!(
            "socket,id=backend,path={},reconnect-ms=100",
            socket.display()
        ),
        "-device",
        &format!("vhost-user-rtc-pci,id=rtc,chardev=backend{isolation}{options}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A test of a guest that has the device plugged in, and taken out at its end.
pub fn on_guest(memory: Memory, body: fn(&Guest) -> Result<()>) -> Body {
    Box::new(move |dir| {
        needed()?;
        let vm = POOL.take(Bare, dir)?;
        let serving = daemon(dir, "daemon")?;
        let guest = Guest { vm, dir };
        let result = guest
            .plug(&serving, memory)
            .and_then(|()| body(&guest))
            .and_then(|()| guest.unplug())
            .map(|()| Left::Clean);
        POOL.give_back(Bare, guest.vm, dir, result)
    })
}

/// Whether there is all that a trial with a guest needs.
pub fn needed() -> Result<()> {
    program()?;
    config().map(drop)
}

/// A guest with the driver.
pub struct Guest<'a> {
    /// Its machine.
    pub vm: Vm,
    /// The trial's folder.
    pub dir: &'a Dir,
}

impl<'a> Guest<'a> {
    /// One of a test's own, plugged in, for a test that ends its machine.
    pub fn plugged(dir: &'a Dir, daemon: &Daemon, memory: Memory) -> Result<Self> {
        let vm = POOL.start(Bare, "vm", dir)?;
        let guest = Self { vm, dir };
        guest.plug(daemon, memory)?;
        Ok(guest)
    }

    /// Boots one.
    pub fn boot(config: &Config, dir: &'a Dir) -> Result<Self> {
        let vm = config.boot("vm", dir)?;
        let guest = Self { vm, dir };
        guest.wait_clocks(Clock::ALL.len())?;
        Ok(guest)
    }

    /// Plugs the device in, and waits until the guest has its clocks.
    pub fn plug(&self, daemon: &Daemon, memory: Memory) -> Result<()> {
        let arguments = device(&daemon.socket, memory, "");
        self.vm.plug(arguments.iter().map(String::as_str))?;
        self.wait_clocks(Clock::ALL.len())
    }

    /// Takes it out; the guest has to agree, and its clocks go.
    pub fn unplug(&self) -> Result<()> {
        let from = self.vm.qmp.now();
        self.vm.qmp.execute("device_del", json!({ "id": "rtc" }))?;
        self.vm
            .qmp
            .wait(from, "the device to be unplugged", LIMIT, |name, event| {
                (name == "DEVICE_DELETED" && event.data["device"] == "rtc").then_some(())
            })?;
        self.wait_clocks(0)?;
        // QEMU lets go of it a little after the event.
        wait::until("the chardev to be removed", LIMIT, || {
            let removed = self
                .vm
                .qmp
                .execute("chardev-remove", json!({ "id": "backend" }));
            Ok(removed.is_ok().then_some(()))
        })
    }

    /// Waits until the guest has so many PTP clocks.
    pub fn wait_clocks(&self, count: usize) -> Result<()> {
        let command = format!(
            "timeout 60 sh -c 'until [ $(ls /sys/class/ptp | wc -l) = {count} ]; do sleep 0.05; done'"
        );
        let (status, _) = self.vm.agent.run(&command)?;
        ensure!(
            status == 0,
            "not {count} PTP clocks; the kernel says: {}",
            self.vm.agent.sh("dmesg | tail -n 10")?
        );
        Ok(())
    }

    /// Its PTP clocks: their devices by what Linux calls them.
    pub fn clocks(&self) -> Result<BTreeMap<String, String>> {
        let said = self
            .vm
            .agent
            .sh("cd /sys/class/ptp && for it in *; do echo $it $(cat $it/clock_name); done")?;
        said.lines()
            .map(|line| {
                let (device, name) = line.split_once(' ').context("a device and a name")?;
                Ok((name.to_owned(), format!("/dev/{device}")))
            })
            .collect()
    }

    /// The PTP device of a clock.
    pub fn ptp(&self, clock: Clock) -> Result<String> {
        let mut clocks = self.clocks()?;
        let device = clocks.remove(clock.name());
        device.with_context(|| format!("no {:?} among {clocks:?}", clock.name()))
    }

    /// Reads a clock by its PTP device.
    pub fn read(&self, clock: Clock, ptp: &str) -> Result<Reading> {
        let before = clock.host_ns();
        let said = self.vm.agent.time(Some(ptp))?;
        let after = clock.host_ns();
        Ok(Reading {
            before,
            said,
            after,
        })
    }

    /// Reads every clock some times: each says what the host's says.
    pub fn check_readings(&self) -> Result<()> {
        let clocks = self.clocks()?;
        for clock in Clock::ALL {
            let ptp = clocks.get(clock.name()).context(clock.name())?;
            for _ in 0..5 {
                let reading = self.read(clock, ptp)?;
                ensure!(reading.wrong_ns() == 0, "{clock:?}: {reading:?}");
            }
        }
        Ok(())
    }

    /// The guest's own clock beside the host's.
    pub fn own(&self) -> Result<Reading> {
        let before = Clock::Utc.host_ns();
        let said = self.vm.agent.time(None)?;
        let after = Clock::Utc.host_ns();
        Ok(Reading {
            before,
            said,
            after,
        })
    }

    /// Waits until the guest's own clock is right within 1 ms: as far as its
    /// answers tell, five in a row, and by the device's clock, which it reads in
    /// a tenth of that. How long it took.
    pub fn wait_right(&self, ptp: &str) -> Result<Duration> {
        let start = Instant::now();
        let mut in_a_row = 0;
        wait::until("the guest's clock to be right", LIMIT, || {
            let right = self.own()?.wrong_ns().abs() <= RIGHT_NS;
            in_a_row = if right { in_a_row + 1 } else { 0 };
            if in_a_row < 5 {
                return Ok(None);
            }
            let (offset, took) = self.offset(ptp)?;
            // What lies within one reading can't be told apart.
            Ok((offset.abs() <= RIGHT_NS.max(took / 2)).then(|| {
                self.dir.log(format!(
                    "right: {offset} ns from the device, as far as {took} ns can tell"
                ));
                start.elapsed()
            }))
        })
    }

    /// The guest's own clock less the device's, and how long reading took, in ns.
    fn offset(&self, ptp: &str) -> Result<(i64, i64)> {
        let said = self.vm.agent.sh(&format!("rtc offset {ptp} 25"))?;
        let (offset, took) = said.split_once(' ').context("two numbers")?;
        Ok((offset.parse()?, took.parse()?))
    }

    /// Has the guest set the alarm so many seconds from now and count interrupts
    /// in /data/watch; when it is due.
    pub fn arm(&self, seconds: u64) -> Result<u64> {
        let at = host_seconds() + seconds;
        self.vm.agent.sh(&format!(
            "rm -f /data/watch; rtc watch {RTC} {at} > /data/watch 2>&1 & \
             timeout 60 sh -c 'until [ -s /data/watch ]; do sleep 0.02; done'"
        ))?;
        let said = self.watched()?;
        ensure!(
            said.first().is_some_and(|line| line == "watching"),
            "{said:?}"
        );
        self.dir.log(format!("armed for {at}, in {seconds} s"));
        Ok(at)
    }

    /// The lines of /data/watch so far.
    pub fn watched(&self) -> Result<Vec<String>> {
        let said = self.vm.agent.sh("cat /data/watch")?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Waits until the alarm that is due at `at` has come, which may be neither
    /// before its time nor twice, and ends the watching.
    pub fn check_alarm(&self, at: u64) -> Result<()> {
        let lines = wait::until("the alarm", LIMIT, || {
            std::thread::sleep(Duration::from_millis(50));
            let lines = self.watched()?;
            Ok((lines.len() > 1).then_some(lines))
        })?;
        ensure!(host_seconds() >= at, "before {at}: {lines:?}");
        // A second one would be right behind it.
        std::thread::sleep(Duration::from_millis(500));
        let lines = self.watched()?;
        // RTC_IRQF | RTC_AF, once.
        ensure!(
            lines.len() == 2 && lines[1].starts_with("160 1 "),
            "not one alarm: {lines:?}"
        );
        self.dir.log("the alarm came once");
        self.vm.agent.sh("killall rtc").map(drop)
    }
}
