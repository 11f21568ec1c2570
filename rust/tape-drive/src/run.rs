// SPDX-License-Identifier: GPL-2.0-or-later
//! A command under way: what its procedure asks for, and what comes of it.

use tape_image::{Completion, Error, Operation, Request, RequestId};

use crate::call::Call;
use crate::deck::{Answer, Ask, Deck, Procedure, State};
use crate::dispatch;
use crate::done::{Action, Done, Tray};
use crate::medium::{Slot, Standing};
use crate::reserve::Refusal;
use crate::{asc, Drive, Key, Sense, Status, Transfer};

/// A command or task.
pub(crate) struct Running {
    /// `None`: a task.
    pub(crate) call: Option<Call>,
    room: usize,
    deck: Deck,
    procedure: Procedure,
    pub(crate) waiting: Waiting,
    tray: Option<Tray>,
    /// Partition and object where it began; `None`: nothing was loaded.
    from: Option<(usize, u64)>,
    pub(crate) interrupt: Interrupt,
}

/// What a procedure waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Nothing: it is the drive's turn.
    Nothing,
    /// The tape's operation, whose data begins there.
    Tape(usize),
    /// The cartridge's operation.
    Cartridge,
    /// Bytes of the data buffer, which are yet to be asked for.
    Copy(Option<Request>),
    /// That bytes are put into the data buffer.
    Put(Put),
}

#[derive(Debug)]
pub(crate) struct Put {
    at: usize,
    /// `None`: those of the record that the tape still has.
    bytes: Option<Vec<u8>>,
    /// The caller has seen them.
    lent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    No,
    /// The tape will say when it has stopped.
    Asked,
    /// On the way back to where the command began.
    Returning,
}

/// A request that is out, under the drive's number.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) id: RequestId,
    pub(crate) owner: Owner,
    /// Its owner's number.
    inner: RequestId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Tape(usize),
    Cartridge,
    /// The procedure.
    Copy,
    /// The cartridge is no longer there.
    Nobody,
}

impl Drive {
    pub(crate) fn run(
        &mut self,
        call: Option<Call>,
        room: usize,
        deck: Deck,
        procedure: Procedure,
    ) {
        let slot = self.slot.as_ref().filter(|slot| slot.loaded);
        let at = |slot: &Slot| (slot.partition, slot.tape_state().position.object);
        self.running = Some(Running {
            call,
            room,
            deck,
            procedure,
            waiting: Waiting::Nothing,
            tray: None,
            from: slot.map(at),
            interrupt: Interrupt::No,
        });
        self.go_on(None);
    }

    /// Gives the procedure what it waited for, and takes it to where it waits
    /// for the caller, or to its end.
    fn go_on(&mut self, mut answer: Option<Answer>) {
        while let Some(running) = &mut self.running {
            running.waiting = Waiting::Nothing;
            match running.deck.go_on(&mut running.procedure, answer) {
                Ok(ask) => answer = self.carry_out(ask),
                Err(result) => return self.ended(result),
            }
            if answer.is_none() {
                return;
            }
        }
    }

    fn wait(&mut self, waiting: Waiting) -> Option<Answer> {
        self.running.as_mut()?.waiting = waiting;
        None
    }

