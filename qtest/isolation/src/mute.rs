// SPDX-License-Identifier: GPL-2.0-or-later
//! Several devices whose back-ends all stop to answer, or to work: their time
//! runs out together, and one that answers keeps its device.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{Backend, Hostile};
use crate::rig::SOON;
use annex_peers::bare::driver::{ring, F_VERSION_1};
use annex_peers::bare::{Bare, DEVICE_SLOT};

inventory::submit! { Family(|add| {
    add("isolation/mute/stop".into(), Box::new(stop));
    add("isolation/mute/frozen".into(), Box::new(frozen));
}) }

/// How many are mute, beside one that isn't.
const MUTE: usize = 4;

/// For all of them together.
const TIME: Duration = Duration::from_secs(10);
/// What each may have of its own, when the others have used that up.
const TURN: Duration = Duration::from_secs(1);
/// What a busy host may add.
const SLACK: Duration = Duration::from_secs(5);
/// Far more.
const LIMIT: Duration = Duration::from_secs(100);

/// A machine with a device for each back-end, whose drivers have begun.
fn machine(dir: &Dir, backends: &[Backend]) -> Result<Bare> {
    let mut args = Vec::new();
    for (n, backend) in backends.iter().enumerate() {
        let slot = DEVICE_SLOT as usize + n;
        args.push("-chardev".to_owned());
        args.push(format!(
            "socket,id=backend{n},path={}",
            backend.socket.display()
        ));
        args.push("-device".to_owned());
        args.push(format!(
            "vhost-user-blk-pci,id=disk{n},addr={slot:x},num-queues=1,chardev=backend{n},\
             memory-isolation=on"
        ));
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut machine = Bare::empty(dir, &args)?;
    for (n, backend) in backends.iter().enumerate() {
        machine.choose(n as u32);
        machine.place()?;
        machine.reset()?;
        machine.ram.write_all_at(&[0; 4], ring(n).avail)?;
        machine.ram.write_all_at(&[0; 4], ring(n).used)?;
        machine.make_ready(F_VERSION_1, &[ring(n)], 4)?;
        machine.wait_told(backend, "message SET_VRING_ENABLE")?;
    }
    Ok(machine)
}

/// How long `stop` takes; the VM goes on afterwards, and the last device with it.
fn stops(machine: &mut Bare, honest: &Backend) -> Result<Duration> {
    let start = Instant::now();
    machine.vm.qmp.execute_within(LIMIT, "stop", json!({}))?;
    let time = start.elapsed();
    machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
    machine.check_device()?;
    ensure!(
        honest.said()?.matches("\nconnected").count() == 1,
        "an honest back-end was given up"
    );
    Ok(time)
}

fn check(dir: &Dir, time: Duration) -> Result<()> {
    dir.log(format!("stop took {time:?}"));
    let most = TIME + TURN * (MUTE as u32 - 1) + SLACK;
    ensure!(
        time < most,
        "stop took {time:?}, for {MUTE} back-ends that are mute"
    );
    ensure!(time >= TIME, "stop took {time:?}: who waited?");
    Ok(())
}

/// At the message that stops a queue.
fn stop(dir: &Dir) -> Result<()> {
    let mut backends = (0..MUTE)
        .map(|n| Backend::hostile(dir, &format!("mute{n}"), "mute", &[]))
        .collect::<Result<Vec<_>>>()?;
    backends.push(Backend::hostile(dir, "honest", "none", &[])?);
    let mut machine = machine(dir, &backends)?;
    let time = stops(&mut machine, &backends[MUTE])?;
    check(dir, time)?;
    machine.vm.quit()
}

/// At any message: the processes are suspended.
fn frozen(dir: &Dir) -> Result<()> {
    let backends = (0..=MUTE)
        .map(|n| Backend::hostile(dir, &format!("backend{n}"), "none", &[]))
        .collect::<Result<Vec<_>>>()?;
    let mut machine = machine(dir, &backends)?;
    let mut time = Duration::ZERO;
    backends[0].frozen(|| {
        backends[1].frozen(|| {
            backends[2].frozen(|| {
                backends[3].frozen(|| {
                    time = stops(&mut machine, &backends[MUTE])?;
                    Ok(())
                })
            })
        })
    })?;
    check(dir, time)?;
    machine.vm.quit()
}
