// SPDX-License-Identifier: GPL-2.0-or-later
//! What can go wrong: before a load starts ([`SetupError`]) and while it runs ([`LoadError`]).

use std::error::Error;
use std::io;

use rustix::io::Errno;
use thiserror::Error;

use crate::format::MAX_BLOCKS;
use crate::image::ImageError;
use crate::uffd::OpenError;
use crate::working_set::{ForeignError, MergeError, ReadError, WriteError};

/// A load can't be made ready.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A block's header or bitmap isn't what it should be, or can't be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The file can't be read.
    #[error("can't read the snapshot's {what}")]
    Read {
        /// What was to be read.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The memory given for a block is no memory that can be loaded.
    #[error("RAM block '{block}': {problem}")]
    Block {
        /// The block's name.
        block: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// More blocks than any machine has.
    #[error("more than {MAX_BLOCKS} RAM blocks")]
    TooManyBlocks,
    /// No userfaultfd.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel won't watch a block's memory.
    #[error(
        "RAM block '{block}': the kernel can't watch its memory for faults (load the snapshot \
         without postcopy-ram, or give the block another memory backend)"
    )]
    Register {
        /// The block's name.
        block: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// This kernel has no userfaultfd for a block's kind of memory.
    #[error(
        "RAM block '{block}': this kernel's userfaultfd doesn't support {kind} memory; load the \
         snapshot without postcopy-ram, or give the block another memory backend"
    )]
    Unsupported {
        /// The block's name.
        block: String,
        /// Its kind of memory.
        kind: &'static str,
    },
    /// A thread or one of its resources can't be had.
    #[error("can't start the threads of the load")]
    Thread(#[from] io::Error),
    /// A working set isn't one of this snapshot.
    #[error("the working set can't be used")]
    WorkingSet(#[from] ForeignError),
    /// A working set is for a background that brings pages in another order.
    #[error("a working set isn't used with a linear background")]
    LinearWorkingSet,
    /// A working set couldn't be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Called in the wrong order.
    #[error("the load has been started already")]
    Started,
}

/// A working set can't be recorded, or not be written.
#[derive(Debug, Error)]
#[error("recording the working set '{path}'")]
pub struct RecordError {
    /// Where it was to be written.
    pub path: String,
    /// Why it wasn't.
    #[source]
    pub cause: RecordCause,
}

impl RecordError {
    /// The error and its causes on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Why a working set can't be recorded.
#[derive(Debug, Error)]
pub enum RecordCause {
    /// What is there can't be read, so that it can't be merged with.
    #[error("what is there already can't be merged with")]
    Read(#[from] ReadError),
    /// What is there is of another snapshot.
    #[error("what is there already can't be merged with")]
    Foreign(#[from] ForeignError),
    /// What is there, or was given, doesn't go together.
    #[error("what is there already can't be merged with")]
    Merge(#[from] MergeError),
    /// It can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A page couldn't be brought. It stays missing: nothing is ever put in its place.
#[derive(Debug, Error)]
#[error("RAM block '{block}': page at {ram_offset:#x}, file offset {file_offset:#x}")]
pub struct LoadError {
    /// The block's name.
    pub block: String,
    /// Where in the block.
    pub ram_offset: u64,
    /// Where in the file.
    pub file_offset: u64,
    /// Why.
    #[source]
    pub cause: Cause,
}

impl LoadError {
    /// The errno that fits best: `EIO` for a file that ends too early.
    pub fn errno(&self) -> i32 {
        let (Cause::Read(error) | Cause::Buffer(error) | Cause::Gone(error) | Cause::Place(error)) =
            &self.cause;
        error.raw_os_error().unwrap_or(libc::EIO)
    }

    /// The error and its causes on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |chain, cause| {
        format!("{chain}: {cause}")
    })
}

/// Why a page couldn't be brought.
#[derive(Debug, Error)]
pub enum Cause {
    /// The file can't be read there.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// There is no memory to read into.
    #[error("no memory to read into")]
    Buffer(#[source] io::Error),
    /// The block's memory is no longer there.
    #[error("the block's memory was unmapped or is no longer watched")]
    Gone(#[source] io::Error),
    /// The page can't be placed.
    #[error("placing it failed")]
    Place(#[source] io::Error),
}

impl Cause {
    pub(super) fn from_place(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::SRCH | Errno::FAULT | Errno::INVAL => Self::Gone(errno.into()),
            _ => Self::Place(errno.into()),
        }
    }
}

/// The machine can't run, or can't go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// Pages were lost while the device state was loaded; the load has been given up.
    #[error("loading RAM failed while the device state was loaded: {0}")]
    Abandoned(String),
    /// Some pages still can't be brought; the first is named.
    #[error("{first}{}", others(*.more))]
    StillFailing {
        /// What is wrong with the first.
        first: String,
        /// How many more there are.
        more: usize,
    },
    /// The storage hasn't answered in time; a next try may find out more.
    #[error("the snapshot's storage doesn't answer")]
    NoAnswer,
    /// The thread that tries again can't be had.
    #[error("can't start a thread to read missing pages")]
    Thread(#[source] io::Error),
    /// The working set couldn't be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Called before the start or after the stop.
    #[error("RAM is not being loaded")]
    NotLoading,
}

fn others(more: usize) -> String {
    if more == 0 {
        String::new()
    } else {
        format!(" (and {more} more like it)")
    }
}
