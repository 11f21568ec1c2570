// SPDX-License-Identifier: GPL-2.0-or-later
//! The device's state, handed from one daemon to another (vhost-user's
//! DEVICE_STATE): alarms that wait, that are due, and clocks that don't go back.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::Duration;

use annex_peers::rtc::{Device, Wanted, ENABLED};
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::pipe::{pipe_with, PipeFlags};

use crate::rig::{Daemon, SOON};

inventory::submit! { Family(|add| {
    add("rtc/state/waiting".into(), Box::new(waiting));
    add("rtc/state/passed-on-the-way".into(), Box::new(passed));
    add("rtc/state/due".into(), Box::new(due));
    add("rtc/state/delivered".into(), Box::new(delivered));
    add("rtc/state/monotonic".into(), Box::new(monotonic));
    add("rtc/state/back-again".into(), Box::new(back_again));
    add("rtc/state/other-clocks".into(), Box::new(other_clocks));
    add("rtc/state/damaged".into(), Box::new(damaged));
}) }

const CLOCKS: [&str; 2] = ["--clock", "utc,monotonic"];
const MS: u64 = 1_000_000;
const QUIET: Duration = Duration::from_millis(150);

/// Stops a device and saves its state.
fn save(device: &mut Device) -> Result<Vec<u8>> {
    device.stop()?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let begun = device.frontend.transfer(false, writer.as_fd())?;
    drop(writer);
    ensure!(begun, "the daemon doesn't save");
    let mut state = Vec::new();
    std::fs::File::from(reader).read_to_end(&mut state)?;
    ensure!(device.frontend.transferred()?, "saving failed");
    ensure!(!state.is_empty(), "an empty state");
    Ok(state)
}

/// Has a device that isn't started load a state; whether that went well.
fn load(device: &mut Device, state: &[u8]) -> Result<bool> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let begun = device.frontend.transfer(true, reader.as_fd())?;
    drop(reader);
    write(std::fs::File::from(writer), state)?;
    let well = device.frontend.transferred()?;
    Ok(begun && well)
}

