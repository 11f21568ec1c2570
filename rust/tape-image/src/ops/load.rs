// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding out what kind of tape there is, and whether it has an index.

use alloc::vec::Vec;

use crate::config::Format;
use crate::error::{Error, Reason};
use crate::index::Index;
use crate::object::AWS_HEADER;
use crate::operation::Outcome;
use crate::port::Port;
use crate::saved::{looks_like_one, Footer, FOOTER_LEN};
use crate::tape::{Go, Halt, Position, TapeCore};
use crate::word::{self, WORD_LEN};

/// Bytes without a record after which a medium may call itself a tape.
const PROBE_LEN: u64 = 64 << 10;

impl TapeCore {
    pub(super) async fn load(&mut self, port: &Port) -> Go<Outcome> {
        self.loaded = false;
        self.stale = None;
        if !self.load_index(port).await? {
            let format = self.config.format.unwrap_or(Format::Simh);
            let mut verdict = self.probe(port, format).await?;
            // What the first format that was tried has to say counts.
            let aws = self.config.format.is_none();
            if verdict.is_some() && aws && self.probe(port, Format::Aws).await?.is_none() {
                verdict = None;
            }
            if let Some((offset, reason)) = verdict {
                return Err(Error::NotATape { offset, reason }.into());
            }
        }
        self.loaded = true;
        self.position = Position::default();
        Ok(Outcome::Done)
    }

    /// Takes up the index that the medium has. `false`: there is none, or it is
    /// of a tape that has changed.
    async fn load_index(&mut self, port: &Port) -> Go<bool> {
        let room = self.length.saturating_sub(self.config.start);
        let simh = matches!(self.config.format, None | Some(Format::Simh));
        if !simh || room < FOOTER_LEN as u64 + WORD_LEN {
            return Ok(false);
        }
        let footer_at = self.length - FOOTER_LEN as u64;
        let bytes = self.read_saved(port, footer_at, FOOTER_LEN).await?;
        if looks_like_one(&bytes) {
            // Good or not, it has to go when the tape is written.
            self.footer = Some(footer_at);
            self.index_due = true;
        }
        let Some(footer) = Footer::from_bytes(&bytes) else {
            return Ok(false);
        };
        let steps_at = footer.end.offset.checked_add(WORD_LEN);
        let end = steps_at.and_then(|steps| steps.checked_add(footer.steps_len.into()));
        let fits = end.is_some_and(|end| end <= footer_at);
        let small = footer.steps_len as usize <= self.config.index_limit;
        let here = footer.start == self.config.start && footer.end.offset >= footer.start;
        if fits && here {
            self.stale = Some(footer.end.offset);
        }
        if !(fits && small && here) {
            return Ok(false);
        }
        let (at, len) = (footer.end.offset + WORD_LEN, footer.steps_len as usize);
        let bytes = self.read_saved(port, at, len).await?;
        if bytes.len() != len || crc32fast::hash(&bytes) != footer.steps_crc {
            return Ok(false);
        }
        let index = Index::from_bytes(Format::Simh, footer.start, &bytes, footer.end);
        let Some(index) = index else {
            return Ok(false);
        };
        self.index = index;
        // Is the tape the one that the index was made of?
        if self.samples_crc(port).await? != footer.samples_crc
            || self.word(port, footer.end.offset).await? != Some(word::END)
        {
            return Ok(false);
        }
        self.stale = None;
        self.trusted = false;
        self.complete = true;
        self.undecided = false;
        self.end_marker = Some(footer.end.offset);
        self.index_due = false;
        Ok(true)
    }

    /// Bytes of a saved index; none if they can't be read: it goes without it.
    async fn read_saved(&mut self, port: &Port, offset: u64, len: usize) -> Go<Vec<u8>> {
        let read = port.read(offset, 0..0, alloc::vec![0; len], 0).await;
        self.heed(port)?;
        Ok(read.map_or_else(
            |_| Vec::new(),
            |(bytes, mut buf)| {
                buf.truncate(bytes);
                buf
            },
        ))
    }

    /// Reads up to the first record. `None` if it's a tape of that format; else
    /// where it isn't, and why.
    async fn probe(&mut self, port: &Port, format: Format) -> Go<Option<(u64, Reason)>> {
        self.forget(format);
        self.undecided = self.config.format.is_none() && format == Format::Simh;
        let start = self.config.start;
        let header = match format {
            Format::Aws => AWS_HEADER,
            _ => WORD_LEN,
        };
        loop {
            let before = self.index.end();
            match self.scan(port).await {
                Ok(true) => {
                    let end = self.index.end();
                    let record = end.marks == before.marks;
                    if record || end.offset - start >= PROBE_LEN {
                        return Ok(None);
                    }
                }
                Ok(false) if self.index.end().offset != start || self.end_marker.is_some() => {
                    return Ok(None);
                }
                // Nothing at all, or less than a header.
                Ok(false) => {
                    return Ok(match self.length.saturating_sub(start) {
                        length @ 1.. if length < header => {
                            Some((start, Reason::Truncated { header: 0 }))
                        }
                        _ => None,
                    });
                }
                Err(Halt::Failed(Error::Damaged { offset, reason })) => {
                    return Ok(Some((offset, reason)));
                }
                Err(halt) => return Err(halt),
            }
        }
    }
}
