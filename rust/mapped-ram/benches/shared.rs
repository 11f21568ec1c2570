// SPDX-License-Identifier: GPL-2.0-or-later
//! Three ways to fill shared memory from a file that is in the page cache: by `UFFDIO_COPY` out of a
//! buffer, which is what a load does, and its rivals: read into a second mapping, or sent from file to
//! file by the kernel, and then `UFFDIO_CONTINUE`. It is here to show why a load does the first.
//!
//!     cargo bench -p mapped-ram --bench shared
//!
//! Rows of transparent huge pages want `advise` in
//! /sys/kernel/mm/transparent_hugepage/shmem_enabled, those of hugetlbfs pages in
//! /proc/sys/vm/nr_hugepages; they are left out without.

#![allow(unsafe_code)]

use std::fs::{read_to_string, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::ptr::{null_mut, with_exposed_provenance_mut};
use std::time::{Duration, Instant};

use bench_report::{Report, Rounds};
use clap::Parser;
use linux_raw_sys::general as kernel;
use mapped_ram::memory::read_into;
use rustix::fs::{memfd_create, sendfile, MemfdFlags};
use rustix::ioctl::{ioctl, opcode, Updater};
use rustix::mm::{
    madvise, mmap, munmap, userfaultfd, Advice, MapFlags, ProtFlags, UserfaultfdFlags,
};

const HUGE_PAGE: u64 = 2 << 20;

const GROUP: u8 = 0xAA;
const API: u32 = opcode::read_write::<kernel::uffdio_api>(GROUP, kernel::_UFFDIO_API as u8);
const REGISTER: u32 =
    opcode::read_write::<kernel::uffdio_register>(GROUP, kernel::_UFFDIO_REGISTER as u8);
const COPY: u32 = opcode::read_write::<kernel::uffdio_copy>(GROUP, kernel::_UFFDIO_COPY as u8);
const CONTINUE: u32 =
    opcode::read_write::<kernel::uffdio_continue>(GROUP, kernel::_UFFDIO_CONTINUE as u8);

/// Shared memory filled in two ways
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    report: bench_report::Args,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let (mib, rounds) = if arguments.report.smoke {
        (16, 2)
    } else {
        (512, 7)
    };
    let len = mib << 20;
    let file = tempfile::tempfile()?;
    let block: Vec<u8> = (0..1 << 20).map(|byte| (byte % 251) as u8).collect();
    for at in (0..len).step_by(block.len()) {
        file.write_all_at(&block, at)?;
    }
    let mut report = Report::new("shared", env!("CARGO_TARGET_TMPDIR"), &arguments.report);
    for kind in [Kind::Small, Kind::Transparent, Kind::Huge] {
        if !kind.is_there(len) {
            println!("{}: not on this machine", kind.name());
            continue;
        }
        for &(what, chunk, part) in kind.chunks() {
            let len = len / part;
            let mib = len as f64 / f64::from(1 << 20);
            for &(beside, rival) in kind.rivals() {
                let mut both = Vec::new();
                for _ in 0..rounds {
                    let ours = Shared::new(len, kind)?.fill(&file, chunk, Way::Copy)?;
                    let rival = Shared::new(len, kind)?.fill(&file, chunk, rival)?;
                    both.push((ours, rival));
                }
                let row = format!("{}, {what}, beside {beside}", kind.name());
                report.ratio(&row, mib, &Rounds::new(both), None);
            }
        }
    }
    report.save();
    Ok(())
}

