// SPDX-License-Identifier: GPL-2.0-or-later
//! Threads as QEMU starts its own: named, and blocking all signals but those of their own faults,
//! so that the process's signal handlers run where QEMU expects them.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

/// The signals that a thread brings on itself.
const OWN_FAULTS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

/// Starts `body` in a thread of that name (at most 15 bytes are shown).
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mut blocked = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set that sigdelset and pthread_sigmask then use.
    let before = unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for signal in OWN_FAULTS {
            libc::sigdelset(blocked.as_mut_ptr(), signal);
        }
        set_mask(blocked.as_ptr())?
    };
    let thread = Builder::new().name(name).spawn(body);
    // SAFETY: the mask that was in force.
    unsafe { set_mask(&before)? };
    thread
}

/// # Safety
///
/// `mask` must point to an initialised set.
unsafe fn set_mask(mask: *const libc::sigset_t) -> io::Result<libc::sigset_t> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: the caller's promise; on success `before` is initialised.
    unsafe {
        match libc::pthread_sigmask(libc::SIG_SETMASK, mask, before.as_mut_ptr()) {
            0 => Ok(before.assume_init()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// The signals from 1 to 31 that the calling thread blocks.
    fn blocked() -> Vec<libc::c_int> {
        // SAFETY: with no new set pthread_sigmask only writes the old one.
        unsafe {
            let mut mask = MaybeUninit::uninit();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), mask.as_mut_ptr());
            (1..32)
                .filter(|signal| libc::sigismember(mask.as_ptr(), *signal) == 1)
                .collect()
        }
    }

    #[test]
    fn blocks_signals_in_the_thread_only() {
        let before = blocked();
        let (send, receive) = mpsc::channel();
        spawn("named".into(), move || {
            let name = std::thread::current().name().map(str::to_owned);
            send.send((name, blocked())).unwrap();
        })
        .unwrap()
        .join()
        .unwrap();
        let (name, inside) = receive.recv().unwrap();
        assert_eq!(name.as_deref(), Some("named"));
        for signal in [libc::SIGTERM, libc::SIGUSR1, libc::SIGALRM, libc::SIGCHLD] {
            assert!(inside.contains(&signal));
        }
        for signal in OWN_FAULTS {
            assert!(!inside.contains(&signal));
        }
        assert_eq!(blocked(), before);
    }
}
