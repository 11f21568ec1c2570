// SPDX-License-Identifier: GPL-2.0-or-later
//! Working sets in files: read with a bound, replaced in one step.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use super::format::{FormatError, MAX_BYTES};
use super::WorkingSet;

/// A working set can't be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file can't be read.
    #[error("can't read it")]
    Io(#[from] io::Error),
    /// It is no regular file: reading one that never ends, or that waits, would do harm.
    #[error("it is no regular file")]
    NoFile,
    /// It isn't right.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// A working set can't be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The path has no file name, such as "/".
    #[error("the path names no file")]
    NoName,
    /// Something else is there, which replacing it would destroy.
    #[error("what is there is no regular file")]
    NoFile,
    /// A step failed.
    #[error("can't {step}")]
    Io {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads a working set from an open file, from its beginning.
pub fn read(file: &File) -> Result<WorkingSet, ReadError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile);
    }
    let mut bytes = Vec::new();
    io::Seek::seek(&mut &*file, io::SeekFrom::Start(0))?;
    // One byte more than can be right, so that the parser finds it too long.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(WorkingSet::parse(&bytes)?)
}

/// Writes `set` to `path` so that whatever happens there is, afterwards, either what was there or
/// all of the new one: a file beside it is written, synced, and renamed.
pub fn write(path: &Path, set: &WorkingSet) -> Result<(), WriteError> {
    let step = |step| move |source| WriteError::Io { step, source };
    check_kind(path)?;
    let beside = Beside::create(path)?;
    (&beside.file)
        .write_all(&set.to_bytes())
        .and_then(|()| beside.file.sync_all())
        .map_err(step("write a file beside it"))?;
    fs::rename(&beside.path, path).map_err(step("put the new file in its place"))?;
    beside.keep();
    // The name is in the folder, which has to be synced as well.
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .map_err(step("sync its folder"))
}

/// Whether [`write`] could write to `path` now: it can be created there.
pub fn check_target(path: &Path) -> Result<(), WriteError> {
    check_kind(path)?;
    Beside::create(path).map(drop)
}

fn check_kind(path: &Path) -> Result<(), WriteError> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(WriteError::NoFile),
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A new file beside another one, which goes away unless it is kept.
struct Beside {
    path: PathBuf,
    file: File,
    keep: bool,
}

impl Beside {
    fn create(path: &Path) -> Result<Self, WriteError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(WriteError::NoName)?);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        name.push(format!(".{}-{number}.new", std::process::id()));
        let path = folder(path).join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| WriteError::Io {
                step: "create a file beside it",
                source,
            })?;
        Ok(Self {
            path,
            file,
            keep: false,
        })
    }

    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.keep {
            // What can't be removed is told by its name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, SetBlock};
    use super::*;

    fn set(loads: u32) -> WorkingSet {
        WorkingSet {
            identity: Identity([3; 32]),
            page_size: 4096,
            loads,
            blocks: vec![SetBlock {
                name: "pc.ram".into(),
                pages: 9,
            }],
            runs: vec![],
        }
    }

    fn read_path(path: &Path) -> Result<WorkingSet, ReadError> {
        read(&File::open(path)?)
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.ws");
        check_target(&path).unwrap();
        assert!(!path.exists());
        for loads in [1, 2] {
            write(&path, &set(loads)).unwrap();
            assert_eq!(read_path(&path).unwrap(), set(loads));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_there_stays_when_the_new_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no/web.ws");
        assert!(matches!(write(&path, &set(1)), Err(WriteError::Io { .. })));
        assert!(matches!(check_target(&path), Err(WriteError::Io { .. })));
        assert!(matches!(
            write(dir.path(), &set(1)),
            Err(WriteError::NoFile)
        ));
        assert!(matches!(
            check_target(Path::new("/dev/null")),
            Err(WriteError::NoFile)
        ));
        assert!(matches!(
            check_target(Path::new("/dev/nothing/..")),
            Err(WriteError::NoName)
        ));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_regular_files_are_read() {
        assert!(matches!(
            read_path(Path::new("/dev/zero")),
            Err(ReadError::NoFile)
        ));
        assert!(matches!(read_path(Path::new("/")), Err(ReadError::NoFile)));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.ws");
        fs::write(&path, &set(1).to_bytes()[..90]).unwrap();
        assert!(matches!(
            read_path(&path),
            Err(ReadError::Format(FormatError::Length { .. }))
        ));
    }
}
