// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading one object, forward or in reverse.
//!
//! A small record is read into the window, with what surrounds it, and handed
//! out from there. A large one goes straight into the caller's data, but for
//! the few bytes that came with the header of it:
//!
//! ```text
//!  window      request                            window
//!  | header |' data … data … data … data … data '| trailer | header | …
//!           '--'-------- caller's data --------'
//!          prefix
//! ```
//!
//! In reverse, the index knows where the object begins. Half-gaps, which look
//! different from behind, need no decoding.

use crate::error::Reason;
use crate::index::{extent, Found, Kind};
use crate::object::{AwsHeader, AWS_HEADER, AWS_SEGMENT_MAX};
use crate::progress::{Go, Pause, Purpose};
use crate::scan::{Next, PendingRecord};
use crate::stage::DIRECT_MIN;
use crate::tape::Tape;
use crate::window::{Direction, READ_SMALL};
use crate::word::WORD_LEN;
use crate::{Error, Format, Outcome, Request};

/// The record being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    offset: u64,
    half: PendingRecord,
    known: bool,
    way: Direction,
    /// Bytes of the record that aren't wanted, at its beginning.
    skip: usize,
    /// The body is there, or (AWS) so many bytes of it and of headers.
    sent: bool,
    done: u64,
    headers: u64,
}

/// Where the first bytes of a record are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Buffered {
    Prefix,
    Window { offset: u64, len: usize },
}

impl Default for Buffered {
    fn default() -> Self {
        Self::Window { offset: 0, len: 0 }
    }
}

/// The word in front of an object.
pub(crate) fn header_word(kind: Kind, len: u32) -> u32 {
    match kind {
        Kind::Bad => 0x8000_0000 | len,
        _ => len,
    }
}

impl Tape {
    pub(crate) fn read_forward(&mut self, limit: usize) -> Go<Outcome> {
        if self.progress.reading.is_none() {
            self.arrive()?;
            let aws = self.index.format() == Format::Aws;
            let unknown = self.position.object >= self.index.end().objects;
            let reading = if unknown && !aws {
                match self.next()? {
                    Next::End => return Ok(Outcome::End),
                    Next::Mark => {
                        self.index.append(Kind::Mark, 0);
                        return Ok(self.passed_mark());
                    }
                    Next::Record(half) => {
                        Reading::new(self.index.end().offset, half, false, Direction::Forward)
                    }
                }
            } else {
                if unknown && !self.scan()? {
                    return Ok(Outcome::End);
                }
                let found = self
                    .index
                    .find(self.position.object)
                    .expect("scanned or known");
                if found.kind == Kind::Mark {
                    self.check_header(found)?;
                    return Ok(self.passed_mark());
                }
                Reading::known(found, Direction::Forward)
            };
            self.progress.reading = Some(reading);
        }
        let outcome = self.record(limit)?;
        self.position.object += 1;
        Ok(outcome)
    }

    pub(crate) fn read_reverse(&mut self, limit: usize) -> Go<Outcome> {
        if self.progress.reading.is_none() {
            self.arrive()?;
            let Some(before) = self.position.object.checked_sub(1) else {
                return Ok(Outcome::Beginning);
            };
            let found = self.index.find(before).expect("arrived behind it");
            if found.kind == Kind::Mark {
                self.check_header(found)?;
                self.position.object -= 1;
                self.position.marks -= 1;
                return Ok(Outcome::Mark);
            }
            self.progress.reading = Some(Reading::known(found, Direction::Reverse));
        }
        let outcome = self.record(limit)?;
        self.position.object -= 1;
        Ok(outcome)
    }

    pub(crate) fn reread(&mut self, skip: usize, limit: usize) -> Go<Outcome> {
        if self.progress.reading.is_none() {
            self.arrive()?;
            let Some(before) = self.position.object.checked_sub(1) else {
                return Ok(Outcome::Beginning);
            };
            let found = self.index.find(before).expect("arrived behind it");
            if found.kind == Kind::Mark {
                self.check_header(found)?;
                return Ok(Outcome::Mark);
            }
            self.progress.reading = Some(Reading {
                skip: skip.min(found.len as usize),
                ..Reading::known(found, Direction::Forward)
            });
        }
        self.record(limit)
    }

