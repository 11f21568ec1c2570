// SPDX-License-Identifier: GPL-2.0-or-later
//! The daemon behind QEMU's vhost-user-rtc-pci, driven without a guest's system:
//! with shared memory and isolated, moved, saved and loaded, stopped.

use std::thread::sleep;
use std::time::Duration;

use annex_peers::backend::socket;
use annex_peers::bare::driver::{Driver, Part, Request, RING};
use annex_peers::bare::Bare;
use annex_peers::rtc::{
    cfg, counter, kind, of_clock, of_clock_and, set_alarm, status, word, ENABLED, F_ALARM,
};
use annex_peers::tsc;
use annex_peers::vhost_user::protocol;
use annex_qtest::error::{refusal, Skip};
use annex_qtest::files::{self, Dir};
use annex_qtest::snapshot;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};
use serde_json::json;

use crate::masked;
use crate::rig::{Daemon, SOON};
use crate::table::{fault, outcome, Setting, Tsc, MESSAGES, UNKNOWN};

inventory::submit! { Family(|add| {
    for (name, isolated) in [("shared", false), ("isolated", true)] {
        add(format!("rtc/qemu/requests/{name}"), Box::new(move |dir| requests(dir, isolated)));
        add(format!("rtc/qemu/alarms/{name}"), Box::new(move |dir| alarms(dir, isolated)));
        add(format!("rtc/qemu/migrate/{name}"), Box::new(move |dir| migrate(dir, isolated)));
        add(format!("rtc/qemu/snapshot/{name}"), Box::new(move |dir| saved(dir, isolated)));
    }
    add("rtc/qemu/no-device-state".into(), Box::new(no_device_state));
    add("rtc/qemu/other-clocks".into(), Box::new(other_clocks));
    add("rtc/qemu/stop-and-cont".into(), Box::new(stop_and_cont));
    add("rtc/qemu/daemon-restarted".into(), Box::new(daemon_restarted));
    add("rtc/qemu/status-shown".into(), Box::new(status_shown));
}) }

const CLOCKS: [&str; 2] = ["--clock", "utc,monotonic"];
const MS: u64 = 1_000_000;
const QUIET: Duration = Duration::from_millis(150);

/// The queues.
const REQUESTS: usize = 0;
const ALARMS: usize = 1;

/// What the machine and its driver have in a folder of their own.
fn machine(dir: &Dir, daemon: &std::path::Path, isolated: bool, args: &[&str]) -> Result<Bare> {
    let arguments = arguments(daemon, isolated)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    known(Bare::empty(dir, &[arguments.as_slice(), args].concat()))
}

fn arguments(daemon: &std::path::Path, isolated: bool) -> Result<[String; 4]> {
    let slot = annex_peers::bare::DEVICE_SLOT;
    let isolation = if isolated { ",memory-isolation=on" } else { "" };
    Ok([
        "-chardev".into(),
        format!("socket,id=backend,path={}", daemon.display()),
        "-device".into(),
        format!("vhost-user-rtc-pci,id=isolated,addr={slot},chardev=backend{isolation}"),
    ])
}

/// A QEMU that hasn't got the device can't be tried.
fn known(machine: Result<Bare>) -> Result<Bare> {
    match machine {
        Err(error) if format!("{error:#}").contains("is not a valid device model") => {
            let qemu = files::qemu()?;
            Err(Skip(format!("{} has no vhost-user-rtc-pci", qemu.display())).into())
        }
        other => other,
    }
}

/// A driver of a device that is ready.
fn driver(mut machine: Bare) -> Result<Driver> {
    machine.place()?;
    let mut driver = Driver::of(machine, 2)?.with(RING, F_ALARM);
    driver.reset()?;
    Ok(driver)
}

/// A request that must go well.
fn does(driver: &mut Driver, request: Vec<u8>, size: u32) -> Result<Vec<u8>> {
    let what = format!("{request:02x?}");
    let response = driver.ask(REQUESTS, request, size)?;
    ensure!(
        response.len() == size as usize && response[0] == status::OK,
        "{what} was answered with {response:02x?}"
    );
    Ok(response)
}

fn read(driver: &mut Driver, clock: u16) -> Result<u64> {
    Ok(word(&does(driver, of_clock(kind::READ, clock), 16)?, 8))
}

fn arm(driver: &mut Driver, clock: u16, time: u64) -> Result<()> {
    does(driver, set_alarm(clock, time, ENABLED), 8).map(drop)
}

