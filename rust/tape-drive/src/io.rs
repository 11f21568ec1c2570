// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests and completions: between the caller, who knows the drive's numbers
//! for them, and whoever made them.

use tape_image::{Completion, Request, RequestId};

use crate::deck::Answer;
use crate::done::Action;
use crate::medium::Slot;
use crate::run::{Put, Waiting};
use crate::{asc, Drive, Key, Sense};

/// A request that is out, under the drive's number.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) id: RequestId,
    pub(crate) owner: Owner,
    /// The request's number at its owner.
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
                    Some(Waiting::Tape { at, .. }) => *at,
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
                    Some(Waiting::Tape { .. }) => self.tape_outcome(),
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
    pub(crate) fn next_put(&mut self) -> Option<Action<'_>> {
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

    /// Completions of such owners' requests are no longer of interest.
    pub(crate) fn forget_requests(&mut self, gone: impl Fn(Owner) -> bool) {
        for out in self.out.iter_mut().filter(|out| gone(out.owner)) {
            out.owner = Owner::Nobody;
        }
    }
}
