// SPDX-License-Identifier: GPL-2.0-or-later
//! The calls of userfaultfd(2) that a load makes, and no more. Structures and numbers are the
//! kernel's own (`<linux/userfaultfd.h>`); what the calls mean is told in
//! `Documentation/admin-guide/mm/userfaultfd.rst` of its source.
//!
//! Not the crate `userfaultfd`: its features end with Linux 5.13, so it has no `UFFDIO_MOVE`, by which
//! huge pages are brought, and its -sys crate needs libclang to build.
//!
//! Guest memory appears here as addresses only. Nothing dereferences them: the kernel writes the
//! pages, and answers with an errno where there is nothing to write to.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use linux_raw_sys::general as kernel;
use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode, Opcode, Updater};
use thiserror::Error;

const GROUP: u8 = 0xAA;
const API: Opcode = opcode::read_write::<kernel::uffdio_api>(GROUP, kernel::_UFFDIO_API as u8);
const REGISTER: Opcode =
    opcode::read_write::<kernel::uffdio_register>(GROUP, kernel::_UFFDIO_REGISTER as u8);
const UNREGISTER: Opcode =
    opcode::read::<kernel::uffdio_range>(GROUP, kernel::_UFFDIO_UNREGISTER as u8);
const WAKE: Opcode = opcode::read::<kernel::uffdio_range>(GROUP, kernel::_UFFDIO_WAKE as u8);
const COPY: Opcode = opcode::read_write::<kernel::uffdio_copy>(GROUP, kernel::_UFFDIO_COPY as u8);
const ZEROPAGE: Opcode =
    opcode::read_write::<kernel::uffdio_zeropage>(GROUP, kernel::_UFFDIO_ZEROPAGE as u8);
/// Linux 6.8.
const MOVE: Opcode = opcode::read_write::<kernel::uffdio_move>(GROUP, kernel::_UFFDIO_MOVE as u8);
/// Asks `/dev/userfaultfd` for a userfaultfd: `USERFAULTFD_IOC_NEW`.
const NEW: Opcode = opcode::none(GROUP, 0);

/// Bytes of `struct uffd_msg`.
const MESSAGE: usize = size_of::<kernel::uffd_msg>();

/// The most faults read at once: more would only wait behind each other in one thread.
const MESSAGES: usize = 8;

/// No userfaultfd could be had.
#[derive(Debug, Error)]
#[error(
    "can't open a userfaultfd that serves the kernel's own faults (give this user access to \
     /dev/userfaultfd, or CAP_SYS_PTRACE, or set the sysctl vm.unprivileged_userfaultfd to 1): \
     /dev/userfaultfd: {device}; userfaultfd(2)"
)]
pub struct OpenError {
    device: io::Error,
    #[source]
    syscall: io::Error,
}

/// What the kernel's userfaultfd can do.
#[derive(Clone, Copy, Debug)]
pub struct Features(u64);

impl Features {
    /// Missing pages of hugetlbfs memory.
    pub fn missing_hugetlbfs(self) -> bool {
        self.0 & u64::from(kernel::UFFD_FEATURE_MISSING_HUGETLBFS) != 0
    }

    /// Missing pages of shared memory.
    pub fn missing_shmem(self) -> bool {
        self.0 & u64::from(kernel::UFFD_FEATURE_MISSING_SHMEM) != 0
    }

    /// `UFFDIO_MOVE`.
    pub fn moves(self) -> bool {
        self.0 & u64::from(kernel::UFFD_FEATURE_MOVE) != 0
    }
}

/// A thread waits for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address it touched, at least rounded down to its page.
    pub address: u64,
    /// Its thread id, 0 where the kernel doesn't tell.
    pub tid: u32,
}

/// How far a placement came before it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Bytes placed before that.
    pub done: u64,
    /// Why it stopped.
    pub errno: Errno,
}

/// A userfaultfd: non-blocking, closed on exec, serving faults of user and kernel code.
#[derive(Debug)]
pub struct Uffd {
    fd: OwnedFd,
    features: Features,
}

impl Uffd {
    /// Opens one, by the device or else by the system call.
    pub fn open() -> Result<Self, OpenError> {
        let fd = open_device()
            .or_else(|device| open_syscall().map_err(|syscall| OpenError { device, syscall }))?;
        // The features to ask for depend on the kernel, and a userfaultfd is asked only once: so
        // a second one asks for those that the first says are there.
        let fail = |error: Errno| OpenError {
            device: error.into(),
            syscall: error.into(),
        };
        let available = handshake(fd.as_fd(), 0).map_err(fail)?;
        let wanted = available.0
            & u64::from(
                kernel::UFFD_FEATURE_THREAD_ID
                    | kernel::UFFD_FEATURE_MISSING_HUGETLBFS
                    | kernel::UFFD_FEATURE_MISSING_SHMEM
                    | kernel::UFFD_FEATURE_MOVE,
            );
        let fd = open_device()
            .or_else(|device| open_syscall().map_err(|syscall| OpenError { device, syscall }))?;
        let features = handshake(fd.as_fd(), wanted).map_err(fail)?;
        Ok(Self { fd, features })
    }

    /// What the kernel can do.
    pub fn features(&self) -> Features {
        self.features
    }

    /// From now on missing pages of the range are reported here.
    pub fn register(&self, start: u64, len: u64) -> Result<(), Errno> {
        let mut arg = kernel::uffdio_register {
            range: kernel::uffdio_range { start, len },
            mode: u64::from(kernel::UFFDIO_REGISTER_MODE_MISSING),
            ioctls: 0,
        };
        // SAFETY: UFFDIO_REGISTER takes this structure and changes no memory.
        unsafe { ioctl(&self.fd, Updater::<REGISTER, _>::new(&mut arg)) }
    }

