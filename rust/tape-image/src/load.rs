// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding out what kind of tape there is, and whether it has an index.

use alloc::vec::Vec;

use crate::error::Reason;
use crate::index::Index;
use crate::object::AWS_HEADER;
use crate::progress::{Go, Pause, Purpose};
use crate::saved::{looks_like_one, Footer, FOOTER_LEN};
use crate::tape::Tape;
use crate::word::{self, WORD_LEN};
use crate::{Error, Format, Outcome, Position, Request};

/// Bytes without a record after which a medium may call itself a tape.
const PROBE_LEN: u64 = 64 << 10;

/// Progress of a load.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    phase: Phase,
    /// What was read last, if it could be.
    pub(crate) bytes: Vec<u8>,
    /// What the first format that was tried had to say.
    verdict: Option<(u64, Reason)>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Start,
    Footer,
    Steps(Footer),
    Compare(Footer),
    Probe(Format),
}

impl Tape {
    pub(crate) fn load(&mut self) -> Go<Outcome> {
        loop {
            let phase = self.progress.loading.phase;
            self.progress.loading.phase = match phase {
                Phase::Start => self.look_for_footer()?,
                Phase::Footer => self.look_for_steps()?,
                Phase::Steps(footer) => self.take_steps(footer),
                Phase::Compare(footer) => match self.compare(footer)? {
                    true => return Ok(self.ready()),
                    false => self.probe_first(),
                },
                Phase::Probe(format) => match self.probe(format)? {
                    Some(next) => Phase::Probe(next),
                    None => return Ok(self.ready()),
                },
            };
        }
    }

    fn ready(&mut self) -> Outcome {
        self.loaded = true;
        self.position = Position::default();
        Outcome::Done
    }

    fn look_for_footer(&mut self) -> Go<Phase> {
        self.loaded = false;
        self.stale = None;
        let room = self.length.saturating_sub(self.config.start);
        let simh = matches!(self.config.format, None | Some(Format::Simh));
        if !simh || room < FOOTER_LEN as u64 + WORD_LEN {
            return Ok(self.probe_first());
        }
        self.progress.loading.phase = Phase::Footer;
        Err(self.load_bytes(self.length - FOOTER_LEN as u64, FOOTER_LEN))
    }

    fn load_bytes(&mut self, offset: u64, len: usize) -> Pause {
        self.progress.loading.bytes = Vec::new();
        let buf = alloc::vec![0; len];
        self.wait_for(Purpose::Load, |id| Request::Read {
            id,
            offset,
            data: 0..0,
            buf,
            skip: 0,
        })
    }

    fn look_for_steps(&mut self) -> Go<Phase> {
        let bytes = &self.progress.loading.bytes;
        if looks_like_one(bytes) {
            // Good or not, it has to go when the tape is written.
            self.footer = Some(self.length - FOOTER_LEN as u64);
            self.index_due = true;
        }
        let Some(footer) = Footer::from_bytes(bytes) else {
            return Ok(self.probe_first());
        };
        let steps = footer.end.offset.checked_add(WORD_LEN);
        let end = steps.and_then(|steps| steps.checked_add(footer.steps_len.into()));
        let fits = end.is_some_and(|end| end <= self.length - FOOTER_LEN as u64);
        let small = footer.steps_len as usize <= self.config.index_limit;
        let here = footer.start == self.config.start && footer.end.offset >= footer.start;
        if fits && here {
            self.stale = Some(footer.end.offset);
        }
        if !(fits && small && here) {
            return Ok(self.probe_first());
        }
        self.progress.loading.phase = Phase::Steps(footer);
        Err(self.load_bytes(footer.end.offset + WORD_LEN, footer.steps_len as usize))
    }

    fn take_steps(&mut self, footer: Footer) -> Phase {
        let bytes = core::mem::take(&mut self.progress.loading.bytes);
        if bytes.len() != footer.steps_len as usize || crc32fast::hash(&bytes) != footer.steps_crc {
            return self.probe_first();
        }
        match Index::from_bytes(Format::Simh, footer.start, &bytes, footer.end) {
            Some(index) => {
                self.index = index;
                Phase::Compare(footer)
            }
            None => self.probe_first(),
        }
    }

    /// Is the tape the one that the index was made of?
    fn compare(&mut self, footer: Footer) -> Go<bool> {
        if self.samples_crc()? != footer.samples_crc
            || self.word(footer.end.offset)? != Some(word::END)
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

    fn probe_first(&mut self) -> Phase {
        let format = self.config.format.unwrap_or(Format::Simh);
        self.forget(format);
        self.undecided = self.config.format.is_none();
        Phase::Probe(format)
    }

    /// Reads up to the first record. `None` if it's a tape; else the format to
    /// try next.
    fn probe(&mut self, format: Format) -> Go<Option<Format>> {
        let start = self.config.start;
        let header = match format {
            Format::Aws => AWS_HEADER,
            _ => WORD_LEN,
        };
        let (offset, reason) = loop {
            let objects = self.index.end();
            match self.scan() {
                Ok(true) => {
                    let record = self.index.end().marks == objects.marks;
                    if record || self.index.end().offset - start >= PROBE_LEN {
                        return Ok(None);
                    }
                }
                Ok(false) if self.index.end().offset != start || self.end_marker.is_some() => {
                    return Ok(None);
                }
                // Nothing at all, or less than a header.
                Ok(false) => match self.length.saturating_sub(start) {
                    length @ 1.. if length < header => {
                        break (start, Reason::Truncated { header: 0 });
                    }
                    _ => return Ok(None),
                },
                Err(Pause::Fail(Error::Damaged { offset, reason })) => break (offset, reason),
                Err(pause) => return Err(pause),
            }
        };
        let (offset, reason) = *self
            .progress
            .loading
            .verdict
            .get_or_insert((offset, reason));
        if self.config.format.is_some() || format == Format::Aws {
            return Err(Pause::Fail(Error::NotATape { offset, reason }));
        }
        self.forget(Format::Aws);
        self.undecided = false;
        Ok(Some(Format::Aws))
    }
}
