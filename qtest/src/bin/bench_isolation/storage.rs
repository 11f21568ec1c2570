// SPDX-License-Identifier: GPL-2.0-or-later
//! The back-end: a qemu-storage-daemon with an export of each kind.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use annex_qtest::error::MachineFailure;
use annex_qtest::files::{self, Dir};
use annex_qtest::wait;
use anyhow::{bail, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use rustix::fs::{fallocate, memfd_create, FallocateFlags, MemfdFlags};

use crate::cases::{Export, Shape};

/// A running daemon.
pub struct Storage {
    child: Child,
    dir: PathBuf,
    _ram: OwnedFd,
}

impl Storage {
    /// Starts it; its sockets and its log are in `dir`.
    pub fn start(dir: &Dir) -> Result<Self> {
        // Memory that is there from the beginning: writing is no allocating.
        let ram = memfd_create("disk", MemfdFlags::CLOEXEC)?;
        fallocate(&ram, FallocateFlags::empty(), 0, Export::Ram.len())?;
        let ram_path = format!("/proc/{}/fd/{}", std::process::id(), ram.as_raw_fd());
        let log_path = dir.file("storage.log");
        let log = File::create(&log_path)?;
        let mut command = Command::new(files::storage_daemon()?);
        let queues = Shape::ALL.map(|shape| shape.queues).into_iter().max().unwrap_or(1);
        for export in Export::ALL {
            let id = export.id();
            let node = match export {
                Export::Null => format!("null-co,size={}", export.len()),
                Export::Ram => format!("file,filename={ram_path}"),
                Export::Paced => {
                    command
                        .args(["--object", "throttle-group,id=pace,limits.bps-total=3000000000"]);
                    format!("throttle,throttle-group=pace,file={}", Export::Null.id())
                }
            };
            let socket = dir.file(&socket_name(export));
            let _ = fs::remove_file(&socket);
            command.arg("--blockdev").arg(format!("driver={node},node-name={id}"));
            command.arg("--export").arg(format!(
                "vhost-user-blk,id=x{id},node-name={id},writable=on,num-queues={queues},\
                 addr.type=unix,addr.path={}",
                socket.display()
            ));
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child
            .map_err(|error| MachineFailure(format!("can't start qemu-storage-daemon: {error}")))?;
        let mut storage = Self { child, dir: dir.path().into(), _ram: ram };
        wait::until("qemu-storage-daemon to listen", Duration::from_secs(30), || {
            if let Some(status) = storage.child.try_wait()? {
                let said = fs::read_to_string(&log_path).unwrap_or_default();
                bail!("qemu-storage-daemon ended with {status}: {}", said.trim_end());
            }
            Ok(Export::ALL.iter().all(|&export| storage.socket(export).exists()).then_some(()))
        })?;
        Ok(storage)
    }

    /// Where to connect to.
    pub fn socket(&self, export: Export) -> PathBuf {
        self.dir.join(socket_name(export))
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_time(self.child.id())
    }
}

/// Processor time that a process has used, its threads that ended included.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid as i32))?;
    Ok(clock.now()?.into())
}

impl Drop for Storage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket_name(export: Export) -> String {
    format!("{}.sock", export.id())
}
