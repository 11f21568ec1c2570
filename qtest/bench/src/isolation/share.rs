// SPDX-License-Identifier: GPL-2.0-or-later
//! A file that a guest has through virtiofs.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::qemu::Config;
use anyhow::{Context, Result};
use rustix::fs::{fallocate, FallocateFlags};

use super::daemon::Daemon;
use super::disk::{Operation, Shape};
use super::modes::Isolation;
use super::tables::Requests;
use crate::results;

/// Bytes of the file.
const LEN: u64 = 128 << 20;

/// One request at a time, of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCase {
    pub operation: Operation,
    pub shape: Shape,
}

impl FileCase {
    /// All.
    pub fn all() -> Vec<Self> {
        let case = |operation, len| Self {
            operation,
            shape: Shape::new(len, 1, 1),
        };
        vec![
            case(Operation::Read, 4 << 10),
            case(Operation::Read, 1 << 20),
            case(Operation::Write, 1 << 20),
        ]
    }

    /// What does it in the guest, for so many seconds.
    pub fn command(self, seconds: f64) -> String {
        let Self {
            operation,
            shape: Shape { len, depth, queues },
        } = self;
        format!("diskload /mnt/data {operation} {len} {depth} {queues} {seconds}")
    }
}

impl fmt::Display for FileCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, virtiofs", self.shape, self.operation)
    }
}

impl results::Case for FileCase {
    fn columns(self) -> Vec<String> {
        let Self {
            operation,
            shape: Shape { len, depth, queues },
        } = self;
        let numbers = [len, depth, queues].map(|number| number.to_string());
        numbers
            .into_iter()
            .chain([operation.to_string(), "virtiofs".into()])
            .collect()
    }
}

impl Requests for FileCase {
    fn bytes(self) -> usize {
        self.shape.len
    }

    fn is_latency(self) -> bool {
        !self.shape.is_sequential()
    }
}

/// A running virtiofsd with a file in RAM.
pub struct Share {
    daemon: Daemon,
    socket: PathBuf,
    _folder: Folder,
}

impl Share {
    /// Has the guest mount it.
    pub const MOUNT: &str = "mkdir -p /mnt && mount -t virtiofs share /mnt";

    /// Starts one; its socket and its log are in `dir`.
    pub fn start(dir: &Dir, isolation: Isolation) -> Result<Self> {
        let name = format!(
            "/dev/shm/bench-isolation-{}-{}",
            std::process::id(),
            isolation.id()
        );
        fs::create_dir(&name).with_context(|| name.clone())?;
        let folder = Folder(name.into());
        let file = File::create(folder.0.join("data"))?;
        fallocate(&file, FallocateFlags::empty(), 0, LEN)?;
        let socket = dir.file("fs.sock");
        let mut command = Command::new(files::backend("virtiofsd")?);
        command
            .args(["--sandbox", "none"])
            .arg("--shared-dir")
            .arg(&folder.0);
        command.arg("--socket-path").arg(&socket);
        let daemon = Daemon::start(command, "virtiofsd", dir, std::slice::from_ref(&socket))?;
        Ok(Self {
            daemon,
            socket,
            _folder: folder,
        })
    }

    /// A machine that has it. A ring as large as this has room for a request of
    /// 1 MiB, a page in each segment.
    pub fn on(&self, config: &Config, isolation: Isolation) -> Config {
        let chardev = format!("socket,id=cfs,path={}", self.socket.display());
        let device = format!(
            "vhost-user-fs-pci,chardev=cfs,tag=share,queue-size=1024{}",
            isolation.options()
        );
        config.with(["-chardev", &chardev, "-device", &device])
    }

    /// Processor time that the daemon has used.
    pub fn cpu(&self) -> Result<Duration> {
        self.daemon.cpu()
    }
}

/// Removed when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
