// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the pages come from: a file through the page cache ([`FileSource`]) or past it
//! ([`direct::DirectSource`]).
//!
//! The kernel's readahead isn't let loose in front of faults: on a disk with a readahead of 8 MiB two
//! background threads would have 32 MiB in flight (`POSIX_FADV_SEQUENTIAL` doubles it), which a fault
//! waits for. So a file is opened anew, once for each [`Manner`], as the kernel keeps advice for each
//! open file (mm/readahead.c).

pub mod direct;

use std::fs::{File, Metadata};
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{fadvise, fstatfs, seek, Advice, SeekFrom};
use rustix::io::{preadv2, ReadWriteFlags};

/// How a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing but what is asked for: somebody waits.
    Exact,
    /// As much more as the source likes to bring at a time: nobody waits.
    Ahead,
    /// As by any other program.
    Plain,
}

/// Bytes at offsets. Threads read at the same time.
pub trait PageSource: Send + Sync {
    /// Bytes from offset 0 to the end.
    fn size(&self) -> io::Result<u64>;

    /// By what a change of the source is known; nothing where it can't be.
    fn stamp(&self) -> io::Result<Option<Stamp>> {
        Ok(None)
    }

    /// Fills all of `buf` from `offset`. When the source ends before that the error is of the kind
    /// `UnexpectedEof`. Whatever was read before an error may be in `buf`.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// The same in some manner; [`PageSource::read_at`] reads in the manner [`Manner::Exact`].
    fn read_as(&self, _manner: Manner, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(buf, offset)
    }

    /// Fills as much of the front of `buf` as can be had without waiting for storage, and returns how
    /// much that is; 0 where it can't be told, or on any error.
    fn read_cached(&self, _buf: &mut [u8], _offset: u64) -> usize {
        0
    }

    /// Begins to bring this range, so that reading it soon won't wait for all of it. Doesn't wait,
    /// and may do nothing.
    fn prefetch(&self, _range: Range<u64>) {}

    /// Whether it has [`Manner::Ahead`] and [`PageSource::prefetch`]. One that hasn't is read in large
    /// pieces where nobody waits.
    fn reads_ahead(&self) -> bool {
        true
    }
}

/// What a file has that changes when it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The length in bytes.
    pub size: u64,
    /// When it was last written to: seconds and nanoseconds.
    pub modified: (i64, i64),
    /// When it or its attributes were last changed: seconds and nanoseconds.
    pub changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the times are `now` in whole seconds, as a block node has them that
    /// qemu-storage-daemon exports over FUSE. The kernel remembers them for a second.
    fn is_of(&self, now: SystemTime) -> bool {
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs() as i64);
        self.modified == self.changed
            && self.modified.1 == 0
            && (seconds - 2..=seconds).contains(&self.modified.0)
    }

    fn without_times(self) -> Self {
        Self {
            modified: (0, 0),
            changed: (0, 0),
            ..self
        }
    }

    /// What differs in `later`, in words.
    pub fn difference(&self, later: &Self) -> Option<String> {
        if self.size != later.size {
            Some(format!(
                "its length was {:#x} and is {:#x}",
                self.size, later.size
            ))
        } else if self.modified != later.modified {
            Some("it was written to".into())
        } else if self.changed != later.changed {
            Some("its attributes or its name were changed".into())
        } else {
            None
        }
    }
}

/// A snapshot in a file or on a block device, read through the page cache.
#[derive(Debug)]
pub struct FileSource {
    /// The caller's open file, as it is advised.
    file: File,
    /// The same file, opened anew for [`Manner::Exact`] and [`Manner::Ahead`].
    anew: Option<[File; 2]>,
    /// Whether it is on tmpfs, which is memory, and knows no `RWF_NOWAIT`.
    pub(crate) in_memory: bool,
    /// Whether its times are those at which it is asked for them, and tell of no change.
    has_no_times: bool,
}

