// SPDX-License-Identifier: GPL-2.0-or-later
//! Cross-timestamps, and the message that tells a back-end how the guest's counter
//! follows from the host's.

use annex_peers::rtc::{counter, kind, of_clock_and, status, Counter, Device, Wanted};
use annex_peers::tsc;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use rustix::time::ClockId;

use crate::order::host;
use crate::rig::Daemon;

inventory::submit! { Family(|add| {
    add("rtc/cross/never-told".into(), Box::new(never_told));
    add("rtc/cross/known".into(), Box::new(known));
    add("rtc/cross/comes-and-goes".into(), Box::new(comes_and_goes));
    add("rtc/cross/another-counter".into(), Box::new(another));
    add("rtc/cross/none".into(), Box::new(none));
    add("rtc/cross/garbage".into(), Box::new(garbage));
    add("rtc/cross/in-order".into(), Box::new(in_order));
}) }

const CLOCKS: [&str; 2] = ["--clock", "utc,monotonic"];

/// The tests here are of x86's counter.
fn on_x86() -> Result<()> {
    match tsc::read() {
        Some(_) => Ok(()),
        None => Err(annex_qtest::error::Skip("this host has no TSC".into()).into()),
    }
}

/// This host's, 0 where there is none.
fn tsc() -> u64 {
    tsc::read().unwrap_or(0)
}

const PLAIN: Counter = Counter {
    kind: counter::X86_TSC,
    valid: true,
    shift: 0,
    ratio: 1,
    offset: 0,
};

fn tell(device: &mut Device, counter: Counter) -> Result<()> {
    let word = device.frontend.set_config(0, 0, &counter.bytes())?;
    ensure!(word == 0, "{counter:?} was refused");
    let found = device.frontend.get_config(0, Counter::SIZE)?;
    ensure!(found == counter.bytes(), "it reads as {found:02x?}");
    Ok(())
}

/// A device whose front-end has said this before it started the queues.
fn told(daemon: &Daemon, counter: Counter) -> Result<Device> {
    let mut device = Device::prepare(&daemon.socket, Wanted::ALL)?;
    tell(&mut device, counter)?;
    device.start()?;
    Ok(device)
}

/// What CROSS_CAP says.
fn capability(device: &mut Device, clock: u16, counter: u8) -> Result<u8> {
    let response = device.does(&of_clock_and(kind::CROSS_CAP, clock, counter), 16)?;
    Ok(response[8])
}

/// READ_CROSS must fail so.
fn fails(device: &mut Device, counter: u8, wanted: u8) -> Result<()> {
    let answer = device.ask(&of_clock_and(kind::READ_CROSS, 0, counter), 24)?;
    ensure!(
        answer.room[0] == wanted,
        "status {}, not {wanted}",
        answer.room[0]
    );
    Ok(())
}

fn never_told(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut device = Device::open(&daemon.socket)?;
    let config = device.frontend.get_config(0, Counter::SIZE)?;
    ensure!(config == [0; Counter::SIZE], "{config:02x?}");
    for counter in [counter::X86_TSC, counter::ARM_VCT] {
        ensure!(
            capability(&mut device, 0, counter)? == 0,
            "a capability without a counter"
        );
        fails(&mut device, counter, status::EOPNOTSUPP)?;
    }
    Ok(())
}

/// The counter is the guest's at an instant between two of this host's, and the
/// reading is of the same instant.
fn known(dir: &Dir) -> Result<()> {
    on_x86()?;
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut device = told(&daemon, PLAIN)?;
    ensure!(
        capability(&mut device, 0, counter::X86_TSC)? == 1,
        "no capability"
    );
    ensure!(
        capability(&mut device, 0, counter::ARM_VCT)? == 0,
        "one for Arm's"
    );
    let half = 1u64 << 63;
    let settings = [
        (0, 1, 0),
        (0, 1, 1),
        (0, 1, u64::MAX),
        (0, 1, half),
        (0, 1, (tsc()).wrapping_neg()),
        (32, 1 << 32, 0),
        (32, 3 << 31, 12_345),
        (48, 1 << 47, half + 7),
        (63, u64::MAX, 0),
        (63, half, u64::MAX),
        (1, 1, 0),
        (0, 3, 0),
        (0, u64::MAX, 0),
        (20, u64::MAX, 99),
    ];
    for (shift, ratio, offset) in settings {
        let counter = Counter {
            shift,
            ratio,
            offset,
            ..PLAIN
        };
        tell(&mut device, counter)?;
        for _ in 0..10 {
            let (first, begin) = (tsc(), host(ClockId::Realtime));
            let (reading, cycles) = device.read_cross(0, counter::X86_TSC)?;
            let (end, last) = (host(ClockId::Realtime), tsc());
            // Exact: it is what one of the host's instants in between gives.
            ensure!(
                counter.was(cycles, first, last),
                "{counter:?}: {cycles} comes from nothing between {first} and {last}"
            );
            ensure!(
                (begin..=end).contains(&reading),
                "{reading} isn't between {begin} and {end}"
            );
        }
    }
    Ok(())
}

