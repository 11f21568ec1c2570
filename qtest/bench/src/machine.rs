// SPDX-License-Identifier: GPL-2.0-or-later
//! Where and with what the numbers were taken.

use std::fs;
use std::process::Command;

use annex_qtest::accel::Accel;
use annex_qtest::files;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The machine of a bench.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// "MODEL, N CPUs, N GiB of RAM".
    pub hardware: String,
    /// The host's kernel.
    pub kernel: String,
    /// What QEMU says of its version.
    pub qemu: String,
    /// The accelerator.
    pub accel: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Result<Self> {
        let cpus = std::thread::available_parallelism()?;
        let kib = field("/proc/meminfo", "MemTotal")?
            .replace(" kB", "")
            .parse::<f64>()?;
        let gib = (kib / f64::from(1 << 20)).round();
        let version = Command::new(files::qemu()?)
            .arg("--version")
            .output()?
            .stdout;
        let version = String::from_utf8_lossy(&version);
        let model = field("/proc/cpuinfo", "model name")?;
        Ok(Self {
            hardware: format!("{model}, {cpus} CPUs, {gib} GiB of RAM"),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            qemu: version.lines().next().unwrap_or("?").to_owned(),
            accel: Accel::wanted()?.to_string(),
        })
    }
}

/// The value of the first "key : value" line of a file in /proc.
fn field(path: &str, key: &str) -> Result<String> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .with_context(|| format!("no {key} in {path}"))
}
