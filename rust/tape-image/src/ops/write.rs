// SPDX-License-Identifier: GPL-2.0-or-later
//! Writing records and marks, step 2 of the order of writes in the crate's
//! documentation.

use crate::config::{Format, Truncation};
use crate::error::Error;
use crate::index::{extent, Kind};
use crate::operation::Outcome;
use crate::port::Port;
use crate::stage::{DIRECT_MIN, STAGE_LEN, WRITE_BEHIND};
use crate::tape::{Go, Halt, TapeCore};
use crate::word::{self, WORD_LEN};

use super::sync::gap_at;

impl TapeCore {
    pub(super) async fn write_record(&mut self, port: &Port, length: usize) -> Go<Outcome> {
        let max = self.config.longest;
        self.writable()?;
        if length == 0 || length > max as usize {
            let length = length as u64;
            return Err(Error::RecordLength { length, max }.into());
        }
        let len = length as u32;
        let size = extent(Format::Simh, Kind::Record, len);
        if !self.has_room(size) && !self.make_room(port, size).await? {
            return Ok(Outcome::Full { left: 1 });
        }
        self.put_word(len);
        let data = self.manner.data;
        let mut sent = 0;
        if length >= DIRECT_MIN {
            // A large record is written from where it is, behind what has
            // gathered; its last bytes gather.
            sent = length - self.stage.excess(length);
            let (offset, head) = self.stage.take(port.spare(), 0, sent);
            self.grow_to(self.stage.offset);
            let written = port.write(offset, head, data..data + sent).await;
            self.written(port, written, offset)?;
        }
        if sent < length {
            let buf = core::mem::take(&mut self.stage.buf);
            let copied = port.copy(data + sent..data + length, buf).await;
            // What had gathered goes with a copy that fails.
            self.stage.buf = self.written(port, copied, self.stage.offset)?;
        }
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

    pub(super) async fn write_marks(&mut self, port: &Port, count: u32) -> Go<Outcome> {
        self.writable()?;
        for left in (1..=count).rev() {
            if !self.has_room(WORD_LEN) && !self.make_room(port, WORD_LEN).await? {
                return Ok(Outcome::Full { left });
            }
            self.put_word(word::MARK);
            self.index.append(Kind::Mark, 0);
            self.position.object += 1;
            self.position.marks += 1;
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn erase(&mut self, port: &Port) -> Go<Outcome> {
        self.writable()?;
        let at = self.write_place(port).await?;
        if self.commit.is_none() && !self.marker_fits(at + gap_at(at)) {
            // At the very end of a medium, there is nothing left to erase.
            return Ok(match at + WORD_LEN > self.length {
                true => Outcome::Done,
                false => Outcome::Full { left: 1 },
            });
        }
        self.begin(port, at).await?;
        self.sync(port).await?;
        Ok(Outcome::Done)
    }

    fn writable(&self) -> Go<()> {
        if self.config.read_only {
            return Err(Error::ReadOnly.into());
        }
        if self.index.format() != Format::Simh {
            return Err(Error::FormatReadOnly.into());
        }
        Ok(())
    }

    /// Where an object goes that is written at the position: at the end of
    /// data behind everything, gaps and private records included; before it,
    /// right behind the object before.
    async fn write_place(&mut self, port: &Port) -> Go<u64> {
        if self.commit.is_some() {
            return Ok(self.index.end().offset);
        }
        self.arrive(port).await?;
        if !self.complete && self.position.object == self.index.end().objects {
            match self.scan(port).await {
                // Damage is what gets overwritten here.
                Ok(_) | Err(Halt::Failed(Error::Damaged { .. })) => {}
                Err(halt) => return Err(halt),
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

    /// The capacity allows objects up to `end`.
    fn allows(&self, end: u64) -> bool {
        let capacity = self.config.capacity.unwrap_or(u64::MAX);
        end <= self.config.start.saturating_add(capacity) && self.marker_fits(end)
    }

    /// What has gathered has room for an object of `size` bytes.
    fn stage_takes(&self, size: u64) -> bool {
        self.stage.buf.len() as u64 + size.min(DIRECT_MIN as u64) <= STAGE_LEN as u64
    }

    /// The tape takes an object of `size` bytes as it is: there is nothing to
    /// wait for.
    fn has_room(&self, size: u64) -> bool {
        self.commit.is_some()
            && self.stage_takes(size)
            && self.allows(self.index.end().offset + size)
            && self.index.memory() < self.config.index_limit
    }

    /// Makes the tape ready to take an object of `size` bytes. `false` if the
    /// capacity doesn't allow it.
    async fn make_room(&mut self, port: &Port, size: u64) -> Go<bool> {
        let (at, gap) = match self.commit {
            Some(_) => (self.index.end().offset, 0),
            None => {
                let at = self.write_place(port).await?;
                (at, gap_at(at))
            }
        };
        if !self.allows(at + gap + size) {
            return Ok(false);
        }
        if self.index.memory() >= self.config.index_limit {
            return Err(Error::IndexFull { offset: at }.into());
        }
        if self.commit.is_none() {
            self.begin(port, at).await?;
        }
        if !self.stage_takes(size) {
            self.send_stage(port, self.stage.excess(0));
            port.room(WRITE_BEHIND).await;
            self.written(port, Ok(()), 0)?;
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
