// SPDX-License-Identifier: GPL-2.0-or-later
//! What the device is for: a guest whose clock is right soon after it stood
//! still, was loaded from a snapshot or moved.

use std::time::{Duration, Instant};

use annex_qtest::files::Dir;
use annex_qtest::migrate;
use annex_qtest::snapshot::{self, Mode, Snapshot};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::guest::{config, daemon, device, needed, on_guest, Clock, Guest, Memory, RTC};
use crate::rig::Daemon;

inventory::submit! { Family(|add| {
    for (name, keeper) in [("phc2sys", PHC2SYS), ("chrony", CHRONY)] {
        let body = if keeper == PHC2SYS { by_phc2sys } else { by_chrony };
        add(format!("rtc/guest/stopped/{name}"), on_guest(Memory::Shared, body));
    }
    // Only a back-end that hasn't got the guest's memory lets it come on demand.
    for (memory, mode, name) in [(Memory::Isolated, Mode::OnDemand, "on-demand"),
                                 (Memory::Shared, Mode::Eager, "eager")] {
        add(format!("rtc/guest/snapshot/{name}-{memory}"), Box::new(move |dir| {
            snapshot(dir, memory, mode)
        }));
    }
    for memory in Memory::ALL {
        add(format!("rtc/guest/migration/{memory}"), Box::new(move |dir| migration(dir, memory)));
    }
    add("rtc/guest/snapshot/alarm-due".into(), Box::new(alarm_due));
}) }

/// Has the guest's clock follow PTP, in UTC, stepping it where it is further off
/// than half a millisecond.
const PHC2SYS: &str = "phc2sys -s PTP -c CLOCK_REALTIME -O 0 -S 0.0005 -R 4 -m \
                       > /data/keeper 2>&1 &";

/// The same by chrony.
const CHRONY: &str = "printf '%s\\n' \
                      'refclock PHC PTP poll 0 dpoll -2 refid VRTC' \
                      'makestep 0.0005 -1' \
                      'pidfile /data/chronyd.pid' 'bindcmdaddress /data/chronyd.sock' \
                      'cmdport 0' > /data/chrony.conf && \
                      chronyd -n -u root -f /data/chrony.conf > /data/keeper 2>&1 &";

/// How long a guest is stopped.
const STOPPED: Duration = Duration::from_secs(3);

fn by_phc2sys(guest: &Guest) -> Result<()> {
    stopped(guest, PHC2SYS, "phc2sys")
}

fn by_chrony(guest: &Guest) -> Result<()> {
    stopped(guest, CHRONY, "chronyd")
}

/// A guest that stands still is behind by that time, and stays behind where
/// nobody tells it the time. With the device it is right again.
fn stopped(guest: &Guest, keeper: &str, process: &str) -> Result<()> {
    let utc = guest.ptp(Clock::Utc)?;
    stop(guest)?;
    let behind = -guest.own()?.wrong_ns();
    guest
        .dir
        .log(format!("without the device: {behind} ns behind"));
    let stopped = i64::try_from(STOPPED.as_nanos())?;
    ensure!(behind >= stopped * 9 / 10, "only {behind} ns behind");
    // Its clocks are right all the same.
    guest.check_readings()?;

    guest.vm.agent.sh(&keeper.replace("PTP", &utc))?;
    let took = guest.wait_right(&utc)?;
    guest
        .dir
        .log(format!("{process}: right {took:.2?} after it began"));
    stop(guest)?;
    let resumed = Instant::now();
    guest.check_readings()?;
    let took = guest.wait_right(&utc)? + resumed.elapsed();
    let said = guest.vm.agent.sh("tail -n 4 /data/keeper")?;
    guest.dir.log(format!(
        "{process}: right {took:.2?} after cont; it says:\n{said}"
    ));
    guest.vm.agent.sh(&format!("killall {process}")).map(drop)
}

fn stop(guest: &Guest) -> Result<()> {
    guest.vm.qmp.execute("stop", json!({}))?;
    std::thread::sleep(STOPPED);
    guest.vm.qmp.execute("cont", json!({})).map(drop)
}

