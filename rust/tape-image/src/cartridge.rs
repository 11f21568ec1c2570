// SPDX-License-Identifier: GPL-2.0-or-later
//! The cartridge's state machine, and its loading.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::container::Operation;
use crate::error::HeaderReason;
use crate::header::{Attribute, Header, Partition, HEADER_LEN, SLOT_LEN, SLOT_WORD, WHOLE};
use crate::sync::{Action, SECTOR};
use crate::word::WORD_LEN;
use crate::{Completion, Config, Error, Format, Request, RequestId, Truncation};

/// Something to be done, as far as it is known what.
#[derive(Debug)]
pub(crate) enum Step {
    Do(Action),
    /// What is on the medium now, and in which slot.
    Now(Option<Header>, usize),
}

/// What a request that is out was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Load,
    /// To see whether the tape is blank.
    Peek,
    Change,
}

/// A cartridge: the image's header, and what it says. A sans-I/O state machine
/// as [`Tape`](crate::Tape) is, driven in the same way; its requests come one at
/// a time. While it has an operation under way, no tape on it may have one;
/// before [`Operation::Format`], they are synced or thrown away, and after it,
/// made anew.
#[derive(Debug)]
pub struct Cartridge {
    pub(crate) config: Config,
    loaded: bool,
    pub(crate) header: Option<Header>,
    /// The slot that `header` came from.
    pub(crate) slot: usize,
    /// What there is; without a header, one partition.
    pub(crate) partitions: Vec<Partition>,
    pub(crate) operation: Option<Operation>,
    pub(crate) script: VecDeque<Step>,
    request: Option<Request>,
    out: Option<(RequestId, Purpose)>,
    next_id: u64,
    outcome: Option<Result<(), Error>>,
}

impl Cartridge {
    /// A cartridge that is yet to be loaded. `config` is for the whole image;
    /// its `start` is 0.
    pub fn new(config: Config) -> Self {
        let partitions = alloc::vec![Partition::rest(0, config.capacity)];
        Self {
            config,
            loaded: false,
            header: None,
            slot: 0,
            partitions,
            operation: None,
            script: VecDeque::new(),
            request: None,
            out: None,
            next_id: 0,
            outcome: None,
        }
    }

    /// There is a header.
    pub fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// The partitions, at least one.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The attributes of a partition, by ascending identifier; none if there is
    /// no such partition.
    pub fn attributes(&self, partition: usize) -> &[Attribute] {
        self.partitions
            .get(partition)
            .map_or(&[], |p| &p.attributes)
    }

    /// Which part of the capacities may be used, of [`WHOLE`].
    pub fn proportion(&self) -> u16 {
        self.header.as_ref().map_or(WHOLE, |h| h.proportion)
    }

    /// The image's length in bytes, as far as the cartridge knows.
    pub fn length(&self) -> u64 {
        self.config.length
    }

    /// The tape of the last partition has changed the image's length to what
    /// its [`Tape::length`](crate::Tape::length) says.
    pub fn set_length(&mut self, length: u64) {
        self.config.length = length;
    }

    /// What a partition's tape is to be made with. Its capacity is what the
    /// proportion leaves of the partition's, or if that has none of the image's.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn tape_config(&self, partition: usize) -> Config {
        let Partition {
            start, capacity, ..
        } = self.partitions[partition];
        let last = partition + 1 == self.partitions.len();
        let (length, truncation) = match self.partitions[partition].end() {
            Some(end) if !last || self.config.truncation == Truncation::Never => {
                (end, Truncation::Never)
            }
            _ => (self.config.length, self.config.truncation),
        };
        let whole = u128::from(WHOLE);
        let usable = |bytes| (u128::from(bytes) * u128::from(self.proportion()) / whole) as u64;
        Config {
            start,
            length,
            truncation,
            capacity: capacity.or(self.config.capacity).map(usable),
            format: match self.header {
                Some(_) => Some(Format::Simh),
                None => self.config.format,
            },
            ..self.config.clone()
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
        let begun = match operation {
            Operation::Load => {
                self.loaded = false;
                self.read(HEADER_LEN as usize, Purpose::Load);
                Ok(())
            }
            _ => self.begin(&operation),
        };
        self.operation = Some(operation);
        self.went(begun);
        Ok(())
    }

    /// The next request to carry out. `None` until `start` or `handle` is
    /// called again.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    /// The result of the operation, once it has one.
    pub fn poll_outcome(&mut self) -> Option<Result<(), Error>> {
        self.outcome.take()
    }

