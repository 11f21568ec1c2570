// SPDX-License-Identifier: GPL-2.0-or-later
//! The state machine's frame: what starts, what comes in, what goes out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::index::{Index, Totals};
use crate::progress::{Go, Pause, Progress, Purpose};
use crate::read::Buffered;
use crate::salvage::{Salvage, WriteFailure};
use crate::scan::{AwsWalk, PendingRecord};
use crate::stage::Stage;
use crate::sync::Commit;
use crate::window::Window;
use crate::{Completion, Config, Error, Format, IoError, Operation, Outcome, Request, RequestId};

/// A place between two objects, as a drive reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Objects (records and marks) before it.
    pub object: u64,
    /// Marks among them.
    pub marks: u64,
}

/// A tape in its drive: the sans-I/O core.
///
/// # Calling order
///
/// 1. [`start`](Self::start) an operation; [`Operation::Load`] comes first.
/// 2. [`poll_request`](Self::poll_request) until it gives `None`, and carry
///    the requests out, in any order and as many at a time as it gives.
///    `data` ranges are in the buffer that belongs to the operation: what a
///    write takes from, what a read puts into. It has to stay until the
///    operation ends.
/// 3. [`handle`](Self::handle) each request's completion, and poll again.
/// 4. [`poll_outcome`](Self::poll_outcome) gives the result once. The data of
///    a record is partly in [`buffered`](Self::buffered), until the next
///    `start`.
///
/// Requests may be out when an operation has ended: they are writes behind,
/// whose data is the tape's own. They are completed like others, and if one
/// fails, the next operation ends with [`Error::Write`] instead of being
/// carried out, whatever it is.
///
/// Nothing here blocks, keeps time or starts threads; a `Tape` may move
/// between threads. Dropping one with unsynced writes loses them.
#[derive(Debug)]
pub struct Tape {
    pub(crate) config: Config,
    pub(crate) loaded: bool,
    pub(crate) index: Index,
    /// SIMH or E11: no odd record has told yet.
    pub(crate) undecided: bool,
    /// The index was built here; one from the medium is checked on use.
    pub(crate) trusted: bool,
    /// The index reaches to the end of data.
    pub(crate) complete: bool,
    pub(crate) half: Option<PendingRecord>,
    pub(crate) aws: AwsWalk,
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
    pub(crate) prefix: Vec<u8>,
    pub(crate) buffered: Buffered,
    pub(crate) progress: Progress,
    operation: Option<Operation>,
    outcome: Option<Result<Outcome, Error>>,
    pub(crate) requests: VecDeque<Request>,
    /// Requests made and not completed.
    pub(crate) out: Vec<(RequestId, Purpose)>,
    next_id: u64,
    waiting: Option<RequestId>,
    interrupted: bool,
    read_failure: Option<Error>,
    pub(crate) write_failure: Option<WriteFailure>,
    pub(crate) salvage: Option<Salvage>,
}

impl Tape {
    /// A tape that is yet to be loaded. No request is made.
    pub fn new(config: Config) -> Self {
        Self {
            loaded: false,
            index: Index::new(config.format.unwrap_or(Format::Simh), config.start),
            undecided: config.format.is_none(),
            trusted: true,
            complete: false,
            half: None,
            aws: AwsWalk::default(),
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
            buffered: Buffered::default(),
            progress: Progress::default(),
            operation: None,
            outcome: None,
            requests: VecDeque::new(),
            out: Vec::new(),
            next_id: 0,
            waiting: None,
            interrupted: false,
            read_failure: None,
            write_failure: None,
            salvage: None,
            config,
        }
    }