    fn passed_mark(&mut self) -> Outcome {
        self.position.object += 1;
        self.position.marks += 1;
        Outcome::Mark
    }

    /// Sees to it that the index reaches to the position, which it may not
    /// after an index of the medium was dropped.
    pub(crate) fn arrive(&mut self) -> Go<()> {
        let object = self.position.object;
        while self.index.end().objects < object {
            if !self.scan_moving()? {
                let end = self.index.end();
                self.position = crate::Position {
                    object: end.objects,
                    marks: end.marks,
                };
                return Err(Pause::Fail(Error::Changed { object }));
            }
        }
        self.position.marks = self.index.place(object).marks;
        Ok(())
    }

    /// Is the object still there, if only the medium's index says so?
    pub(crate) fn check_header(&mut self, found: Found) -> Go<()> {
        if !self.trusted && self.word(found.at.offset)? != Some(header_word(found.kind, found.len))
        {
            return Err(self.distrust());
        }
        Ok(())
    }

    fn record(&mut self, limit: usize) -> Go<Outcome> {
        let reading = self.progress.reading.expect("set by the callers");
        let PendingRecord { kind, len, .. } = reading.half;
        let want = limit.min(len as usize - reading.skip);
        if self.index.format() == Format::Aws {
            self.aws_body(reading, limit)?;
        } else if (len as usize) < DIRECT_MIN {
            self.small_body(reading, want)?;
        } else {
            self.large_body(reading, want)?;
        }
        let buffered = match self.buffered {
            Buffered::Prefix => self.prefix.len(),
            Buffered::Window { len, .. } => len,
        };
        Ok(Outcome::Record {
            length: len,
            bad: kind == Kind::Bad,
            buffered,
        })
    }

    fn small_body(&mut self, reading: Reading, want: usize) -> Go<()> {
        let Reading {
            offset, half, way, ..
        } = reading;
        let size = extent(self.index.format(), half.kind, half.len);
        if offset + WORD_LEN + u64::from(half.len) > self.length {
            return Err(self.damaged(reading, Reason::Truncated { header: half.word }));
        }
        self.need(offset, size.min(self.length - offset) as usize, way)?;
        self.check_word(reading)?;
        self.check_trailer_of(reading)?;
        // Deciding between SIMH and E11 may have moved the window.
        let data = offset + WORD_LEN + reading.skip as u64;
        self.need(data, want, way)?;
        self.take_in(reading);
        self.buffered = Buffered::Window {
            offset: data,
            len: want,
        };
        Ok(())
    }

    fn large_body(&mut self, mut reading: Reading, want: usize) -> Go<()> {
        let data = reading.offset + WORD_LEN + reading.skip as u64;
        let end = reading.offset + WORD_LEN + u64::from(reading.half.len);
        if !reading.sent {
            if reading.known {
                self.check_word(reading)?;
            }
            if end > self.length {
                return Err(self.damaged(
                    reading,
                    Reason::Truncated {
                        header: reading.half.word,
                    },
                ));
            }
            reading.sent = true;
            self.progress.reading = Some(reading);
            let here = self.window.from(data);
            self.prefix.clear();
            self.prefix.extend_from_slice(&here[..want.min(here.len())]);
            let prefix = self.prefix.len();
            if prefix < want {
                // The trailer and the next header come along.
                let tail = (self.length - end).min(READ_SMALL as u64) as usize;
                let all = reading.skip + want == reading.half.len as usize;
                let tail = if all && !self.progress.narrow {
                    tail
                } else {
                    0
                };
                let mut buf = self.window.take();
                buf.resize(tail, 0);
                let offset = data + prefix as u64;
                let purpose = Purpose::Body {
                    offset,
                    data: want - prefix,
                    want: want - prefix + tail,
                };
                return Err(self.wait_for(purpose, |id| Request::Read {
                    id,
                    offset,
                    data: prefix..want,
                    buf,
                    skip: 0,
                }));
            }
        }
        self.check_trailer_of(reading)?;
        self.take_in(reading);
        self.buffered = Buffered::Prefix;
        Ok(())
    }

