// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading past the page cache (`O_DIRECT`, open(2)): what other programs have there stays, and
//! nothing of the snapshot comes to it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::{FileSource, Manner, PageSource, Stamp};
use crate::buffer::Buffer;

/// A snapshot whose pages are read past the page cache. Its headers and bitmaps, which are no whole
/// pages, are read through it.
#[derive(Debug)]
pub struct DirectSource {
    file: FileSource,
    /// The same file, opened anew.
    direct: File,
    page_size: u64,
}

/// Why a snapshot can't be read past the page cache.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    /// The caller's descriptor isn't good.
    #[error("direct-io: the snapshot can't be read")]
    File(#[source] io::Error),
    /// Its file system has no `O_DIRECT`, or who runs this may not open the file.
    #[error("direct-io: the snapshot can't be opened with O_DIRECT")]
    Open(#[source] io::Error),
    /// Storage wants larger pieces, or its file system says only now that it has no `O_DIRECT`.
    #[error("direct-io: {page_size} bytes of the snapshot can't be read with O_DIRECT")]
    Read {
        /// Bytes of a page.
        page_size: u64,
        /// What reading the file's first page led to.
        #[source]
        error: io::Error,
    },
}

impl DirectSource {
    /// Like [`FileSource::new`]. Pages have `page_size` bytes, a power of two, or a multiple of it.
    /// Reads one, so that storage that can't do that is known before a guest waits for it.
    pub fn new(fd: BorrowedFd<'_>, page_size: u64) -> Result<Self, DirectError> {
        let direct = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(format!("/proc/self/fd/{}", fd.as_raw_fd()))
            .map_err(DirectError::Open)?;
        let file = FileSource::new(fd).map_err(DirectError::File)?;
        let failed = |error| DirectError::Read { page_size, error };
        let len = (page_size as usize).next_multiple_of(rustix::param::page_size());
        let mut buffer = Buffer::new(len).map_err(failed)?;
        let page = &mut buffer.bytes()[..page_size as usize];
        direct.read_at(page, 0).map_err(failed)?;
        Ok(Self {
            file,
            direct,
            page_size,
        })
    }

    fn is_aligned(&self, buf: &[u8], offset: u64) -> bool {
        [buf.as_ptr() as u64, buf.len() as u64, offset]
            .iter()
            .all(|number| number % self.page_size == 0)
    }
}

impl PageSource for DirectSource {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        self.file.stamp()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if !self.is_aligned(buf, offset) {
            return self.file.read_at(buf, offset);
        }
        let end = offset + buf.len() as u64;
        self.file
            .read(&self.direct, buf, offset)
            .map_err(|error| match self.size() {
                // Where a file ends within a page the rest of that can't be asked for: EINVAL.
                Ok(size) if size < end => self.file.ended(end),
                _ => error,
            })
    }

    fn read_as(&self, _manner: Manner, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(buf, offset)
    }

    fn reads_ahead(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{drop_from_cache, file_on_disk, PAGE};
    use std::os::fd::AsFd;

    /// Whole pages, and a part of one.
    const SIZE: u64 = 10 * PAGE + 100;

    /// A file of which nothing is in the page cache.
    fn file() -> File {
        let file = file_on_disk();
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at / PAGE) as u8 + 1).collect();
        file.write_all_at(&bytes, 0).unwrap();
        drop_from_cache(&file);
        file
    }

    #[test]
    fn reads_pages_and_leaves_the_page_cache_alone() {
        let file = file();
        let source = DirectSource::new(file.as_fd(), PAGE).unwrap();
        let mut buffer = Buffer::new(3 * PAGE as usize).unwrap();
        for manner in [Manner::Exact, Manner::Ahead, Manner::Plain] {
            buffer.bytes().fill(0);
            source.read_as(manner, buffer.bytes(), 2 * PAGE).unwrap();
            for (page, bytes) in buffer.bytes().chunks(PAGE as usize).enumerate() {
                assert!(bytes.iter().all(|byte| usize::from(*byte) == page + 3));
            }
        }
        source.prefetch(0..SIZE);
        assert!(!source.reads_ahead());
        let cached = source.file.read_cached(&mut buffer.bytes()[..16], 2 * PAGE);
        assert_eq!(cached, if source.file.in_memory { 16 } else { 0 });
    }

    #[test]
    fn reads_what_is_no_page_as_well() {
        let file = file();
        let source = DirectSource::new(file.as_fd(), PAGE).unwrap();
        let mut bytes = [0; 200];
        source.read_at(&mut bytes, PAGE - 100).unwrap();
        assert_eq!(bytes, [[1; 100], [2; 100]].concat()[..]);
    }

    #[test]
    fn names_the_end_within_a_page_and_after_one() {
        let file = file();
        let source = DirectSource::new(file.as_fd(), PAGE).unwrap();
        let mut buffer = Buffer::new(2 * PAGE as usize).unwrap();
        for (offset, end) in [(9, "0xb000"), (10, "0xc000"), (11, "0xd000")] {
            let error = source.read_at(buffer.bytes(), offset * PAGE).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let text = format!("the file ends before {end}, its size is 0xa064");
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn a_file_system_without_direct_reads_is_refused() {
        let file = File::open("/proc/self/maps").unwrap();
        let error = DirectSource::new(file.as_fd(), PAGE).unwrap_err();
        assert!(matches!(error, DirectError::Open(_)), "{error}");
    }

    #[test]
    fn pieces_smaller_than_storage_reads_are_refused() {
        let file = file();
        let result = DirectSource::new(file.as_fd(), 256);
        match FileSource::new(file.as_fd()).unwrap().in_memory {
            true => drop(result.unwrap()),
            false => assert!(matches!(result, Err(DirectError::Read { .. }))),
        }
    }
}
