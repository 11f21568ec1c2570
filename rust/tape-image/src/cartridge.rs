// SPDX-License-Identifier: GPL-2.0-or-later
//! A cartridge: its loading, and what is written to change it, in which order.

use alloc::vec::Vec;

use crate::config::{Config, Format, Truncation};
use crate::error::Error;
use crate::header::{
    empty_slot, Attribute, Header, HeaderReason, Partition, ALIGN, HEADER_LEN, PARTITIONS_MAX,
    SLOT_LEN, SLOT_WORD, WHOLE,
};
use crate::machine::Operate;
use crate::port::{IoError, Port};
use crate::word::{self, WORD_LEN};

/// Bytes of a region beyond its capacity and a 256th of it.
const EXTRA: u64 = 64 << 10;

/// What a cartridge can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Find out whether there is a header, and read it. First of all, and
    /// again after any operation has failed that writes.
    Load,
    /// Make these partitions, all of them blank, of so many bytes of objects
    /// each. The last may be `u64::MAX`, no limit. Attributes of partition 0
    /// and the proportion stay; if there are none, one partition without a
    /// limit needs no header, and gets none.
    Format {
        /// 1 to [`PARTITIONS_MAX`].
        partitions: Vec<u64>,
    },
    /// Replace the attributes of a partition. On a blank image without a
    /// header, which gets one then, partition 0 begins somewhere else
    /// afterwards: its tape has to be made and loaded anew.
    SetAttributes {
        /// The partition's number.
        partition: usize,
        /// The attributes, in any order.
        attributes: Vec<Attribute>,
    },
    /// Change the proportion of the capacities that may be used, of
    /// [`WHOLE`]. Tapes have to be made anew to heed it, in any case.
    SetProportion(u16),
}

/// A cartridge: the image's header, and what it says, without the frame that
/// drivers see, which is [`Machine`](crate::Machine)'s. While it has an operation
/// under way, no tape on it may have one; before [`Operation::Format`], they are
/// synced or thrown away, and after it, made anew.
#[derive(Debug)]
pub struct CartridgeCore {
    config: Config,
    loaded: bool,
    header: Option<Header>,
    /// The slot that `header` came from.
    slot: usize,
    /// What there is; without a header, one partition.
    partitions: Vec<Partition>,
}

impl Operate for CartridgeCore {
    type Operation = Operation;
    type Outcome = Result<(), Error>;

    async fn operate(&mut self, port: &Port, operation: Operation) -> Result<(), Error> {
        match operation {
            Operation::Load => self.load(port).await,
            _ if !self.loaded => Err(Error::NotLoaded),
            _ if self.config.read_only => Err(Error::ReadOnly),
            _ if !self.may_have_header() => Err(Error::FormatReadOnly),
            Operation::Format { partitions } => self.format(port, &partitions).await,
            Operation::SetAttributes {
                partition,
                attributes,
            } => self.set_attributes(port, partition, attributes).await,
            Operation::SetProportion(proportion) => {
                let mut header = self.header_or_new();
                header.proportion = proportion;
                self.set(port, header).await
            }
        }
    }
}

impl CartridgeCore {
    /// A cartridge that is yet to be loaded. `config` is for the whole image;
    /// its `start` is 0.
    pub fn new(config: Config) -> Self {
        Self {
            partitions: alloc::vec![Partition::rest(0, config.capacity)],
            config,
            loaded: false,
            header: None,
            slot: 0,
        }
    }

    /// There is a header.
    pub fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// The partitions, at least one.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The attributes of a partition, by ascending identifier; none if there is
    /// no such partition.
    pub fn attributes(&self, partition: usize) -> &[Attribute] {
        let partition = self.partitions.get(partition);
        partition.map_or(&[], |p| &p.attributes)
    }

    /// Which part of the capacities may be used, of [`WHOLE`].
    pub fn proportion(&self) -> u16 {
        self.header.as_ref().map_or(WHOLE, |h| h.proportion)
    }

    /// The image's length in bytes, as far as the cartridge knows.
    pub fn length(&self) -> u64 {
        self.config.length
    }

    /// The tape of the last partition has changed the image's length to what
    /// its [`TapeCore::length`](crate::TapeCore::length) says.
    pub fn set_length(&mut self, length: u64) {
        self.config.length = length;
    }

