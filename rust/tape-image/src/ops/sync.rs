// SPDX-License-Identifier: GPL-2.0-or-later
//! Steps 1 and 3 of the order of writes in the crate's documentation: making
//! the tape end where it will be written, and committing what was.

use crate::config::SECTOR;
use crate::index::Kind;
use crate::port::Port;
use crate::saved::FOOTER_LEN;
use crate::stage::STAGE_LEN;
use crate::tape::{Commit, Go, TapeCore};
use crate::word::{self, WORD_LEN};

/// Bytes of gap in front of the end marker of a tape that is to end at `at`.
/// One is needed where a crash could leave half of a word. Objects begin at
/// even offsets, so half it is.
pub(super) fn gap_at(at: u64) -> u64 {
    if at % SECTOR > SECTOR - WORD_LEN {
        WORD_LEN
    } else {
        0
    }
}

impl TapeCore {
    /// Makes the tape end at `at`, in front of the object at the position, in
    /// memory and on the medium; what is written from now on is behind that.
    pub(super) async fn begin(&mut self, port: &Port, at: u64) -> Go<()> {
        if self.commit.is_some() {
            return Ok(());
        }
        self.manner.beginning = true;
        self.end_at(port, at).await?;
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
        self.complete = true;
        self.undecided = false;
        self.end_marker = Some(at);
        self.window.clear();
        self.stage.restart(at + WORD_LEN);
        self.commit = Some(Commit {
            at,
            word: None,
            objects: self.position.object,
            data: 0,
        });
        self.manner.beginning = false;
        port.set_dirty(true);
        Ok(())
    }

    async fn end_at(&mut self, port: &Port, at: u64) -> Go<()> {
        if let Some(offset) = self.footer {
            self.change(port, offset, alloc::vec![0; FOOTER_LEN])
                .await?;
            self.flush(port).await?;
        }
        if self.end_marker == Some(at) && gap_at(at) == 0 {
            return Ok(());
        }
        self.end_marker = None;
        let end = word::END.to_le_bytes();
        if gap_at(at) == 0 {
            self.change(port, at, end.to_vec()).await?;
            return self.flush(port).await;
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
        let private = word::PRIVATE.to_le_bytes();
        let (one, two) = gap.split_at(gap.len() / 2);
        for (offset, bytes) in [
            (at + 2, [&private[2..], &end].concat()),
            (at, one.to_vec()),
            (at + 2, two.to_vec()),
        ] {
            self.change(port, offset, bytes).await?;
            self.flush(port).await?;
        }
        Ok(())
    }

    /// Has everything written so far on stable storage, and cuts off what is
    /// behind it.
    pub(super) async fn sync(&mut self, port: &Port) -> Go<()> {
        let Some(commit) = &self.commit else {
            return Ok(());
        };
        let (at, word) = (commit.at, commit.word);
        if word.is_some() {
            self.stage.buf.extend_from_slice(&word::END.to_le_bytes());
            self.send_stage(port, 0);
        }
        port.room(0).await;
        self.written(port, Ok(()), 0)?;
        if let Some(word) = word {
            self.flush(port).await?;
            self.change(port, at, word.to_le_bytes().to_vec()).await?;
        }
        let end = self.index.end().offset;
        self.cut_at(port, end + WORD_LEN).await?;
        self.flush(port).await?;
        self.index_due = true;
        self.commit = None;
        port.set_dirty(false);
        self.end_marker = Some(end);
        Ok(())
    }

    /// Sends what has gathered on its way, but for the last `keep` bytes.
    pub(super) fn send_stage(&mut self, port: &Port, keep: usize) {
        if self.stage.buf.len() <= keep {
            return;
        }
        let (offset, head) = self.stage.take(port.spare(), keep, 0);
        self.grow_to(offset + head.len() as u64);
        self.stage.buf.reserve(STAGE_LEN);
        port.write_behind(offset, head);
    }
}
