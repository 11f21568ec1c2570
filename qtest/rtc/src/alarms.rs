// SPDX-License-Identifier: GPL-2.0-or-later
//! Alarms (Virtio 1.4, 5.23.6.5): when they go off, how often, and for whom.

use std::thread::sleep;
use std::time::Duration;

use annex_peers::rtc::{kind, of_clock_and, set_alarm, Device, Wanted, ENABLED, F_ALARM};
use annex_peers::vhost_user::features;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::rig::{Daemon, SOON};

inventory::submit! { Family(|add| {
    for (name, body) in TRIALS {
        for (how, features) in [("event-index", 0), ("flags", features::EVENT_IDX)] {
            add(format!("rtc/alarms/{name}/{how}"), Box::new(move |dir| {
                let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
                let wanted = Wanted::ALL.without(features);
                body(&mut Device::open_with(&daemon.socket, wanted)?)
            }));
        }
    }
    add("rtc/alarms/no-thread-each".into(), Box::new(no_thread_each));
    add("rtc/alarms/not-negotiated".into(), Box::new(not_negotiated));
}) }

const CLOCKS: &str = "utc,monotonic,smeared,maybe-smeared";
const COUNT: u16 = 4;

/// What nothing may come in, where something would if it were wrong.
const QUIET: Duration = Duration::from_millis(150);

const MS: u64 = 1_000_000;

/// What is done with a device.
type Body = fn(&mut Device) -> Result<()>;

const TRIALS: [(&str, Body); 16] = [
    ("initial", initial),
    ("past", past),
    ("now", now),
    ("future", future),
    ("far", far),
    ("max", max),
    ("each-clock", each_clock),
    ("enabled-late", enabled_late),
    ("enabled-again", enabled_again),
    ("disabled-at-the-last-moment", disabled),
    ("replaced", replaced),
    ("no-buffer", no_buffer),
    ("obsolete-without-buffer", obsolete),
    ("short-buffer", short_buffer),
    ("queue-restarted", queue_restarted),
    ("refused-changes-nothing", refused),
];

/// Nothing comes for a while.
fn quiet(device: &mut Device) -> Result<()> {
    let told = device.alarm(QUIET)?;
    ensure!(told.is_none(), "another notification, of clock {told:?}");
    Ok(())
}

/// One notification comes, of this clock, and no other.
fn once(device: &mut Device, clock: u16) -> Result<()> {
    let told = device.wait_alarm()?;
    ensure!(told == clock, "clock {told}'s alarm, not {clock}'s");
    quiet(device)
}

fn lend(device: &mut Device, count: usize) -> Result<()> {
    for _ in 0..count {
        device.lend()?;
    }
    Ok(())
}

fn initial(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    for clock in 0..COUNT {
        let found = device.read_alarm(clock)?;
        ensure!(found == (0, 0), "clock {clock}'s is {found:?} at first");
    }
    // It isn't in the future, but isn't enabled either.
    quiet(device)
}

fn past(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    for clock in 0..COUNT {
        let time = device.read(clock)? - 1_000 * MS;
        for time in [0, 1, time] {
            lend(device, 1)?;
            device.set_alarm(clock, time, ENABLED)?;
            once(device, clock)?;
            let found = device.read_alarm(clock)?;
            ensure!(found == (time, ENABLED), "{found:?} after {time}");
        }
    }
    Ok(())
}

fn now(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    let time = device.read(1)?;
    device.set_alarm(1, time, ENABLED)?;
    once(device, 1)
}

fn future(device: &mut Device) -> Result<()> {
    lend(device, 8)?;
    for clock in 0..COUNT {
        let time = device.read(clock)? + 30 * MS;
        device.set_alarm(clock, time, ENABLED)?;
        let told = device.wait_alarm()?;
        ensure!(told == clock, "clock {told}'s alarm, not {clock}'s");
        let reading = device.read(clock)?;
        ensure!(reading >= time, "too early: {reading}, set to {time}");
        quiet(device)?;
        // It stays enabled, for a clock that steps back.
        let found = device.read_alarm(clock)?;
        ensure!(found == (time, ENABLED), "{found:?} after {time}");
    }
    Ok(())
}

