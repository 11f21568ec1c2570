// SPDX-License-Identifier: GPL-2.0-or-later
//! Where things are: the repository, what is to be tested, a test's own files.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use rustix::fs::{fadvise, Advice};

use crate::error::{MachineFailure, Skip};

/// The repository's root.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("qtest/harness is in the repository")
}

/// What the environment variable names, else `built`, which may be relative to
/// build/.
fn wanted(variable: &str, built: impl AsRef<Path>, made_by: &str) -> Result<PathBuf> {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => top().join("build").join(built),
    };
    if !path.exists() {
        let path = path.display();
        return Err(MachineFailure(format!(
            "{path} is missing: {made_by} makes it, or set {variable}"
        ))
        .into());
    }
    Ok(path)
}

/// Where QEMU is under build/.
const QEMU: &str = "qemu/qemu-system-x86_64";

/// The QEMU to test: `ANNEX_QEMU`, else the one built here.
pub fn qemu() -> Result<PathBuf> {
    wanted("ANNEX_QEMU", QEMU, "make")
}

/// The qemu-storage-daemon that serves disks: `ANNEX_STORAGE_DAEMON`, else the
/// one built beside the QEMU to test.
pub fn storage_daemon() -> Result<PathBuf> {
    beside_qemu("ANNEX_STORAGE_DAEMON", "storage-daemon/qemu-storage-daemon")
}

/// The back-end for networks of QEMU's own tests: `ANNEX_VHOST_USER_BRIDGE`,
/// else the one built beside the QEMU to test.
pub fn vhost_user_bridge() -> Result<PathBuf> {
    beside_qemu("ANNEX_VHOST_USER_BRIDGE", "tests/vhost-user-bridge")
}

/// Makes `image` in QEMU's own format with the qemu-img built beside the QEMU to test;
/// `more` says how big it is, or on what image it lies.
pub fn make_qcow2(image: &Path, more: &[&str]) -> Result<()> {
    let tool = qemu()?.with_file_name("qemu-img");
    let made = Command::new(&tool)
        .args(["create", "-q", "-f", "qcow2"])
        .args(more)
        .arg("--")
        .arg(image)
        .status()
        .with_context(|| tool.display().to_string())?;
    ensure!(made.success(), "{}: {made}", tool.display());
    Ok(())
}

/// A program that QEMU's build makes beside it.
fn beside_qemu(variable: &str, name: &str) -> Result<PathBuf> {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => qemu()?.with_file_name(name),
    };
    if !path.exists() {
        let path = path.display();
        let what = format!("{path} is missing: build it beside QEMU, or set {variable}");
        return Err(MachineFailure(what).into());
    }
    Ok(path)
}

/// A back-end of somebody else's: in `ANNEX_BACKENDS`, else what
/// scripts/backends made.
pub fn backend(name: &str) -> Result<PathBuf> {
    let path = wanted("ANNEX_BACKENDS", "backends/bin", "scripts/backends")?.join(name);
    if !path.exists() {
        let what = format!("{} is missing: scripts/backends makes it", path.display());
        return Err(MachineFailure(what).into());
    }
    Ok(path)
}

/// The guests' busybox, which runs here, too: `ANNEX_BUSYBOX`, else the one that scripts/guest took
/// for them.
pub fn busybox() -> Result<PathBuf> {
    wanted("ANNEX_BUSYBOX", "guest/busybox", "scripts/guest")
}

/// An unpatched QEMU of the same version, if `ANNEX_BASE_QEMU` names one.
pub fn base_qemu() -> Option<PathBuf> {
    env::var_os("ANNEX_BASE_QEMU").map(PathBuf::from)
}

/// What a machine boots: the guest's two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Its kernel.
    pub kernel: PathBuf,
    /// What it runs, in RAM.
    pub initramfs: PathBuf,
}

impl Guest {
    /// The usual one: `ANNEX_KERNEL` and `ANNEX_INITRAMFS`, else what
    /// scripts/guest made.
    pub fn usual() -> Result<Self> {
        Ok(Self {
            kernel: wanted("ANNEX_KERNEL", "guest/vmlinuz", "scripts/guest")?,
            initramfs: wanted(
                "ANNEX_INITRAMFS",
                "guest/initramfs.cpio.gz",
                "scripts/guest",
            )?,
        })
    }

