// SPDX-License-Identifier: GPL-2.0-or-later
//! What a guest sees of the daemon, beside the clock that it has anyway.

use std::path::Path;
use std::time::Instant;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::memory::Backing;
use annex_qtest::qemu::{Config, Vm};
use anyhow::{bail, ensure, Result};

use super::cases::{Case, Figures, Mode};

/// QEMU's mc146818rtc, and the daemon's smeared clock, which is civil time as well.
const MC146818: &str = "/dev/rtc0";
const RTC: &str = "/dev/rtc1";

/// A guest that has both.
pub struct InGuest {
    vm: Vm,
    /// The PTP device of the daemon's first clock.
    ptp: String,
}

impl InGuest {
    /// Boots one; the daemon listens on `socket`.
    pub fn boot(dir: &Dir, socket: &Path) -> Result<Self> {
        let chardev = format!("socket,id=rtc,path={}", socket.display());
        let vm = Config::new(256)?
            .booting(Guest::with_rtc()?)
            .backed_by(Backing::Memfd)
            .with(["-chardev", &chardev])
            .with(["-device", "vhost-user-rtc-pci,chardev=rtc"])
            .boot("vm", dir)?;
        let found = vm.agent.sh(&format!(
            "until [ -c {RTC} ]; do sleep 0.1; done; cd /sys/class/ptp; \
             grep -l 'Virtio PTP type 0' */clock_name"
        ))?;
        let Some((device, _)) = found.split_once('/') else {
            bail!("no PTP clock of UTC: {found:?}");
        };
        let ptp = format!("/dev/{device}");
        Ok(Self { vm, ptp })
    }

    /// One run of `count` readings.
    pub fn run(&self, case: Case, mode: Mode, count: usize) -> Result<Figures> {
        let device = match (mode, case) {
            (Mode::Bare, _) => MC146818,
            (Mode::Daemon, Case::GuestPtp) => &self.ptp,
            (Mode::Daemon, _) => RTC,
        };
        let start = Instant::now();
        let said = self.vm.agent.sh(&format!("rtc took {device} {count}"))?;
        let seconds = start.elapsed().as_secs_f64();
        let each: Vec<f64> = said.lines().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(each.len() == count, "{} of {count} readings", each.len());
        Ok(Figures::of(each, seconds))
    }
}