/// One that is years away, and then one that isn't.
fn far(device: &mut Device) -> Result<()> {
    const YEAR: u64 = 365 * 86_400 * 1_000 * MS;
    lend(device, 4)?;
    let reading = device.read(0)?;
    for years in [1, 100, 500] {
        device.set_alarm(0, reading.saturating_add(years * YEAR), ENABLED)?;
        quiet(device)?;
    }
    device.set_alarm(0, reading, ENABLED)?;
    once(device, 0)
}

fn max(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    for clock in 0..COUNT {
        for time in [u64::MAX, u64::MAX - 1, i64::MAX as u64, i64::MAX as u64 + 1] {
            device.set_alarm(clock, time, ENABLED)?;
            let found = device.read_alarm(clock)?;
            ensure!(found == (time, ENABLED), "{found:?} after {time}");
        }
    }
    quiet(device)?;
    device.set_alarm(0, 0, ENABLED)?;
    once(device, 0)
}

fn each_clock(device: &mut Device) -> Result<()> {
    lend(device, COUNT.into())?;
    for clock in 0..COUNT {
        let time = device.read(clock)? + 20 * MS;
        device.set_alarm(clock, time, ENABLED)?;
    }
    let mut told = Vec::new();
    for _ in 0..COUNT {
        told.push(device.wait_alarm()?);
    }
    told.sort();
    ensure!(
        told == Vec::from_iter(0..COUNT),
        "notifications of {told:?}"
    );
    quiet(device)
}

fn enabled_late(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    let time = device.read(0)? + 10 * MS;
    device.set_alarm(0, time, 0)?;
    quiet(device)?;
    device.set_alarm_enabled(0, ENABLED)?;
    once(device, 0)?;
    let found = device.read_alarm(0)?;
    ensure!(found == (time, ENABLED), "{found:?}");
    device.set_alarm_enabled(0, 0)?;
    let found = device.read_alarm(0)?;
    ensure!(found == (time, 0), "{found:?}: the time is to be kept");
    quiet(device)
}

/// An alarm that has gone off goes off again when it is enabled again.
fn enabled_again(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    device.set_alarm(0, 1, ENABLED)?;
    once(device, 0)?;
    for _ in 0..3 {
        device.set_alarm_enabled(0, ENABLED)?;
        once(device, 0)?;
    }
    Ok(())
}

/// After the answer to what disables it, there is no notification any more.
fn disabled(device: &mut Device) -> Result<()> {
    let (mut came, mut not) = (0, 0);
    for round in 0..400u64 {
        lend(device, 1)?;
        let time = device.read(1)? + round * 1_000;
        device.set_alarm(1, time, ENABLED)?;
        match round % 2 {
            0 => device.set_alarm_enabled(1, 0)?,
            _ => device.set_alarm(1, time, 0)?,
        }
        let early = device.alarm(Duration::ZERO)?;
        match early {
            Some(_) => came += 1,
            None => {
                not += 1;
                let late = device.alarm(Duration::from_millis(2))?;
                ensure!(late.is_none(), "a notification after the answer");
                // The buffer is the next round's.
                device.set_alarm(1, 0, ENABLED)?;
                device.wait_alarm()?;
                device.set_alarm_enabled(1, 0)?;
            }
        }
    }
    // Of which there were many is the machine's affair.
    ensure!(came + not == 400, "{came} and {not}");
    quiet(device)
}

/// A time that is set makes the one before it void.
fn replaced(device: &mut Device) -> Result<()> {
    lend(device, 8)?;
    let start = device.read(1)?;
    for n in 0..20 {
        device.set_alarm(1, start + (40 + n) * MS, ENABLED)?;
    }
    device.set_alarm(1, start + 1_000_000 * MS, ENABLED)?;
    let reading = device.read(1)?;
    if reading < start + 40 * MS {
        quiet(device)?;
    }
    while device.alarm(Duration::from_millis(50))?.is_some() {}
    let soon = device.read(1)? + 10 * MS;
    lend(device, 8)?;
    device.set_alarm(1, soon, ENABLED)?;
    once(device, 1)
}

