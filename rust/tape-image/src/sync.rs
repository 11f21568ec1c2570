// SPDX-License-Identifier: GPL-2.0-or-later
//! Steps 1 and 3 of the order of writes in the crate's documentation: making
//! the tape end where it will be written, and committing what was.

use alloc::vec::Vec;

use crate::progress::{Go, Pause, Purpose};
use crate::saved::FOOTER_LEN;
use crate::stage::STAGE_LEN;
use crate::tape::Tape;
use crate::word::{self, WORD_LEN};
use crate::{Position, Request, Truncation};

/// Bytes that a medium writes all or none of.
pub(crate) const SECTOR: u64 = 512;

/// A change to the medium, made when those before it are completed.
#[derive(Debug)]
pub(crate) enum Action {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
    Flush,
}

/// What one word will make part of the tape.
#[derive(Debug)]
pub(crate) struct Commit {
    /// Where there is an end marker now.
    pub(crate) at: u64,
    /// What replaces it, or its first half. Empty: nothing has been written.
    pub(crate) word: Vec<u8>,
    /// Objects before it.
    pub(crate) objects: u64,
}

/// Could a crash leave half of the word that is written at `at`?
pub(crate) fn straddles(at: u64) -> bool {
    at % SECTOR > SECTOR - WORD_LEN
}

impl Tape {
    /// Makes the tape end at `at`, in front of the object at the position, in
    /// memory and on the medium; what is written from now on is behind that.
    pub(crate) fn begin(&mut self, at: u64) -> Go<()> {
        if self.commit.is_some() {
            return Ok(());
        }
        if self.progress.begun.is_none() {
            self.progress.begun = Some(at);
            self.script_end_at(at);
        }
        self.play()?;
        self.footer = None;
        if !(self.complete && at == self.index.end().offset) {
            self.index.truncate(self.position.object);
        }
        debug_assert_eq!(self.index.end().offset, at);
        self.half = None;
        self.complete = true;
        self.undecided = false;
        self.end_marker = Some(at);
        self.window.clear();
        self.stage.restart(at + WORD_LEN);
        let objects = self.position.object;
        self.commit = Some(Commit {
            at,
            word: Vec::new(),
            objects,
        });
        self.progress.begun = None;
        Ok(())
    }

    fn script_end_at(&mut self, at: u64) {
        let script = &mut self.progress.script;
        if let Some(offset) = self.footer {
            let bytes = alloc::vec![0; FOOTER_LEN];
            script.extend([Action::Write { offset, bytes }, Action::Flush]);
        }
        if self.end_marker == Some(at) {
            return;
        }
        self.end_marker = None;
        let marker = word::END.to_le_bytes();
        if straddles(at) && (self.config.truncation == Truncation::Exact || at >= self.length) {
            // Two sectors can't change at once, but a file can be cut: its end
            // ends the tape, and so does half a marker at its end.
            if at < self.length {
                script.extend([Action::Truncate(at), Action::Flush]);
            }
            let first = (SECTOR - at % SECTOR) as usize;
            let (one, two) = marker.split_at(first);
            script.extend([
                Action::Write {
                    offset: at,
                    bytes: one.to_vec(),
                },
                Action::Flush,
                Action::Write {
                    offset: at + first as u64,
                    bytes: two.to_vec(),
                },
                Action::Flush,
            ]);
        } else {
            script.extend([
                Action::Write {
                    offset: at,
                    bytes: marker.to_vec(),
                },
                Action::Flush,
            ]);
        }
    }

    /// Has everything written so far on stable storage, and cuts off what is
    /// behind it.
    pub(crate) fn sync(&mut self) -> Go<()> {
        let Some(commit) = &self.commit else {
            return Ok(());
        };
        let (at, empty) = (commit.at, commit.word.is_empty());
        if !empty && !self.progress.stage_closed {
            self.progress.stage_closed = true;
            self.stage.buf.extend_from_slice(&word::END.to_le_bytes());
            self.send_stage();
        }
        self.drained()?;
        let end = self.index.end().offset;
        if !self.progress.sync_scripted {
            self.progress.sync_scripted = true;
            if !empty {
                let bytes = self.commit.as_ref().expect("seen above").word.clone();
                self.progress
                    .script
                    .extend([Action::Flush, Action::Write { offset: at, bytes }]);
            }
            let cut = self.cut_at(end + WORD_LEN);
            self.progress.script.extend(cut.map(Action::Truncate));
            self.progress.script.push_back(Action::Flush);
        }
        self.play()?;
        self.index_due = true;
        self.commit = None;
        self.end_marker = Some(end);
        self.progress.stage_closed = false;
        self.progress.sync_scripted = false;
        Ok(())
    }

    /// The length to cut the medium to so that `end` is its end, if that
    /// changes anything.
    pub(crate) fn cut_at(&self, end: u64) -> Option<u64> {
        let shortest = match self.config.truncation {
            Truncation::Exact => end,
            Truncation::Sectors => end.next_multiple_of(SECTOR),
            Truncation::Never => return None,
        };
        (self.length > shortest).then_some(end)
    }

    /// Waits for writes that were made behind.
    pub(crate) fn drained(&self) -> Go<()> {
        if self.out.is_empty() {
            Ok(())
        } else {
            Err(Pause::Wait)
        }
    }

    /// Sends what has gathered on its way.
    pub(crate) fn send_stage(&mut self) {
        if self.stage.buf.is_empty() {
            return;
        }
        let (offset, head) = self.stage.take(0);
        self.grow_to(offset + head.len() as u64);
        self.stage.buf.reserve(STAGE_LEN);
        self.request(Purpose::Change, |id| Request::Write {
            id,
            offset,
            head,
            data: 0..0,
        });
    }

    pub(crate) fn grow_to(&mut self, end: u64) {
        self.length = self.length.max(end);
        if self.config.truncation == Truncation::Sectors {
            self.length = self.length.next_multiple_of(SECTOR);
        }
    }

    /// Carries out the script, one action after the other.
    pub(crate) fn play(&mut self) -> Go<()> {
        let Some(action) = self.progress.script.pop_front() else {
            return Ok(());
        };
        Err(match action {
            Action::Write { offset, bytes } => {
                self.grow_to(offset + bytes.len() as u64);
                let make = |id| Request::Write {
                    id,
                    offset,
                    head: bytes,
                    data: 0..0,
                };
                self.wait_for(Purpose::Change, make)
            }
            Action::Truncate(length) => {
                self.length = length;
                self.grow_to(length);
                self.wait_for(Purpose::Change, |id| Request::Truncate { id, length })
            }
            Action::Flush => self.wait_for(Purpose::Change, |id| Request::Flush { id }),
        })
    }

    /// After a failed write: back to what the last sync left, and what is
    /// there will be seen by reading. Returns how many objects are lost.
    pub(crate) fn roll_back(&mut self) -> u64 {
        let last = self.index.end().objects;
        let objects = match self.commit.take() {
            Some(commit) => commit.objects,
            None if self.progress.begun.is_some() => self.position.object,
            // The index was being saved: the tape itself is whole.
            None => return 0,
        };
        self.index.truncate(objects);
        self.complete = false;
        self.end_marker = None;
        self.half = None;
        self.window.clear();
        self.stage.restart(0);
        let place = self.index.place(objects);
        let lost = last.saturating_sub(objects);
        let written = self.position.object > objects;
        self.position = Position {
            object: objects,
            marks: place.marks,
        };
        if written {
            lost
        } else {
            0
        }
    }
}