/// Lends a buffer for a notification.
fn lend(driver: &mut Driver) -> Result<()> {
    let request = Request {
        parts: vec![Part::Room(16)],
        indirect: false,
    };
    let slot = driver.room(ALARMS, &request).context("room")?;
    driver.submit(ALARMS, slot, &request)?;
    driver.machine.notify(ALARMS)
}

/// The clocks whose alarms were told since this was asked.
fn told(driver: &mut Driver) -> Result<Vec<u16>> {
    let clock = |(_, bytes): (usize, Vec<u8>)| match bytes.as_slice() {
        [0, 0x20, 0, 0, 0, 0, 0, 0, low, high, 0, 0, 0, 0, 0, 0] => {
            Ok(u16::from_le_bytes([*low, *high]))
        }
        other => bail!("no notification of an alarm: {other:02x?}"),
    };
    driver.reap(ALARMS)?.into_iter().map(clock).collect()
}

/// One notification comes, of this clock, and no more.
fn once(driver: &mut Driver, clock: u16) -> Result<()> {
    let first = wait::until("a notification", SOON, || {
        let told = told(driver)?;
        Ok((!told.is_empty()).then_some(told))
    })?;
    ensure!(first == [clock], "alarms of {first:?}, not of {clock}");
    sleep(QUIET);
    let more = told(driver)?;
    ensure!(more.is_empty(), "alarms of {more:?} as well");
    Ok(())
}

fn requests(dir: &Dir, isolated: bool) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut driver = driver(machine(dir, &daemon.socket, isolated, &[])?)?;
    let setting = Setting {
        clocks: 2,
        alarms: true,
        // There is none where no code is executed.
        tsc: Tsc::Never,
    };
    let numbers = MESSAGES.iter().map(|message| message.kind).chain(UNKNOWN);
    for number in numbers {
        for length in [2, 7, 8, 15, 16, 23, 24, 40] {
            for room in [1, 7, 8, 15, 16, 23, 24, 40] {
                let mut request = vec![0; length];
                request[..2].copy_from_slice(&number.to_le_bytes());
                let expected = outcome(&request, room, setting);
                let answer = driver.ask(REQUESTS, request.clone(), room as u32)?;
                if let Some(fault) = fault(&expected, &answer, answer.len()) {
                    bail!("{request:02x?} with room for {room} bytes: {fault}");
                }
            }
        }
    }
    let clocks = does(&mut driver, cfg(), 16)?;
    ensure!(clocks[8..10] == [2, 0], "{clocks:02x?}");
    // What an isolated back-end didn't write comes back as zeros.
    if !isolated {
        driver.check_ram()?;
    }
    driver.machine.vm.quit()
}

fn alarms(dir: &Dir, isolated: bool) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut driver = driver(machine(dir, &daemon.socket, isolated, &[])?)?;
    for _ in 0..3 {
        lend(&mut driver)?;
    }
    arm(&mut driver, 0, 1)?;
    once(&mut driver, 0)?;
    let soon = read(&mut driver, 1)? + 50 * MS;
    arm(&mut driver, 1, soon)?;
    once(&mut driver, 1)?;
    ensure!(read(&mut driver, 1)? >= soon, "too early");
    // A driver that resets the device hears of nothing from before.
    does(&mut driver, set_alarm(0, 1, 0), 8)?;
    arm(&mut driver, 1, 1)?;
    driver.reset()?;
    for _ in 0..3 {
        lend(&mut driver)?;
    }
    sleep(QUIET);
    let stale = told(&mut driver)?;
    ensure!(stale.is_empty(), "stale notifications of {stale:?}");
    arm(&mut driver, 0, 1)?;
    once(&mut driver, 0)?;
    driver.reset()?;
    lend(&mut driver)?;
    arm(&mut driver, 1, 1)?;
    once(&mut driver, 1)?;
    driver.check_ram()?;
    driver.machine.vm.quit()
}

