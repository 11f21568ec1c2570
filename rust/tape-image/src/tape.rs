// SPDX-License-Identifier: GPL-2.0-or-later
//! A tape: what is known of it, and its bytes through a window.

use alloc::vec::Vec;

use crate::config::{Config, Format, Truncation};
use crate::error::Error;
use crate::index::{Index, Totals};
use crate::port::{IoError, Port};
use crate::stage::Stage;
use crate::window::{Direction, Window};
use crate::word::WORD_LEN;

/// A place between two objects, as a drive reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Objects (records and marks) before it.
    pub object: u64,
    /// Marks among them.
    pub marks: u64,
}

/// Why a step of an operation isn't followed by the next.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The operation failed.
    Failed(Error),
    /// The index was wrong and is gone: begin the operation again.
    Again,
    /// A write has failed; the port has the loss.
    Lost,
}

pub(crate) type Go<T> = Result<T, Halt>;

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What one word will make part of the tape.
#[derive(Debug)]
pub(crate) struct Commit {
    /// Where there is an end marker now.
    pub(crate) at: u64,
    /// What replaces it. `None`: nothing has been written.
    pub(crate) word: Option<u32>,
    /// Objects before it.
    pub(crate) objects: u64,
    /// Bytes of data in records since.
    pub(crate) data: u64,
}

/// Where the first bytes of a record are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Buffered {
    Prefix,
    Window { offset: u64, len: usize },
}

/// How the operation under way goes about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Where its data begins in the caller's.
    pub(crate) data: usize,
    /// It ends early if it is asked to.
    pub(crate) interruptible: bool,
    /// A read has failed that may have asked for more than is needed: from now
    /// on none does.
    pub(crate) narrow: bool,
    /// The tape is being made to end before it is written to.
    pub(crate) beginning: bool,
}

/// A tape in its drive, without the frame that drivers see, which is
/// [`Machine`](crate::Machine)'s. Its operations are in `ops`.
#[derive(Debug)]
pub struct TapeCore {
    pub(crate) config: Config,
    pub(crate) loaded: bool,
    pub(crate) index: Index,
    /// SIMH or E11: no odd record has told yet.
    pub(crate) undecided: bool,
    /// The index was built here; one from the medium is checked on use.
    pub(crate) trusted: bool,
    /// The index reaches to the end of data.
    pub(crate) complete: bool,
    /// AWS: the length of the segment before the index's end.
    pub(crate) previous_segment: u16,
    pub(crate) position: Position,
    /// The medium's length now.
    pub(crate) length: u64,
    /// Where an end marker is known to be on stable storage.
    pub(crate) end_marker: Option<u64>,
    /// Where a saved index's footer is on the medium.
    pub(crate) footer: Option<u64>,
    /// Where the tape ended when an index was saved that isn't its any more:
    /// what is left of it is behind that.
    pub(crate) stale: Option<u64>,
    /// The medium should get a new saved index.
    pub(crate) index_due: bool,
    pub(crate) commit: Option<Commit>,
    pub(crate) window: Window,
    pub(crate) stage: Stage,
    /// The first bytes of a record that came with its header.
    pub(crate) prefix: Vec<u8>,
    pub(crate) buffered: Buffered,
    pub(crate) manner: Manner,
}

impl TapeCore {
    /// A tape that is yet to be loaded.
    pub fn new(config: Config) -> Self {
        Self {
            loaded: false,
            index: Index::new(config.format.unwrap_or(Format::Simh), config.start),
            undecided: config.format.is_none(),
            trusted: true,
            complete: false,
            previous_segment: 0,
            position: Position::default(),
            length: config.length,
            end_marker: None,
            footer: None,
            stale: None,
            index_due: false,
            commit: None,
            window: Window::new(),
            stage: Stage::new(),
            prefix: Vec::new(),
            buffered: Buffered::Window { offset: 0, len: 0 },
            manner: Manner::default(),
            config,
        }
    }

    /// Where the tape is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The format that was found; before the first odd record, E11 images look
    /// like SIMH ones.
    pub fn format(&self) -> Format {
        self.index.format()
    }

    /// The end of data, if it is known: the position there, and the bytes that
    /// objects take up to it.
    pub fn end(&self) -> Option<(Position, u64)> {
        let bytes = self.index.end().offset - self.config.start;
        self.complete.then_some((self.index_end(), bytes))
    }

    /// Bytes that objects take from the beginning up to the position.
    pub fn used(&self) -> u64 {
        self.index.place(self.position.object).offset - self.config.start
    }

    /// The medium's length in bytes, with everything that is on its way.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How much of what was written no sync has confirmed: objects, and bytes
    /// of data in them.
    pub fn unsynced(&self) -> (u64, u64) {
        self.commit.as_ref().map_or((0, 0), |commit| {
            (self.index.end().objects - commit.objects, commit.data)
        })
    }

    /// Bytes of objects it may hold.
    pub fn capacity(&self) -> Option<u64> {
        self.config.capacity
    }

    /// The index as far as it goes.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The first bytes of the record that was just read; how many, its
    /// [`Outcome::Record`](crate::Outcome::Record) says.
    pub fn buffered(&self) -> &[u8] {
        match self.buffered {
            Buffered::Prefix => &self.prefix,
            Buffered::Window { offset, len } => self.window.get(offset, len).unwrap_or(&[]),
        }
    }