    /// What a partition's tape is to be made with. Its capacity is what the
    /// proportion leaves of the partition's, or if that has none of the image's.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn tape_config(&self, partition: usize) -> Config {
        let Partition {
            start, capacity, ..
        } = self.partitions[partition];
        let last = partition + 1 == self.partitions.len();
        let (length, truncation) = match self.partitions[partition].end() {
            Some(end) if !last || self.config.truncation == Truncation::Never => {
                (end, Truncation::Never)
            }
            _ => (self.config.length, self.config.truncation),
        };
        let whole = u128::from(WHOLE);
        let usable = |bytes| (u128::from(bytes) * u128::from(self.proportion()) / whole) as u64;
        Config {
            start,
            length,
            truncation,
            capacity: capacity.or(self.config.capacity).map(usable),
            format: match self.header {
                Some(_) => Some(Format::Simh),
                None => self.config.format,
            },
            ..self.config.clone()
        }
    }

    fn may_have_header(&self) -> bool {
        matches!(self.config.format, None | Some(Format::Simh))
    }

    async fn load(&mut self, port: &Port) -> Result<(), Error> {
        self.loaded = false;
        let bytes = self.read(port, HEADER_LEN as usize).await?;
        self.now(None, 0);
        if self.may_have_header() && bytes.starts_with(&SLOT_WORD.to_le_bytes()) {
            let slot = |at| {
                let header = Header::from_slot(bytes.get(at..).unwrap_or(&[]))?;
                match self.out_of_bounds(&header) {
                    Some(number) => Err(HeaderReason::Region(number)),
                    None => Ok(header),
                }
            };
            match [slot(0), slot(SLOT_LEN)] {
                [Err(HeaderReason::Magic), Err(HeaderReason::Magic)] => {}
                [Err(HeaderReason::Magic), Err(reason)] | [Err(reason), Err(_)] => {
                    return Err(Error::Header { reason });
                }
                [Ok(first), Ok(second)] => {
                    let newer = second.sequence.wrapping_sub(first.sequence) as i64 > 0;
                    let header = if newer { second } else { first };
                    self.now(Some(header), newer.into());
                }
                [Ok(first), Err(_)] => self.now(Some(first), 0),
                [Err(_), Ok(second)] => self.now(Some(second), 1),
            }
        }
        self.loaded = true;
        Ok(())
    }

    /// Up to `length` bytes from the image's beginning.
    async fn read(&self, port: &Port, length: usize) -> Result<Vec<u8>, Error> {
        let read = port.read(0, 0..0, alloc::vec![0; length], 0).await;
        let (bytes, mut buf) = read.map_err(|error| Error::Read { offset: 0, error })?;
        buf.truncate(bytes);
        Ok(buf)
    }

    /// The first partition that goes beyond a medium that can't grow.
    fn out_of_bounds(&self, header: &Header) -> Option<usize> {
        let fixed = self.config.truncation == Truncation::Never;
        let past = |p: &Partition| p.end().unwrap_or(p.start + WORD_LEN) > self.config.length;
        header.partitions.iter().position(|p| fixed && past(p))
    }

    fn now(&mut self, header: Option<Header>, slot: usize) {
        self.partitions = match &header {
            Some(header) => header.partitions.clone(),
            None => alloc::vec![Partition::rest(0, self.config.capacity)],
        };
        self.header = header;
        self.slot = slot;
    }

    fn header_or_new(&self) -> Header {
        self.header.clone().unwrap_or_else(|| Header {
            sequence: 0,
            proportion: WHOLE,
            partitions: alloc::vec![Partition::rest(HEADER_LEN, None)],
        })
    }

    async fn set_attributes(
        &mut self,
        port: &Port,
        partition: usize,
        mut attributes: Vec<Attribute>,
    ) -> Result<(), Error> {
        attributes.sort_by_key(|a| a.id);
        let twice = attributes.windows(2).find(|pair| pair[0].id == pair[1].id);
        if let Some(pair) = twice {
            return Err(Error::AttributeTwice { id: pair[0].id });
        }
        let mut header = self.header_or_new();
        let place = header.partitions.get_mut(partition);
        let count = self.partitions.len();
        place.ok_or(Error::NoPartition { count })?.attributes = attributes;
        self.set(port, header).await
    }

    /// Makes this the header, which changes nothing on the tapes.
    async fn set(&mut self, port: &Port, mut header: Header) -> Result<(), Error> {
        has_place(&header)?;
        if self.has_header() {
            header.sequence = header.sequence.wrapping_add(1);
            return self.write_slot(port, header, 1 - self.slot).await;
        }
        if !header.is_required() {
            return Ok(());
        }
        // A tape that has no header, and isn't blank, can't get one.
        let word = self.read(port, WORD_LEN as usize).await?;
        let blank = word.len() < WORD_LEN as usize || word == word::END.to_le_bytes();
        if !blank {
            return Err(Error::NoRoom);
        }
        self.fits(&header)?;
        self.end_at(port, 0).await?;
        self.flush(port).await?;
        self.write_first(port, header).await
    }

    fn fits(&self, header: &Header) -> Result<(), Error> {
        if self.out_of_bounds(header).is_none() {
            return Ok(());
        }
        let last = header.partitions.last().expect("one at least");
        Err(Error::TooSmall {
            needed: last.end().unwrap_or(last.start + WORD_LEN),
            length: self.config.length,
        })
    }

    /// Everything that was there goes before anything new is there: at every
    /// moment, the cartridge is as it was, blank, or as it will be.
    async fn format(&mut self, port: &Port, capacities: &[u64]) -> Result<(), Error> {
        let mut header = Header {
            sequence: 0,
            proportion: self.proportion(),
            partitions: lay_out(capacities)?,
        };
        header.partitions[0].attributes = self.partitions[0].attributes.clone();
        let required = header.is_required();
        if !required {
            header.partitions[0].start = 0;
        }
        has_place(&header)?;
        self.fits(&header)?;
        self.end_at(port, self.partitions[0].start).await?;
        self.flush(port).await?;
        match (required, self.header.clone()) {
            (true, None) => self.write_first(port, header).await,
            (true, Some(mut single)) => {
                single.partitions.truncate(1);
                single.partitions[0].length = None;
                single.partitions[0].capacity = None;
                single.sequence = single.sequence.wrapping_add(1);
                header.sequence = single.sequence.wrapping_add(1);
                let slot = self.slot;
                self.write_slot(port, single, 1 - slot).await?;
                self.write_ends(port, &header).await?;
                self.write_slot(port, header, slot).await
            }
            (false, old) => {
                if old.is_some() {
                    self.end_at(port, 0).await?;
                    self.flush(port).await?;
                    self.now(None, 0);
                }
                self.cut(port, WORD_LEN).await
            }
        }
    }

    /// A header where there is none yet, and an end marker in its place.
    async fn write_first(&mut self, port: &Port, mut header: Header) -> Result<(), Error> {
        header.sequence = 1;
        let mut bytes = header.to_slot();
        bytes.extend_from_slice(&empty_slot());
        let rest = bytes.split_off(WORD_LEN as usize);
        self.write(port, WORD_LEN, rest).await?;
        self.write_ends(port, &header).await?;
        self.write(port, 0, bytes).await?;
        self.flush(port).await?;
        self.now(Some(header), 0);
        Ok(())
    }

    async fn write_slot(&mut self, port: &Port, header: Header, slot: usize) -> Result<(), Error> {
        let bytes = header.to_slot();
        self.write(port, (slot * SLOT_LEN) as u64, bytes).await?;
        self.flush(port).await?;
        self.now(Some(header), slot);
        Ok(())
    }

    /// Makes all the tapes blank.
    async fn write_ends(&mut self, port: &Port, header: &Header) -> Result<(), Error> {
        for partition in &header.partitions {
            self.end_at(port, partition.start).await?;
        }
        let last = header.partitions.last().expect("one at least");
        self.cut(port, last.start + WORD_LEN).await
    }

    /// Cuts the image behind an end marker that has just been written there.
    async fn cut(&mut self, port: &Port, length: u64) -> Result<(), Error> {
        if self.config.truncation != Truncation::Never {
            self.note_length(length);
            let cut = port.truncate(length).await;
            self.written(cut)?;
        }
        self.flush(port).await
    }

    async fn end_at(&mut self, port: &Port, offset: u64) -> Result<(), Error> {
        let bytes = word::END.to_le_bytes().to_vec();
        self.write(port, offset, bytes).await
    }

    async fn write(&mut self, port: &Port, offset: u64, bytes: Vec<u8>) -> Result<(), Error> {
        self.note_length(self.config.length.max(offset + bytes.len() as u64));
        let written = port.write(offset, bytes, 0..0).await;
        self.written(written)
    }

    async fn flush(&mut self, port: &Port) -> Result<(), Error> {
        let flushed = port.flush().await;
        self.written(flushed)
    }

    /// After a change that failed, the cartridge has to be loaded again.
    fn written(&mut self, result: Result<(), IoError>) -> Result<(), Error> {
        self.loaded &= result.is_ok();
        result.map_err(|error| Error::Write { error, lost: 0 })
    }

    fn note_length(&mut self, length: u64) {
        self.config.length = self.config.truncation.length(length);
    }
}

fn has_place(header: &Header) -> Result<(), Error> {
    match header.excess() {
        0 => Ok(()),
        excess => Err(Error::AttributesFull { excess }),
    }
}

/// Regions for partitions of these capacities: some more for end markers and
/// the index.
fn lay_out(capacities: &[u64]) -> Result<Vec<Partition>, Error> {
    let mut partitions = Vec::new();
    let mut free = Some(HEADER_LEN);
    for &capacity in capacities {
        let start = free.ok_or(Error::Partitions)?;
        if capacity == u64::MAX {
            partitions.push(Partition::rest(start, None));
            free = None;
            continue;
        }
        let length = capacity
            .checked_add(capacity / 256 + EXTRA)
            .and_then(|length| length.checked_next_multiple_of(ALIGN));
        let end = length.and_then(|length| start.checked_add(length));
        free = end.filter(|end| i64::try_from(*end).is_ok());
        if free.is_none() {
            return Err(Error::Partitions);
        }
        partitions.push(Partition {
            start,
            length,
            capacity: Some(capacity),
            attributes: Vec::new(),
        });
    }
    match partitions.len() {
        1..=PARTITIONS_MAX => Ok(partitions),
        _ => Err(Error::Partitions),
    }
}