/// Saved, and loaded with another daemon: the device's clocks are right
/// at once, and the guest's own within 1 ms as soon as phc2sys has looked.
fn snapshot(dir: &Dir, memory: Memory, mode: Mode) -> Result<()> {
    needed()?;
    let first = daemon(dir, "daemon")?;
    let guest = Guest::plugged(dir, &first, memory)?;
    let utc = guest.ptp(Clock::Utc)?;
    let agent = &guest.vm.agent;
    agent.sh(&PHC2SYS.replace("PTP", &utc))?;
    guest.wait_right(&utc)?;
    let at = guest.arm(5)?;

    let there = daemon(dir, "there")?;
    let mut saved = Snapshot::save(guest.vm, dir.file("snapshot"))?;
    drop(first);
    saved.config = with_device(&there, memory)?;
    std::thread::sleep(STOPPED);
    let vm = saved.load("loaded", dir, mode)?;
    let guest = Guest { vm, dir };
    arrived(&guest, &utc, at)
}

/// The guest goes on elsewhere, with another daemon, an alarm on the way.
fn migration(dir: &Dir, memory: Memory) -> Result<()> {
    needed()?;
    let first = daemon(dir, "daemon")?;
    let guest = Guest::plugged(dir, &first, memory)?;
    let utc = guest.ptp(Clock::Utc)?;
    guest.vm.agent.sh(&PHC2SYS.replace("PTP", &utc))?;
    guest.wait_right(&utc)?;
    let at = guest.arm(4)?;

    let there = daemon(dir, "there")?;
    let vm = migrate::live(&guest.vm, &with_device(&there, memory)?, "destination", dir)?;
    guest.vm.quit()?;
    drop(first);
    let guest = Guest { vm, dir };
    arrived(&guest, &utc, at)
}

fn with_device(daemon: &Daemon, memory: Memory) -> Result<annex_qtest::qemu::Config> {
    let arguments = device(&daemon.socket, memory, "");
    Ok(config()?.with(arguments.iter().map(String::as_str)))
}

/// Checks a guest that has arrived somewhere with phc2sys running and an alarm
/// due at `at`.
fn arrived(guest: &Guest, utc: &str, at: u64) -> Result<()> {
    let start = Instant::now();
    guest.check_readings()?;
    guest
        .dir
        .log(format!("it was wrong by {} ns", guest.own()?.wrong_ns()));
    guest.wait_right(utc)?;
    guest
        .dir
        .log(format!("right {:.2?} after its arrival", start.elapsed()));
    guest.check_alarm(at)?;
    guest.vm.agent.sh("killall phc2sys")?;
    // And it can be set again.
    let at = guest.arm(1)?;
    guest.check_alarm(at)?;
    // The loaded machine's Vm is dropped with the guest, and killed.
    Ok(())
}

/// An alarm that comes due while the guest stands still, and is saved with it:
/// the guest has it once it runs again, elsewhere.
fn alarm_due(dir: &Dir) -> Result<()> {
    needed()?;
    let memory = Memory::Isolated;
    let first = daemon(dir, "daemon")?;
    let guest = Guest::plugged(dir, &first, memory)?;
    let at = guest.arm(2)?;
    guest.vm.qmp.execute("stop", json!({}))?;
    std::thread::sleep(STOPPED);
    let path = dir.file("snapshot");
    snapshot::save(&guest.vm, &path)?;
    guest.vm.quit()?;
    drop(first);

    let there = daemon(dir, "there")?;
    let vm = snapshot::load_whole(
        &with_device(&there, memory)?,
        "loaded",
        dir,
        &path,
        Mode::OnDemand,
    )?;
    vm.qmp.execute("cont", json!({}))?;
    let guest = Guest { vm, dir };
    guest.check_readings()?;
    guest.check_alarm(at)?;
    let said = guest.vm.agent.sh(&format!("rtc get {RTC}"))?;
    ensure!(said.ends_with(" 0 0"), "{said}");
    guest.vm.quit()
}
