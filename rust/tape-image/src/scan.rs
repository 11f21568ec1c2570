// SPDX-License-Identifier: GPL-2.0-or-later
//! Going over tape that isn't in the index yet.
//!
//! A step may be interrupted by a read and is then begun again, so what has
//! been learned is kept: in the index, or, within an object, in
//! [`PendingRecord`] and
//! [`AwsWalk`]. The window is one place only, and may have moved on.

use crate::error::Reason;
use crate::index::{Index, Kind};
use crate::object::{framed, AwsHeader, Header, AWS_HEADER};
use crate::progress::{Go, Pause, Purpose};
use crate::tape::Tape;
use crate::window::Direction;
use crate::word::{self, EXTENDED_MAX, WORD_LEN};
use crate::{Error, Format, IoError, Position, Request};

/// A record whose header has been read, at the index's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingRecord {
    pub(crate) kind: Kind,
    pub(crate) word: u32,
    pub(crate) len: u32,
}

/// The AWS record at the index's end, as far as its segments are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AwsWalk {
    /// Length of the segment before, if known.
    pub(crate) previous: Option<u16>,
    segments: u32,
    total: u32,
}

/// What comes next on unknown tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Mark,
    Record(PendingRecord),
    End,
}

impl Tape {
    /// Sees to it that `len` bytes at `at` are in the window. They are within
    /// the medium, or it is an error.
    #[inline]
    pub(crate) fn need(&mut self, at: u64, len: usize, way: Direction) -> Go<()> {
        if self.window.get(at, len).is_some() {
            return Ok(());
        }
        if at + len as u64 > self.length {
            return Err(Pause::Fail(Error::Read {
                offset: at,
                error: IoError::EIO,
            }));
        }
        let fill = if self.progress.narrow {
            self.window.fill_exactly(at, len)
        } else {
            self.window.fill(at, len, self.length, way)
        };
        let purpose = Purpose::Window {
            offset: fill.offset,
            skip: fill.skip,
            want: fill.buf.len() - fill.skip,
        };
        Err(self.wait_for(purpose, |id| Request::Read {
            id,
            offset: fill.offset,
            data: 0..0,
            buf: fill.buf,
            skip: fill.skip,
        }))
    }

    /// The word at `at`; `None` at the end of the medium.
    #[inline]
    pub(crate) fn word(&mut self, at: u64) -> Go<Option<u32>> {
        if at + WORD_LEN > self.length {
            return Ok(None);
        }
        self.need(at, 4, Direction::Forward)?;
        let bytes = self.window.get(at, 4).expect("needed on the line before");
        Ok(Some(u32::from_le_bytes(
            bytes.try_into().expect("four bytes"),
        )))
    }

    /// Adds the next object to the index. `false` at the end of data.
    pub(crate) fn scan(&mut self) -> Go<bool> {
        let format = self.index.format();
        match if format == Format::Aws {
            self.next_aws()?
        } else {
            self.next()?
        } {
            Next::End => return Ok(false),
            Next::Mark => self.index.append(Kind::Mark, 0),
            Next::Record(half) if format == Format::Aws => self.add_aws(half.len),
            Next::Record(half) => self.check_trailer(half)?,
        }
        Ok(true)
    }

    /// As [`scan`](Self::scan), but damage leaves the position in front of it.
    pub(crate) fn scan_moving(&mut self) -> Go<bool> {
        let result = self.scan();
        if let Err(Pause::Fail(Error::Damaged { .. } | Error::IndexFull { .. })) = result {
            let end = self.index.end();
            self.position = Position {
                object: end.objects,
                marks: end.marks,
            };
        }
        result
    }

