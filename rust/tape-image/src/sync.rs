// SPDX-License-Identifier: GPL-2.0-or-later
//! Steps 1 and 3 of the order of writes in the crate's documentation: making
//! the tape end where it will be written, and committing what was.

use alloc::vec::Vec;

use crate::index::Kind;
use crate::progress::{Go, Pause, Purpose};
use crate::saved::FOOTER_LEN;
use crate::stage::STAGE_LEN;
use crate::tape::Tape;
use crate::word::{self, WORD_LEN};
use crate::{Request, Truncation};

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
    /// What replaces it. `None`: nothing has been written.
    pub(crate) word: Option<u32>,
    /// Objects before it.
    pub(crate) objects: u64,
    /// Bytes of data in records since.
    pub(crate) data: u64,
}

/// Bytes of gap in front of the end marker of a tape that is to end at `at`.
/// One is needed where a crash could leave half of a word. Objects begin at
/// even offsets, so half it is.
pub(crate) fn gap_at(at: u64) -> u64 {
    if at % SECTOR > SECTOR - WORD_LEN {
        WORD_LEN
    } else {
        0
    }
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
        self.stale = None;
        if !(self.complete && at == self.index.end().offset) {
            self.index.truncate(self.position.object);
        }
        debug_assert_eq!(self.index.end().offset, at);
        let gap = gap_at(at);
        if gap > 0 {
            self.index.append(Kind::Skip, gap as u32);
        }
        let at = at + gap;
        self.half = None;
        self.complete = true;
        self.undecided = false;
        self.end_marker = Some(at);
        self.window.clear();
        self.stage.restart(at + WORD_LEN);
        let objects = self.position.object;
        self.commit = Some(Commit {
            at,
            word: None,
            objects,
            data: 0,
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
        if self.end_marker == Some(at) && gap_at(at) == 0 {
            return;
        }
        self.end_marker = None;
        let end = word::END.to_le_bytes();
        let mut write = |offset, bytes: &[u8]| {
            let bytes = bytes.to_vec();
            script.extend([Action::Write { offset, bytes }, Action::Flush]);
        };
        if gap_at(at) == 0 {
            return write(at, &end);
        }
        // A marker can't be written at once where two sectors meet. But half a
        // word can make any other half part of a private marker, together with
        // the end marker behind that; then the private marker becomes a gap.
        //
        //              at      | sector      at + 4
        //   as it was  lo  lo  | hi  hi      …
        //   then       lo  lo  | 00  70      FF FF FF FF
        //   then       FE  FF  | 00  70      FF FF FF FF
        //   then       FE  FF  | FF  FF      FF FF FF FF
        let gap = word::GAP.to_le_bytes();
        let (one, two) = gap.split_at(gap.len() / 2);
        let private = word::PRIVATE.to_le_bytes();
        write(at + 2, &[&private[2..], &end].concat());
        write(at, one);
        write(at + 2, two);
    }

    /// Has everything written so far on stable storage, and cuts off what is
    /// behind it.
    pub(crate) fn sync(&mut self) -> Go<()> {
        let Some(commit) = &self.commit else {
            return Ok(());
        };
        let (at, word) = (commit.at, commit.word);
        if word.is_some() && !self.progress.stage_closed {
            self.progress.stage_closed = true;
            self.stage.buf.extend_from_slice(&word::END.to_le_bytes());
            self.send_stage(0);
        }
        self.drained()?;
        let end = self.index.end().offset;
        if !self.progress.sync_scripted {
            self.progress.sync_scripted = true;
            if let Some(word) = word {
                let bytes = word.to_le_bytes().to_vec();
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

    /// Sends what has gathered on its way, but for the last `keep` bytes.
    pub(crate) fn send_stage(&mut self, keep: usize) {
        if self.stage.buf.len() <= keep {
            return;
        }
        let (offset, head) = self.stage.take(keep, 0);
        self.grow_to(offset + head.len() as u64);
        self.stage.buf.reserve(STAGE_LEN);
        self.request(Purpose::Data { offset }, |id| Request::Write {
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
}
