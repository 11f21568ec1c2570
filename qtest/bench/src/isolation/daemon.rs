// SPDX-License-Identifier: GPL-2.0-or-later
//! A back-end's process.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use annex_qtest::error::MachineFailure;
use annex_qtest::files::Dir;
use annex_qtest::wait;
use anyhow::{bail, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// How long it may take until it listens.
const LIMIT: Duration = Duration::from_secs(30);

/// A running one; killed when dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts `command`, called `name`, which listens on `sockets` then; its
    /// log is in `dir`.
    pub fn start(mut command: Command, name: &str, dir: &Dir, sockets: &[PathBuf]) -> Result<Self> {
        for socket in sockets {
            let _ = fs::remove_file(socket);
        }
        let log_path = dir.file(&format!("{name}.log"));
        let log = File::create(&log_path)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        let child =
            child.map_err(|error| MachineFailure(format!("can't start {name}: {error}")))?;
        let mut daemon = Self(child);
        wait::until(&format!("{name} to listen"), LIMIT, || {
            if let Some(status) = daemon.0.try_wait()? {
                let said = fs::read_to_string(&log_path).unwrap_or_default();
                bail!("{name} ended with {status}: {}", said.trim_end());
            }
            Ok(sockets.iter().all(|socket| socket.exists()).then_some(()))
        })?;
        Ok(daemon)
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_time(self.0.id())
    }
}

/// Processor time that a process has used, its threads that ended included.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid as i32))?;
    Ok(clock.now()?.into())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
