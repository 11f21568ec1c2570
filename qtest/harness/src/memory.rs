// SPDX-License-Identifier: GPL-2.0-or-later
//! The kinds of host memory a guest's RAM can be made of.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{flock, FlockOperation};

use crate::error::Skip;

/// What backs the guest's main RAM. The block's name is the same in all, so
/// that a snapshot saved from one loads into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// Private anonymous memory, QEMU's default.
    Anon,
    /// A shared memfd.
    Memfd,
    /// A shared memfd of 2 MiB huge pages.
    Hugetlb,
    /// A shared file in /dev/shm.
    FileOnShm,
}

impl Backing {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Anon, Self::Memfd, Self::Hugetlb, Self::FileOnShm];

    /// QEMU's arguments for `mib` MiB of it, `-m` aside.
    pub fn args(self, mib: u64) -> Vec<String> {
        let object = match self {
            Self::Anon => return vec!["-machine".into(), "pc".into()],
            Self::Memfd => "memory-backend-memfd",
            Self::Hugetlb => "memory-backend-memfd,hugetlb=on,hugetlbsize=2M",
            // Given a directory, QEMU makes a file there and unlinks it at once.
            Self::FileOnShm => "memory-backend-file,mem-path=/dev/shm",
        };
        vec![
            "-machine".into(),
            "pc,memory-backend=pc.ram".into(),
            "-object".into(),
            format!("{object},id=pc.ram,size={mib}M,share=on"),
        ]
    }
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anon => "anon",
            Self::Memfd => "memfd",
            Self::Hugetlb => "hugetlb",
            Self::FileOnShm => "file-on-shm",
        })
    }
}

const HUGE_PAGES: &str = "/proc/sys/vm/nr_hugepages";

/// Reserved 2 MiB pages, given back on drop. One holder at a time on this
/// host: the next one waits.
pub struct HugePages {
    count: u64,
    _lock: File,
}

impl HugePages {
    /// Reserves `mib` MiB, or says why the test must be skipped.
    pub fn reserve(mib: u64) -> Result<Self> {
        if !Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists() {
            return Err(Skip("this host has no 2 MiB huge pages".into()).into());
        }
        let lock = File::open(HUGE_PAGES).context(HUGE_PAGES)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(io::Error::from)?;
        let before = reserved()?;
        let wanted = before + mib / 2;
        let refused = fs::write(HUGE_PAGES, wanted.to_string()).err();
        let got = reserved()?;
        let pages = Self {
            count: got.saturating_sub(before),
            _lock: lock,
        };
        if got < wanted {
            let why = refused
                .map(|error| format!(" ({error})"))
                .unwrap_or_default();
            return Err(Skip(format!(
                "needs {wanted} huge pages, got {got}{why}: write the number to {HUGE_PAGES}"
            ))
            .into());
        }
        Ok(pages)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        // Others may have reserved some since: theirs stay.
        if let Ok(pages) = reserved() {
            let _ = fs::write(HUGE_PAGES, pages.saturating_sub(self.count).to_string());
        }
    }
}

/// Pages in the host's pool, in use or not.
fn reserved() -> Result<u64> {
    let text = fs::read_to_string(HUGE_PAGES).context(HUGE_PAGES)?;
    text.trim().parse().context(HUGE_PAGES)
}