    /// Where the tape is. During an operation, where it was.
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
        let Totals {
            objects,
            marks,
            offset,
        } = self.index.end();
        self.complete.then_some((
            Position {
                object: objects,
                marks,
            },
            offset - self.config.start,
        ))
    }

    /// Bytes that objects take from the beginning up to the position.
    pub fn used(&self) -> u64 {
        self.index.place(self.position.object).offset - self.config.start
    }

    /// The medium's length in bytes, with everything that is on its way.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Something was written that no sync has confirmed.
    pub fn is_dirty(&self) -> bool {
        self.commit.is_some()
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
    /// [`Outcome::Record`] says.
    pub fn buffered(&self) -> &[u8] {
        match self.buffered {
            Buffered::Prefix => &self.prefix,
            Buffered::Window { offset, len } => self.window.get(offset, len).unwrap_or(&[]),
        }
    }

    /// Begins an operation.
    pub fn start(&mut self, operation: Operation) -> Result<(), Error> {
        if self.operation.is_some() || self.outcome.is_some() {
            return Err(Error::Busy);
        }
        if !self.loaded && operation != Operation::Load {
            return Err(Error::NotLoaded);
        }
        self.progress = Progress::default();
        self.buffered = Buffered::default();
        self.interrupted = false;
        self.operation = Some(operation);
        self.run();
        Ok(())
    }

    /// Asks the operation under way to end with [`Error::Interrupted`].
    ///
    /// Loads, reads and motions do so when the request they wait for is
    /// completed, which it has to be; the position is where it was before them
    /// and a tape that was being loaded is still not loaded. What the index has
    /// learned stays. If they had to sync first, they do that to its end, as
    /// writes, erases, syncs and unloads do with all they have to do: those
    /// take no notice. Nor does anybody when there is no operation.
    pub fn interrupt(&mut self) {
        self.interrupted = self.operation.is_some();
    }

    /// The next request to carry out. `None` until `start` or `handle` is
    /// called again.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// The result of the operation, once it has one.
    pub fn poll_outcome(&mut self) -> Option<Result<Outcome, Error>> {
        self.outcome.take()
    }

    /// Takes the result of a request.
    ///
    /// # Panics
    /// If the completion's request isn't out.
    pub fn handle(&mut self, completion: Completion) {
        let Completion { id, result, buf } = completion;
        let slot = self
            .out
            .iter()
            .position(|(out, _)| *out == id)
            .expect("a request that is out");
        let (_, purpose) = self.out.swap_remove(slot);
        if self.waiting == Some(id) {
            self.waiting = None;
        }
        match result {
            Ok(bytes) => self.completed(purpose, bytes, buf),
            Err(error) => self.failed(purpose, error),
        }
        self.run();
    }

    fn completed(&mut self, purpose: Purpose, bytes: usize, mut buf: Vec<u8>) {
        match purpose {
            Purpose::Window { offset, skip, want } => {
                let bytes = bytes.min(want);
                buf.truncate(skip + bytes);
                self.window.put(offset - skip as u64, buf);
                self.noticed_length(offset, bytes, want);
            }
            Purpose::Body { offset, data, want } => {
                let bytes = bytes.min(want);
                if bytes < data {
                    self.read_failure = Some(Error::Read {
                        offset,
                        error: IoError::EIO,
                    });
                }
                buf.truncate(bytes.saturating_sub(data));
                self.window.put(offset + data as u64, buf);
                self.noticed_length(offset, bytes, want);
            }
            Purpose::Load => {
                buf.truncate(bytes);
                self.progress.loading.bytes = buf;
            }
            Purpose::Copy => self.stage.buf = buf,
            Purpose::Data { .. } | Purpose::Change => {
                if buf.capacity() > self.stage.spare.capacity() {
                    self.stage.spare = buf;
                }
            }
        }
    }

    /// A short read: the medium is shorter than we were told.
    fn noticed_length(&mut self, offset: u64, bytes: usize, want: usize) {
        if bytes < want {
            self.length = offset + bytes as u64;
        }
    }

    fn failed(&mut self, purpose: Purpose, error: IoError) {
        match purpose {
            Purpose::Window { .. } | Purpose::Body { .. } if !self.progress.narrow => {
                self.progress.narrow = true;
                self.window.clear();
                if let Some(reading) = &mut self.progress.reading {
                    reading.again();
                }
            }
            Purpose::Window { offset, .. } | Purpose::Body { offset, .. } => {
                self.read_failure = Some(Error::Read { offset, error });
            }
            // Reads of the saved index: do without it.
            Purpose::Load => self.progress.loading.bytes = Vec::new(),
            Purpose::Data { offset } => self.write_failed(error, offset),
            // What had gathered went with it.
            Purpose::Copy => self.write_failed(error, self.stage.offset),
            Purpose::Change => self.write_failed(error, 0),
        }
    }

    /// Takes the operation as far as it goes without an answer to a request.
    fn run(&mut self) {
        while let Some(operation) = self.operation {
            if self.waiting.is_some() {
                return;
            }
            let result = if self.write_failure.is_some() {
                self.drop_requests();
                // Writes under way must end.
                if !self.out.is_empty() {
                    return;
                }
                self.retreat()
            } else if let Some(error) = self.read_failure.take() {
                self.window.clear();
                Err(Pause::Fail(error))
            } else if let Some(salvage) = self.salvage {
                self.salvage(salvage)
            } else {
                self.step(operation)
            };
            match result {
                Err(Pause::Again) => {}
                Err(Pause::Wait) => return,
                Ok(outcome) => self.finish(Ok(outcome)),
                Err(Pause::Fail(error)) => self.finish(Err(error)),
            }
        }
    }

    fn finish(&mut self, outcome: Result<Outcome, Error>) {
        self.operation = None;
        self.outcome = Some(outcome);
    }

    fn step(&mut self, operation: Operation) -> Go<Outcome> {
        match operation {
            Operation::Write { length } => return self.write_record(length),
            Operation::WriteMarks(count) => return self.write_marks(count),
            Operation::Erase => return self.erase(),
            Operation::Load => {}
            _ => self.sync()?,
        }
        match operation {
            Operation::Sync => Ok(Outcome::Done),
            Operation::Unload => self.save(),
            _ if self.interrupted => Err(Pause::Fail(Error::Interrupted)),
            Operation::Load => self.load(),
            Operation::Read { limit } => self.read_forward(limit),
            Operation::ReadReverse { limit } => self.read_reverse(limit),
            Operation::Reread { skip, limit } => self.reread(skip, limit),
            motion => self.motion(motion),
        }
    }

    /// Makes a request that the operation doesn't wait for.
    pub(crate) fn request(
        &mut self,
        purpose: Purpose,
        make: impl FnOnce(RequestId) -> Request,
    ) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.out.push((id, purpose));
        self.requests.push_back(make(id));
        id
    }

    /// Makes a request that the operation waits for.
    pub(crate) fn wait_for(
        &mut self,
        purpose: Purpose,
        make: impl FnOnce(RequestId) -> Request,
    ) -> Pause {
        self.waiting = Some(self.request(purpose, make));
        Pause::Wait
    }
}
