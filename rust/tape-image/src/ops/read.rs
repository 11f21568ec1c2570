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

use super::scan::Next;
use crate::config::Format;
use crate::error::{Error, Reason};
use crate::index::{extent, Found, Kind};
use crate::object::{PendingRecord, AWS_HEADER, AWS_SEGMENT_MAX};
use crate::operation::Outcome;
use crate::port::{IoError, Port};
use crate::stage::DIRECT_MIN;
use crate::tape::{Buffered, Go, Halt, TapeCore};
use crate::window::{Direction, READ_SMALL};
use crate::word::WORD_LEN;

/// The record being read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    offset: u64,
    record: PendingRecord,
    /// It is in the index.
    known: bool,
    way: Direction,
    /// Bytes of the record that aren't wanted, at its beginning.
    skip: usize,
}

impl Reading {
    fn known(found: Found, way: Direction) -> Self {
        let Found { at, kind, len, .. } = found;
        let word = header_word(kind, len);
        Self {
            offset: at.offset,
            record: PendingRecord { kind, word, len },
            known: true,
            way,
            skip: 0,
        }
    }

    /// Where the wanted bytes begin, behind a SIMH or E11 header.
    fn data(&self) -> u64 {
        self.offset + WORD_LEN + self.skip as u64
    }

    /// Where its data ends.
    fn end(&self) -> u64 {
        self.offset + WORD_LEN + u64::from(self.record.len)
    }
}

/// The word in front of an object.
fn header_word(kind: Kind, len: u32) -> u32 {
    match kind {
        Kind::Bad => 0x8000_0000 | len,
        _ => len,
    }
}

impl TapeCore {
    /// Reads the next object if all of it is in the window.
    #[inline]
    pub(super) fn read_here(&mut self, limit: usize) -> Option<Outcome> {
        let end = self.index.end();
        let known = self.index.find(self.position.object);
        let at = match known {
            Some(found) if self.index.format() != Format::Aws => found.at.offset,
            None if self.may_see() && self.position.object == end.objects => end.offset,
            _ => return None,
        };
        let (kind, len) = self.seen(at)?;
        match known {
            Some(found) if (found.kind, found.len) != (kind, len) => return None,
            _ if len as usize >= DIRECT_MIN => return None,
            Some(_) => {}
            None => self.index.append(kind, len),
        }
        if kind == Kind::Mark {
            return Some(self.passed_mark());
        }
        self.position.object += 1;
        let (offset, buffered) = (at + WORD_LEN, limit.min(len as usize));
        self.buffered = Buffered::Window {
            offset,
            len: buffered,
        };
        Some(Outcome::Record {
            length: len,
            bad: kind == Kind::Bad,
            buffered,
        })
    }

    pub(super) async fn read_forward(&mut self, port: &Port, limit: usize) -> Go<Outcome> {
        self.arrive(port).await?;
        let unknown = self.position.object >= self.index.end().objects;
        let reading = if unknown && self.index.format() != Format::Aws {
            match self.next(port).await? {
                Next::End => return Ok(Outcome::End),
                Next::Mark => {
                    self.index.append(Kind::Mark, 0);
                    return Ok(self.passed_mark());
                }
                Next::Record(record) => Reading {
                    offset: self.index.end().offset,
                    record,
                    known: false,
                    way: Direction::Forward,
                    skip: 0,
                },
            }
        } else {
            if unknown && !self.scan(port).await? {
                return Ok(Outcome::End);
            }
            let found = self.index.find(self.position.object);
            let found = found.expect("scanned or known");
            if found.kind == Kind::Mark {
                self.check_header(port, found).await?;
                return Ok(self.passed_mark());
            }
            Reading::known(found, Direction::Forward)
        };
        let outcome = self.record(port, reading, limit).await?;
        self.position.object += 1;
        Ok(outcome)
    }

    pub(super) async fn read_reverse(&mut self, port: &Port, limit: usize) -> Go<Outcome> {
        let Some(found) = self.before(port).await? else {
            return Ok(Outcome::Beginning);
        };
        let outcome = if found.kind == Kind::Mark {
            self.position.marks -= 1;
            Outcome::Mark
        } else {
            let reading = Reading::known(found, Direction::Reverse);
            self.record(port, reading, limit).await?
        };
        self.position.object -= 1;
        Ok(outcome)
    }