    /// Finds the next SIMH or E11 object, taking what is to be skipped into
    /// the index. The object is not: its trailer hasn't been seen.
    pub(crate) fn next(&mut self) -> Go<Next> {
        loop {
            let at = self.index.end().offset;
            if self.complete {
                return Ok(Next::End);
            }
            if self.index.memory() >= self.config.index_limit {
                return Err(Pause::Fail(Error::IndexFull { offset: at }));
            }
            let half = match self.half {
                Some(half) => half,
                None => {
                    let word = self.word(at)?;
                    match word.map_or(Header::End, framed) {
                        Header::Mark => return Ok(Next::Mark),
                        Header::Framed { kind, word, len } => PendingRecord { kind, word, len },
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
                            return Err(self.damage(at, reason));
                        }
                    }
                }
            };
            self.half = Some(half);
            if half.kind != Kind::Skip {
                return Ok(Next::Record(half));
            }
            self.check_trailer(half)?;
        }
    }

    /// Compares the trailer of the record at the index's end, and takes the
    /// record in.
    pub(crate) fn check_trailer(&mut self, half: PendingRecord) -> Go<()> {
        let offset = self.index.end().offset;
        if let Err(reason) = self.trailer(offset, half)? {
            return Err(self.damage(offset, reason));
        }
        self.half = None;
        let PendingRecord { kind, len, .. } = half;
        match kind {
            Kind::Skip => {
                let size = crate::index::extent(self.index.format(), Kind::Bad, len);
                self.index.append(Kind::Skip, size as u32);
            }
            kind => self.index.append(kind, len),
        }
        Ok(())
    }

    /// There is no object at `offset`. A tool that appended over the end marker
    /// and wrote none of its own has left the rest of a saved index there: then
    /// this is the end.
    pub(crate) fn damage(&mut self, offset: u64, reason: Reason) -> Pause {
        self.half = None;
        if self.stale.is_none_or(|end| offset <= end) {
            return Pause::Fail(Error::Damaged { offset, reason });
        }
        self.complete = true;
        self.end_marker = None;
        self.progress.reading = None;
        Pause::Again
    }

    /// Is the trailer of the record at `offset` as it should be? Decides
    /// between SIMH and E11 if nothing has.
    #[inline]
    pub(crate) fn trailer(&mut self, offset: u64, half: PendingRecord) -> Go<Result<(), Reason>> {
        let PendingRecord {
            word: header, len, ..
        } = half;
        let behind = offset + WORD_LEN + u64::from(len);
        let odd = len & 1 == 1;
        let pad = u64::from(odd && self.index.format() == Format::Simh);
        let trailer = self.word(behind + pad)?;
        if trailer == Some(header) {
            self.undecided &= !odd;
            return Ok(Ok(()));
        }
        if odd && self.undecided && self.word(behind)? == Some(header) {
            self.undecided = false;
            self.index.set_format(Format::E11);
            return Ok(Ok(()));
        }
        Ok(Err(match trailer {
            Some(trailer) => Reason::Trailer { header, trailer },
            None => Reason::Truncated { header },
        }))
    }

    /// Finds the next AWS object, the whole of it.
    fn next_aws(&mut self) -> Go<Next> {
        let start = self.index.end().offset;
        if self.complete {
            return Ok(Next::End);
        }
        if self.index.memory() >= self.config.index_limit {
            return Err(Pause::Fail(Error::IndexFull { offset: start }));
        }
        loop {
            let AwsWalk {
                previous,
                segments,
                total,
            } = self.aws;
            let at = start + u64::from(segments) * AWS_HEADER + u64::from(total);
            let damaged = |reason| Pause::Fail(Error::Damaged { offset: at, reason });
            if at + AWS_HEADER > self.length {
                if segments > 0 {
                    return Err(damaged(Reason::Truncated { header: total }));
                }
                self.complete = true;
                return Ok(Next::End);
            }
            self.need(at, AWS_HEADER as usize, Direction::Forward)?;
            let header = AwsHeader::parse(self.window.from(at));
            header.check(previous, segments > 0).map_err(damaged)?;
            if header.is_mark() {
                self.aws.previous = Some(0);
                return Ok(Next::Mark);
            }
            if at + AWS_HEADER + u64::from(header.length) > self.length {
                return Err(damaged(Reason::Truncated {
                    header: header.length.into(),
                }));
            }
            let total = total + u32::from(header.length);
            if total > EXTENDED_MAX {
                return Err(damaged(Reason::AwsLength));
            }
            self.aws = AwsWalk {
                previous: Some(header.length),
                segments: segments + 1,
                total,
            };
            if header.ends() {
                return Ok(Next::Record(PendingRecord {
                    kind: Kind::Record,
                    word: 0,
                    len: total,
                }));
            }
        }
    }

    fn add_aws(&mut self, len: u32) {
        self.index.append(Kind::Record, len);
        if self.aws.segments > 1 {
            self.index
                .append(Kind::Skip, (self.aws.segments - 1) * AWS_HEADER as u32);
        }
        self.aws = AwsWalk {
            previous: self.aws.previous,
            ..AwsWalk::default()
        };
    }

    /// Forgets what is known of the tape, as if it had just been put in.
    pub(crate) fn forget(&mut self, format: Format) {
        self.index = Index::new(format, self.config.start);
        self.trusted = true;
        self.complete = false;
        self.end_marker = None;
        self.half = None;
        self.aws = AwsWalk {
            previous: Some(0),
            ..AwsWalk::default()
        };
        self.window.clear();
    }

    /// The index came from the medium and is wrong: without it, once more.
    pub(crate) fn distrust(&mut self) -> Pause {
        self.forget(Format::Simh);
        self.undecided = false;
        self.index_due = true;
        self.progress.reading = None;
        Pause::Again
    }
}
