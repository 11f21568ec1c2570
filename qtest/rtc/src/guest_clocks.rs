// SPDX-License-Identifier: GPL-2.0-or-later
//! What Linux's driver makes of the device: clocks, readings, alarms; over plug,
//! reboot, and a daemon that is killed.

use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::guest::{
    config, daemon, daemon_at, device, host_seconds, needed, on_guest, Clock, Guest, Memory, LIMIT,
    RTC,
};

inventory::submit! { Family(|add| {
    for memory in Memory::ALL {
        add(format!("rtc/guest/clocks/{memory}"), on_guest(memory, clocks));
        add(format!("rtc/guest/alarm/{memory}"), on_guest(memory, alarm));
        add(format!("rtc/guest/killed/{memory}"), Box::new(move |dir| killed(dir, memory)));
    }
    add("rtc/guest/replugged".into(), Box::new(replugged));
    add("rtc/guest/reboot".into(), Box::new(reboot));
}) }

/// Every clock under its name, each as the host has it, none going back.
fn clocks(guest: &Guest) -> Result<()> {
    let agent = &guest.vm.agent;
    let clocks = guest.clocks()?;
    let names: Vec<_> = clocks.keys().map(String::as_str).collect();
    ensure!(names == Clock::ALL.map(Clock::name), "{names:?}");
    guest.check_readings()?;
    for clock in Clock::ALL {
        agent.sh(&format!("rtc order {} 100", clocks[clock.name()]))?;
    }
    let name = agent.sh("cat /sys/class/rtc/rtc1/name")?;
    ensure!(name.starts_with("virtio_rtc "), "{name}");

    // The RTC is the smeared clock in whole seconds.
    let before = host_seconds();
    let said: u64 = agent.sh(&format!("rtc read {RTC}"))?.parse()?;
    let after = host_seconds();
    ensure!(
        (before..=after).contains(&said),
        "{said} not in {before}..={after}"
    );
    let said = agent.sh(&format!("hwclock --get --utc --rtc {RTC}"))?;
    guest.dir.log(format!("hwclock says {said}"));
    ensure!(said.starts_with("20"), "{said}");
    // It can't be set: the device has no such message.
    let (status, said) = agent.run(&format!("hwclock --systohc --utc --rtc {RTC}"))?;
    ensure!(status != 0, "{said}");
    Ok(())
}

/// Set, read, taken back; one that comes, one that was due already.
fn alarm(guest: &Guest) -> Result<()> {
    let agent = &guest.vm.agent;
    let far = host_seconds() + 1_000_000;
    agent.sh(&format!("rtc set {RTC} {far}"))?;
    let said = agent.sh(&format!("rtc get {RTC}"))?;
    ensure!(said == format!("{far} 1 0"), "{said}");
    agent.sh(&format!("rtc off {RTC}"))?;
    let said = agent.sh(&format!("rtc get {RTC}"))?;
    ensure!(said == format!("{far} 0 0"), "{said}");

    let at = guest.arm(2)?;
    guest.check_alarm(at)?;
    // One that is taken back doesn't come; with it there would be two lines.
    guest.arm(1)?;
    agent.sh("killall rtc")?;
    agent.sh(&format!("rtc off {RTC}"))?;
    let at = guest.arm(3)?;
    guest.check_alarm(at)
}

/// The daemon is killed, and another takes its place; a guest that asked
/// meanwhile has its answer then. Alarms are as the guest left them.
fn killed(dir: &Dir, memory: Memory) -> Result<()> {
    needed()?;
    let first = daemon(dir, "daemon")?;
    let guest = Guest::plugged(dir, &first, memory)?;
    let agent = &guest.vm.agent;
    let utc = guest.ptp(Clock::Utc)?;
    let mut serving = first;
    for name in ["second", "third"] {
        guest.check_readings()?;
        let socket = serving.socket.clone();
        std::fs::remove_file(&socket)?;
        serving.kill()?;
        let before = Clock::Utc.host_ns();
        agent.sh(&format!(
            "rm -f /data/late; rtc read {utc} > /data/late 2>&1 &"
        ))?;
        std::thread::sleep(Duration::from_millis(300));
        serving = daemon_at(dir, name, socket)?;
        let late = wait::until("the answer to what was asked meanwhile", LIMIT, || {
            let said = agent.sh("cat /data/late")?;
            Ok((!said.is_empty()).then_some(said))
        })?;
        let late: u64 = late.parse()?;
        let after = Clock::Utc.host_ns();
        ensure!(
            (before..=after).contains(&late),
            "{late} not in {before}..={after}"
        );
        guest.check_readings()?;
    }
    let at = guest.arm(2)?;
    guest.check_alarm(at)?;
    guest.vm.quit()
}

/// Out with the device, and in again, with another daemon and the other kind of
/// memory.
fn replugged(dir: &Dir) -> Result<()> {
    needed()?;
    let first = daemon(dir, "daemon")?;
    let guest = Guest::plugged(dir, &first, Memory::Shared)?;
    // A daemon that goes ends the readings of its device.
    let mut others = Vec::new();
    for (name, memory) in [("second", Memory::Isolated), ("third", Memory::Shared)] {
        guest.check_readings()?;
        // An alarm that is armed is no reason to stay.
        guest
            .vm
            .agent
            .sh(&format!("rtc set {RTC} {}", host_seconds() + 1000))?;
        guest.unplug()?;
        let other = daemon(dir, name)?;
        guest.plug(&other, memory)?;
        guest.check_readings()?;
        let at = guest.arm(1)?;
        guest.check_alarm(at)?;
        guest.unplug()?;
        guest.plug(&other, memory)?;
        others.push(other);
    }
    guest.vm.quit()
}

/// A guest with one CPU that finds the device when it boots, and when it boots
/// again, with an alarm left from before.
fn reboot(dir: &Dir) -> Result<()> {
    needed()?;
    let first = daemon(dir, "daemon")?;
    let arguments = device(&first.socket, Memory::Shared, "");
    let config = config()?
        .with(["-smp", "1"])
        .with(arguments.iter().map(String::as_str));
    let guest = Guest::boot(&config, dir)?;
    guest.check_readings()?;
    let at = guest.arm(1)?;
    guest.check_alarm(at)?;
    let before_boot = guest.vm.agent.nonce()?;
    guest
        .vm
        .agent
        .sh(&format!("rtc set {RTC} {}", host_seconds() + 3))?;

    guest.vm.reboot()?;
    ensure!(guest.vm.agent.nonce()? != before_boot, "it didn't boot");
    guest.wait_clocks(Clock::ALL.len())?;
    guest.check_readings()?;
    // The one from before the reset is gone: this one comes, and once.
    let at = guest.arm(4)?;
    guest.check_alarm(at)?;
    guest.vm.quit()
}