    /// Does what a procedure asks for. `None`: the answer comes later.
    fn carry_out(&mut self, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::State => {
                let slot = self.slot.as_ref();
                let state = slot.map_or_else(State::default, Slot::state);
                Some(Answer::State(State {
                    prevented: self.removal_prevented(),
                    ..state
                }))
            }
            Ask::TapeState => {
                let slot = self.slot.as_ref();
                let state = slot.map(Slot::tape_state);
                Some(Answer::TapeState(state.unwrap_or_default()))
            }
            Ask::Reply(data) => {
                let call = self.running.as_ref()?.call?;
                Some(Answer::Reply(self.reply(&call, &data)))
            }
            Ask::Copy(data) => {
                let (id, buf) = (RequestId::new(0), Vec::with_capacity(data.len()));
                self.wait(Waiting::Copy(Some(Request::Copy { id, data, buf })))
            }
            Ask::Put { at, bytes } => self.wait(Waiting::Put(Put {
                at,
                bytes,
                lent: false,
            })),
            Ask::Tape { operation, at } => {
                self.wait(Waiting::Tape(at));
                self.start_tape(operation)
            }
            Ask::Cartridge(change) => {
                self.wait(Waiting::Cartridge);
                let slot = self.slot.as_mut()?;
                slot.note_length();
                match slot.cartridge.start(change) {
                    Ok(()) => self.cartridge_outcome(),
                    Err(error) => Some(Answer::Cartridge(Err(error))),
                }
            }
            Ask::Mount(partition) => self.slot_mut(|slot| slot.mount(partition)),
            Ask::Dismount => {
                let partition = self.slot.as_ref()?.partition;
                self.disown(|owner| owner == Owner::Tape(partition));
                self.slot_mut(Slot::dismount)
            }
            Ask::Forget => {
                self.disown(|_| true);
                self.slot_mut(Slot::forget)
            }
            Ask::Plan => {
                let plan = self.parameters.partitions(&self.config);
                Some(Answer::Plan(plan))
            }
            Ask::Allow(overwrite) => {
                self.overwrite = overwrite;
                Some(Answer::Done)
            }
            Ask::Loaded => self.slot_mut(|slot| slot.loaded = true),
            Ask::Stand(standing) => {
                let tray = match standing {
                    Standing::Loaded => Some(Tray::Loaded),
                    Standing::Unloaded => Some(Tray::Unloaded),
                    Standing::Held => None,
                };
                let was = self.slot.as_ref()?.standing;
                if was != standing {
                    self.running.as_mut()?.tray = tray;
                }
                self.slot_mut(|slot| slot.standing = standing)
            }
        }
    }

    fn slot_mut(&mut self, change: impl FnOnce(&mut Slot)) -> Option<Answer> {
        self.slot.as_mut().map(change);
        Some(Answer::Done)
    }

    /// Completions of such owners' requests are no longer of interest.
    pub(crate) fn disown(&mut self, gone: impl Fn(Owner) -> bool) {
        for out in self.out.iter_mut().filter(|out| gone(out.owner)) {
            out.owner = Owner::Nobody;
        }
    }

    fn cartridge_outcome(&mut self) -> Option<Answer> {
        let outcome = self.slot.as_mut()?.cartridge.poll_outcome()?;
        if let Err(error) = outcome {
            self.failure = Some(error);
        }
        Some(Answer::Cartridge(outcome))
    }

    fn start_tape(&mut self, operation: Operation) -> Option<Answer> {
        let asked = self.running.as_ref()?.interrupt == Interrupt::Asked;
        let Some(tape) = self.slot.as_mut().and_then(Slot::tape_mut) else {
            return Some(Answer::Outcome(Err(Error::NotLoaded)));
        };
        if let Err(error) = tape.start(operation) {
            return Some(Answer::Outcome(Err(error)));
        }
        if asked {
            tape.interrupt();
        }
        self.tape_outcome()
    }

    /// The outcome of the tape's operation, if it has one. An operation that
    /// was interrupted takes the procedure's place with the way back.
    fn tape_outcome(&mut self) -> Option<Answer> {
        let outcome = self.slot.as_mut()?.tape_mut()?.poll_outcome()?;
        if let Err(error) = outcome {
            self.failure = Some(error);
        }
        let running = self.running.as_mut()?;
        if outcome == Err(Error::Interrupted) && running.interrupt == Interrupt::Asked {
            running.interrupt = Interrupt::Returning;
            running.deck = Deck::default();
            running.procedure = dispatch::way_back(running.deck.clone(), running.from);
            self.go_on(None);
            return None;
        }
        Some(Answer::Outcome(outcome))
    }

    /// The next request of the current tape or the procedure, with its data's
    /// place in the buffer, under a number of the drive's own.
    pub(crate) fn next_request(&mut self) -> Option<Request> {
        let (owner, mut request, base) = match self.running.as_mut().map(|r| &mut r.waiting) {
            Some(Waiting::Copy(request)) if request.is_some() => (Owner::Copy, request.take()?, 0),
            Some(Waiting::Cartridge) => {
                let request = self.slot.as_mut()?.cartridge.poll_request()?;
                (Owner::Cartridge, request, 0)
            }
            waiting => {
                let base = match waiting {
                    Some(Waiting::Tape(at)) => *at,
                    _ => 0,
                };
                let slot = self.slot.as_mut()?;
                let request = slot.tape_mut()?.poll_request()?;
                (Owner::Tape(slot.partition), request, base)
            }
        };
        let inner = request.id();
        let new = RequestId::new(self.next_id);
        self.next_id += 1;
        match &mut request {
            Request::Read { id, data, .. }
            | Request::Write { id, data, .. }
            | Request::Copy { id, data, .. } => {
                *id = new;
                if data.start < data.end {
                    *data = data.start + base..data.end + base;
                }
            }
            Request::Flush { id } | Request::Truncate { id, .. } => *id = new,
        }
        self.out.push(Out {
            id: new,
            owner,
            inner,
        });
        Some(request)
    }

    pub(crate) fn completed(&mut self, out: Out, completion: Completion) {
        match out.owner {
            Owner::Nobody => {}
            Owner::Copy => match completion.result {
                Ok(_) => self.go_on(Some(Answer::Bytes(completion.buf))),
                Err(_) => {
                    let sense = Sense::new(Key::AbortedCommand, asc::DATA_PHASE_ERROR);
                    self.ended(Err(sense.into()));
                }
            },
            owner => {
                self.pass_on(
                    owner,
                    Completion {
                        id: out.inner,
                        ..completion
                    },
                );
                let answer = match self.running.as_ref().map(|running| &running.waiting) {
                    Some(Waiting::Tape(_)) => self.tape_outcome(),
                    Some(Waiting::Cartridge) => self.cartridge_outcome(),
                    _ => None,
                };
                if answer.is_some() {
                    self.go_on(answer);
                }
            }
        }
    }

    fn pass_on(&mut self, owner: Owner, completion: Completion) {
        let Some(slot) = &mut self.slot else { return };
        match owner {
            Owner::Cartridge => slot.cartridge.handle(completion),
            Owner::Tape(partition) => {
                if let Some(Some(tape)) = slot.tapes.get_mut(partition) {
                    tape.handle(completion);
                }
            }
            Owner::Copy | Owner::Nobody => {}
        }
    }

    /// Shows the caller the bytes that a procedure puts into the buffer.
    pub(crate) fn lend_put(&mut self) -> Option<Action<'_>> {
        let Waiting::Put(put) = &mut self.running.as_mut()?.waiting else {
            return None;
        };
        put.lent = true;
        let tape = self.slot.as_ref().and_then(Slot::tape);
        let bytes = match &put.bytes {
            Some(bytes) => bytes,
            None => tape.map_or(&[][..], |tape| tape.buffered()),
        };
        Some(Action::Put { at: put.at, bytes })
    }

    /// The caller has copied what it was shown.
    pub(crate) fn end_put(&mut self) {
        let running = self.running.as_ref().map(|running| &running.waiting);
        if let Some(Waiting::Put(Put { lent: true, .. })) = running {
            self.go_on(Some(Answer::Done));
        }
    }

    fn ended(&mut self, result: Result<(), Refusal>) {
        let Some(running) = self.running.take() else {
            return;
        };
        let transfer = running.call.map_or(Transfer::None, |call| call.transfer);
        let data_in = match transfer {
            Transfer::In(_) => running.deck.data_in().min(running.room),
            _ => 0,
        };
        match (&result, running.call) {
            // Whoever began the task isn't whose data is lost.
            (Err(Refusal::Sense(sense)), None) if sense.deferred => {
                self.deferred = Some(*sense);
            }
            _ => {}
        }
        self.finish(result);
        if let Some(done) = &mut self.done {
            done.data_in = data_in;
            done.tray = running.tray;
            done.interrupted =
                running.interrupt == Interrupt::Returning && done.status == Status::Good;
        }
    }

    /// The end of a command that may not even have begun.
    pub(crate) fn finish(&mut self, result: Result<(), Refusal>) {
        let (status, cause) = match result {
            Ok(()) => (Status::Good, None),
            Err(Refusal::Conflict) => (Status::ReservationConflict, None),
            Err(Refusal::Sense(sense)) => (Status::CheckCondition, Some(sense)),
        };
        let descriptor = self.parameters.modes.descriptor_sense();
        self.done = Some(Done {
            status,
            sense: cause.map_or_else(Vec::new, |sense| sense.to_bytes(descriptor)),
            cause,
            data_in: 0,
            tray: None,
            attentions: std::mem::take(&mut self.attentions),
            interrupted: false,
        });
    }
}