    /// Takes the result of a request.
    ///
    /// # Panics
    /// If the completion's request isn't out.
    pub fn handle(&mut self, completion: Completion) {
        let (id, purpose) = self.out.take().expect("a request that is out");
        assert_eq!(id, completion.id, "a request that is out");
        let result = match (completion.result, purpose) {
            (Ok(bytes), Purpose::Load) => self.loaded_from(&completion.buf, bytes),
            (Ok(bytes), Purpose::Peek) => self.peeked(&completion.buf, bytes),
            (Ok(_), Purpose::Change) => Ok(()),
            (Err(error), Purpose::Change) => {
                self.loaded = false;
                Err(Error::Write { error, lost: 0 })
            }
            (Err(error), _) => Err(Error::Read { offset: 0, error }),
        };
        self.went(result);
    }

    /// Goes on with the script, if all is well so far.
    fn went(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            return self.finish(Err(error));
        }
        while self.out.is_none() {
            match self.script.pop_front() {
                None => return self.finish(Ok(())),
                Some(Step::Now(header, slot)) => self.now(header, slot),
                Some(Step::Do(action)) => self.act(action),
            }
        }
    }

    fn act(&mut self, action: Action) {
        self.make(Purpose::Change, |id| match action {
            Action::Write { offset, bytes } => Request::Write {
                id,
                offset,
                head: bytes,
                data: 0..0,
            },
            Action::Truncate(length) => Request::Truncate { id, length },
            Action::Flush => Request::Flush { id },
        });
        let length = match &self.request {
            Some(Request::Truncate { length, .. }) => *length,
            Some(Request::Write { offset, head, .. }) => {
                self.config.length.max(offset + head.len() as u64)
            }
            _ => return,
        };
        self.config.length = match self.config.truncation {
            Truncation::Sectors => length.next_multiple_of(SECTOR),
            _ => length,
        };
    }

    /// Reads from the image's beginning.
    pub(crate) fn read(&mut self, length: usize, purpose: Purpose) {
        let buf = alloc::vec![0; length];
        self.make(purpose, |id| Request::Read {
            id,
            offset: 0,
            data: 0..0,
            buf,
            skip: 0,
        });
    }

    fn make(&mut self, purpose: Purpose, make: impl FnOnce(RequestId) -> Request) {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.out = Some((id, purpose));
        self.request = Some(make(id));
    }

    fn finish(&mut self, outcome: Result<(), Error>) {
        self.script.clear();
        self.operation = None;
        self.outcome = Some(outcome);
    }

    fn loaded_from(&mut self, buf: &[u8], bytes: usize) -> Result<(), Error> {
        self.now(None, 0);
        let bytes = &buf[..bytes.min(buf.len())];
        let simh = matches!(self.config.format, None | Some(Format::Simh));
        if simh && bytes.starts_with(&SLOT_WORD.to_le_bytes()) {
            let slot = |at| {
                let header = Header::from_slot(bytes.get(at..).unwrap_or(&[]))?;
                match self.out_of_bounds(&header) {
                    Some(number) => Err(HeaderReason::Region(number)),
                    None => Ok(header),
                }
            };
            match [slot(0), slot(SLOT_LEN)] {
                [Err(HeaderReason::Magic), Err(HeaderReason::Magic)] => {}
                [Err(HeaderReason::Magic), Err(reason)] | [Err(reason), Err(_)] => {
                    return Err(Error::Header { reason });
                }
                [Ok(first), Ok(second)] => {
                    let newer = second.sequence.wrapping_sub(first.sequence) as i64 > 0;
                    let header = if newer { second } else { first };
                    self.now(Some(header), newer.into());
                }
                [Ok(first), Err(_)] => self.now(Some(first), 0),
                [Err(_), Ok(second)] => self.now(Some(second), 1),
            }
        }
        self.loaded = true;
        Ok(())
    }

    /// The first partition that goes beyond a medium that can't grow.
    pub(crate) fn out_of_bounds(&self, header: &Header) -> Option<usize> {
        let fixed = self.config.truncation == Truncation::Never;
        let past = |p: &Partition| p.end().unwrap_or(p.start + WORD_LEN) > self.config.length;
        header.partitions.iter().position(|p| fixed && past(p))
    }

    fn now(&mut self, header: Option<Header>, slot: usize) {
        self.partitions = match &header {
            Some(header) => header.partitions.clone(),
            None => alloc::vec![Partition::rest(0, self.config.capacity)],
        };
        self.header = header;
        self.slot = slot;
    }
}