/// Moves to another machine and another daemon while an alarm waits, and one is
/// due for which there is no buffer.
fn migrate(dir: &Dir, isolated: bool) -> Result<()> {
    let (here, there) = (Dir::at(dir.file("a"))?, Dir::at(dir.file("b"))?);
    let first = Daemon::start(&here, "daemon", &CLOCKS)?;
    let second = Daemon::start(&there, "daemon", &CLOCKS)?;
    let mut driver = driver(machine(&here, &first.socket, isolated, &[])?)?;
    let before = read(&mut driver, 1)?;
    arm(&mut driver, 0, 1)?;
    let time = before + 3_000 * MS;
    arm(&mut driver, 1, time)?;
    let target = machine(&there, &second.socket, isolated, &["-incoming", "defer"])?;
    let uri = json!(format!("unix:{}", socket(dir, "m")?.display()));
    snapshot::enable(&target.vm.qmp, &["events"])?;
    let arguments = json!({ "uri": uri, "exit-on-error": false });
    target.vm.qmp.execute("migrate-incoming", arguments)?;
    driver
        .machine
        .vm
        .qmp
        .execute("migrate", json!({ "uri": uri }))?;
    target.vm.wait_run_state("running", SOON)?;
    let mut driver = driver.moved_to(target);
    first.kill()?;
    ensure!(read(&mut driver, 1)? >= before, "monotonic time went back");
    lend(&mut driver)?;
    once(&mut driver, 0)?;
    lend(&mut driver)?;
    once(&mut driver, 1)?;
    ensure!(read(&mut driver, 1)? >= time, "too early");
    driver.check_ram()?;
    driver.machine.vm.quit()
}

/// The same by a file, after a while.
fn saved(dir: &Dir, isolated: bool) -> Result<()> {
    let (here, there) = (Dir::at(dir.file("a"))?, Dir::at(dir.file("b"))?);
    let first = Daemon::start(&here, "daemon", &CLOCKS)?;
    let mut driver = driver(machine(&here, &first.socket, isolated, &[])?)?;
    lend(&mut driver)?;
    let time = read(&mut driver, 0)? + 300 * MS;
    arm(&mut driver, 0, time)?;
    let file = dir.file("snapshot");
    snapshot::save(&driver.machine.vm, &file)?;
    let early = told(&mut driver)?;
    first.kill()?;
    sleep(Duration::from_millis(400));
    let second = Daemon::start(&there, "daemon", &CLOCKS)?;
    let target = machine(&there, &second.socket, isolated, &["-incoming", "defer"])?;
    snapshot::prepare(&target.vm, snapshot::Mode::Eager)?;
    snapshot::begin(&target.vm, &file)?.wait_running()?;
    let mut driver = driver.moved_to(target);
    if early.is_empty() {
        once(&mut driver, 0)?;
    }
    let before = crate::order::host(rustix::time::ClockId::Realtime);
    let reading = read(&mut driver, 0)?;
    let after = crate::order::host(rustix::time::ClockId::Realtime);
    ensure!(
        (before..=after).contains(&reading),
        "the time is {reading}, not between {before} and {after}"
    );
    driver.machine.vm.quit()
}

/// What can't be taken along isn't left behind: the guest stays.
fn no_device_state(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let masked = socket(dir, "masked")?;
    masked::start(&masked, &daemon.socket, protocol::DEVICE_STATE)?;
    let mut driver = driver(machine(dir, &masked, false, &[])?)?;
    read(&mut driver, 0)?;
    let uri = snapshot::uri(&dir.file("snapshot"));
    let migrate = driver
        .machine
        .vm
        .qmp
        .execute("migrate", json!({ "uri": uri }));
    let said = refusal(migrate)?;
    ensure!(said.contains("DEVICE_STATE"), "{said}");
    driver.machine.vm.wait_run_state("running", SOON)?;
    read(&mut driver, 0)?;
    driver.machine.vm.quit()
}

