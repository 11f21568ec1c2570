// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the pages come from. Other backings (direct I/O, a copy-on-write mapping) are further
//! implementations of [`PageSource`].

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{fadvise, seek, Advice, SeekFrom};

/// Bytes at offsets. Threads read at the same time.
pub trait PageSource: Send + Sync {
    /// Bytes from offset 0 to the end.
    fn size(&self) -> io::Result<u64>;

    /// Fills all of `buf` from `offset`. When the source ends before that the error is of the kind
    /// `UnexpectedEof`. Whatever was read before an error may be in `buf`.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

/// A snapshot in a file or on a block device, read through the page cache.
#[derive(Debug)]
pub struct FileSource {
    file: File,
}

impl FileSource {
    /// Reads from a duplicate of `fd`, which must be open for reading and able to seek. The caller
    /// keeps its descriptor; nothing is ever written.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file: File = fd.try_clone_to_owned()?.into();
        // Twice the usual readahead, for the background. Not POSIX_FADV_WILLNEED on what comes next:
        // that reads into single pages where the kernel's own readahead uses large folios, and was
        // measured to cost a third of the throughput. A file that can't be advised still reads.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        Ok(Self { file })
    }
}

impl PageSource for FileSource {
    fn size(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if metadata.is_file() {
            return Ok(metadata.len());
        }
        // A block device has no length of its own; its end is where seeking to the end leads. That
        // moves the position shared with the caller's descriptor, so put it back.
        let here = seek(&self.file, SeekFrom::Current(0))?;
        let end = seek(&self.file, SeekFrom::End(0))?;
        seek(&self.file, SeekFrom::Start(here))?;
        Ok(end)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file
            .read_exact_at(buf, offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    let size = self
                        .size()
                        .map_or("unknown".to_owned(), |size| format!("{size:#x}"));
                    let end = offset + buf.len() as u64;
                    io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("the file ends before {end:#x}, its size is {size}"),
                    )
                }
                _ => error,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn reads_whole_ranges_and_names_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let source = FileSource::new(file.as_fd()).unwrap();
        drop(file);
        assert_eq!(source.size().unwrap(), 10);
        let mut buf = [0; 4];
        source.read_at(&mut buf, 6).unwrap();
        assert_eq!(&buf, b"6789");
        let error = source.read_at(&mut buf, 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(
            error.to_string(),
            "the file ends before 0xc, its size is 0xa"
        );
    }
}
