// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeping the index on the medium at unload.

use crate::progress::Go;
use crate::saved::{self, FOOTER_LEN};
use crate::sync::{Action, SECTOR};
use crate::tape::Tape;
use crate::window::Direction;
use crate::word::WORD_LEN;
use crate::{Format, Outcome, Truncation};

/// Progress of saving, and of comparing samples.
#[derive(Debug, Default)]
pub(crate) struct Saving {
    pub(crate) number: u64,
    pub(crate) crc: crc32fast::Hasher,
    scripted: bool,
}

impl Tape {
    /// The tape is synced. A tape that was only read isn't touched, unless it
    /// came with an index that was wrong.
    pub(crate) fn save(&mut self) -> Go<Outcome> {
        let end = self.index.end().offset;
        let due = self.index_due
            && self.config.save_index
            && !self.config.read_only
            && self.complete
            && self.index.format() == Format::Simh
            && self.end_marker == Some(end);
        if !due {
            return Ok(Outcome::Done);
        }
        if !self.progress.saving.scripted {
            let crc = self.samples_crc()?;
            self.progress.saving.scripted = true;
            self.script_save(end + WORD_LEN, crc);
        }
        self.play()?;
        self.index_due = false;
        Ok(Outcome::Done)
    }

    fn script_save(&mut self, at: u64, samples_crc: u32) {
        let round = if self.config.truncation == Truncation::Sectors {
            SECTOR
        } else {
            1
        };
        let mut bytes = saved::encode(&self.index, self.config.start, samples_crc, round);
        let steps = bytes.len() - FOOTER_LEN;
        let cut = self.cut_at(at);
        let script = &mut self.progress.script;
        script.extend(cut.map(Action::Truncate));
        if self.config.truncation == Truncation::Never {
            let Some(footer) = self.config.length.checked_sub(FOOTER_LEN as u64) else {
                return;
            };
            if at + steps as u64 > footer {
                return;
            }
            let tail = bytes.split_off(steps);
            script.push_back(Action::Write {
                offset: footer,
                bytes: tail,
            });
            self.footer = Some(footer);
        } else {
            self.footer = Some(at + steps as u64);
        }
        script.extend([Action::Write { offset: at, bytes }, Action::Flush]);
        self.window.clear();
    }

    /// The CRC of the tape's samples, as the index has them.
    pub(crate) fn samples_crc(&mut self) -> Go<u32> {
        let start = self.config.start;
        while let Some((at, len)) = saved::sample(&self.index, start, self.progress.saving.number) {
            self.need(at, len, Direction::Forward)?;
            let bytes = self.window.get(at, len).expect("needed on the line before");
            self.progress.saving.crc.update(bytes);
            self.progress.saving.number += 1;
        }
        Ok(self.progress.saving.crc.clone().finalize())
    }
}
