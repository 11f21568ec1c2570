// SPDX-License-Identifier: GPL-2.0-or-later
//! Going over tape that isn't in the index yet. What has been learned of whole
//! objects is kept in the index, whatever ends the operation.

use crate::config::Format;
use crate::error::{Error, Reason};
use crate::index::{extent, Kind};
use crate::object::{framed, AwsHeader, Header, PendingRecord, AWS_HEADER};
use crate::port::Port;
use crate::tape::{Go, Halt, TapeCore};
use crate::word::{self, EXTENDED_MAX, WORD_LEN};

/// What comes next on unknown tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Mark,
    Record(PendingRecord),
    End,
}

impl TapeCore {
    /// The SIMH or E11 object at `at`, if all of it is in the window, as most small
    /// ones are, and it is as it should be: then there is nothing to wait for.
    #[inline]
    pub(super) fn seen(&self, at: u64) -> Option<(Kind, u32)> {
        let word = self.window.word(at)?;
        match framed(word) {
            Header::Mark => Some((Kind::Mark, 0)),
            Header::Framed(PendingRecord { kind, len, .. }) => {
                let told = kind != Kind::Skip && !(self.undecided && len & 1 == 1);
                let trailer = at + extent(self.index.format(), kind, len) - WORD_LEN;
                (told && self.window.word(trailer)? == word).then_some((kind, len))
            }
            _ => None,
        }
    }

    /// What follows the index can be looked at where it ends.
    #[inline]
    pub(super) fn may_see(&self) -> bool {
        let room = self.index.memory() < self.config.index_limit;
        room && !self.complete && self.index.format() != Format::Aws
    }

    /// Adds the next object to the index. `false` at the end of data.
    #[inline]
    pub(super) async fn scan(&mut self, port: &Port) -> Go<bool> {
        if self.may_see() {
            if let Some((kind, len)) = self.seen(self.index.end().offset) {
                self.index.append(kind, len);
                return Ok(true);
            }
        }
        self.scan_slowly(port).await
    }

    async fn scan_slowly(&mut self, port: &Port) -> Go<bool> {
        if self.index.format() == Format::Aws {
            return self.scan_aws(port).await;
        }
        match self.next(port).await? {
            Next::End => Ok(false),
            Next::Mark => {
                self.index.append(Kind::Mark, 0);
                Ok(true)
            }
            Next::Record(record) => self.take_in(port, record).await,
        }
    }

    /// As [`scan`](Self::scan), but damage leaves the position in front of it.
    #[inline]
    pub(super) async fn scan_moving(&mut self, port: &Port) -> Go<bool> {
        let result = self.scan(port).await;
        if let Err(Halt::Failed(Error::Damaged { .. } | Error::IndexFull { .. })) = result {
            self.position = self.index_end();
        }
        result
    }

    /// Sees to it that the index reaches to the position, which it may not
    /// after an index of the medium was dropped.
    pub(super) async fn arrive(&mut self, port: &Port) -> Go<()> {
        let object = self.position.object;
        if self.index.end().objects >= object {
            return Ok(());
        }
        while self.index.end().objects < object {
            if !self.scan_moving(port).await? {
                self.position = self.index_end();
                return Err(Error::Changed { object }.into());
            }
        }
        self.position.marks = self.index.place(object).marks;
        Ok(())
    }

    /// The end of data, and the index, may be beyond `at`.
    fn more(&self, at: u64) -> Go<bool> {
        match self.index.memory() >= self.config.index_limit {
            _ if self.complete => Ok(false),
            true => Err(Error::IndexFull { offset: at }.into()),
            false => Ok(true),
        }
    }

    /// Finds the next SIMH or E11 object, taking what is to be skipped into
    /// the index. The object is not: its trailer hasn't been seen.
    pub(super) async fn next(&mut self, port: &Port) -> Go<Next> {
        loop {
            let at = self.index.end().offset;
            if !self.more(at)? {
                return Ok(Next::End);
            }
            let word = self.word(port, at).await?;
            let record = match word.map_or(Header::End, framed) {
                Header::Mark => return Ok(Next::Mark),
                Header::Framed(record) => record,
                Header::Skip(bytes) => {
                    self.index.append(Kind::Skip, bytes);
                    continue;
                }
                Header::End => {
                    self.complete = true;
                    self.end_marker = word.filter(|w| *w == word::END).map(|_| at);
                    return Ok(Next::End);
                }
                Header::Invalid(reason) => {
                    self.damage(at, reason)?;
                    return Ok(Next::End);
                }
            };
            if record.kind != Kind::Skip {
                return Ok(Next::Record(record));
            }
            if !self.take_in(port, record).await? {
                return Ok(Next::End);
            }
        }
    }

