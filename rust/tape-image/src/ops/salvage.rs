// SPDX-License-Identifier: GPL-2.0-or-later
//! After a write that failed: what reached the medium before it stays.

use crate::error::Error;
use crate::port::{Loss, Port};
use crate::tape::{Manner, Position, TapeCore};
use crate::word::WORD_LEN;

impl TapeCore {
    /// A write has failed. Commits what isn't lost, once: if that fails too, or
    /// nothing is left, goes back to the last sync.
    pub(super) async fn retreat(&mut self, port: &Port) -> Error {
        let Some(Loss { error, from }) = port.settle().await else {
            unreachable!("a loss is why this was called");
        };
        let Some(lost) = self.cut(from) else {
            let lost = self.roll_back(port);
            return Error::Write { error, lost };
        };
        if self.sync(port).await.is_ok() {
            return Error::Write { error, lost };
        }
        port.settle().await;
        let lost = lost + self.roll_back(port);
        Error::Write { error, lost }
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
        self.manner = Manner::default();
        Some(lost)
    }

    /// Goes back to what the last sync left, and what is there will be seen by
    /// reading. Returns how many objects are lost.
    fn roll_back(&mut self, port: &Port) -> u64 {
        port.set_dirty(false);
        let last = self.index.end().objects;
        let objects = match self.commit.take() {
            Some(commit) => commit.objects,
            None if self.manner.beginning => self.position.object,
            // The index was being saved: the tape itself is whole.
            None => return 0,
        };
        let written = self.position.object > objects;
        self.index.truncate(objects);
        self.go_back_to_end(objects);
        self.complete = false;
        self.end_marker = None;
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
