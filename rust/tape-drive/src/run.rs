// SPDX-License-Identifier: GPL-2.0-or-later
//! A command under way: what its procedure asks for, and what comes of it.

use tape_image::container::Operation as Change;
use tape_image::{Error, Operation, Request, RequestId};

use crate::attribute::life;
use crate::call::Call;
use crate::deck::{Answer, Ask, Deck, Occasion, Procedure, State};
use crate::density;
use crate::dispatch;
use crate::done::{Attention, Done, Tray};
use crate::io::Owner;
use crate::medium::Slot;
use crate::reserve::Refusal;
use crate::state::Standing;
use crate::{asc, Drive, Key, Status, Transfer};

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
    /// Where the tape was to be after loading.
    resume: (usize, u64),
    /// The byte of the cartridge where it began.
    from_byte: Option<u64>,
    /// What it has said of the record before the position.
    partly: Option<u32>,
    pub(crate) interrupt: Interrupt,
}

/// What a procedure waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Nothing: it is the drive's turn.
    Nothing,
    /// The tape's operation, whose data begins at `at`.
    Tape { operation: Operation, at: usize },
    /// The cartridge's operation.
    Cartridge,
    /// Bytes of the data buffer, which are yet to be asked for.
    Copy(Option<Request>),
    /// Bytes that are put into the data buffer.
    Put(Put),
}

#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) at: usize,
    /// `None`: those of the record that the tape still has.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The caller has seen them.
    pub(crate) lent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    No,
    /// The tape will say when it has stopped.
    Asked,
    /// On the way back to where the command began.
    Returning,
}

