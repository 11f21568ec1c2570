// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that sleeps (S3) until the device's alarm wakes it.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::guest::{config, daemon, device, host_seconds, needed, Guest, Memory, LIMIT, RTC};

inventory::submit! { Family(|add| {
    add("rtc/guest/suspend".into(), Box::new(suspend));
}) }

/// Behind a root port, through which the driver also gets the alarm that woke it.
fn suspend(dir: &Dir) -> Result<()> {
    needed()?;
    let first = daemon(dir, "daemon")?;
    let arguments = device(
        &first.socket,
        Memory::Shared,
        ",bus=rp,x-pcie-pm-no-soft-reset=on",
    );
    let config = config()?
        .with(["-machine", "q35", "-device", "pcie-root-port,id=rp,slot=1"])
        .with(arguments.iter().map(String::as_str));
    let guest = Guest::boot(&config, dir)?;
    guest.check_readings()?;
    let agent = &guest.vm.agent;
    // A guest under TCG takes seconds to fall asleep; an alarm that comes before
    // keeps it awake.
    let seconds = 10;
    let from = guest.vm.qmp.now();
    let at = host_seconds() + seconds;
    // Sleeps, and says so when it is awake.
    let command = format!("rtcwake -d {RTC} -m mem -s {seconds}");
    let (status, said) = agent.run_within(&command, LIMIT)?;
    ensure!(status == 0, "{said}");
    dir.log(format!("awake: {said}"));
    for event in ["SUSPEND", "WAKEUP"] {
        guest.vm.qmp.wait_event(from, event, LIMIT)?;
    }
    ensure!(host_seconds() >= at, "it woke before {at}");
    guest.check_readings()?;
    let at = guest.arm(2)?;
    guest.check_alarm(at)?;
    guest.vm.quit()
}
