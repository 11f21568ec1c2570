// SPDX-License-Identifier: GPL-2.0-or-later
//! Front-ends that come and go, and what is left of them.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use annex_peers::rtc::{Device, Wanted, ENABLED};
use annex_peers::vhost_user::wire::{packet, Code, VERSION};
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};

use crate::rig::{Daemon, Usage, SOON};

inventory::submit! { Family(|add| {
    add("rtc/sessions/many-in-turn".into(), Box::new(many));
    add("rtc/sessions/alarms-of-another".into(), Box::new(alarms_of_another));
    add("rtc/sessions/goes-on".into(), Box::new(goes_on));
    add("rtc/sessions/reset".into(), Box::new(reset));
    add("rtc/sessions/garbage".into(), Box::new(garbage));
    add("rtc/cycles/arm".into(), Box::new(cycles));
}) }

const CLOCKS: [&str; 2] = ["--clock", "utc,monotonic"];
const MS: u64 = 1_000_000;
const QUIET: Duration = Duration::from_millis(150);

/// Waits until the daemon has no more threads and descriptors than `before`, and
/// checks that its memory has grown by a few pages at most.
fn flat(daemon: &Daemon, before: Usage) -> Result<()> {
    const LET_GO: Duration = Duration::from_secs(10);
    // An allocator's own affairs, and stacks that are touched deeper.
    const SLACK_KIB: u64 = 512;
    let mut after = daemon.usage()?;
    // The last front-end's end may not have been seen yet.
    let ended = wait::until("the daemon to let go", LET_GO, || {
        after = daemon.usage()?;
        let few = after.threads <= before.threads && after.descriptors <= before.descriptors;
        Ok(few.then_some(()))
    });
    ended.with_context(|| format!("{before:?} became {after:?}"))?;
    ensure!(
        after.resident_kib <= before.resident_kib + SLACK_KIB,
        "{before:?} became {after:?}"
    );
    Ok(())
}

/// Front-ends one after the other, each with requests and alarms of its own.
fn many(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut before = None;
    for round in 0..50 {
        let mut device = Device::open(&daemon.socket)?;
        device.read(0)?;
        let soon = device.read(1)? + 2 * MS;
        device.set_alarm(1, soon, ENABLED)?;
        device.lend()?;
        match round % 3 {
            // Leaves at once, without a word.
            0 => {}
            // Stops its queues, as QEMU does.
            1 => device.stop()?,
            _ => {
                device.wait_alarm()?;
            }
        }
        drop(device);
        if round == 9 {
            sleep(QUIET);
            before = Some(daemon.usage()?);
        }
    }
    match before {
        Some(before) => flat(&daemon, before),
        None => bail!("nothing to compare with"),
    }
}

/// A guest that begins hears nothing of what another one has set.
fn alarms_of_another(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut first = Device::open(&daemon.socket)?;
    let soon = first.read(1)? + 50 * MS;
    first.set_alarm(0, 1, ENABLED)?;
    first.set_alarm(1, soon, ENABLED)?;
    drop(first);
    let mut second = Device::open(&daemon.socket)?;
    for _ in 0..4 {
        second.lend()?;
    }
    for clock in [0, 1] {
        let found = second.read_alarm(clock)?;
        ensure!(found == (0, 0), "clock {clock}'s is {found:?}");
    }
    wait::until("the other's alarm to have passed", SOON, || {
        Ok((second.read(1)? > soon).then_some(()))
    })?;
    let told = second.alarm(QUIET)?;
    ensure!(told.is_none(), "another's alarm, of clock {told:?}");
    Ok(())
}

/// A guest that goes on after its front-end has lost its connection has its
/// alarms, those included that went off in between.
fn goes_on(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut device = Device::open(&daemon.socket)?;
    for _ in 0..4 {
        device.lend()?;
    }
    let soon = device.read(1)? + 50 * MS;
    let later = device.read(0)? + 3_600_000 * MS;
    device.set_alarm(1, soon, ENABLED)?;
    device.set_alarm(0, later, ENABLED)?;
    let mut device = device.reconnect(&daemon.socket)?;
    sleep(QUIET);
    device.start()?;
    let told = device.wait_alarm()?;
    ensure!(told == 1, "clock {told}'s alarm");
    let found = device.read_alarm(0)?;
    ensure!(found == (later, ENABLED), "{found:?}, not {later}");
    ensure!(device.alarm(QUIET)?.is_none(), "told twice");
    Ok(())
}

