// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-snapshot: shows what a mapped-ram snapshot holds, and holds it in memory; shows, merges and
//! trims working sets.

mod args;
mod report;

use std::error::Error as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use mapped_ram::hold::Held;
use mapped_ram::snapshot::{End, Snapshot, SnapshotError};
use mapped_ram::source::FileSource;
use mapped_ram::working_set::{
    self, ForeignError, Identity, MergeError, ReadError, Trim, WorkingSet, WriteError,
};

use args::{Cli, Command, SetCommand};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{path}", path = .0.display())]
    Open(PathBuf, #[source] io::Error),
    #[error("{path}", path = .0.display())]
    Snapshot(PathBuf, #[source] SnapshotError),
    #[error("{path}", path = .0.display())]
    Read(PathBuf, #[source] ReadError),
    #[error("{path}", path = .0.display())]
    Foreign(PathBuf, #[source] ForeignError),
    #[error(transparent)]
    Merge(MergeError),
    #[error("{path}", path = .0.display())]
    Write(PathBuf, #[source] WriteError),
    #[error("{path} isn't known to be whole: see 'annex-snapshot show'", path = .0.display())]
    Cut(PathBuf),
    #[error("{path}: can't hold it in memory", path = .0.display())]
    Hold(PathBuf, #[source] io::Error),
    #[error("standard output")]
    Print(#[from] io::Error),
}

fn main() -> ExitCode {
    match run(Cli::parse().command, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Who reads has seen enough.
        Err(Error::Print(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let causes = std::iter::successors(error.source(), |&error| error.source());
            let words = causes.fold(error.to_string(), |words, cause| {
                format!("{words}: {cause}")
            });
            eprintln!("annex-snapshot: {words}");
            ExitCode::from(2)
        }
    }
}

/// Does what is asked for. Whether a snapshot is whole, if that was asked.
fn run(command: Command, out: &mut impl Write) -> Result<bool, Error> {
    match command {
        Command::Show(file) => {
            let (snapshot, identity) = read_snapshot(&file.snapshot, file.offset)?;
            report::snapshot(out, &snapshot, &identity)?;
            Ok(snapshot.end == End::Description)
        }
        Command::Hold(file) => {
            let (snapshot, _) = read_snapshot(&file.snapshot, file.offset)?;
            if snapshot.end != End::Description {
                return Err(Error::Cut(file.snapshot));
            }
            let held = Held::of(&file.snapshot)
                .map_err(|error| Error::Hold(file.snapshot.clone(), error))?;
            writeln!(out, "{}", held.path().display())?;
            out.flush()?;
            loop {
                std::thread::park();
            }
        }
        Command::WorkingSet(command) => run_set(command, out).map(|()| true),
    }
}

fn run_set(command: SetCommand, out: &mut impl Write) -> Result<(), Error> {
    match command {
        SetCommand::Show {
            set: path,
            snapshot,
            offset,
            pages,
        } => {
            let set = read_set(&path)?;
            report::working_set(out, &set)?;
            if pages {
                report::pages(out, &set)?;
            }
            if let Some(file) = snapshot {
                let (snapshot, identity) = read_snapshot(&file, offset)?;
                set.check(&identity, &snapshot.set_blocks())
                    .map_err(|error| Error::Foreign(path, error))?;
                writeln!(out, "\nIt belongs to {}.", file.display())?;
            }
            Ok(())
        }
        SetCommand::Merge { output, sets } => {
            let sets = sets
                .iter()
                .map(|set| read_set(set))
                .collect::<Result<Vec<_>, _>>()?;
            let sets: Vec<&WorkingSet> = sets.iter().collect();
            write_set(&output, &WorkingSet::merge(&sets).map_err(Error::Merge)?)
        }
        SetCommand::Trim {
            output,
            bytes,
            loads,
            touched,
            set,
        } => {
            let mut set = read_set(&set)?;
            set.trim(Trim {
                bytes,
                loads,
                touched,
            });
            write_set(&output, &set)
        }
    }
}

/// Opens without waiting for who might write to a FIFO.
fn open(path: &Path) -> Result<File, Error> {
    const O_NONBLOCK: i32 = 0o4000;
    OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .map_err(|error| Error::Open(path.into(), error))
}

fn read_snapshot(path: &Path, offset: u64) -> Result<(Snapshot, Identity), Error> {
    let file = open(path)?;
    let source = FileSource::new(file.as_fd()).map_err(|error| Error::Open(path.into(), error))?;
    let fail = |error| Error::Snapshot(path.into(), error);
    let snapshot = Snapshot::read(&source, offset).map_err(fail)?;
    let identity = snapshot
        .identity(&source)
        .map_err(|error| Error::Open(path.into(), error))?;
    Ok((snapshot, identity))
}

fn read_set(path: &Path) -> Result<WorkingSet, Error> {
    working_set::read(&open(path)?).map_err(|error| Error::Read(path.into(), error))
}

fn write_set(path: &Path, set: &WorkingSet) -> Result<(), Error> {
    working_set::write(path, set).map_err(|error| Error::Write(path.into(), error))
}