    pub(super) async fn reread(&mut self, port: &Port, skip: usize, limit: usize) -> Go<Outcome> {
        let Some(found) = self.before(port).await? else {
            return Ok(Outcome::Beginning);
        };
        if found.kind == Kind::Mark {
            return Ok(Outcome::Mark);
        }
        let reading = Reading {
            skip: skip.min(found.len as usize),
            ..Reading::known(found, Direction::Forward)
        };
        self.record(port, reading, limit).await
    }

    /// The object before the position. A mark is known to be there.
    async fn before(&mut self, port: &Port) -> Go<Option<Found>> {
        self.arrive(port).await?;
        let Some(before) = self.position.object.checked_sub(1) else {
            return Ok(None);
        };
        let found = self.index.find(before).expect("arrived behind it");
        if found.kind == Kind::Mark {
            self.check_header(port, found).await?;
        }
        Ok(Some(found))
    }

    fn passed_mark(&mut self) -> Outcome {
        self.position.object += 1;
        self.position.marks += 1;
        Outcome::Mark
    }

    /// Is the object still there, if only the medium's index says so?
    pub(super) async fn check_header(&mut self, port: &Port, found: Found) -> Go<()> {
        if self.trusted {
            return Ok(());
        }
        let word = self.word(port, found.at.offset).await?;
        match word == Some(header_word(found.kind, found.len)) {
            true => Ok(()),
            false => Err(self.distrust()),
        }
    }

    /// The index came from the medium and is wrong: without it, once more.
    fn distrust(&mut self) -> Halt {
        self.forget(Format::Simh);
        self.undecided = false;
        self.index_due = true;
        Halt::Again
    }

