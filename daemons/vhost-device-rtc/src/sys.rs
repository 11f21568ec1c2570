// SPDX-License-Identifier: GPL-2.0-or-later
//! What has to be asked of the processor and of Linux in ways that the compiler can't check: the
//! only unsafe code.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::host::{Announced, Kernel};

/// The processor's time stamp counter, not before what precedes in the program and not after what
/// follows; None on other processors.
#[cfg(target_arch = "x86_64")]
pub fn counter() -> Option<u64> {
    use std::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: each x86-64 processor has both instructions. (Linux can have RDTSC fault in a
    // process that asks for it with PR_SET_TSC; this one doesn't.)
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        Some(ticks)
    }
}

/// The processor's time stamp counter, not before what precedes in the program and not after what
/// follows; None on other processors.
#[cfg(not(target_arch = "x86_64"))]
pub fn counter() -> Option<u64> {
    None
}

/// What adjtimex(2) says of leap seconds and TAI. It changes nothing and needs no privilege.
pub fn kernel() -> Kernel {
    // SAFETY: zeros are a value of each of the fields, all of which are numbers.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into the struct that it is given, and nowhere else.
    let state = unsafe { libc::adjtimex(&mut timex) };
    let leap = match state {
        libc::TIME_INS => Announced::Insert,
        libc::TIME_OOP => Announced::Inserting,
        libc::TIME_DEL => Announced::Delete,
        // TIME_ERROR, a clock that isn't synchronised, hides what is announced.
        libc::TIME_ERROR if timex.status & libc::STA_INS != 0 => Announced::Insert,
        libc::TIME_ERROR if timex.status & libc::STA_DEL != 0 => Announced::Delete,
        _ => Announced::Nothing,
    };
    Kernel {
        tai: timex.tai,
        leap,
    }
}

/// Wait for one of these signals, which have to be blocked.
pub fn wait_for_signal(signals: &[libc::c_int]) -> io::Result<libc::c_int> {
    let set = vmm_sys_util::signal::create_sigset(signals).map_err(io::Error::from)?;
    let mut signal = 0;
    // SAFETY: both point to what they should.
    match unsafe { libc::sigwait(&set, &mut signal) } {
        0 => Ok(signal),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Own a descriptor that somebody has left open for this process, or for this part of it.
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only asks, whatever the number is.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is open, and nobody else's. It is either the one that the process was started
    // with, of which there is one, before anything is opened that could have its number; or one
    // that was released by `into_raw_fd`.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_forward() {
        if let (Some(before), Some(after)) = (counter(), counter()) {
            assert!(before < after);
        }
    }

    #[test]
    fn the_kernel_answers() {
        assert!((-100..100).contains(&kernel().tai));
    }

    #[test]
    fn a_closed_descriptor_is_refused() {
        assert!(adopt(-1).is_err());
        assert!(adopt(100_000).is_err());
    }
}
