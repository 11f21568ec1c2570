// SPDX-License-Identifier: GPL-2.0-or-later
//! What is written to change a cartridge, and in which order.

use alloc::vec::Vec;

use crate::cartridge::{Cartridge, Purpose, Step};
use crate::container::Operation;
use crate::header::{
    empty_slot, Header, Partition, ALIGN, HEADER_LEN, PARTITIONS_MAX, SLOT_LEN, WHOLE,
};
use crate::sync::Action;
use crate::word::{self, WORD_LEN};
use crate::{Error, Format, Truncation};

/// Bytes of a region beyond its capacity and a 256th of it.
const EXTRA: u64 = 64 << 10;

impl Cartridge {
    /// Writes the script of a change, or asks for what it needs to know.
    pub(crate) fn begin(&mut self, operation: &Operation) -> Result<(), Error> {
        if self.config.read_only {
            return Err(Error::ReadOnly);
        }
        if !matches!(self.config.format, None | Some(Format::Simh)) {
            return Err(Error::FormatReadOnly);
        }
        if let Operation::Format { partitions } = operation {
            return self.script_format(partitions);
        }
        let after = self.after(operation)?;
        if let Some(header) = &self.header {
            let sequence = header.sequence.wrapping_add(1);
            self.script_slot(Header { sequence, ..after }, 1 - self.slot);
        } else if after.needed() {
            self.read(WORD_LEN as usize, Purpose::Peek);
        }
        Ok(())
    }

    /// What an operation that changes nothing on the tapes makes of the header.
    fn after(&self, operation: &Operation) -> Result<Header, Error> {
        let mut header = match &self.header {
            Some(header) => header.clone(),
            None => Header {
                sequence: 0,
                proportion: WHOLE,
                partitions: alloc::vec![Partition::rest(HEADER_LEN, None)],
            },
        };
        match operation {
            Operation::SetAttributes {
                partition,
                attributes,
            } => {
                let mut attributes = attributes.clone();
                attributes.sort_by_key(|a| a.id);
                let twice = attributes.windows(2).find(|pair| pair[0].id == pair[1].id);
                if let Some(pair) = twice {
                    return Err(Error::AttributeTwice { id: pair[0].id });
                }
                let place = header.partitions.get_mut(*partition);
                let count = self.partitions.len();
                place.ok_or(Error::NoPartition { count })?.attributes = attributes;
            }
            Operation::SetProportion(proportion) => header.proportion = *proportion,
            Operation::Load | Operation::Format { .. } => unreachable!("have gone elsewhere"),
        }
        has_place(&header)?;
        Ok(header)
    }

    /// The tape has no header: one that isn't blank can't get one.
    pub(crate) fn peeked(&mut self, buf: &[u8], bytes: usize) -> Result<(), Error> {
        let blank = bytes < buf.len() || buf == word::END.to_le_bytes();
        if !blank {
            return Err(Error::NoRoom);
        }
        let operation = self.operation.clone().expect("under way");
        let header = self.after(&operation)?;
        self.fits(&header)?;
        self.end_at(0);
        self.push(Action::Flush);
        self.script_first(header);
        Ok(())
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
    fn script_format(&mut self, capacities: &[u64]) -> Result<(), Error> {
        let mut header = Header {
            sequence: 0,
            proportion: self.proportion(),
            partitions: lay_out(capacities)?,
        };
        header.partitions[0].attributes = self.partitions[0].attributes.clone();
        let needed = header.needed();
        if !needed {
            header.partitions[0].start = 0;
        }
        has_place(&header)?;
        self.fits(&header)?;
        self.end_at(self.partitions[0].start);
        self.push(Action::Flush);
        let old = self.header.clone();
        match (needed, old) {
            (true, None) => self.script_first(header),
            (true, Some(mut single)) => {
                single.partitions.truncate(1);
                single.partitions[0].length = None;
                single.partitions[0].capacity = None;
                single.sequence = single.sequence.wrapping_add(1);
                header.sequence = single.sequence.wrapping_add(1);
                self.script_slot(single, 1 - self.slot);
                self.script_ends(&header);
                self.script_slot(header, self.slot);
            }
            (false, old) => {
                if old.is_some() {
                    self.end_at(0);
                    self.push(Action::Flush);
                    self.script.push_back(Step::Now(None, 0));
                }
                self.script_cut(WORD_LEN);
            }
        }
        Ok(())
    }

    /// A header where there is none yet, and an end marker in its place.
    fn script_first(&mut self, mut header: Header) {
        header.sequence = 1;
        let mut bytes = header.to_slot();
        bytes.extend_from_slice(&empty_slot());
        let rest = bytes.split_off(WORD_LEN as usize);
        self.push(Action::Write {
            offset: WORD_LEN,
            bytes: rest,
        });
        self.script_ends(&header);
        self.push(Action::Write { offset: 0, bytes });
        self.push(Action::Flush);
        self.script.push_back(Step::Now(Some(header), 0));
    }

    fn script_slot(&mut self, header: Header, slot: usize) {
        self.push(Action::Write {
            offset: (slot * SLOT_LEN) as u64,
            bytes: header.to_slot(),
        });
        self.push(Action::Flush);
        self.script.push_back(Step::Now(Some(header), slot));
    }

    /// Makes all the tapes blank.
    fn script_ends(&mut self, header: &Header) {
        for partition in &header.partitions {
            self.end_at(partition.start);
        }
        let last = header.partitions.last().expect("one at least");
        self.script_cut(last.start + WORD_LEN);
    }

    /// Cuts the image behind an end marker that has just been written there.
    fn script_cut(&mut self, length: u64) {
        if self.config.truncation != Truncation::Never {
            self.push(Action::Truncate(length));
        }
        self.push(Action::Flush);
    }

    fn end_at(&mut self, offset: u64) {
        let bytes = word::END.to_le_bytes().to_vec();
        self.push(Action::Write { offset, bytes });
    }

    fn push(&mut self, action: Action) {
        self.script.push_back(Step::Do(action));
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
