// SPDX-License-Identifier: GPL-2.0-or-later
//! The back-end of disks: a qemu-storage-daemon with an export of each kind.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use annex_qtest::files::{self, Dir};
use anyhow::Result;
use rustix::fs::{fallocate, memfd_create, FallocateFlags, MemfdFlags};
use strum::VariantArray;

use super::daemon::Daemon;
use super::disk::{Export, Shape};

/// A running daemon.
pub struct Storage {
    daemon: Daemon,
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
        let mut command = Command::new(files::storage_daemon()?);
        let queues = Shape::ALL
            .map(|shape| shape.queues)
            .into_iter()
            .max()
            .unwrap_or(1);
        let exports = Export::VARIANTS.iter().copied();
        let sockets: Vec<_> = exports
            .clone()
            .map(|export| dir.file(&socket_name(export)))
            .collect();
        for (export, socket) in exports.zip(&sockets) {
            let id = export.id();
            let node = match export {
                Export::Null => format!("null-co,size={}", export.len()),
                Export::Ram => format!("file,filename={ram_path}"),
                Export::Paced => {
                    command.args([
                        "--object",
                        "throttle-group,id=pace,limits.bps-total=3000000000",
                    ]);
                    format!("throttle,throttle-group=pace,file={}", Export::Null.id())
                }
            };
            command
                .arg("--blockdev")
                .arg(format!("driver={node},node-name={id}"));
            command.arg("--export").arg(format!(
                "vhost-user-blk,id=x{id},node-name={id},writable=on,num-queues={queues},\
                 addr.type=unix,addr.path={}",
                socket.display()
            ));
        }
        let daemon = Daemon::start(command, "qemu-storage-daemon", dir, &sockets)?;
        Ok(Self {
            daemon,
            dir: dir.path().into(),
            _ram: ram,
        })
    }

    /// Where to connect to.
    pub fn socket(&self, export: Export) -> PathBuf {
        self.dir.join(socket_name(export))
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> Result<Duration> {
        self.daemon.cpu()
    }
}

fn socket_name(export: Export) -> String {
    format!("{}.sock", export.id())
}