impl Drive {
    pub(crate) fn run(
        &mut self,
        call: Option<Call>,
        room: usize,
        deck: Deck,
        procedure: Procedure,
    ) {
        let resume = self.slot.as_ref().map_or((0, 0), |slot| slot.resume);
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
            resume,
            from_byte: self.slot.as_ref().and_then(Slot::byte),
            partly: None,
            interrupt: Interrupt::No,
        });
        self.go_on(None);
    }

    /// Gives the procedure what it waited for, and takes it to where it waits
    /// for the caller, or to its end.
    pub(crate) fn go_on(&mut self, mut answer: Option<Answer>) {
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
                let mut state = slot.map(Slot::tape_state).unwrap_or_default();
                state.early_warning = match state.capacity {
                    Some(capacity) => density::early_warning_in(&self.config, capacity),
                    None => 0,
                };
                state.eom_at_eod = self.config.eom_at_eod;
                Some(Answer::TapeState(state))
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
                self.wait(Waiting::Tape { operation, at });
                self.start_tape(operation)
            }
            Ask::Cartridge(change) => {
                self.wait(Waiting::Cartridge);
                self.start_cartridge(change)
            }
            Ask::Mount(partition) => self.slot_mut(|slot| slot.mount(partition)),
            Ask::Dismount => {
                let partition = self.slot.as_ref()?.partition;
                self.forget_requests(|owner| owner == Owner::Tape(partition));
                self.slot_mut(Slot::dismount)
            }
            Ask::Forget => {
                self.forget_requests(|_| true);
                let running = self.running.as_ref()?;
                let returning = running.interrupt == Interrupt::Returning;
                let resume = returning.then_some(running.resume);
                self.slot_mut(|slot| {
                    slot.forget();
                    slot.resume = resume.unwrap_or(slot.resume);
                })
            }
            Ask::Plan => {
                let plan = self.parameters.partitions(&self.config);
                Some(Answer::Plan(plan))
            }
            Ask::Attributes(data) => {
                let call = self.running.as_ref()?.call?;
                Some(Answer::Attributes(self.attributes_after(&call, &data)))
            }
            Ask::Note(occasion) => self.note(occasion),
            Ask::Allow(overwrite) => {
                self.overwrite = overwrite;
                Some(Answer::Done)
            }
            Ask::Partly(bytes) => {
                self.running.as_mut()?.partly = Some(bytes);
                Some(Answer::Done)
            }
            Ask::Loaded => {
                let slot = self.slot.as_mut()?;
                slot.loaded = true;
                slot.resume = (0, 0);
                self.count_load();
                Some(Answer::Done)
            }
            Ask::Stand(standing) => {
                let tray = match standing {
                    Standing::Loaded => Some(Tray::Loaded),
                    Standing::Unloaded => Some(Tray::Unloaded),
                    Standing::Held | Standing::Parked => None,
                };
                if standing == Standing::Parked {
                    self.preventing.clear();
                }
                let was = self.slot.as_ref()?.standing;
                if was != standing {
                    self.running.as_mut()?.tray = tray;
                    if tray == Some(Tray::Loaded) {
                        let ready = Attention::others(asc::NOT_READY_TO_READY);
                        self.attentions.push(ready);
                    }
                }
                self.slot_mut(|slot| slot.standing = standing);
                self.count_load();
                Some(Answer::Done)
            }
        }
    }

    /// The log counts a load once it is known to be good.
    fn count_load(&mut self) {
        let Some(slot) = &mut self.slot else { return };
        let there = slot.loaded && slot.standing == Standing::Loaded;
        if there && !slot.counted {
            slot.changed = false;
            self.parameters.counters.loaded();
        }
        slot.counted = there;
    }

    fn slot_mut(&mut self, change: impl FnOnce(&mut Slot)) -> Option<Answer> {
        self.slot.as_mut().map(change);
        Some(Answer::Done)
    }

    fn start_cartridge(&mut self, change: Change) -> Option<Answer> {
        let slot = self.slot.as_mut()?;
        slot.note_length();
        match slot.cartridge.start(change) {
            Ok(()) => self.cartridge_outcome(),
            Err(error) => Some(Answer::Cartridge(Err(error))),
        }
    }

    /// Keeps with the tape what happened to it, if it has a place for that.
    fn note(&mut self, occasion: Occasion) -> Option<Answer> {
        let slot = self.slot.as_mut()?;
        slot.changed |= occasion != Occasion::Unload;
        if slot.medium.read_only || !slot.cartridge.has_header() {
            return Some(Answer::Cartridge(Ok(())));
        }
        let event = match occasion {
            Occasion::Change => life::Event::Change,
            Occasion::Format => life::Event::Format,
            Occasion::Unload => life::Event::Unload(*self.parameters.counters.mount()),
        };
        let attributes = life::note(slot.cartridge.attributes(0), event);
        self.wait(Waiting::Cartridge);
        self.start_cartridge(Change::SetAttributes {
            partition: 0,
            attributes,
        })
    }

    pub(crate) fn cartridge_outcome(&mut self) -> Option<Answer> {
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
    pub(crate) fn tape_outcome(&mut self) -> Option<Answer> {
        let outcome = self.slot.as_mut()?.tape_mut()?.poll_outcome()?;
        let running = self.running.as_mut()?;
        if let Waiting::Tape { operation, .. } = running.waiting {
            self.parameters.count(operation, &outcome);
        }
        if let Err(error) = outcome {
            self.failure = Some(error);
        }
        if outcome == Err(Error::Interrupted) && running.interrupt == Interrupt::Asked {
            running.interrupt = Interrupt::Returning;
            running.deck = Deck::default();
            running.procedure = dispatch::restore_position(running.deck.clone(), running.from);
            self.go_on(None);
            return None;
        }
        Some(Answer::Outcome(outcome))
    }

    pub(crate) fn ended(&mut self, result: Result<(), Refusal>) {
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
        let to_byte = self.slot.as_ref().and_then(Slot::byte);
        if let (Some(from), Some(to)) = (running.from_byte, to_byte) {
            let middle = density::usual_capacity(&self.config) / 2;
            self.parameters.count_passes(from, to, middle);
        }
        if running.interrupt != Interrupt::Returning {
            self.note_partly(running.partly, running.call, &result);
        }
        if running.call.is_some_and(|call| call.is_read()) {
            self.parameters.count_sent(data_in);
        }
        self.finish(result);
        if let Some(done) = &mut self.done {
            done.data_in = data_in;
            done.tray = running.tray;
            done.interrupted =
                running.interrupt == Interrupt::Returning && done.status == Status::Good;
        }
    }

    /// After a command that has moved the tape, or tried to, the position is
    /// between records, unless the command says otherwise.
    fn note_partly(&mut self, said: Option<u32>, call: Option<Call>, result: &Result<(), Refusal>) {
        let refused = matches!(result, Err(Refusal::Sense(sense))
            if matches!(sense.key, Key::IllegalRequest | Key::NotReady));
        let moved = call.is_some_and(|call| call.moves() || call.writes()) && !refused;
        self.partly = said.unwrap_or(if moved { 0 } else { self.partly });
    }

    /// The end of a command that may not even have begun.
    pub(crate) fn finish(&mut self, result: Result<(), Refusal>) {
        let (status, cause) = match result {
            Ok(()) => (Status::Good, None),
            Err(Refusal::Conflict) => (Status::ReservationConflict, None),
            Err(Refusal::Sense(sense)) => {
                self.parameters.alert(&sense, self.failure.as_ref());
                (Status::CheckCondition, Some(sense))
            }
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