    /// The one with drivers for every HBA, and tools for tapes:
    /// `ANNEX_TAPE_KERNEL` and `ANNEX_TAPE_INITRAMFS`, else what scripts/guest
    /// made.
    pub fn with_tapes() -> Result<Self> {
        let (kernel, initramfs) = ("guest/tape/vmlinuz", "guest/tape/initramfs.cpio.gz");
        Ok(Self {
            kernel: wanted("ANNEX_TAPE_KERNEL", kernel, "scripts/guest")?,
            initramfs: wanted("ANNEX_TAPE_INITRAMFS", initramfs, "scripts/guest")?,
        })
    }

    /// The one that has Linux's driver for virtio-rtc: `ANNEX_RTC_KERNEL` and
    /// `ANNEX_RTC_INITRAMFS`, else what scripts/guest-rtc made. Where that
    /// couldn't be made the test is skipped, for the reason it gave.
    pub fn with_rtc() -> Result<Self> {
        let missing = top().join("build/guest/rtc/missing");
        if env::var_os("ANNEX_RTC_KERNEL").is_none() && missing.exists() {
            let reason = fs::read_to_string(&missing)?;
            return Err(Skip(reason.trim_end().into()).into());
        }
        let (kernel, initramfs) = ("guest/rtc/vmlinuz", "guest/rtc/initramfs.cpio.gz");
        Ok(Self {
            kernel: wanted("ANNEX_RTC_KERNEL", kernel, "scripts/guest-rtc")?,
            initramfs: wanted("ANNEX_RTC_INITRAMFS", initramfs, "scripts/guest-rtc")?,
        })
    }
}

/// Where the test `name` has its files.
pub fn test(name: &str) -> PathBuf {
    top().join("build/test").join(name)
}

/// One test's directory: its log, and those of the machines it starts.
pub struct Dir {
    path: PathBuf,
    log: Mutex<File>,
    start: Instant,
}

impl Dir {
    /// An empty directory build/test/`name`.
    pub fn for_test(name: &str) -> Result<Self> {
        let path = test(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("emptying {}", path.display()))?;
        }
        Self::at(path)
    }

    /// A directory that keeps what is already in it but the log.
    pub fn at(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        let log = File::create(path.join("test.log"))?;
        Ok(Self {
            path,
            log: Mutex::new(log),
            start: Instant::now(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A line in the test's own log, with the seconds since the test began.
    pub fn log(&self, line: impl AsRef<str>) {
        let mut log = self.log.lock().expect("no panic while logging");
        // A full disk must not turn into a test's verdict here.
        let _ = writeln!(
            log,
            "{:8.3} {}",
            self.start.elapsed().as_secs_f64(),
            line.as_ref()
        );
    }

    /// The ends of all logs in it, under their names.
    pub fn log_tails(&self) -> String {
        let mut logs: Vec<PathBuf> = fs::read_dir(&self.path)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        logs.iter()
            .map(|path| format!("--- {}\n{}", path.display(), tail(path, 12)))
            .collect()
    }

    /// Removes the big files of a test that passed; the logs stay.
    pub fn keep_only_logs(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_file() && path.extension().is_none_or(|extension| extension != "log") {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// The last `count` lines of a text file.
fn tail(path: &Path, count: usize) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        return format!("({error})\n");
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Drops the pages of the file at `path` from the page cache once they are on the disk
/// (POSIX_FADV_DONTNEED). Needs no root.
pub fn drop_from_cache(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_apart_and_shortened() {
        let dir = Dir::for_test("unit/files").unwrap();
        dir.log("hello");
        let numbers: String = (0..100).map(|number| format!("{number}\n")).collect();
        fs::write(dir.file("vm.qemu.log"), numbers).unwrap();
        fs::write(dir.file("snapshot"), "big").unwrap();
        dir.keep_only_logs();
        let tails = dir.log_tails();
        assert!(
            tails.contains("hello") && tails.contains("vm.qemu.log\n88\n"),
            "{tails}"
        );
        assert!(!dir.file("snapshot").exists());
    }
}
