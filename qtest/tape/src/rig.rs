// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that many tests share, one test at a time: a boot takes seconds, a
//! test often less. A test that fails takes its guest down with it.

use std::path::Path;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::pool::{Kind, Left, Pool};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Body;
use anyhow::Result;
use serde_json::{json, Value};

use crate::drive::{Tape, WriteProtect};

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
pub enum Machine {
    /// None: what tests of one machine plug theirs into.
    Plain,
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

/// Machines that tests put cartridges into.
static POOL: Pool<Machine> = Pool::new("tape/machines");

impl Kind for Machine {
    fn config(self) -> Result<Config> {
        match self {
            Self::Plain => config(),
            Self::Virtio => virtio(),
            Self::Hbas => crate::hbas::config(),
        }
    }

    fn prepare(self, vm: &Vm) -> Result<()> {
        vm.agent.ask("tick 10000")?;
        match self {
            Self::Plain | Self::Virtio => Ok(()),
            Self::Hbas => crate::hbas::complete(vm),
        }
    }

    /// QEMU can't save usb-uas.
    fn can_be_saved(self) -> bool {
        self != Self::Hbas
    }

    /// Rids it of its last test's files.
    fn renew(self, vm: &Vm) -> Result<()> {
        vm.agent.sh("rm -rf /data/*").map(drop)
    }
}

/// Does `body` with a machine of that kind.
pub fn with_machine(kind: Machine, dir: &Dir, body: impl FnOnce(&Vm) -> Result<()>) -> Result<()> {
    let vm = POOL.take(kind, dir)?;
    let result = body(&vm).map(|()| Left::Clean);
    POOL.give_back(kind, vm, dir, result)
}

/// The arguments for a drive, [`TAPE`], with these options, that holds the block
/// node "d0" given in JSON.
pub fn drive(node: &Value, options: &str) -> Vec<String> {
    let tape = format!("scsi-tape,id={TAPE},product={TAPE},drive=d0{options}");
    let hba = "virtio-scsi-pci";
    [
        "-blockdev",
        &node.to_string(),
        "-device",
        hba,
        "-device",
        &tape,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The block node "d0": an image in this format.
pub fn node(image: &Path, format: &str) -> Value {
    json!({
        "node-name": "d0", "driver": format,
        "file": { "driver": "file", "filename": image },
    })
}

/// A machine of a test's own, that has these arguments plugged in.
pub fn plugged(args: &[String], name: &str, dir: &Dir) -> Result<Vm> {
    let vm = POOL.start(Machine::Plain, name, dir)?;
    vm.plug(args.iter().map(String::as_str))?;
    Ok(vm)
}

/// Ends the machines that are left.
pub fn quit_all() {
    POOL.empty();
}

/// Boots a machine; its guest keeps quiet.
pub fn boot(config: &Config, name: &str, dir: &Dir) -> Result<Vm> {
    let vm = config.boot(name, dir)?;
    vm.agent.ask("tick 10000")?;
    Ok(vm)
}

/// A test of the drive `id` with a blank cartridge in it.
pub fn on_blank(id: &'static str, body: fn(&Tape) -> Result<()>) -> Body {
    Box::new(move |dir| {
        with_machine(Machine::Virtio, dir, |vm| {
            let tape = Tape::find(vm, dir, id)?;
            with_blank(&tape, body)
        })
    })
}

/// Does `body` with a blank cartridge, in variable block mode.
pub fn with_blank(tape: &Tape, body: impl FnOnce(&Tape) -> Result<()>) -> Result<()> {
    tape.insert(&tape.blank("blank.tap")?, WriteProtect::Off)?;
    tape.mt("setblk 0")?;
    body(tape)?;
    tape.remove()
}
