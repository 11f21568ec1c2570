// SPDX-License-Identifier: GPL-2.0-or-later
//! Writing records and marks, step 2 of the order of writes in the crate's
//! documentation.

use crate::index::{extent, Kind};
use crate::progress::{Go, Pause, Purpose};
use crate::stage::{DIRECT_MIN, STAGE_LEN, WRITE_BEHIND};
use crate::sync::gap_at;
use crate::tape::Tape;
use crate::word::{self, CLASSIC_MAX, EXTENDED_MAX, WORD_LEN};
use crate::{Error, Format, Lengths, Outcome, Request, Truncation};

/// Progress of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Writing {
    #[default]
    Start,
    /// The header and this much of the data are in the stage or past it.
    Data(usize),
    /// The number of marks that are written.
    Marks(u32),
}

impl Tape {
    pub(crate) fn write_record(&mut self, length: usize) -> Go<Outcome> {
        if self.progress.writing == Writing::Start {
            let max = match self.config.lengths {
                Lengths::Classic => CLASSIC_MAX,
                Lengths::Extended => EXTENDED_MAX,
            };
            self.writable()?;
            if length == 0 || length > max as usize {
                let length = length as u64;
                return Err(Pause::Fail(Error::RecordLength { length, max }));
            }
            let len = length as u32;
            if !self.make_room(extent(Format::Simh, Kind::Record, len))? {
                return Ok(Outcome::Full { left: 1 });
            }
            self.progress.writing = Writing::Data(0);
            self.put_word(len);
            if length >= DIRECT_MIN {
                return Err(self.send_direct(length));
            }
        }
        if let Writing::Data(sent) = self.progress.writing {
            if sent < length {
                self.progress.writing = Writing::Data(length);
                let buf = core::mem::take(&mut self.stage.buf);
                let data = sent..length;
                return Err(self.wait_for(Purpose::Copy, |id| Request::Copy { id, data, buf }));
            }
        }
        let len = length as u32;
        if length % 2 == 1 {
            self.stage.buf.push(0);
        }
        self.stage.buf.extend_from_slice(&len.to_le_bytes());
        self.index.append(Kind::Record, len);
        self.position.object += 1;
        let commit = self.commit.as_mut().expect("room was made");
        commit.data += u64::from(len);
        Ok(Outcome::Done)
    }

    /// A large record is written from where it is, behind what has gathered;
    /// its last bytes gather.
    fn send_direct(&mut self, length: usize) -> Pause {
        let sent = length - self.stage.excess(length);
        self.progress.writing = Writing::Data(sent);
        let (offset, head) = self.stage.take(0, sent);
        self.grow_to(self.stage.offset);
        let data = 0..sent;
        self.wait_for(Purpose::Data { offset }, |id| Request::Write {
            id,
            offset,
            head,
            data,
        })
    }

    pub(crate) fn write_marks(&mut self, count: u32) -> Go<Outcome> {
        self.writable()?;
        let mut done = match self.progress.writing {
            Writing::Marks(done) => done,
            _ => 0,
        };
        while done < count {
            if !self.make_room(WORD_LEN)? {
                return Ok(Outcome::Full { left: count - done });
            }
            self.put_word(word::MARK);
            self.index.append(Kind::Mark, 0);
            self.position.object += 1;
            self.position.marks += 1;
            done += 1;
            self.progress.writing = Writing::Marks(done);
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn erase(&mut self) -> Go<Outcome> {
        self.writable()?;
        if !self.progress.stage_closed && !self.progress.sync_scripted {
            let at = self.write_place()?;
            if self.commit.is_none() && !self.marker_fits(at + gap_at(at)) {
                // At the very end of a medium, there is nothing left to erase.
                return Ok(match at + WORD_LEN > self.length {
                    true => Outcome::Done,
                    false => Outcome::Full { left: 1 },
                });
            }
            self.begin(at)?;
        }
        self.sync()?;
        Ok(Outcome::Done)
    }

    fn writable(&self) -> Go<()> {
        if self.config.read_only {
            return Err(Pause::Fail(Error::ReadOnly));
        }
        if self.index.format() != Format::Simh {
            return Err(Pause::Fail(Error::FormatReadOnly));
        }
        Ok(())
    }

    /// Where an object goes that is written at the position: at the end of
    /// data behind everything, gaps and private records included; before it,
    /// right behind the object before.
    fn write_place(&mut self) -> Go<u64> {
        if self.commit.is_some() {
            return Ok(self.index.end().offset);
        }
        if let Some(at) = self.progress.begun {
            return Ok(at);
        }
        self.arrive()?;
        if !self.complete && self.position.object == self.index.end().objects {
            match self.scan() {
                // Damage is what gets overwritten here.
                Ok(_) | Err(Pause::Fail(Error::Damaged { .. })) => {}
                Err(pause) => return Err(pause),
            }
        }
        let end = self.index.end();
        Ok(if self.complete && self.position.object == end.objects {
            end.offset
        } else {
            self.index.place(self.position.object).offset
        })
    }

    /// Can an end marker be written at `at`?
    fn marker_fits(&self, at: u64) -> bool {
        self.config.truncation != Truncation::Never || at + WORD_LEN <= self.config.length
    }

    /// Makes the tape ready to take an object of `size` bytes. `false` if the
    /// capacity doesn't allow it.
    fn make_room(&mut self, size: u64) -> Go<bool> {
        let at = self.write_place()?;
        let gap = if self.commit.is_none() { gap_at(at) } else { 0 };
        let end = at + gap + size;
        let bound = self
            .config
            .capacity
            .map_or(u64::MAX, |bytes| self.config.start.saturating_add(bytes));
        if end > bound || !self.marker_fits(end) {
            return Ok(false);
        }
        if self.index.memory() >= self.config.index_limit {
            return Err(Pause::Fail(Error::IndexFull { offset: at }));
        }
        self.begin(at)?;
        if self.stage.buf.len() as u64 + size.min(DIRECT_MIN as u64) > STAGE_LEN as u64 {
            self.send_stage(self.stage.excess(0));
        }
        if self.out.len() > WRITE_BEHIND {
            return Err(Pause::Wait);
        }
        Ok(true)
    }

    /// Adds a header or a mark: the first since the last sync is held back.
    fn put_word(&mut self, word: u32) {
        let commit = self.commit.as_mut().expect("room was made");
        if commit.word.is_none() {
            commit.word = Some(word);
        } else {
            self.stage.buf.extend_from_slice(&word.to_le_bytes());
        }
    }
}