    /// Puts what is [`buffered`](Self::buffered) to `at` in the caller's data.
    pub async fn put_buffered(&mut self, port: &Port, at: usize) {
        let len = self.buffered().len();
        match self.buffered {
            Buffered::Prefix => {
                let buf = core::mem::take(&mut self.prefix);
                self.prefix = port.put(at, buf, 0, len).await;
            }
            Buffered::Window { offset, .. } => {
                let (start, buf) = (self.window.offset(), self.window.take());
                let from = offset.saturating_sub(start) as usize;
                let buf = port.put(at, buf, from, len).await;
                self.window.put(start, buf);
            }
        }
    }

    /// The place behind everything that is known.
    pub(crate) fn index_end(&self) -> Position {
        let Totals { objects, marks, .. } = self.index.end();
        Position {
            object: objects,
            marks,
        }
    }

    /// Sees to it that `len` bytes at `at` are in the window. They are within
    /// the medium, or it is an error.
    pub(crate) async fn need(&mut self, port: &Port, at: u64, len: usize) -> Go<()> {
        while self.window.get(at, len).is_none() {
            self.fill(port, at, len, Direction::Forward).await?;
        }
        Ok(())
    }

    /// The word at `at`; `None` at the end of the medium.
    #[inline]
    pub(crate) async fn word(&mut self, port: &Port, at: u64) -> Go<Option<u32>> {
        loop {
            if at + WORD_LEN > self.length {
                return Ok(None);
            }
            if let Some(word) = self.window.word(at) {
                return Ok(Some(word));
            }
            let way = Direction::Forward;
            self.fill(port, at, WORD_LEN as usize, way).await?;
        }
    }

    /// Moves the window to where it has `len` bytes at `at`, or learns that the
    /// medium is shorter, or that reads have to be narrow: look again.
    pub(crate) async fn fill(
        &mut self,
        port: &Port,
        at: u64,
        len: usize,
        way: Direction,
    ) -> Go<()> {
        if at + len as u64 > self.length {
            let error = IoError::EIO;
            return Err(Error::Read { offset: at, error }.into());
        }
        let fill = if self.manner.narrow {
            self.window.fill_exactly(at, len)
        } else {
            self.window.fill(at, len, self.length, way)
        };
        let (offset, skip) = (fill.offset, fill.skip);
        let want = fill.buf.len() - skip;
        match port.read(offset, 0..0, fill.buf, skip).await {
            Ok((bytes, buf)) => self.take_window(offset, skip, bytes, want, buf),
            Err(error) => self.read_failed(offset, error)?,
        }
        self.heed(port)
    }

    /// What was read from `offset` on is there: `bytes` of `want`, in `buf`
    /// behind `skip` bytes that were there before.
    pub(crate) fn take_window(
        &mut self,
        offset: u64,
        skip: usize,
        bytes: usize,
        want: usize,
        mut buf: Vec<u8>,
    ) {
        let bytes = bytes.min(want);
        buf.truncate(skip + bytes);
        self.window.put(offset - skip as u64, buf);
        if bytes < want {
            // The medium is shorter than we were told.
            self.length = offset + bytes as u64;
        }
    }

    /// A read has failed. It is worth another try if it may have asked for more
    /// than is needed.
    pub(crate) fn read_failed(&mut self, offset: u64, error: IoError) -> Go<()> {
        self.window.clear();
        match core::mem::replace(&mut self.manner.narrow, true) {
            false => Ok(()),
            true => Err(Error::Read { offset, error }.into()),
        }
    }

    /// Ends an operation early that has been asked to, and does that.
    pub(crate) fn heed(&self, port: &Port) -> Go<()> {
        match self.manner.interruptible && port.is_interrupted() {
            false => Ok(()),
            true => Err(Error::Interrupted.into()),
        }
    }

    /// The result of a write of what is behind `from`.
    #[inline]
    pub(crate) fn written<T>(&self, port: &Port, result: Result<T, IoError>, from: u64) -> Go<T> {
        match result {
            Ok(done) if !port.has_loss() => Ok(done),
            Ok(_) => Err(Halt::Lost),
            Err(error) => {
                port.lose(error, from);
                Err(Halt::Lost)
            }
        }
    }

    /// Writes something that isn't objects.
    pub(crate) async fn change(&mut self, port: &Port, offset: u64, bytes: Vec<u8>) -> Go<()> {
        self.grow_to(offset + bytes.len() as u64);
        let written = port.write(offset, bytes, 0..0).await;
        self.written(port, written, 0)
    }

    /// Has everything so far on stable storage.
    pub(crate) async fn flush(&mut self, port: &Port) -> Go<()> {
        let flushed = port.flush().await;
        self.written(port, flushed, 0)
    }

    /// Cuts the medium so that `end` is its end, if that changes anything.
    pub(crate) async fn cut_at(&mut self, port: &Port, end: u64) -> Go<()> {
        let truncation = self.config.truncation;
        let shortest = truncation.length(end);
        if truncation == Truncation::Never || self.length <= shortest {
            return Ok(());
        }
        self.length = shortest;
        let cut = port.truncate(end).await;
        self.written(port, cut, 0)
    }

    pub(crate) fn grow_to(&mut self, end: u64) {
        self.length = self.config.truncation.length(self.length.max(end));
    }

    /// Forgets what is known of the tape, as if it had just been put in.
    pub(crate) fn forget(&mut self, format: Format) {
        self.index = Index::new(format, self.config.start);
        self.trusted = true;
        self.complete = false;
        self.previous_segment = 0;
        self.end_marker = None;
        self.window.clear();
    }
}
