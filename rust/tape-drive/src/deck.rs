// SPDX-License-Identifier: GPL-2.0-or-later
//! What a command's procedure and the drive say to each other.
//!
//! A command that touches the tape is an `async fn`: it reads like the
//! standard's text, and waits where the tape has something to do. There is no
//! executor and no waker. The drive polls the procedure when there is an answer
//! for it, which is all that can make it go on:
//!
//! ```text
//!  procedure  -- Ask ----->  drive  -- Operation -->  tape
//!             <-- Answer --         <-- Outcome ---
//! ```

use std::future::{poll_fn, Future};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tape_image::container::{Attribute, Operation as Change};
use tape_image::{Error, Operation, Outcome, Position};

use crate::call::Overwrite;
use crate::reserve::Refusal;
use crate::state::Standing;
use crate::Sense;

/// What a procedure asks the drive for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// An operation of the current partition's tape, whose data begins at `at`
    /// in the data buffer.
    Tape { operation: Operation, at: usize },
    /// An operation of the cartridge, no tape having one.
    Cartridge(Change),
    /// Make a partition the current one. It has to be synced before.
    Mount(usize),
    /// How things are with the cartridge.
    State,
    /// How things are with the current partition's tape.
    TapeState,
    /// Bytes of the data buffer.
    Copy(Range<usize>),
    /// Bytes into the data buffer; `None`: those that the tape holds of the
    /// record that was just read.
    Put { at: usize, bytes: Option<Vec<u8>> },
    /// What the drive alone can answer, given the data out.
    Reply(Vec<u8>),
    /// What FORMAT MEDIUM is to make of it.
    Plan,
    /// What WRITE ATTRIBUTE, given its data, makes of a partition's attributes.
    Attributes(Vec<u8>),
    /// Keep this with the tape, if it has a place for it.
    Note(Occasion),
    /// What ALLOW OVERWRITE allows.
    Allow(Overwrite),
    /// Of the record before the position, only so many bytes were read; 0: it
    /// was all of it.
    Partly(u32),
    /// The cartridge is found to be good.
    Loaded,
    /// Forget what is known of the current partition.
    Dismount,
    /// Forget what is known of all of them.
    Forget,
    /// Move the cartridge.
    Stand(Standing),
}

/// How the drive answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Done,
    Outcome(Result<Outcome, Error>),
    Cartridge(Result<(), Error>),
    State(State),
    TapeState(TapeState),
    Bytes(Vec<u8>),
    Reply(Result<Vec<u8>, Refusal>),
    Plan(Result<Vec<u64>, Sense>),
    Attributes(Result<Vec<Attribute>, Sense>),
}

/// When something is to be kept with the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Change,
    Format,
    Unload,
}

/// What a procedure can know of the cartridge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    /// `None`: there is no cartridge.
    pub(crate) standing: Option<Standing>,
    /// The cartridge has been read.
    pub(crate) loaded: bool,
    /// Removal of the cartridge is prevented.
    pub(crate) prevented: bool,
    /// Partition and object to go to after loading.
    pub(crate) resume: (usize, u64),
    pub(crate) partition: usize,
    /// How many there are.
    pub(crate) partitions: usize,
    /// The partitions that were used since the cartridge was put in: a bit each.
    pub(crate) mounted: u32,
    /// There is a place for attributes.
    pub(crate) header: bool,
    /// The cartridge was written to since it was loaded.
    pub(crate) changed: bool,
}

/// What a procedure can know of the current partition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TapeState {
    pub(crate) partition: usize,
    pub(crate) position: Position,
    /// The end of data, if it is known.
    pub(crate) end: Option<Position>,
    /// Bytes up to the position.
    pub(crate) used: u64,
    /// Bytes it may hold.
    pub(crate) capacity: Option<u64>,
    /// Bytes before its end from which writes are answered with EOM.
    pub(crate) early_warning: u64,
    /// EOM goes with the end of data, wherever that is.
    pub(crate) eom_at_eod: bool,
    /// Objects in the drive's buffer, and their bytes.
    pub(crate) unsynced: (u64, u64),
    /// There is a filemark right before the position.
    pub(crate) behind_mark: bool,
}

impl TapeState {
    /// The position is past early warning, where writes are answered with EOM.
    pub(crate) fn past_early_warning(&self) -> bool {
        self.past(self.early_warning)
    }

    /// The position is past programmable early warning, which comes so many
    /// bytes before the other; 0: there is none.
    pub(crate) fn past_programmable(&self, bytes: u64) -> bool {
        bytes != 0 && self.past(self.early_warning.saturating_add(bytes))
    }

