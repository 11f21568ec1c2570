// SPDX-License-Identifier: GPL-2.0-or-later
//! After a write that failed: what reached the medium before it stays.

use crate::progress::{Go, Pause, Progress, Purpose};
use crate::tape::Tape;
use crate::word::WORD_LEN;
use crate::{Error, IoError, Outcome, Position};

/// Something that failed, and is yet to be dealt with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteFailure {
    /// The first of several.
    error: IoError,
    /// From here on, what was written since the last sync may not be there.
    from: u64,
}

/// A tape that is being made to end in front of what is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Salvage {
    error: IoError,
    lost: u64,
}

impl Tape {
    pub(crate) fn write_failed(&mut self, error: IoError, from: u64) {
        let failure = self
            .write_failure
            .get_or_insert(WriteFailure { error, from });
        failure.from = failure.from.min(from);
    }

    /// Takes back what nobody has begun to carry out.
    pub(crate) fn drop_requests(&mut self) {
        let Some(failure) = &mut self.write_failure else {
            return;
        };
        for request in core::mem::take(&mut self.requests) {
            self.out.retain(|(out, purpose)| {
                let dropped = *out == request.id();
                if let (true, Purpose::Data { offset }) = (dropped, purpose) {
                    failure.from = failure.from.min(*offset);
                }
                !dropped
            });
        }
    }

    /// A write has failed, and none is under way.
    pub(crate) fn retreat(&mut self) -> Go<Outcome> {
        let Some(WriteFailure { error, from }) = self.write_failure.take() else {
            return Err(Pause::Again);
        };
        // One attempt is enough for a medium that fails again.
        let Some(Salvage { error, lost }) = self.salvage.take() else {
            if let Some(lost) = self.cut(from) {
                self.salvage = Some(Salvage { error, lost });
                return Err(Pause::Again);
            }
            let lost = self.roll_back();
            return Err(Pause::Fail(Error::Write { error, lost }));
        };
        let lost = lost + self.roll_back();
        Err(Pause::Fail(Error::Write { error, lost }))
    }

    /// Commits what [`cut`](Self::cut) has left.
    pub(crate) fn salvage(&mut self, Salvage { error, lost }: Salvage) -> Go<Outcome> {
        self.sync()?;
        self.salvage = None;
        Err(Pause::Fail(Error::Write { error, lost }))
    }

    /// Forgets the objects since the last sync that end behind `from`, or so
    /// close before it that an end marker could need room behind it, which a
    /// full medium doesn't have. Returns how many. `None`: nothing would be left.
    fn cut(&mut self, from: u64) -> Option<u64> {
        let synced = self.commit.as_ref()?.objects;
        let objects = self.index.ending_by(from.saturating_sub(WORD_LEN));
        if objects <= synced {
            return None;
        }
        let lost = self.index.end().objects - objects;
        self.index.truncate(objects);
        self.go_back_to_end(objects);
        self.stage.restart(self.index.end().offset);
        self.progress = Progress::default();
        Some(lost)
    }

    /// Goes back to what the last sync left, and what is there will be seen by
    /// reading. Returns how many objects are lost.
    fn roll_back(&mut self) -> u64 {
        let last = self.index.end().objects;
        let objects = match self.commit.take() {
            Some(commit) => commit.objects,
            None if self.progress.begun.is_some() => self.position.object,
            // The index was being saved: the tape itself is whole.
            None => return 0,
        };
        let written = self.position.object > objects;
        self.index.truncate(objects);
        self.go_back_to_end(objects);
        self.complete = false;
        self.end_marker = None;
        self.half = None;
        self.stage.restart(0);
        match written {
            true => last.saturating_sub(objects),
            false => 0,
        }
    }

    fn go_back_to_end(&mut self, objects: u64) {
        self.window.clear();
        self.position = Position {
            object: objects,
            marks: self.index.place(objects).marks,
        };
    }
}