impl FileSource {
    /// Reads from a duplicate of `fd`, which must be open for reading and able to seek, or from the
    /// same file opened anew. The caller keeps its descriptor; nothing is ever written.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file: File = fd.try_clone_to_owned()?.into();
        // Whoever handed over the descriptor may have kept the file itself from us. Then the
        // kernel's readahead works as it does for others: slower for who waits, and no less right.
        let open = |advice| {
            let opened = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
            fadvise(&opened, 0, None, advice)?;
            io::Result::Ok(opened)
        };
        let anew = open(Advice::Random)
            .and_then(|exact| Ok([exact, open(Advice::Sequential)?]))
            .inspect_err(|error| {
                log::warn!(
                    "the snapshot can't be opened again, so the kernel's readahead is in the way of \
                     page faults: {error}"
                );
            })
            .ok();
        let file_system = fstatfs(&file).map(|fs| fs.f_type);
        let has_no_times = file_system == Ok(libc::FUSE_SUPER_MAGIC)
            && Stamp::of(&file.metadata()?).is_of(SystemTime::now());
        Ok(Self {
            file,
            anew,
            in_memory: file_system == Ok(libc::TMPFS_MAGIC),
            has_no_times,
        })
    }

    fn file(&self, manner: Manner) -> &File {
        match (&self.anew, manner) {
            (Some([exact, _]), Manner::Exact) => exact,
            (Some([_, ahead]), Manner::Ahead) => ahead,
            (None, _) | (_, Manner::Plain) => &self.file,
        }
    }

    fn read(&self, file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buf, offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.ended(offset + buf.len() as u64),
                _ => error,
            })
    }

    /// The error of a read up to `end`, which isn't in the file.
    fn ended(&self, end: u64) -> io::Error {
        let size = self
            .size()
            .map_or("unknown".to_owned(), |size| format!("{size:#x}"));
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the file ends before {end:#x}, its size is {size}"),
        )
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

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        let metadata = self.file.metadata()?;
        // A block device's node doesn't tell what is written to the device.
        if !metadata.is_file() {
            return Ok(None);
        }
        let stamp = Stamp::of(&metadata);
        Ok(Some(if self.has_no_times {
            stamp.without_times()
        } else {
            stamp
        }))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_as(Manner::Exact, buf, offset)
    }

    fn read_as(&self, manner: Manner, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read(self.file(manner), buf, offset)
    }

    fn read_cached(&self, buf: &mut [u8], offset: u64) -> usize {
        let flags = if self.in_memory {
            ReadWriteFlags::empty()
        } else {
            ReadWriteFlags::NOWAIT
        };
        preadv2(
            self.file(Manner::Exact),
            &mut [IoSliceMut::new(buf)],
            offset,
            flags,
        )
        .unwrap_or(0)
    }

    fn prefetch(&self, range: Range<u64>) {
        // What can't be prefetched is read when its turn comes.
        let len = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        if let Some(len) = len {
            let _ = fadvise(
                self.file(Manner::Exact),
                range.start,
                Some(len),
                Advice::WillNeed,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn tells_what_changed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let source = FileSource::new(file.as_fd()).unwrap();
        let before = source.stamp().unwrap().unwrap();
        let mut buf = [0; 4];
        source.read_at(&mut buf, 0).unwrap();
        let changed = || before.difference(&source.stamp().unwrap().unwrap());
        assert_eq!(changed(), None, "reading changes nothing");
        // Timestamps move in steps of the kernel's clock.
        std::thread::sleep(std::time::Duration::from_millis(20));
        file.write_all_at(b"x", 3).unwrap();
        assert_eq!(changed().as_deref(), Some("it was written to"));
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_len(9).unwrap();
        assert_eq!(changed().as_deref(), Some("its length was 0xa and is 0x9"));
        // Whoever sets the time back can't hide it.
        let before = source.stamp().unwrap().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        file.write_all_at(b"y", 3).unwrap();
        file.set_modified(modified).unwrap();
        assert!(before
            .difference(&source.stamp().unwrap().unwrap())
            .is_some());
    }

    #[test]
    fn times_that_are_those_of_asking_are_told_from_others() {
        let now = UNIX_EPOCH + std::time::Duration::from_millis(1_000_900);
        let stamp = |modified, changed| Stamp {
            size: 1,
            modified,
            changed,
        };
        for (modified, changed, is) in [
            ((1000, 0), (1000, 0), true),
            ((998, 0), (998, 0), true),
            ((997, 0), (997, 0), false),
            ((1001, 0), (1001, 0), false),
            ((1000, 0), (999, 0), false),
            ((1000, 1), (1000, 1), false),
        ] {
            assert_eq!(
                stamp(modified, changed).is_of(now),
                is,
                "{modified:?} {changed:?}"
            );
        }
        let (before, later) = (stamp((1000, 0), (1000, 0)), stamp((1005, 0), (1005, 0)));
        assert_eq!(
            before.without_times().difference(&later.without_times()),
            None
        );
        // A file that is where times are true has them.
        let file = tempfile::tempfile().unwrap();
        assert!(!FileSource::new(file.as_fd()).unwrap().has_no_times);
    }

    #[test]
    fn reads_what_is_in_memory_without_waiting() {
        let memory = rustix::fs::memfd_create("m", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        // Where the system's temporary files are: on a disk, most often.
        for mut file in [File::from(memory), tempfile::tempfile().unwrap()] {
            file.write_all(&[7; 10_000]).unwrap();
            let source = FileSource::new(file.as_fd()).unwrap();
            let mut buf = [0; 8192];
            assert_eq!(source.read_cached(&mut buf, 4096), 10_000 - 4096);
            assert_eq!(buf[..5904], [7; 5904]);
            assert_eq!(source.read_cached(&mut buf, 1 << 40), 0);
        }
    }

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