    /// EOM of sense data that tells of the end of data.
    pub(crate) fn eom_at_end(&self) -> bool {
        self.eom_at_eod || self.past_early_warning()
    }

    /// The position is less than so many bytes before the end of the partition.
    fn past(&self, bytes: u64) -> bool {
        self.capacity
            .is_some_and(|capacity| self.used > capacity.saturating_sub(bytes))
    }
}

#[derive(Debug, Default)]
struct Exchange {
    ask: Option<Ask>,
    answer: Option<Answer>,
    transferred: usize,
}

/// The procedure's end of it; the drive has a clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deck(Arc<Mutex<Exchange>>);

/// A command under way.
pub(crate) type Procedure = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

impl Deck {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The drive's side: gives the procedure an answer (none at its start), and
    /// takes it to its next question or its end.
    pub(crate) fn go_on(
        &self,
        procedure: &mut Procedure,
        answer: Option<Answer>,
    ) -> Result<Ask, Result<(), Refusal>> {
        self.lock().answer = answer;
        match procedure
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(result) => Err(result),
            Poll::Pending => Ok(self.lock().ask.take().expect("waits for nothing else")),
        }
    }

    /// The drive's side: bytes of the data buffer that go to the initiator.
    pub(crate) fn data_in(&self) -> usize {
        self.lock().transferred
    }

    async fn ask(&self, ask: Ask) -> Answer {
        self.lock().ask = Some(ask);
        poll_fn(|_| {
            let answer = self.lock().answer.take();
            answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    pub(crate) async fn tape(&self, operation: Operation) -> Result<Outcome, Error> {
        self.tape_at(operation, 0).await
    }

    pub(crate) async fn tape_at(&self, operation: Operation, at: usize) -> Result<Outcome, Error> {
        match self.ask(Ask::Tape { operation, at }).await {
            Answer::Outcome(outcome) => outcome,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn cartridge(&self, change: Change) -> Result<(), Error> {
        match self.ask(Ask::Cartridge(change)).await {
            Answer::Cartridge(result) => result,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn mount(&self, partition: usize) {
        self.ask(Ask::Mount(partition)).await;
    }

    pub(crate) async fn state(&self) -> State {
        match self.ask(Ask::State).await {
            Answer::State(state) => state,
            other => unreachable!("{other:?}"),
        }
    }

    /// The state of the current partition; zero unless it is loaded.
    pub(crate) async fn tape_state(&self) -> TapeState {
        match self.ask(Ask::TapeState).await {
            Answer::TapeState(state) => state,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn copy(&self, range: Range<usize>) -> Vec<u8> {
        match self.ask(Ask::Copy(range)).await {
            Answer::Bytes(bytes) => bytes,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn put(&self, at: usize, bytes: Vec<u8>) {
        let bytes = Some(bytes);
        self.ask(Ask::Put { at, bytes }).await;
    }

    pub(crate) async fn put_buffered(&self, at: usize) {
        self.ask(Ask::Put { at, bytes: None }).await;
    }

    pub(crate) async fn reply(&self, data: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        match self.ask(Ask::Reply(data)).await {
            Answer::Reply(reply) => reply,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn plan(&self) -> Result<Vec<u64>, Sense> {
        match self.ask(Ask::Plan).await {
            Answer::Plan(plan) => plan,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn attributes(&self, data: Vec<u8>) -> Result<Vec<Attribute>, Sense> {
        match self.ask(Ask::Attributes(data)).await {
            Answer::Attributes(attributes) => attributes,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn note(&self, occasion: Occasion) -> Result<(), Error> {
        match self.ask(Ask::Note(occasion)).await {
            Answer::Cartridge(result) => result,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn allow(&self, overwrite: Overwrite) {
        self.ask(Ask::Allow(overwrite)).await;
    }

    pub(crate) async fn partly(&self, bytes: u32) {
        self.ask(Ask::Partly(bytes)).await;
    }

    pub(crate) async fn loaded(&self) {
        self.ask(Ask::Loaded).await;
    }

    pub(crate) async fn dismount(&self) {
        self.ask(Ask::Dismount).await;
    }

    pub(crate) async fn forget(&self) {
        self.ask(Ask::Forget).await;
    }

    pub(crate) async fn stand(&self, standing: Standing) {
        self.ask(Ask::Stand(standing)).await;
    }

    /// From now on, so many bytes of the data buffer go to the initiator.
    pub(crate) fn transferred(&self, bytes: usize) {
        self.lock().transferred = bytes;
    }
}