/// A reset by message, where the back-end has it.
fn reset(dir: &Dir) -> Result<()> {
    const RESET_DEVICE: u64 = 1 << 13;
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let wanted = Wanted {
        protocol: Wanted::ALL.protocol | RESET_DEVICE,
        ..Wanted::ALL
    };
    let mut device = Device::open_with(&daemon.socket, wanted)?;
    if device.protocol & RESET_DEVICE == 0 {
        return Err(annex_qtest::error::Skip("the daemon has no such message".into()).into());
    }
    device.lend()?;
    device.set_alarm(0, u64::MAX, ENABLED)?;
    let before = device.read(1)?;
    device.stop()?;
    device.frontend.order(Code::RESET_DEVICE, &[], &[])?;
    drop(device);
    let mut device = Device::open_with(&daemon.socket, wanted)?;
    for _ in 0..2 {
        device.lend()?;
    }
    ensure!(device.read(1)? >= before, "monotonic time went back");
    ensure!(device.alarm(QUIET)?.is_none(), "a stale notification");
    let (_, flags) = device.read_alarm(0)?;
    ensure!(flags != ENABLED, "enabled after a reset");
    device.set_alarm(0, 1, ENABLED)?;
    let told = device.wait_alarm()?;
    ensure!(told == 0, "clock {told}'s alarm");
    Ok(())
}

/// Whoever sends nonsense is hung up on, and the next one is served.
fn garbage(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut packets: Vec<Vec<u8>> = vec![
        vec![],
        vec![0xff; 3],
        vec![0xff; 12],
        vec![0; 12],
        packet(Code::SET_VRING_ADDR.0, VERSION, &[0xff; 40]),
        packet(Code::SET_VRING_KICK.0, VERSION, &[0xff; 8]),
        packet(Code::SET_MEM_TABLE.0, VERSION, &[0xff; 40]),
        packet(Code::SET_CONFIG.0, VERSION, &[0xff; 300]),
        packet(Code::GET_CONFIG.0, VERSION, &[0xff; 12]),
        packet(Code::SET_DEVICE_STATE_FD.0, VERSION, &[0; 8]),
        packet(Code::GET_VRING_BASE.0, VERSION, &[0xff; 8]),
        packet(
            Code::SET_VRING_NUM.0,
            VERSION,
            &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ),
        packet(Code::SET_VRING_ENABLE.0, VERSION, &[0xff; 8]),
    ];
    for code in 0..60 {
        packets.push(packet(code, VERSION, &[0xa5; 24]));
        packets.push(packet(code, VERSION, &[]));
    }
    for bytes in packets {
        let mut stream = UnixStream::connect(&daemon.socket)?;
        // It may have hung up by then.
        let _ = stream.write_all(&bytes);
        drop(stream);
    }
    Device::open(&daemon.socket)?.read(0).map(drop)
}

/// Ten thousand times armed, gone off or taken back: no thread, descriptor or
/// page more than before.
fn cycles(dir: &Dir) -> Result<()> {
    const CYCLES: u64 = 10_000;
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut device = Device::open(&daemon.socket)?;
    device.lend()?;
    let (mut before, mut told, mut expected) = (None, 0, 0);
    for cycle in 0..CYCLES {
        let clock = (cycle % 2) as u16;
        match cycle % 4 {
            0 | 1 => {
                device.set_alarm(clock, cycle, ENABLED)?;
                let which = device.wait_alarm()?;
                ensure!(which == clock, "clock {which}'s alarm, not {clock}'s");
                device.lend()?;
                told += 1;
                expected += 1;
            }
            _ => {
                device.set_alarm(clock, u64::MAX - cycle, ENABLED)?;
                device.set_alarm_enabled(clock, 0)?;
            }
        }
        if cycle == CYCLES / 10 {
            before = Some(daemon.usage()?);
        }
    }
    ensure!(told == expected, "{told} notifications of {expected}");
    ensure!(device.alarm(QUIET)?.is_none(), "one too many");
    match before {
        Some(before) => flat(&daemon, before),
        None => bail!("nothing to compare with"),
    }
}