    /// Compares the trailer of the record at the index's end, and takes the
    /// record in. `false`: it is none, and the tape ends there.
    async fn take_in(&mut self, port: &Port, record: PendingRecord) -> Go<bool> {
        let offset = self.index.end().offset;
        if let Err(reason) = self.trailer(port, offset, record).await? {
            self.damage(offset, reason)?;
            return Ok(false);
        }
        let PendingRecord { kind, len, .. } = record;
        match kind {
            Kind::Skip => {
                let size = extent(self.index.format(), Kind::Bad, len);
                self.index.append(Kind::Skip, size as u32);
            }
            kind => self.index.append(kind, len),
        }
        Ok(true)
    }

    /// There is no object at `offset`. A tool that appended over the end marker
    /// and wrote none of its own has left the rest of a saved index there: then
    /// this is the end, and no error.
    pub(super) fn damage(&mut self, offset: u64, reason: Reason) -> Go<()> {
        if self.stale.is_none_or(|end| offset <= end) {
            return Err(Error::Damaged { offset, reason }.into());
        }
        self.complete = true;
        self.end_marker = None;
        Ok(())
    }

    /// Is the trailer of the record at `offset` as it should be? Decides
    /// between SIMH and E11 if nothing has.
    #[inline]
    pub(super) async fn trailer(
        &mut self,
        port: &Port,
        offset: u64,
        record: PendingRecord,
    ) -> Go<Result<(), Reason>> {
        let PendingRecord {
            word: header, len, ..
        } = record;
        let behind = offset + WORD_LEN + u64::from(len);
        let odd = len & 1 == 1;
        let pad = u64::from(odd && self.index.format() == Format::Simh);
        let trailer = self.word(port, behind + pad).await?;
        if trailer == Some(header) {
            self.undecided &= !odd;
            return Ok(Ok(()));
        }
        if odd && self.undecided && self.word(port, behind).await? == Some(header) {
            self.undecided = false;
            self.index.set_format(Format::E11);
            return Ok(Ok(()));
        }
        Ok(Err(match trailer {
            Some(trailer) => Reason::Trailer { header, trailer },
            None => Reason::Truncated { header },
        }))
    }

    /// The AWS header at `at`, within a record (`inside`) or not, which is one that
    /// can follow a segment of `previous` bytes; `None`: of any length.
    pub(super) async fn segment(
        &mut self,
        port: &Port,
        at: u64,
        previous: Option<u16>,
        inside: bool,
    ) -> Go<AwsHeader> {
        self.need(port, at, AWS_HEADER as usize).await?;
        let header = AwsHeader::parse(self.window.from(at));
        let checked = header.check(previous, inside);
        checked.map_err(|reason| Error::Damaged { offset: at, reason })?;
        Ok(header)
    }

    /// Adds the next AWS object, the whole of it, to the index.
    async fn scan_aws(&mut self, port: &Port) -> Go<bool> {
        let start = self.index.end().offset;
        if !self.more(start)? {
            return Ok(false);
        }
        let (mut previous, mut segments, mut total) = (self.previous_segment, 0u32, 0u32);
        loop {
            let at = start + u64::from(segments) * AWS_HEADER + u64::from(total);
            let damaged = |reason| Error::Damaged { offset: at, reason };
            let fits = |tape: &Self, bytes: u64| at + AWS_HEADER + bytes <= tape.length;
            let got = self.segment(port, at, Some(previous), segments > 0).await;
            let header = match got {
                // The medium may have turned out to be shorter.
                _ if !fits(self, 0) && segments == 0 => {
                    self.complete = true;
                    return Ok(false);
                }
                _ if !fits(self, 0) => {
                    return Err(damaged(Reason::Truncated { header: total }).into());
                }
                got => got?,
            };
            if header.is_mark() {
                self.previous_segment = 0;
                self.index.append(Kind::Mark, 0);
                return Ok(true);
            }
            if !fits(self, header.length.into()) {
                let header = header.length.into();
                return Err(damaged(Reason::Truncated { header }).into());
            }
            (previous, segments) = (header.length, segments + 1);
            total += u32::from(header.length);
            if total > EXTENDED_MAX {
                return Err(damaged(Reason::AwsLength).into());
            }
            if header.ends() {
                self.previous_segment = previous;
                self.index.append(Kind::Record, total);
                if segments > 1 {
                    let headers = (segments - 1) * AWS_HEADER as u32;
                    self.index.append(Kind::Skip, headers);
                }
                return Ok(true);
            }
        }
    }
}