    /// The header of a record, which its reader may know from the index.
    fn check_word(&mut self, reading: Reading) -> Go<()> {
        let trailer = reading.half.word;
        match self.word(reading.offset)?.unwrap_or(0) {
            header if header == trailer => Ok(()),
            header => Err(self.damaged(reading, Reason::Trailer { header, trailer })),
        }
    }

    fn check_trailer_of(&mut self, reading: Reading) -> Go<()> {
        match self.trailer(reading.offset, reading.half)? {
            Ok(()) => Ok(()),
            Err(reason) => Err(self.damaged(reading, reason)),
        }
    }

    /// A record that was met for the first time is known from now on.
    fn take_in(&mut self, reading: Reading) {
        if !reading.known {
            self.half = None;
            self.index.append(reading.half.kind, reading.half.len);
        }
    }

    /// The record isn't what it should be. If the medium's index said that it
    /// should, that's to blame.
    fn damaged(&mut self, reading: Reading, reason: Reason) -> Pause {
        if reading.known && !self.trusted {
            return self.distrust();
        }
        if reading.known {
            let offset = reading.offset;
            return Pause::Fail(Error::Damaged { offset, reason });
        }
        self.damage(reading.offset, reason)
    }

    fn aws_body(&mut self, mut reading: Reading, limit: usize) -> Go<()> {
        let Reading {
            offset, half, way, ..
        } = reading;
        loop {
            let at = offset + reading.headers + reading.done;
            self.need(at, AWS_HEADER as usize, Direction::Forward)?;
            let header = AwsHeader::parse(self.window.from(at));
            header
                .check(None, reading.headers > 0)
                .map_err(|reason| Pause::Fail(Error::Damaged { offset: at, reason }))?;
            let length = u64::from(header.length);
            if reading.headers == 0 && header.ends() && length == u64::from(half.len) {
                debug_assert!(length <= AWS_SEGMENT_MAX);
                self.need(offset, (AWS_HEADER + length) as usize, way)?;
                self.buffered = Buffered::Window {
                    offset: offset + AWS_HEADER + reading.skip as u64,
                    len: limit.min(half.len as usize - reading.skip),
                };
                return Ok(());
            }
            let (before, after) = (reading.done, reading.done + length);
            if after > half.len.into() || header.ends() != (after == half.len.into()) {
                let reason = Reason::AwsFlags(header.flags);
                return Err(Pause::Fail(Error::Damaged { offset: at, reason }));
            }
            let wanted = |bytes: u64| limit.min((bytes as usize).saturating_sub(reading.skip));
            let data = wanted(before)..wanted(after);
            if !reading.sent && !data.is_empty() {
                reading.sent = true;
                self.progress.reading = Some(reading);
                let mut buf = self.window.take();
                buf.clear();
                let offset = at + AWS_HEADER + (reading.skip as u64).saturating_sub(before);
                let purpose = Purpose::Body {
                    offset,
                    data: data.len(),
                    want: data.len(),
                };
                return Err(self.wait_for(purpose, |id| Request::Read {
                    id,
                    offset,
                    data,
                    buf,
                    skip: 0,
                }));
            }
            if header.ends() {
                self.prefix.clear();
                self.buffered = Buffered::Prefix;
                return Ok(());
            }
            reading = Reading {
                sent: false,
                done: after,
                headers: reading.headers + AWS_HEADER,
                ..reading
            };
            self.progress.reading = Some(reading);
        }
    }
}

impl Reading {
    fn new(offset: u64, half: PendingRecord, known: bool, way: Direction) -> Self {
        Self {
            offset,
            half,
            known,
            way,
            skip: 0,
            sent: false,
            done: 0,
            headers: 0,
        }
    }

    /// The read of the body has failed and is made once more.
    pub(crate) fn again(&mut self) {
        self.sent = false;
    }

    fn known(found: Found, way: Direction) -> Self {
        let Found { at, kind, len, .. } = found;
        let half = PendingRecord {
            kind,
            word: header_word(kind, len),
            len,
        };
        Self::new(at.offset, half, true, way)
    }
}
