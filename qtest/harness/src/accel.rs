// SPDX-License-Identifier: GPL-2.0-or-later
//! TCG, or KVM where a guest is seen to run under it.

use std::env;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;

use crate::error::MachineFailure;
use crate::files::Dir;
use crate::qemu::Config;

/// Under hardware virtualisation a guest is up in a second or two. A host
/// that emulates its guests' kernel mode may open /dev/kvm and never get there.
const KVM_BOOT_LIMIT: Duration = Duration::from_secs(8);

/// What executes the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// QEMU's own translator: works everywhere, and alike.
    Tcg,
    /// The host kernel's.
    Kvm,
    /// Nothing: a test does the CPU's I/O.
    None,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
            Self::None => "qtest",
        })
    }
}

impl Accel {
    /// What `ANNEX_ACCEL` asks for, TCG by default. KVM is probed first.
    pub fn wanted() -> Result<Self> {
        match env::var("ANNEX_ACCEL").as_deref() {
            Err(_) | Ok("tcg") => Ok(Self::Tcg),
            Ok("kvm") => kvm_works().map(|()| Self::Kvm).map_err(|why| {
                MachineFailure(format!("ANNEX_ACCEL=kvm, but {why}: use tcg")).into()
            }),
            Ok(other) => {
                Err(MachineFailure(format!("ANNEX_ACCEL={other}: it can be tcg or kvm")).into())
            }
        }
    }
}

/// Whether a guest reaches user space under KVM here, or why not. Tried once.
pub fn kvm_works() -> Result<(), String> {
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    TRIED
        .get_or_init(|| {
            if !std::path::Path::new("/dev/kvm").exists() {
                return Err("there is no /dev/kvm".into());
            }
            probe_kvm().map_err(|error| format!("no guest gets up under KVM here ({error})"))
        })
        .clone()
}

fn probe_kvm() -> Result<()> {
    let dir = Dir::for_test("probe-kvm")?;
    let config = Config {
        qemu: crate::files::qemu()?,
        accel: Accel::Kvm,
        mib: 256,
        backing: crate::memory::Backing::Anon,
        guest: crate::files::Guest::usual()?,
        kernel_options: String::new(),
        incoming: false,
        args: Vec::new(),
        wrapper: Vec::new(),
    };
    config
        .start("probe", &dir)?
        .console
        .wait_ready(KVM_BOOT_LIMIT)
}
