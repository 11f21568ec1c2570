// SPDX-License-Identifier: GPL-2.0-or-later
//! The daemon under test as a process.

use std::env;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use annex_peers::backend::{socket, Backend};
use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use anyhow::{Context, Result};

/// What the daemon or QEMU may take to answer on a busy host.
pub const SOON: Duration = Duration::from_secs(30);

/// Names another daemon than the workspace's.
const VARIABLE: &str = "ANNEX_RTC_DAEMON";

/// The daemon to test: `ANNEX_RTC_DAEMON`, else the one that Cargo has built
/// into the folder this program is in. A trial where there is none is ignored,
/// and says so.
pub fn program() -> Result<PathBuf> {
    let path = match env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => {
            let own = env::current_exe()?;
            // target/PROFILE/deps/rtc-HASH
            let folder = own.parent().and_then(Path::parent);
            folder
                .context("Cargo's target folder")?
                .join("vhost-device-rtc")
        }
    };
    if path.exists() {
        return Ok(path);
    }
    let path = path.display();
    Err(Skip(format!(
        "{path} is missing: cargo build -p vhost-device-rtc makes it, or set {VARIABLE}"
    ))
    .into())
}

/// A running daemon; killed when dropped. What it says is in its log in the
/// trial's folder.
pub struct Daemon(Backend);

impl Daemon {
    /// Starts one that listens on NAME.sock, with more options.
    pub fn start(dir: &Dir, name: &str, options: &[&str]) -> Result<Self> {
        Self::start_at(dir, name, socket(dir, name)?, options)
    }

    /// The same on another's socket.
    pub fn start_at(dir: &Dir, name: &str, socket: PathBuf, options: &[&str]) -> Result<Self> {
        let mut command = Command::new(program()?);
        command.arg("--socket-path").arg(&socket).args(options);
        Backend::start(command, dir, name, socket).map(Self)
    }

    /// SIGKILL.
    pub fn kill(self) -> Result<()> {
        self.0.kill()
    }
}

impl Deref for Daemon {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.0
    }
}

/// What a process takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Its threads.
    pub threads: usize,
    /// Its open descriptors.
    pub descriptors: usize,
    /// KiB of memory that it has touched and that is in RAM.
    pub resident_kib: u64,
}

impl Daemon {
    /// What it takes just now.
    pub fn usage(&self) -> Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", self.pid()));
        let count = |name: &str| -> Result<usize> { Ok(fs::read_dir(proc.join(name))?.count()) };
        let status = fs::read_to_string(proc.join("status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(Usage {
            threads: count("task")?,
            descriptors: count("fd")?,
            resident_kib: resident.context("VmRSS")?.parse()?,
        })
    }
}