/// A daemon with other clocks doesn't get the guest.
fn other_clocks(dir: &Dir) -> Result<()> {
    let (here, there) = (Dir::at(dir.file("a"))?, Dir::at(dir.file("b"))?);
    let first = Daemon::start(&here, "daemon", &CLOCKS)?;
    let second = Daemon::start(&there, "daemon", &["--clock", "utc"])?;
    let mut driver = driver(machine(&here, &first.socket, false, &[])?)?;
    read(&mut driver, 0)?;
    let file = dir.file("snapshot");
    snapshot::save(&driver.machine.vm, &file)?;
    let target = machine(&there, &second.socket, false, &["-incoming", "defer"])?;
    snapshot::prepare(&target.vm, snapshot::Mode::Eager)?;
    let loading = snapshot::begin(&target.vm, &file)?;
    let said = match loading.wait_loaded() {
        Ok(_) => bail!("the guest is taken over"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains("vhost-user-rtc"), "QEMU said {said:?}");
    ensure!(second.said()?.contains("clock"), "the daemon said nothing");
    Ok(())
}

/// The guest's counter stands still while the VM does, and cross-timestamps are
/// of the counter after it goes on.
fn stop_and_cont(dir: &Dir) -> Result<()> {
    let host = || tsc::read().context("this host has no TSC");
    if tsc::read().is_none() {
        return Err(Skip("this host has no TSC".into()).into());
    }
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let arguments = arguments(&daemon.socket, false)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut driver = driver(known(Bare::halted(dir, &arguments))?)?;
    let cap = does(
        &mut driver,
        of_clock_and(kind::CROSS_CAP, 1, counter::X86_TSC),
        16,
    )?;
    ensure!(cap[8] == 1, "no cross-timestamps under TCG");
    let cross = |driver: &mut Driver| -> Result<(u64, u64)> {
        let request = of_clock_and(kind::READ_CROSS, 1, counter::X86_TSC);
        let response = does(driver, request, 24)?;
        Ok((word(&response, 8), word(&response, 16)))
    };
    let mut last = cross(&mut driver)?;
    for _ in 0..5 {
        let from = host()?;
        last = after(last, cross(&mut driver)?)?;
        driver.machine.vm.qmp.execute("stop", json!({}))?;
        let stopped = host()?;
        sleep(Duration::from_millis(200));
        let goes_on = host()?;
        driver.machine.vm.qmp.execute("cont", json!({}))?;
        let next = after(last, cross(&mut driver)?)?;
        let to = host()?;
        let (counted, stood) = (next.1 - last.1, goes_on - stopped);
        ensure!(
            counted <= (to - from) - stood,
            "the guest's counter made {counted} steps, of {} while it ran at most",
            (to - from) - stood
        );
        last = next;
        let again = does(
            &mut driver,
            of_clock_and(kind::CROSS_CAP, 1, counter::X86_TSC),
            16,
        )?;
        ensure!(again == cap, "the capability came or went");
    }
    driver.machine.vm.quit()
}

/// Neither clock nor counter may have gone back.
fn after(last: (u64, u64), next: (u64, u64)) -> Result<(u64, u64)> {
    ensure!(
        next.0 >= last.0 && next.1 >= last.1,
        "{last:?} and then {next:?}"
    );
    Ok(next)
}

/// A daemon that dies and comes again serves the guest it had.
fn daemon_restarted(dir: &Dir) -> Result<()> {
    let mut daemon = Daemon::start(dir, "daemon-0", &CLOCKS)?;
    let socket = daemon.socket.clone();
    // A chardev that connects again isn't connected yet where a command line
    // makes the device.
    let mut machine = Bare::empty(dir, &[])?;
    machine.connect(&socket)?;
    let plugged = machine.plug("vhost-user-rtc-pci", &[("chardev", json!("backend"))]);
    let mut driver = driver(known(plugged.map(|()| machine))?)?;
    for round in 1..5 {
        read(&mut driver, 0)?;
        daemon.kill()?;
        driver.machine.wait_connected(false)?;
        daemon = Daemon::start_at(dir, &format!("daemon-{round}"), socket.clone(), &CLOCKS)?;
        driver.machine.wait_connected(true)?;
    }
    read(&mut driver, 0)?;
    lend(&mut driver)?;
    arm(&mut driver, 0, 1)?;
    once(&mut driver, 0)?;
    drop(daemon);
    driver.machine.vm.quit()
}

/// A device goes on while a monitor shows its queues.
fn status_shown(dir: &Dir) -> Result<()> {
    let daemon = Daemon::start(dir, "daemon", &CLOCKS)?;
    let mut driver = driver(machine(dir, &daemon.socket, false, &[])?)?;
    lend(&mut driver)?;
    for queue in [REQUESTS, ALARMS] {
        read(&mut driver, 0)?;
        let path = "/machine/peripheral/isolated/virtio-backend";
        let shown = driver.machine.vm.qmp.execute(
            "x-query-virtio-queue-status",
            json!({ "path": path, "queue": queue }),
        )?;
        ensure!(shown["queue-index"] == queue, "{shown}");
        // The daemon would tell, and stop the ring.
        ensure!(shown.get("last-avail-idx").is_none(), "{shown}");
    }
    read(&mut driver, 0)?;
    arm(&mut driver, 0, 1)?;
    once(&mut driver, 0)?;
    driver.machine.vm.quit()
}