/// An expiry is kept until there is a buffer, and told once.
fn no_buffer(device: &mut Device) -> Result<()> {
    for clock in [0, 1] {
        device.set_alarm(clock, 1, ENABLED)?;
    }
    let time = device.read(2)? + 5 * MS;
    device.set_alarm(2, time, ENABLED)?;
    wait::until("the clock to pass", SOON, || {
        Ok((device.read(2)? > time).then_some(()))
    })?;
    sleep(QUIET);
    let mut told = Vec::new();
    for _ in 0..3 {
        device.lend()?;
        told.push(device.wait_alarm()?);
    }
    told.sort();
    ensure!(told == [0, 1, 2], "notifications of {told:?}");
    lend(device, 4)?;
    quiet(device)
}

/// What nobody was told of before it was disabled is never told.
fn obsolete(device: &mut Device) -> Result<()> {
    device.set_alarm(0, 1, ENABLED)?;
    device.set_alarm(1, 1, ENABLED)?;
    device.set_alarm_enabled(0, 0)?;
    device.set_alarm(1, u64::MAX, ENABLED)?;
    lend(device, 4)?;
    quiet(device)?;
    device.set_alarm(0, 1, ENABLED)?;
    once(device, 0)
}

/// A buffer that is too short is given back; the notification waits for one
/// that isn't.
fn short_buffer(device: &mut Device) -> Result<()> {
    device.set_alarm(0, 1, ENABLED)?;
    for room in [1, 2, 8, 15] {
        device.lend_room(room)?;
        let answer = device.alarms.wait(SOON)?;
        let len = answer.map(|answer| answer.len);
        ensure!(len == Some(0), "a buffer of {room} came back as {len:?}");
    }
    device.lend()?;
    once(device, 0)?;
    // What is too long is ignored.
    device.lend_room(64)?;
    device.set_alarm(1, 1, ENABLED)?;
    once(device, 1)
}

/// A queue that stops while alarms go off hears of them when it runs again.
fn queue_restarted(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    let time = device.read(1)? + 10 * MS;
    device.set_alarm(1, time, ENABLED)?;
    device.frontend.stop(1)?;
    wait::until("the clock to pass", SOON, || {
        Ok((device.read(1)? > time).then_some(()))
    })?;
    sleep(QUIET);
    let early = device.alarms.reap()?;
    // It may have gone off before the queue stopped.
    if early.is_none() {
        device.start_queue(1)?;
        once(device, 1)?;
    }
    Ok(())
}

/// A request that is refused leaves the alarm as it is.
fn refused(device: &mut Device) -> Result<()> {
    lend(device, 4)?;
    device.set_alarm(0, u64::MAX - 5, ENABLED)?;
    let bad = [
        (set_alarm(0, 1, ENABLED | 2), 8),
        (set_alarm(0, 1, ENABLED), 7),
        (set_alarm(0, 1, ENABLED)[..23].to_vec(), 8),
        (set_alarm(COUNT, 1, ENABLED), 8),
        (of_clock_and(kind::SET_ALARM_ENABLED, 0, 4), 8),
        (of_clock_and(kind::SET_ALARM_ENABLED, 0, 0), 4),
        (
            of_clock_and(kind::SET_ALARM_ENABLED, 0, 0)[..15].to_vec(),
            8,
        ),
    ];
    for (request, room) in bad {
        let answer = device.ask(&request, room)?;
        ensure!(answer.room[0] != 0, "{request:02x?} is taken for right");
        let found = device.read_alarm(0)?;
        ensure!(
            found == (u64::MAX - 5, ENABLED),
            "{found:?} after {request:02x?}"
        );
    }
    quiet(device)
}

/// However many alarms are set, there are as many threads as before.
fn no_thread_each(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
    let mut device = Device::open(&daemon.socket)?;
    let before = daemon.usage()?;
    for clock in 0..COUNT {
        let time = device.read(clock)? + 1_000_000 * MS;
        device.set_alarm(clock, time, ENABLED)?;
    }
    let after = daemon.usage()?;
    ensure!(
        before.threads == after.threads && before.descriptors == after.descriptors,
        "{before:?}, and with alarms {after:?}"
    );
    Ok(())
}

/// Without the feature there are no alarms, and the second queue isn't needed.
fn not_negotiated(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", CLOCKS])?;
    let mut device = Device::open_with(&daemon.socket, Wanted::ALL.without(F_ALARM))?;
    let answer = device.ask(&set_alarm(0, 1, ENABLED), 8)?;
    ensure!(
        answer.room[0] == annex_peers::rtc::status::ENODEV,
        "{answer:02x?}"
    );
    device.read(0).map(drop)
}
