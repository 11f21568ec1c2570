// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that many tests share, one test at a time: a boot takes seconds, a
//! test often less. A test that fails takes its guest down with it.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::Duration;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Body;
use anyhow::Result;

use crate::drive::{Tab, Tape};

/// Capacity of the drive [`SMALL`].
pub const SMALL_CAPACITY: u64 = 8 << 20;
/// How long before its end the drive [`SMALL`] warns.
pub const SMALL_WARNING: u64 = 1 << 20;

/// The id of an ordinary drive.
pub const TAPE: &str = "tape";
/// The id of one with little room.
pub const SMALL: &str = "small";

/// What the human monitor calls it.
pub const SMALL_NAME: &str = "t1";
/// The serial number of [`TAPE`].
pub const SERIAL: &str = "ANNEX-0001";

/// The machines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`TAPE`] and [`SMALL`] on virtio-scsi.
    Virtio,
    /// A drive on each HBA, see [`crate::hbas`].
    Hbas,
}

/// A machine that boots the guest with tapes.
pub fn config() -> Result<Config> {
    Ok(Config::new(512)?.booting(Guest::with_tapes()?))
}

/// Two empty drives on virtio-scsi.
fn virtio() -> Result<Config> {
    let small = format!(
        "scsi-tape,id={SMALL},bus=hba.0,scsi-id=1,product={SMALL},drive={SMALL_NAME},\
         capacity={SMALL_CAPACITY},early-warning={SMALL_WARNING}"
    );
    let tape = format!("scsi-tape,id={TAPE},bus=hba.0,scsi-id=0,product={TAPE},serial={SERIAL}");
    Ok(config()?
        .with(["-device", "virtio-scsi-pci,id=hba,virtqueue_size=512"])
        .with(["-device", &tape])
        .with([
            "-drive",
            &format!("if=none,id={SMALL_NAME}"),
            "-device",
            &small,
        ]))
}

/// Booted, and in nobody's hands.
static IDLE: Mutex<Vec<(Kind, Vm)>> = Mutex::new(Vec::new());

/// Does `body` with a machine of that kind.
pub fn with_machine(kind: Kind, dir: &Dir, body: impl FnOnce(&Vm) -> Result<()>) -> Result<()> {
    let vm = take(kind)?;
    dir.log(format!("on {}", vm.name));
    let result = body(&vm);
    if result.is_ok() {
        idle().push((kind, vm));
    } else {
        keep_logs(&vm, dir);
    }
    result
}

fn idle() -> std::sync::MutexGuard<'static, Vec<(Kind, Vm)>> {
    IDLE.lock().expect("nothing panics while it holds them")
}

/// An idle machine, rid of its last test's files, or one booted now.
fn take(kind: Kind) -> Result<Vm> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let found = {
        let mut idle = idle();
        idle.iter()
            .position(|(has, _)| *has == kind)
            .map(|index| idle.swap_remove(index).1)
    };
    if let Some(vm) = found {
        vm.agent.sh("rm -rf /data/*")?;
        return Ok(vm);
    }
    let config = match kind {
        Kind::Virtio => virtio()?,
        Kind::Hbas => crate::hbas::config()?,
    };
    let name = format!("{kind:?}-{}", COUNT.fetch_add(1, Relaxed)).to_lowercase();
    let vm = boot(
        &config,
        &name,
        &Dir::for_test(&format!("tape/machines/{name}"))?,
    )?;
    if kind == Kind::Hbas {
        crate::hbas::complete(&vm)?;
    }
    Ok(vm)
}

/// Boots a machine; its guest keeps quiet.
pub fn boot(config: &Config, name: &str, dir: &Dir) -> Result<Vm> {
    let vm = config.boot(name, dir)?;
    vm.agent.ask("tick 10000")?;
    Ok(vm)
}

/// Copies the logs of a machine that a test has failed on into its directory.
fn keep_logs(vm: &Vm, dir: &Dir) {
    if let Ok((_, messages)) = vm
        .agent
        .run_within("dmesg | tail -n 20", Duration::from_secs(10))
    {
        dir.log(format!("the guest's kernel says:\n{messages}"));
    }
    let machine = annex_qtest::files::test("tape/machines").join(&vm.name);
    for log in ["qemu", "console"] {
        let name = format!("{}.{log}.log", vm.name);
        // For the reader of a failure; without them there is still the rest.
        let _ = fs::copy(machine.join(&name), dir.file(&name));
    }
}

/// Ends the machines that are left.
pub fn quit_all() {
    for (_, vm) in idle().drain(..) {
        // Dropped, it is killed: by now no test depends on it.
        let _ = vm.quit();
    }
}

/// A test of the drive `id` with a blank cartridge in it.
pub fn on_blank(id: &'static str, body: fn(&Tape) -> Result<()>) -> Body {
    Box::new(move |dir| {
        with_machine(Kind::Virtio, dir, |vm| {
            let tape = Tape::find(vm, dir, id)?;
            with_blank(&tape, body)
        })
    })
}

/// Does `body` with a blank cartridge, in variable block mode.
pub fn with_blank(tape: &Tape, body: impl FnOnce(&Tape) -> Result<()>) -> Result<()> {
    tape.insert(&tape.blank("blank.tap")?, Tab::Open)?;
    tape.mt("setblk 0")?;
    body(tape)?;
    tape.remove()
}