    /// Pages of the range are no longer reported. Who waits for one goes on, but for those that
    /// came while this was under way: they need a [`Uffd::wake`] afterwards.
    pub fn unregister(&self, start: u64, len: u64) -> Result<(), Errno> {
        let mut arg = kernel::uffdio_range { start, len };
        // SAFETY: UFFDIO_UNREGISTER takes this structure and changes no memory.
        unsafe { ioctl(&self.fd, Updater::<UNREGISTER, _>::new(&mut arg)) }
    }

    /// Makes who waits for a page of the range look again.
    pub fn wake(&self, start: u64, len: u64) -> Result<(), Errno> {
        let mut arg = kernel::uffdio_range { start, len };
        // SAFETY: UFFDIO_WAKE takes this structure and changes no memory.
        unsafe { ioctl(&self.fd, Updater::<WAKE, _>::new(&mut arg)) }
    }

    /// Fills missing pages at `dst` with the bytes of `src`, and wakes who waits for them.
    pub fn copy(&self, dst: u64, src: &[u8]) -> Result<(), Stopped> {
        self.copy_with(0, dst, src)
    }

    /// The same, but who waits goes on with a [`Uffd::wake`] only. What this call wakes may take its
    /// core, and it returns when it gets that back.
    pub fn copy_unwoken(&self, dst: u64, src: &[u8]) -> Result<(), Stopped> {
        self.copy_with(kernel::UFFDIO_COPY_MODE_DONTWAKE, dst, src)
    }

    fn copy_with(&self, mode: u32, dst: u64, src: &[u8]) -> Result<(), Stopped> {
        let len = src.len() as u64;
        let mut arg = kernel::uffdio_copy {
            dst,
            src: src.as_ptr() as u64,
            len,
            mode: u64::from(mode),
            copy: 0,
        };
        // SAFETY: UFFDIO_COPY reads `src`, a slice, and writes only to missing pages registered
        // here; it fails for any other address.
        let result = unsafe { ioctl(&self.fd, Updater::<COPY, _>::new(&mut arg)) };
        result.map_err(|errno| Stopped {
            done: arg.copy.max(0) as u64,
            errno,
        })
    }

    /// Maps zeros at missing pages of the range, and wakes who waits for them.
    pub fn zero(&self, start: u64, len: u64) -> Result<(), Stopped> {
        let range = kernel::uffdio_range { start, len };
        let mut arg = kernel::uffdio_zeropage {
            range,
            mode: 0,
            zeropage: 0,
        };
        // SAFETY: as for UFFDIO_COPY.
        let result = unsafe { ioctl(&self.fd, Updater::<ZEROPAGE, _>::new(&mut arg)) };
        result.map_err(|errno| Stopped {
            done: arg.zeropage.max(0) as u64,
            errno,
        })
    }

    /// Takes the pages of `src` out of it and puts them at `dst`, a huge page as a whole, and wakes
    /// who waits for them. What was moved reads as zero in `src` afterwards.
    pub fn take(&self, dst: u64, src: &mut [u8]) -> Result<(), Stopped> {
        let len = src.len() as u64;
        let mut arg = kernel::uffdio_move {
            dst,
            src: src.as_mut_ptr() as u64,
            len,
            mode: 0,
            move_: 0,
        };
        // SAFETY: UFFDIO_MOVE puts pages of `src`, borrowed for writing and so ours alone, only
        // where pages registered here are missing; zeros are as valid a content of `src`.
        let result = unsafe { ioctl(&self.fd, Updater::<MOVE, _>::new(&mut arg)) };
        result.map_err(|errno| Stopped {
            done: arg.move_.max(0) as u64,
            errno,
        })
    }

    /// Reads up to `limit` faults that nobody has read yet into `faults`, without waiting.
    pub fn read(&self, faults: &mut Vec<Fault>, limit: usize) -> Result<(), Errno> {
        faults.clear();
        let mut buf = [0u8; MESSAGE * MESSAGES];
        let len = match rustix::io::read(&self.fd, &mut buf[..MESSAGE * limit.min(MESSAGES)]) {
            Err(Errno::AGAIN | Errno::INTR) => 0,
            read => read?,
        };
        faults.extend(buf[..len].chunks_exact(MESSAGE).filter_map(parse_message));
        Ok(())
    }
}

impl AsFd for Uffd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `struct uffd_msg`, packed: event at 0, and for a page fault flags at 8, the address at 16 and
/// the thread at 24.
fn parse_message(message: &[u8]) -> Option<Fault> {
    // No other event was asked for.
    (u32::from(message[0]) == kernel::UFFD_EVENT_PAGEFAULT).then(|| Fault {
        address: u64::from_ne_bytes(message[16..24].try_into().expect("eight bytes")),
        tid: u32::from_ne_bytes(message[24..28].try_into().expect("four bytes")),
    })
}

fn open_device() -> io::Result<OwnedFd> {
    let device = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/userfaultfd")?;
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: USERFAULTFD_IOC_NEW takes flags by value.
    let fd = unsafe { libc::ioctl(device.as_raw_fd(), libc::c_ulong::from(NEW), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn open_syscall() -> io::Result<OwnedFd> {
    use rustix::mm::{userfaultfd, UserfaultfdFlags};
    // SAFETY: without a registration a userfaultfd changes nothing.
    let fd = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK) };
    Ok(fd?)
}

fn handshake(fd: BorrowedFd<'_>, features: u64) -> Result<Features, Errno> {
    let mut arg = kernel::uffdio_api {
        api: u64::from(kernel::UFFD_API),
        features,
        ioctls: 0,
    };
    // SAFETY: UFFDIO_API takes this structure and changes no memory.
    unsafe { ioctl(fd, Updater::<API, _>::new(&mut arg))? };
    Ok(Features(arg.features))
}