/// What the memory is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Pages of 4 KiB.
    Small,
    /// Transparent huge pages.
    Transparent,
    /// hugetlbfs, pages of 2 MiB.
    Huge,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Small => "4 KiB pages",
            Self::Transparent => "huge pages",
            Self::Huge => "hugetlbfs",
        }
    }

    /// Whether the machine has `len` bytes of it.
    fn is_there(self, len: u64) -> bool {
        match self {
            Self::Small => true,
            Self::Transparent => {
                let file = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
                read_to_string(file).is_ok_and(|modes| modes.contains("[advise]"))
            }
            Self::Huge => {
                let free = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
                let free = read_to_string(free).unwrap_or_default();
                free.trim().parse().unwrap_or(0) >= len / HUGE_PAGE
            }
        }
    }

    /// What is brought at a time, by name and bytes, and the part of the memory that is enough.
    fn chunks(self) -> &'static [(&'static str, u64, u64)] {
        match self {
            Self::Small | Self::Transparent => &[
                ("128 KiB at a time", 128 << 10, 1),
                ("one page at a time", 4096, 8),
            ],
            Self::Huge => &[("one page at a time", HUGE_PAGE, 1)],
        }
    }

    /// The rivals that there are, by name.
    fn rivals(self) -> &'static [(&'static str, Way)] {
        let all = &[("second mapping", Way::Read), ("sendfile", Way::Send)];
        match self {
            Self::Small | Self::Transparent => all,
            // Its files can't be written to.
            Self::Huge => &all[..1],
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    /// Into a buffer, and copied from there to where a page is missing.
    Copy,
    /// Into a second mapping, and mapped where a page is missing.
    Read,
    /// Sent to the memory as to a file, and mapped where a page is missing.
    Send,
}

/// Shared memory, mapped twice, the first mapping watched.
struct Shared {
    len: u64,
    watched: u64,
    second: u64,
    uffd: OwnedFd,
    memory: File,
}

impl Shared {
    fn new(len: u64, kind: Kind) -> io::Result<Self> {
        let flags = match kind {
            Kind::Small | Kind::Transparent => MemfdFlags::empty(),
            Kind::Huge => MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
        };
        let memory = memfd_create("shared", MemfdFlags::CLOEXEC | flags)?;
        File::from(memory.try_clone()?).set_len(len)?;
        let map = || {
            let prot = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new mapping at an address of the kernel's choice.
            let start = unsafe {
                mmap(
                    null_mut(),
                    len as usize,
                    prot,
                    MapFlags::SHARED,
                    memory.as_fd(),
                    0,
                )?
            };
            if kind == Kind::Transparent {
                // SAFETY: advice that changes no contents.
                unsafe { madvise(start, len as usize, Advice::LinuxHugepage)? };
            }
            io::Result::Ok(start.expose_provenance() as u64)
        };
        let (watched, second) = (map()?, map()?);
        // SAFETY: without a registration a userfaultfd changes nothing.
        let uffd = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK)? };
        let mut api = kernel::uffdio_api {
            api: u64::from(kernel::UFFD_API),
            features: u64::from(
                kernel::UFFD_FEATURE_MISSING_SHMEM
                    | kernel::UFFD_FEATURE_MINOR_SHMEM
                    | kernel::UFFD_FEATURE_MISSING_HUGETLBFS
                    | kernel::UFFD_FEATURE_MINOR_HUGETLBFS,
            ),
            ioctls: 0,
        };
        // SAFETY: takes this structure, and changes no memory.
        unsafe { ioctl(&uffd, Updater::<API, _>::new(&mut api))? };
        let mode = kernel::UFFDIO_REGISTER_MODE_MISSING | kernel::UFFDIO_REGISTER_MODE_MINOR;
        let mut register = kernel::uffdio_register {
            range: kernel::uffdio_range {
                start: watched,
                len,
            },
            mode: u64::from(mode),
            ioctls: 0,
        };
        // SAFETY: takes this structure, and changes no memory.
        unsafe { ioctl(&uffd, Updater::<REGISTER, _>::new(&mut register))? };
        Ok(Self {
            len,
            watched,
            second,
            uffd,
            memory: memory.into(),
        })
    }

    /// Fills all of it, `chunk` bytes at a time.
    fn fill(self, file: &File, chunk: u64, way: Way) -> io::Result<Duration> {
        let mut buf = vec![1; chunk as usize];
        // Sending has no offset of its own for where it writes.
        let mut memory = &self.memory;
        let begun = Instant::now();
        for at in (0..self.len).step_by(chunk as usize) {
            match way {
                Way::Copy => {
                    file.read_exact_at(&mut buf, at)?;
                    let mut copy = kernel::uffdio_copy {
                        dst: self.watched + at,
                        src: buf.as_ptr() as u64,
                        len: chunk,
                        mode: 0,
                        copy: 0,
                    };
                    // SAFETY: reads `buf`, and writes to missing pages of memory that is ours.
                    unsafe { ioctl(&self.uffd, Updater::<COPY, _>::new(&mut copy))? };
                }
                Way::Read => {
                    // SAFETY: memory that is ours, of which there is no reference.
                    unsafe { read_into(file.as_fd(), at, self.second + at, chunk)? };
                    self.go_on(at, chunk)?;
                }
                Way::Send => {
                    memory.seek(SeekFrom::Start(at))?;
                    let mut from = at;
                    while from < at + chunk {
                        let rest = (at + chunk - from) as usize;
                        if sendfile(memory, file, Some(&mut from), rest)? == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    self.go_on(at, chunk)?;
                }
            }
        }
        Ok(begun.elapsed())
    }

    /// Maps what is in the memory already.
    fn go_on(&self, at: u64, len: u64) -> io::Result<()> {
        let mut go_on = kernel::uffdio_continue {
            range: kernel::uffdio_range {
                start: self.watched + at,
                len,
            },
            mode: 0,
            mapped: 0,
        };
        // SAFETY: maps pages of memory that is ours.
        unsafe { ioctl(&self.uffd, Updater::<CONTINUE, _>::new(&mut go_on))? };
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for start in [self.watched, self.second] {
            // SAFETY: a mapping of our own, which nobody refers to any more.
            let unmapped = unsafe {
                munmap(
                    with_exposed_provenance_mut(start as usize),
                    self.len as usize,
                )
            };
            debug_assert!(unmapped.is_ok());
        }
    }
}