    async fn record(&mut self, port: &Port, reading: Reading, limit: usize) -> Go<Outcome> {
        let PendingRecord { kind, len, .. } = reading.record;
        let want = limit.min(len as usize - reading.skip);
        if self.index.format() == Format::Aws {
            self.aws_body(port, reading, want).await?;
        } else {
            if (len as usize) < DIRECT_MIN {
                self.small_body(port, reading, want).await?;
            } else {
                self.large_body(port, reading, want).await?;
            }
            if !reading.known {
                self.index.append(kind, len);
            }
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

    async fn small_body(&mut self, port: &Port, reading: Reading, want: usize) -> Go<()> {
        let Reading {
            offset,
            record,
            way,
            ..
        } = reading;
        let size = extent(self.index.format(), record.kind, record.len);
        loop {
            self.fits(reading)?;
            let all = size.min(self.length - offset) as usize;
            if self.window.get(offset, all).is_some() {
                break;
            }
            self.fill(port, offset, all, way).await?;
        }
        self.check_word(port, reading).await?;
        self.check_trailer(port, reading).await?;
        // Deciding between SIMH and E11 may have moved the window.
        let data = reading.data();
        while self.window.get(data, want).is_none() {
            self.fill(port, data, want, way).await?;
        }
        self.buffered = Buffered::Window {
            offset: data,
            len: want,
        };
        Ok(())
    }

    async fn large_body(&mut self, port: &Port, reading: Reading, want: usize) -> Go<()> {
        let (data, end) = (reading.data(), reading.end());
        loop {
            if reading.known {
                self.check_word(port, reading).await?;
            }
            self.fits(reading)?;
            let here = self.window.from(data);
            self.prefix.clear();
            self.prefix.extend_from_slice(&here[..want.min(here.len())]);
            let prefix = self.prefix.len();
            let rest = want - prefix;
            if rest == 0 {
                break;
            }
            // The trailer and the next header come along.
            let all = reading.skip + want == reading.record.len as usize;
            let tail = match all && !self.manner.narrow {
                true => (self.length - end).min(READ_SMALL as u64) as usize,
                false => 0,
            };
            let mut buf = self.window.take();
            buf.resize(tail, 0);
            let offset = data + prefix as u64;
            if self.read_data(port, offset, prefix..want, buf).await? {
                break;
            }
        }
        self.check_trailer(port, reading).await?;
        self.buffered = Buffered::Prefix;
        Ok(())
    }

    /// Reads from `offset` on into part of the operation's data, and into `buf`
    /// what becomes the window. `false`: it failed, and is to be made once more.
    async fn read_data(
        &mut self,
        port: &Port,
        offset: u64,
        data: core::ops::Range<usize>,
        buf: alloc::vec::Vec<u8>,
    ) -> Go<bool> {
        let (len, tail) = (data.len(), buf.len());
        let base = self.manner.data;
        let range = base + data.start..base + data.end;
        let done = match port.read(offset, range, buf, 0).await {
            Ok((bytes, buf)) => {
                let behind = bytes.saturating_sub(len);
                self.take_window(offset + len as u64, 0, behind, tail, buf);
                if bytes < len {
                    self.length = offset + bytes as u64;
                    self.window.clear();
                    let error = IoError::EIO;
                    return Err(Error::Read { offset, error }.into());
                }
                true
            }
            Err(error) => {
                self.read_failed(offset, error)?;
                false
            }
        };
        self.heed(port)?;
        Ok(done)
    }

    /// The record's data is within the medium.
    fn fits(&mut self, reading: Reading) -> Go<()> {
        let header = reading.record.word;
        match reading.end() <= self.length {
            true => Ok(()),
            false => Err(self.damaged(reading, Reason::Truncated { header })),
        }
    }

    /// The header of a record, which its reader may know from the index.
    async fn check_word(&mut self, port: &Port, reading: Reading) -> Go<()> {
        let trailer = reading.record.word;
        match self.word(port, reading.offset).await?.unwrap_or(0) {
            header if header == trailer => Ok(()),
            header => Err(self.damaged(reading, Reason::Trailer { header, trailer })),
        }
    }

    async fn check_trailer(&mut self, port: &Port, reading: Reading) -> Go<()> {
        match self.trailer(port, reading.offset, reading.record).await? {
            Ok(()) => Ok(()),
            Err(reason) => Err(self.damaged(reading, reason)),
        }
    }

    /// The record isn't what it should be. If the medium's index said that it
    /// should, that's to blame.
    fn damaged(&mut self, reading: Reading, reason: Reason) -> Halt {
        let offset = reading.offset;
        match reading.known {
            true if !self.trusted => self.distrust(),
            true => Error::Damaged { offset, reason }.into(),
            // If it is no error, it is the end of data.
            false => self.damage(offset, reason).err().unwrap_or(Halt::Again),
        }
    }

    async fn aws_body(&mut self, port: &Port, reading: Reading, want: usize) -> Go<()> {
        let Reading {
            offset,
            record,
            way,
            skip,
            ..
        } = reading;
        let (mut before, mut headers) = (0u64, 0);
        loop {
            let at = offset + headers + before;
            let header = self.segment(port, at, None, headers > 0).await?;
            let length = u64::from(header.length);
            if headers == 0 && header.ends() && length == u64::from(record.len) {
                debug_assert!(length <= AWS_SEGMENT_MAX);
                let all = (AWS_HEADER + length) as usize;
                while self.window.get(offset, all).is_none() {
                    self.fill(port, offset, all, way).await?;
                }
                self.buffered = Buffered::Window {
                    offset: offset + AWS_HEADER + skip as u64,
                    len: want,
                };
                return Ok(());
            }
            let after = before + length;
            if after > record.len.into() || header.ends() != (after == record.len.into()) {
                let reason = Reason::AwsFlags(header.flags);
                return Err(Error::Damaged { offset: at, reason }.into());
            }
            let wanted = |bytes: u64| want.min((bytes as usize).saturating_sub(skip));
            let data = wanted(before)..wanted(after);
            if !data.is_empty() {
                let mut buf = self.window.take();
                buf.clear();
                let offset = at + AWS_HEADER + (skip as u64).saturating_sub(before);
                if !self.read_data(port, offset, data, buf).await? {
                    continue;
                }
            }
            if header.ends() {
                self.prefix.clear();
                self.buffered = Buffered::Prefix;
                return Ok(());
            }
            (before, headers) = (after, headers + AWS_HEADER);
        }
    }
}