/// A counter that stands still can't be told, and is there all the same.
fn comes_and_goes(dir: &Dir) -> Result<()> {
    on_x86()?;
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let still = Counter {
        valid: false,
        ..PLAIN
    };
    let mut device = told(&daemon, still)?;
    for round in 0..20 {
        fails(&mut device, counter::X86_TSC, status::EIO)?;
        device.read(0)?;
        let offset = round * 1_000_000_007;
        tell(&mut device, Counter { offset, ..PLAIN })?;
        let from = tsc().wrapping_add(offset);
        let (_, cycles) = device.read_cross(1, counter::X86_TSC)?;
        let to = tsc().wrapping_add(offset);
        ensure!((from..=to).contains(&cycles), "{cycles}: {from} to {to}");
        ensure!(
            capability(&mut device, 1, counter::X86_TSC)? == 1,
            "the capability came or went"
        );
        tell(&mut device, Counter { offset, ..still })?;
    }
    Ok(())
}

/// A guest whose counter is another than this host's.
fn another(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let arm = Counter {
        kind: counter::ARM_VCT,
        ..PLAIN
    };
    let mut device = told(&daemon, arm)?;
    fails(&mut device, counter::X86_TSC, status::EOPNOTSUPP)?;
    ensure!(
        capability(&mut device, 0, counter::X86_TSC)? == 0,
        "a capability for the wrong counter"
    );
    Ok(())
}

/// A front-end that says that there is none.
fn none(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let nothing = Counter {
        kind: counter::INVALID,
        valid: false,
        shift: 0,
        ratio: 0,
        offset: 0,
    };
    let mut device = told(&daemon, nothing)?;
    for counter in [counter::X86_TSC, counter::ARM_VCT] {
        ensure!(capability(&mut device, 0, counter)? == 0, "a capability");
        fails(&mut device, counter, status::EOPNOTSUPP)?;
    }
    Ok(())
}

/// What isn't that message is refused, and changes nothing.
fn garbage(dir: &Dir) -> Result<()> {
    on_x86()?;
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let right = PLAIN.bytes();
    let mut wrong = Vec::new();
    // Magic, version, size, counter, flags, shift, and what is reserved.
    let places = [
        (0, 0x53),
        (3, 0),
        (4, 0),
        (4, 2),
        (5, 1),
        (6, 39),
        (6, 48),
        (7, 1),
        (8, 2),
        (8, 0x7f),
        (8, 0xfe),
        (9, 3),
        (9, 0x80),
        (10, 64),
        (10, 255),
        (11, 1),
        (15, 1),
        (32, 1),
        (39, 0x80),
    ];
    for (at, byte) in places {
        let mut bytes = right;
        bytes[at] = byte;
        wrong.push((0, bytes.to_vec()));
    }
    for length in [1, 8, 39] {
        wrong.push((0, right[..length].to_vec()));
    }
    wrong.push((0, [right.as_slice(), &[0]].concat()));
    wrong.push((0, [right, right].concat()));
    wrong.push((1, right[1..].to_vec()));
    wrong.push((1, right.to_vec()));
    wrong.push((8, right[8..].to_vec()));
    wrong.push((0, vec![0; 40]));
    wrong.push((0, vec![0xff; 40]));
    for (offset, bytes) in wrong {
        let mut device = told(&daemon, PLAIN)?;
        let word = device.frontend.set_config(offset, 0, &bytes)?;
        ensure!(word != 0, "at {offset}, taken for right: {bytes:02x?}");
        // The daemon may hang up after that. If it doesn't, all is as it was.
        if let Ok(found) = device.frontend.get_config(0, Counter::SIZE) {
            ensure!(found == right, "{bytes:02x?} left {found:02x?}");
            let from = tsc();
            let (_, cycles) = device.read_cross(0, counter::X86_TSC)?;
            ensure!(
                (from..=tsc()).contains(&cycles),
                "{bytes:02x?} has changed the counter"
            );
        }
    }
    told(&daemon, PLAIN)?
        .read_cross(0, counter::X86_TSC)
        .map(drop)
}

/// Neither the clock nor the counter goes back from one request to the next.
fn in_order(dir: &Dir) -> Result<()> {
    on_x86()?;
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut device = told(&daemon, PLAIN)?;
    let mut last = (0, 0);
    for _ in 0..5_000 {
        let next = device.read_cross(1, counter::X86_TSC)?;
        ensure!(
            next.0 >= last.0 && next.1 >= last.1,
            "{last:?} and then {next:?}"
        );
        last = next;
    }
    Ok(())
}
