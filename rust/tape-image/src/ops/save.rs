// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeping the index on the medium at unload.

use crate::config::{Format, Truncation};
use crate::operation::Outcome;
use crate::port::Port;
use crate::saved::{self, FOOTER_LEN};
use crate::tape::{Go, TapeCore};
use crate::word::WORD_LEN;

impl TapeCore {
    /// The tape is synced. A tape that was only read isn't touched, unless it
    /// came with an index that was wrong.
    pub(super) async fn save(&mut self, port: &Port) -> Go<Outcome> {
        let end = self.index.end().offset;
        let due = self.index_due
            && self.config.save_index
            && !self.config.read_only
            && self.complete
            && self.index.format() == Format::Simh
            && self.end_marker == Some(end);
        if due {
            let crc = self.samples_crc(port).await?;
            self.save_index(port, end + WORD_LEN, crc).await?;
            self.index_due = false;
        }
        Ok(Outcome::Done)
    }

    async fn save_index(&mut self, port: &Port, at: u64, samples_crc: u32) -> Go<()> {
        let truncation = self.config.truncation;
        let mut bytes = saved::encode(&self.index, self.config.start, samples_crc, truncation);
        let steps = bytes.len() - FOOTER_LEN;
        self.cut_at(port, at).await?;
        self.window.clear();
        if truncation == Truncation::Never {
            let footer = self.config.length.checked_sub(FOOTER_LEN as u64);
            let Some(footer) = footer.filter(|&footer| at + steps as u64 <= footer) else {
                return Ok(());
            };
            let tail = bytes.split_off(steps);
            self.footer = Some(footer);
            self.change(port, footer, tail).await?;
        } else {
            self.footer = Some(at + steps as u64);
        }
        self.change(port, at, bytes).await?;
        self.flush(port).await
    }

    /// The CRC of the tape's samples, as the index has them.
    pub(super) async fn samples_crc(&mut self, port: &Port) -> Go<u32> {
        let start = self.config.start;
        let mut crc = crc32fast::Hasher::new();
        for number in 0.. {
            let Some((at, len)) = saved::sample(&self.index, start, number) else {
                break;
            };
            self.need(port, at, len).await?;
            let bytes = self.window.get(at, len).expect("needed on the line before");
            crc.update(bytes);
        }
        Ok(crc.finalize())
    }
}
