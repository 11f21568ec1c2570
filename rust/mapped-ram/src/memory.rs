// SPDX-License-Identifier: GPL-2.0-or-later
//! Placing pages in guest memory, whatever its kind, past what is there already.

#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::mm::{madvise, mmap, Advice, MapFlags, ProtFlags};

use crate::uffd::Stopped;

/// What a block's memory is made of; each kind is placed and left empty in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Private anonymous memory: a zero page costs nothing, and huge pages can be moved in.
    Anonymous,
    /// memfd, tmpfs, System V: every page takes memory, a zero page too.
    Shared,
    /// hugetlbfs: pages of one large size, only ever placed whole.
    HugePages,
}

/// What became of a page that was to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It was missing, and has been placed.
    Placed,
    /// It was there already, and is untouched.
    Present,
}

/// Placing stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceError {
    /// Bytes from the start of the range that were dealt with before.
    pub done: u64,
    /// Why it stopped.
    pub errno: Errno,
}

/// Places `len` bytes of pages of `page` bytes by calling `place(at)`, which tries the rest of the
/// range from `at` on, until all is dealt with. Tells `met` what happened where, in order.
///
/// The kernel stops at a page that is there (`EEXIST`), after part of a range, and while memory is
/// being remapped (both `EAGAIN`); each time the rest is tried again.
pub fn place(
    len: u64,
    page: u64,
    mut place: impl FnMut(u64) -> Result<(), Stopped>,
    mut met: impl FnMut(Placement, Range<u64>),
) -> Result<(), PlaceError> {
    let mut done = 0;
    while done < len {
        match place(done) {
            Ok(()) => {
                met(Placement::Placed, done..len);
                return Ok(());
            }
            Err(stopped) if stopped.done > 0 => {
                let end = len.min(done + stopped.done);
                met(Placement::Placed, done..end);
                done = end;
            }
            Err(Stopped {
                errno: Errno::EXIST,
                ..
            }) => {
                met(Placement::Present, done..done + page);
                done += page;
            }
            Err(Stopped {
                errno: Errno::AGAIN,
                ..
            }) => std::thread::yield_now(),
            Err(Stopped { errno, .. }) => return Err(PlaceError { done, errno }),
        }
    }
    Ok(())
}

/// Makes the pages of a range resident and writable, changing none of their bytes.
pub fn populate(start: u64, len: u64) -> Result<(), Errno> {
    let start = std::ptr::with_exposed_provenance_mut(start as usize);
    // SAFETY: no byte changes; the kernel answers with an error where nothing is mapped.
    unsafe { madvise(start, len as usize, Advice::LinuxPopulateWrite) }
}

/// Replaces `len` bytes of memory at `address` by a private mapping of the file from `offset` on; all
/// are multiples of the page size.
///
/// # Safety
///
/// The memory is the caller's to replace, and no reference to it is held.
pub unsafe fn map_private(
    file: BorrowedFd<'_>,
    offset: u64,
    address: u64,
    len: u64,
) -> io::Result<()> {
    let at = std::ptr::with_exposed_provenance_mut(address as usize);
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // What isn't written to takes nothing of its own, and how much will be nobody knows.
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
    // SAFETY: the memory is the caller's to replace.
    unsafe { mmap(at, len as usize, prot, flags, file, offset)? };
    Ok(())
}

/// Reads `len` bytes of the file from `offset` on into memory at `address`.
///
/// # Safety
///
/// The memory is the caller's to write to, and no reference to it is held.
pub unsafe fn read_into(
    file: BorrowedFd<'_>,
    offset: u64,
    address: u64,
    len: u64,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let at = std::ptr::with_exposed_provenance_mut((address + done) as usize);
        let rest = (len - done) as usize;
        // SAFETY: the memory is the caller's to write to; the kernel writes at most `rest` bytes.
        let read =
            unsafe { libc::pread(file.as_raw_fd(), at, rest, (offset + done) as libc::off_t) };
        match read {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            1.. => done += read as u64,
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Whether the kernel gives huge pages to memory that asks for them.
pub fn transparent_huge_pages() -> bool {
    std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .is_ok_and(|modes| !modes.contains("[never]"))
}

/// Whether the memory at `address` follows a NUMA policy of its own, which pages allocated
/// elsewhere and moved in would break.
pub fn has_numa_policy(address: u64) -> bool {
    const MPOL_DEFAULT: libc::c_int = 0;
    const MPOL_F_ADDR: libc::c_ulong = 2;
    let mut mode: libc::c_int = 0;
    // SAFETY: get_mempolicy writes the mode; no node mask is asked for; the address is only looked
    // up in the process's map.
    let result = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut mode,
            std::ptr::null_mut::<libc::c_ulong>(),
            0 as libc::c_ulong,
            address,
            MPOL_F_ADDR,
        )
    };
    // A kernel without NUMA has no policies.
    result == 0 && mode != MPOL_DEFAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    type Seen = (Placement, Range<u64>);

    /// Runs `place` against a script of the kernel's answers; returns the calls and what was met.
    fn run(
        len: u64,
        answers: &[Result<(), Stopped>],
    ) -> (Vec<u64>, Vec<Seen>, Result<(), PlaceError>) {
        let (mut calls, mut seen, mut answers) = (Vec::new(), Vec::new(), answers.iter());
        let result = place(
            len,
            PAGE,
            |at| {
                calls.push(at);
                *answers.next().expect("no call after the script's end")
            },
            |met, range| seen.push((met, range)),
        );
        assert_eq!(answers.next(), None, "the whole script is used");
        (calls, seen, result)
    }

    fn stopped(done: u64, errno: Errno) -> Result<(), Stopped> {
        Err(Stopped { done, errno })
    }

    #[test]
    fn steps_over_what_is_there_and_goes_on() {
        let (calls, seen, result) = run(
            5 * PAGE,
            &[
                stopped(0, Errno::AGAIN),
                stopped(2 * PAGE, Errno::AGAIN),
                stopped(0, Errno::EXIST),
                Ok(()),
            ],
        );
        assert_eq!(calls, [0, 0, 2 * PAGE, 3 * PAGE]);
        assert_eq!(
            seen,
            [
                (Placement::Placed, 0..2 * PAGE),
                (Placement::Present, 2 * PAGE..3 * PAGE),
                (Placement::Placed, 3 * PAGE..5 * PAGE)
            ]
        );
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn ends_when_the_last_page_is_there() {
        let (calls, seen, result) = run(PAGE, &[stopped(0, Errno::EXIST)]);
        assert_eq!((calls.len(), seen.len(), result), (1, 1, Ok(())));
    }

    #[test]
    fn any_other_error_is_final_and_says_how_far_it_came() {
        let (_, seen, result) = run(
            3 * PAGE,
            &[stopped(PAGE, Errno::AGAIN), stopped(0, Errno::NOENT)],
        );
        assert_eq!(seen, [(Placement::Placed, 0..PAGE)]);
        assert_eq!(
            result,
            Err(PlaceError {
                done: PAGE,
                errno: Errno::NOENT
            })
        );
    }
}
