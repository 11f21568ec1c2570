// SPDX-License-Identifier: GPL-2.0-or-later
//! Readings: in the order of the requests, never back, and right by the clocks of
//! this host.

use std::process::Command;

use annex_peers::rtc::{clock, kind, of_clock, word, Device};
use annex_peers::vhost_user::{Part, Shape};
use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use rustix::time::{clock_gettime, clock_gettime_dynamic, ClockId, DynamicClockId};

use crate::rig::{program, Daemon};

inventory::submit! { Family(|add| {
    add("rtc/readings/in-order".into(), Box::new(in_order));
    add("rtc/readings/right".into(), Box::new(right));
    add("rtc/readings/tai".into(), Box::new(tai));
    add("rtc/readings/no-tai".into(), Box::new(no_tai));
    add("rtc/readings/after-availability".into(), Box::new(after_availability));
}) }

/// How many requests are in flight at once, and how often.
const IN_FLIGHT: usize = 64;
const ROUNDS: usize = 400;

/// Requests of several clocks that are in flight at once come back in order, and
/// no clock goes back.
fn in_order(dir: &Dir) -> Result<()> {
    const CLOCKS: usize = 4;
    let options = ["--clock", "utc,monotonic,smeared,maybe-smeared"];
    let daemon = Daemon::start(dir, "daemon", &options)?;
    let mut device = Device::open(&daemon.socket)?;
    let mut last = [0; CLOCKS];
    for round in 0..ROUNDS {
        let mut sent = Vec::new();
        for n in 0..IN_FLIGHT {
            let clock = (n + round) % CLOCKS;
            let parts = [
                Part::Bytes(of_clock(kind::READ, clock as u16)),
                Part::Room(16),
            ];
            let shape = match n % 3 {
                0 => Shape::Direct,
                _ => Shape::Indirect,
            };
            sent.push((device.requests.submit(&parts, shape)?, clock));
            // Some are there before the device looks, some come while it does.
            if n % 7 == 0 {
                device.requests.kick()?;
            }
        }
        device.requests.kick()?;
        for (head, clock) in sent {
            let answer = device.requests.wait(Device::LIMIT)?.context("no answer")?;
            ensure!(
                answer.head == head,
                "chain {} came back before {head}",
                answer.head
            );
            ensure!(
                answer.len == 16 && answer.room[0] == 0,
                "clock {clock}: {answer:02x?}"
            );
            let reading = word(&answer.room, 8);
            ensure!(
                reading >= last[clock],
                "clock {clock} went from {} to {reading}",
                last[clock]
            );
            last[clock] = reading;
        }
    }
    Ok(())
}

/// This host's clock in ns.
pub fn host(id: ClockId) -> u64 {
    let now = clock_gettime(id);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Each reading lies between two of this host's own.
fn right(dir: &Dir) -> Result<()> {
    // No leap second is near: all that is like UTC shows the same.
    let options = [
        "--clock",
        "utc,smeared,smeared=utc-sls,smeared=unspecified,maybe-smeared",
    ];
    let daemon = Daemon::start(dir, "daemon", &options)?;
    let mut device = Device::open(&daemon.socket)?;
    for _ in 0..200 {
        for clock in 0..device.clocks()? {
            let before = host(ClockId::Realtime);
            let reading = device.read(clock)?;
            let after = host(ClockId::Realtime);
            ensure!(
                (before..=after).contains(&reading),
                "clock {clock} shows {reading}, between {before} and {after}"
            );
        }
    }
    Ok(())
}

/// TAI is a whole number of seconds ahead of UTC, at least as many as in 2017.
fn tai(dir: &Dir) -> Result<()> {
    let options = [
        "--clock",
        "utc,tai",
        "--leap-seconds",
        &list(dir, 4_294_967_295)?,
    ];
    let daemon = Daemon::start(dir, "daemon", &options)?;
    let mut device = Device::open(&daemon.socket)?;
    ensure!(device.capabilities(1)?[0] == clock::TAI, "another clock");
    let before = host(ClockId::Realtime);
    let reading = device.read(1)?;
    let after = host(ClockId::Realtime);
    let ahead = (reading - before) / 1_000_000_000;
    ensure!(
        (37..60).contains(&ahead),
        "TAI is {ahead} s ahead: {reading}, UTC {before}"
    );
    let utc = reading - ahead * 1_000_000_000;
    ensure!(
        (before..=after).contains(&utc),
        "TAI is {ahead} s and a fraction ahead"
    );
    Ok(())
}

/// A list of leap seconds that is right until so many seconds after 1900.
fn list(dir: &Dir, expiry: u64) -> Result<String> {
    let path = dir.file("leap-seconds.list");
    std::fs::write(&path, format!("#@ {expiry}\n3692217600 37\n"))?;
    Ok(path.to_str().context("a path of text")?.into())
}

/// What nobody knows isn't guessed: the daemon says so, and doesn't start.
fn no_tai(dir: &Dir) -> Result<()> {
    let ahead = clock_gettime_dynamic(DynamicClockId::Tai)?.tv_sec;
    if ahead > clock_gettime(ClockId::Realtime).tv_sec + 1 {
        return Err(Skip("this host's kernel knows TAI".into()).into());
    }
    let mut command = Command::new(program()?);
    command.arg("--socket-path").arg(dir.file("daemon.sock"));
    command.args([
        "--clock",
        "utc,tai",
        "--leap-seconds",
        &list(dir, 3_700_000_000)?,
    ]);
    let ended = command.output()?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(!ended.status.success(), "it starts: {said}");
    ensure!(said.contains("TAI") && said.contains("expired"), "{said}");
    Ok(())
}

/// A reading is made after its request became available, however early the
/// device was told that there will be one.
fn after_availability(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &["--clock", "utc,monotonic"])?;
    let mut device = Device::open(&daemon.socket)?;
    for _ in 0..200 {
        device.requests.kick_anyway()?;
        let before = host(ClockId::Realtime);
        let reading = device.read(0)?;
        ensure!(reading >= before, "{reading} was read before {before}");
    }
    Ok(())
}
