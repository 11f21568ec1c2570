// SPDX-License-Identifier: GPL-2.0-or-later
//! A copy of a snapshot in memory that nobody can shrink or change, for machines to map: what
//! [`crate::mapping`] wants.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{fcntl_add_seals, memfd_create, MemfdFlags, SealFlags};

use crate::source::{FileSource, PageSource};

const CHUNK: usize = 1 << 20;

/// The unit in which zeros are left out, so that they take no memory.
const PAGE: usize = 4096;

/// A sealed memfd. Its memory is there until it is dropped and nobody has it open or mapped.
#[derive(Debug)]
pub struct Held(File);

impl Held {
    /// Copies all of the file or block device at `path`.
    ///
    /// # Errors
    ///
    /// What `open(2)` and [`Held::copy_of`] answer.
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Self::copy_of(&file, FileSource::new(file.as_fd())?.size()?)
    }

    /// Copies the first `size` bytes of `file`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file is shorter; what `memfd_create(2)`, `pread(2)` and `pwrite(2)`
    /// answer.
    pub fn copy_of(file: &File, size: u64) -> io::Result<Self> {
        copy(file, size).map(Self)
    }

    /// Under which path other processes can open it, while this process has it, and if they may
    /// look into it (see `proc_pid_fd(5)`).
    pub fn path(&self) -> PathBuf {
        let (process, fd) = (process::id(), self.0.as_raw_fd());
        format!("/proc/{process}/fd/{fd}").into()
    }

    /// The bytes of memory that it takes. Pages of zeros take none.
    ///
    /// # Errors
    ///
    /// What `fstat(2)` answers.
    pub fn memory(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * 512)
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn copy(file: &File, size: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let held = File::from(memfd_create("held-snapshot", flags)?);
    held.set_len(size)?;
    let mut buf = vec![0; CHUNK];
    for start in (0..size).step_by(CHUNK) {
        let chunk = &mut buf[..CHUNK.min((size - start) as usize)];
        file.read_exact_at(chunk, start)?;
        write_data(&held, chunk, start)?;
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&held, seals)?;
    Ok(held)
}

/// Writes what isn't zero of `chunk`, many pages at a time.
fn write_data(held: &File, chunk: &[u8], start: u64) -> io::Result<()> {
    // memcmp(3), and fast where Rust isn't optimised.
    let is_zero = |page: &&[u8]| **page == [0; PAGE][..page.len()];
    let mut rest = chunk;
    while !rest.is_empty() {
        let zero: usize = rest.chunks(PAGE).take_while(is_zero).map(<[u8]>::len).sum();
        rest = &rest[zero..];
        let data: usize = rest
            .chunks(PAGE)
            .take_while(|page| !is_zero(page))
            .map(<[u8]>::len)
            .sum();
        let at = start + (chunk.len() - rest.len()) as u64;
        held.write_all_at(&rest[..data], at)?;
        rest = &rest[data..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_copy_is_the_file_and_zeros_take_nothing() {
        let file = tempfile::tempfile().unwrap();
        let size = 3 * CHUNK as u64 + 5000;
        file.set_len(size).unwrap();
        for (at, bytes) in [(0, 3), (CHUNK - 1, 2), (2 * CHUNK + 9 * PAGE, 3 * PAGE)] {
            file.write_all_at(&vec![7; bytes], at as u64).unwrap();
        }
        file.write_all_at(b"end", size - 3).unwrap();
        let held = Held::copy_of(&file, size).unwrap();
        let read = |file: &File| {
            let mut bytes = vec![0; size as usize];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert!(read(&held.0) == read(&file));
        assert!(read(&File::open(held.path()).unwrap()) == read(&file));
        // One page, one at the end of a chunk, one at the start of the next, three, and the last.
        assert_eq!(held.memory().unwrap(), 7 * PAGE as u64);
        assert!(held.0.set_len(0).is_err() && held.0.set_len(size + 1).is_err());
        assert!(held.0.write_all_at(b"x", 0).is_err());
    }

    #[test]
    fn a_file_that_is_cut_off_meanwhile_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100).unwrap();
        let error = Held::copy_of(&file, 200).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
