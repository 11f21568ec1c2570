// SPDX-License-Identifier: GPL-2.0-or-later
//! A copy of a snapshot in memory that nobody can shrink or change, for machines to map.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{fcntl_add_seals, memfd_create, MemfdFlags, SealFlags};

const CHUNK: usize = 1 << 20;

/// The unit in which zeros are left out, so that they take no memory.
const PAGE: usize = 4096;

/// The first `size` bytes of `file` in a sealed memfd.
pub fn hold(file: &File, size: u64) -> io::Result<File> {
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
    let is_zero = |page: &&[u8]| page.iter().all(|byte| *byte == 0);
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
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_copy_is_the_file_and_zeros_take_nothing() {
        let file = tempfile::tempfile().unwrap();
        let size = 3 * CHUNK as u64 + 5000;
        file.set_len(size).unwrap();
        for (at, bytes) in [(0, 3), (CHUNK - 1, 2), (2 * CHUNK + 9 * PAGE, 3 * PAGE)] {
            file.write_all_at(&vec![7; bytes], at as u64).unwrap();
        }
        file.write_all_at(b"end", size - 3).unwrap();
        let held = hold(&file, size).unwrap();
        let read = |file: &File| {
            let mut bytes = vec![0; size as usize];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert!(read(&held) == read(&file));
        // One page, one at the end of a chunk, one at the start of the next, three, and the last.
        assert_eq!(held.metadata().unwrap().blocks() * 512, 7 * PAGE as u64);
        assert!(held.set_len(0).is_err() && held.set_len(size + 1).is_err());
        assert!(held.write_all_at(b"x", 0).is_err());
    }

    #[test]
    fn a_file_that_is_cut_off_meanwhile_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100).unwrap();
        let error = hold(&file, 200).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