/// As QEMU does, which waits as long as there is no room in the pipe: for ever, if
/// nobody reads. Who refuses may close it before the end.
fn write(mut writer: std::fs::File, state: &[u8]) -> Result<()> {
    rustix::io::ioctl_fionbio(&writer, true)?;
    let limit = Timespec::try_from(SOON)?;
    let mut rest = state;
    while !rest.is_empty() {
        match writer.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(&writer, PollFlags::OUT)];
                let ready = poll(&mut fds, Some(&limit))?;
                ensure!(
                    ready > 0,
                    "the daemon doesn't read its state: QEMU would hang"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The device goes on in another daemon.
fn go_on(device: Device, there: &Daemon, state: &[u8]) -> Result<Device> {
    let mut device = device.reconnect(&there.socket)?;
    ensure!(load(&mut device, state)?, "the state is refused");
    device.start()?;
    Ok(device)
}

/// Two daemons, and a device that the first one serves.
fn two(dir: &Dir) -> Result<(Device, Daemon, Daemon)> {
    let here = Daemon::start(dir, "here", &CLOCKS)?;
    let there = Daemon::start(dir, "there", &CLOCKS)?;
    let mut device = Device::open(&here.socket)?;
    for _ in 0..4 {
        device.lend()?;
    }
    Ok((device, here, there))
}

fn once(device: &mut Device, clock: u16) -> Result<()> {
    let told = device.wait_alarm()?;
    ensure!(told == clock, "clock {told}'s alarm, not {clock}'s");
    let more = device.alarm(QUIET)?;
    ensure!(more.is_none(), "another notification, of clock {more:?}");
    Ok(())
}

fn waiting(dir: &Dir) -> Result<()> {
    let (mut device, here, there) = two(dir)?;
    let time = device.read(1)? + 2_000 * MS;
    device.set_alarm(1, time, ENABLED)?;
    device.set_alarm(0, 77, 0)?;
    let state = save(&mut device)?;
    let mut device = go_on(device, &there, &state)?;
    here.kill()?;
    for (clock, expected) in [(0, (77, 0)), (1, (time, ENABLED))] {
        let found = device.read_alarm(clock)?;
        ensure!(
            found == expected,
            "clock {clock}: {found:?}, not {expected:?}"
        );
    }
    once(&mut device, 1)?;
    ensure!(device.read(1)? >= time, "too early");
    Ok(())
}

fn passed(dir: &Dir) -> Result<()> {
    let (mut device, _here, there) = two(dir)?;
    let time = device.read(0)? + 100 * MS;
    device.set_alarm(0, time, ENABLED)?;
    let state = save(&mut device)?;
    sleep(Duration::from_millis(250));
    let mut device = go_on(device, &there, &state)?;
    // Before the queue stopped it may have been in time.
    once(&mut device, 0)
}

/// One that went off before it moved, without a buffer to tell of it.
fn due(dir: &Dir) -> Result<()> {
    let here = Daemon::start(dir, "here", &CLOCKS)?;
    let there = Daemon::start(dir, "there", &CLOCKS)?;
    let mut device = Device::open(&here.socket)?;
    device.set_alarm(1, 1, ENABLED)?;
    sleep(QUIET);
    let state = save(&mut device)?;
    let mut device = go_on(device, &there, &state)?;
    let early = device.alarm(QUIET)?;
    ensure!(early.is_none(), "told without a buffer");
    device.lend()?;
    device.lend()?;
    once(&mut device, 1)
}

/// One that has been told of isn't told of again.
fn delivered(dir: &Dir) -> Result<()> {
    let (mut device, _here, there) = two(dir)?;
    device.set_alarm(1, 1, ENABLED)?;
    once(&mut device, 1)?;
    let state = save(&mut device)?;
    let mut device = go_on(device, &there, &state)?;
    let again = device.alarm(QUIET)?;
    ensure!(again.is_none(), "told twice");
    let found = device.read_alarm(1)?;
    ensure!(found == (1, ENABLED), "{found:?}");
    Ok(())
}

/// No clock goes back, however often it moves.
fn monotonic(dir: &Dir) -> Result<()> {
    let daemons = [
        Daemon::start(dir, "here", &CLOCKS)?,
        Daemon::start(dir, "there", &CLOCKS)?,
    ];
    let mut device = Device::open(&daemons[0].socket)?;
    let mut last = [0; 2];
    for move_to in (0..10).map(|n| &daemons[(n + 1) % 2]) {
        for clock in [0, 1] {
            let reading = device.read(clock)?;
            let before = last[usize::from(clock)];
            ensure!(reading >= before, "clock {clock}: {before}, then {reading}");
            last[usize::from(clock)] = reading;
        }
        let state = save(&mut device)?;
        device = go_on(device, move_to, &state)?;
    }
    Ok(())
}

/// After its state was saved, a device may go on where it was.
fn back_again(dir: &Dir) -> Result<()> {
    let (mut device, _here, _there) = two(dir)?;
    let time = device.read(1)? + 500 * MS;
    device.set_alarm(1, time, ENABLED)?;
    save(&mut device)?;
    device.start()?;
    once(&mut device, 1)?;
    // And once more, with one that is over.
    save(&mut device)?;
    device.start()?;
    let again = device.alarm(QUIET)?;
    ensure!(again.is_none(), "told twice");
    Ok(())
}

/// A state of other clocks, or of the same in another order, is refused, and the
/// daemon says why.
fn other_clocks(dir: &Dir) -> Result<()> {
    let here = Daemon::start(dir, "here", &CLOCKS)?;
    let mut device = Device::open(&here.socket)?;
    device.set_alarm(0, 1_234_567, 0)?;
    let state = save(&mut device)?;
    for (n, clocks) in [
        "utc",
        "monotonic,utc",
        "utc,monotonic,smeared",
        "smeared,monotonic",
    ]
    .into_iter()
    .enumerate()
    {
        let there = Daemon::start(dir, &format!("there-{n}"), &["--clock", clocks])?;
        let mut other = Device::prepare(&there.socket, Wanted::ALL)?;
        ensure!(!load(&mut other, &state)?, "{clocks}: taken for right");
        wait::until("the daemon to say why", SOON, || {
            Ok(there.said()?.contains("clock").then_some(()))
        })?;
        // It is of use all the same.
        other.start()?;
        other.read(0)?;
        let found = other.read_alarm(0)?;
        ensure!(found == (0, 0), "it has taken some of it: {found:?}");
    }
    Ok(())
}

/// A state that is cut off, too long or changed anywhere is refused whole.
fn damaged(dir: &Dir) -> Result<()> {
    let (mut device, _here, there) = two(dir)?;
    device.set_alarm(0, 0x0123_4567_89ab_cdef, ENABLED)?;
    let state = save(&mut device)?;
    dir.log(format!("a state of {} bytes: {state:02x?}", state.len()));
    ensure!(state.len() < 4096, "a state of {} bytes", state.len());
    let mut wrong: Vec<Vec<u8>> = (0..state.len()).map(|end| state[..end].to_vec()).collect();
    wrong.push([state.as_slice(), &[0]].concat());
    wrong.push([state.as_slice(), &state].concat());
    // More than a pipe has room for: who doesn't read it would have QEMU wait.
    wrong.push([state.as_slice(), &vec![0; 1 << 20]].concat());
    for at in 0..state.len() {
        for bit in [0, 7] {
            let mut bytes = state.clone();
            bytes[at] ^= 1 << bit;
            wrong.push(bytes);
        }
    }
    let mut other = Device::prepare(&there.socket, Wanted::ALL)?;
    for bytes in wrong {
        let what = || {
            format!(
                "{} bytes: {:02x?}",
                bytes.len(),
                &bytes[..bytes.len().min(80)]
            )
        };
        let taken = load(&mut other, &bytes).with_context(what)?;
        ensure!(!taken, "taken for right: {}", what());
    }
    other.start()?;
    let found = other.read_alarm(0)?;
    ensure!(found == (0, 0), "it has taken some of it: {found:?}");
    drop(other);
    // The right one is as good as before.
    let mut device = go_on(device, &there, &state)?;
    let found = device.read_alarm(0)?;
    ensure!(found == (0x0123_4567_89ab_cdef, ENABLED), "{found:?}");
    Ok(())
}
