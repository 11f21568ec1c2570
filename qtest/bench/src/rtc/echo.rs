// SPDX-License-Identifier: GPL-2.0-or-later
//! The least that a back-end can do: a process that waits for one eventfd and
//! writes another.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use anyhow::{ensure, Result};
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::stdio::{stdin, stdout};

/// The other process, and the two eventfds.
pub struct Echo {
    child: Child,
    kick: File,
    call: File,
}

impl Echo {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let kick = eventfd(0, EventfdFlags::CLOEXEC)?;
        let call = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("echo")
            .stdin(Stdio::from(kick.try_clone()?))
            .stdout(Stdio::from(call.try_clone()?))
            .spawn()?;
        let (kick, call) = (File::from(kick), File::from(call));
        Ok(Self { child, kick, call })
    }

    /// There and back. This side waits as a driver of the daemon does.
    pub fn round_trip(&mut self) -> Result<()> {
        self.kick.write_all(&1u64.to_ne_bytes())?;
        loop {
            let limit = Timespec {
                tv_sec: 30,
                tv_nsec: 0,
            };
            let mut fds = [PollFd::new(&self.call, PollFlags::IN)];
            ensure!(poll(&mut fds, Some(&limit))? > 0, "no echo");
            match self.call.read(&mut [0; 8]) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the other process does, until it is killed.
pub fn serve() -> Result<()> {
    let own = |fd: rustix::fd::BorrowedFd<'_>| -> Result<File> {
        let fd: OwnedFd = fd.as_fd().try_clone_to_owned()?;
        Ok(File::from(fd))
    };
    let (mut kick, mut call) = (own(stdin())?, own(stdout())?);
    let mut count = [0; 8];
    loop {
        kick.read_exact(&mut count)?;
        call.write_all(&1u64.to_ne_bytes())?;
    }
}
