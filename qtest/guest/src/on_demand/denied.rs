// SPDX-License-Identifier: GPL-2.0-or-later
//! A user who isn't allowed userfaultfd(2) is told what would allow it.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use annex_qtest::error::{refusal, Skip};
use annex_qtest::files::{self, Dir};
use annex_qtest::qmp::Qmp;
use annex_qtest::snapshot;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use command_fds::{CommandFdExt, FdMapping};

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/denied".into(), Box::new(says_what_to_do));
}) }

const NOBODY: u32 = 65534;

fn says_what_to_do(dir: &Dir) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Skip("only root can become a user without rights".into()).into());
    }
    let sysctl = fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd")?;
    let device = fs::metadata("/dev/userfaultfd").map_or(0, |device| device.permissions().mode());
    if sysctl.trim() != "0" || device & 0o006 != 0 {
        return Err(Skip("this host allows userfaultfd(2) to everybody".into()).into());
    }
    let (qmp, qmp_end) = UnixStream::pair()?;
    let mut command = Command::new(files::qemu()?);
    command.args([
        "-machine",
        "none",
        "-nodefaults",
        "-display",
        "none",
        "-incoming",
        "defer",
    ]);
    command.args([
        "-chardev",
        "socket,id=qmp,fd=3",
        "-mon",
        "chardev=qmp,mode=control",
    ]);
    command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null());
    command.fd_mappings(vec![FdMapping {
        parent_fd: OwnedFd::from(qmp_end),
        child_fd: 3,
    }])?;
    let mut qemu = command.spawn()?;
    let why = Qmp::over(qmp)
        .and_then(|qmp| refusal(snapshot::enable(&qmp, &["mapped-ram", "postcopy-ram"])));
    qemu.kill()?;
    qemu.wait()?;
    let why = why?;
    dir.log(&why);
    for remedy in [
        "/dev/userfaultfd",
        "CAP_SYS_PTRACE",
        "vm.unprivileged_userfaultfd",
    ] {
        ensure!(why.contains(remedy), "{remedy} isn't named: {why:?}");
    }
    Ok(())
}
