// SPDX-License-Identifier: GPL-2.0-or-later
//! A cartridge's header, in memory and as bytes.

use alloc::vec::Vec;

/// Bytes of a slot, the words around it included.
pub(crate) const SLOT_LEN: usize = 32 << 10;
/// Slots of a header.
pub(crate) const SLOTS: usize = 2;
/// Bytes of a header, which is also where partition 0 begins.
pub const HEADER_LEN: u64 = (SLOTS * SLOT_LEN) as u64;
/// Partitions of a cartridge, at most.
pub const PARTITIONS_MAX: usize = 16;
/// The word around a slot: a private record of class 1.
pub(crate) const SLOT_WORD: u32 = 0x1000_0000 | (SLOT_LEN as u32 - 8);
/// Regions begin and end at multiples of this.
pub(crate) const ALIGN: u64 = 4096;
/// The proportion of a tape that may be used to its end.
pub const WHOLE: u16 = u16::MAX;

const MAGIC: &[u8; 8] = b"TAPECART";
const VERSION: u16 = 1;
const FIXED_LEN: usize = 32;
const PARTITION_LEN: usize = 24;
const ATTRIBUTE_LEN: usize = 6;
const CRC_LEN: usize = 4;
/// No limit, on the medium.
const NO_LIMIT: u64 = u64::MAX;

/// A medium auxiliary memory attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's identifier, once in a list.
    pub id: u16,
    /// SSC's format code; not interpreted here.
    pub format: u8,
    /// The attribute's value; not interpreted here.
    pub value: Vec<u8>,
}

/// A part of the image with a tape of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Where its tape begins, in bytes from the image's beginning.
    pub start: u64,
    /// Bytes that are its own. `None`: as far as the image goes.
    pub length: Option<u64>,
    /// Bytes of objects it was made for, before the proportion of SET CAPACITY.
    /// `None`: no bound.
    pub capacity: Option<u64>,
    /// The partition's attributes, by ascending identifier.
    pub attributes: Vec<Attribute>,
}

/// Why a cartridge's header can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderReason {
    /// There is none, in fact.
    #[error("no header")]
    Magic,
    /// The bytes aren't those that were written.
    #[error("its checksum is wrong")]
    Checksum,
    /// Another version's.
    #[error("it has version {0}, and only 1 is known")]
    Version(u16),
    /// Too many or no partitions.
    #[error("it has {0} partitions")]
    Partitions(usize),
    /// A partition's region is no region, lies before the end of another, or
    /// goes beyond the medium.
    #[error("partition {0} has no place there")]
    Region(usize),
    /// Fields that don't add up.
    #[error("its fields make no sense together")]
    Form,
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) proportion: u16,
    pub(crate) partitions: Vec<Partition>,
}

impl Partition {
    /// One that takes all of an image from `start` on.
    pub(crate) fn rest(start: u64, capacity: Option<u64>) -> Self {
        Self {
            start,
            length: None,
            capacity,
            attributes: Vec::new(),
        }
    }

    /// First byte behind its region. `None`: as far as the image goes.
    pub fn end(&self) -> Option<u64> {
        self.length.map(|length| self.start + length)
    }
}

impl Header {
    /// An image without it would say less.
    pub(crate) fn is_required(&self) -> bool {
        let [partition] = &self.partitions[..] else {
            return true;
        };
        let bounded = partition.length.is_some();
        bounded || !partition.attributes.is_empty() || self.proportion != WHOLE
    }

    /// Bytes that it is too long for a slot.
    pub(crate) fn excess(&self) -> usize {
        self.body_len()
            .saturating_sub(SLOT_LEN - 2 * size_of::<u32>())
    }

    fn body_len(&self) -> usize {
        let attributes = self.partitions.iter().flat_map(|p| &p.attributes);
        let bytes: usize = attributes.map(|a| ATTRIBUTE_LEN + a.value.len()).sum();
        FIXED_LEN + self.partitions.len() * PARTITION_LEN + bytes + CRC_LEN
    }

    /// A slot with this in it.
    pub(crate) fn to_slot(&self) -> Vec<u8> {
        let mut slot = empty_slot();
        let attributes: Vec<_> = (0u8..)
            .zip(&self.partitions)
            .flat_map(|(number, p)| p.attributes.iter().map(move |a| (number, a)))
            .collect();
        let mut body = Vec::with_capacity(self.body_len());
        body.extend_from_slice(MAGIC);
        for half in [
            VERSION,
            self.partitions.len() as u16,
            self.proportion,
            attributes.len() as u16,
        ] {
            body.extend_from_slice(&half.to_le_bytes());
        }
        body.extend_from_slice(&self.sequence.to_le_bytes());
        body.extend_from_slice(&(self.body_len() as u32).to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        for p in &self.partitions {
            for long in [p.start, to_limit(p.length), to_limit(p.capacity)] {
                body.extend_from_slice(&long.to_le_bytes());
            }
        }
        for (number, attribute) in attributes {
            body.extend_from_slice(&attribute.id.to_le_bytes());
            body.extend_from_slice(&[number, attribute.format]);
            body.extend_from_slice(&(attribute.value.len() as u16).to_le_bytes());
            body.extend_from_slice(&attribute.value);
        }
        body.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        slot[4..4 + body.len()].copy_from_slice(&body);
        slot
    }

    /// Reads a slot. Everything in it is checked but its place on the medium.
    pub(crate) fn from_slot(slot: &[u8]) -> Result<Self, HeaderReason> {
        let slot = slot.get(..SLOT_LEN).ok_or(HeaderReason::Magic)?;
        let body = &slot[4..SLOT_LEN - 4];
        if !body.starts_with(MAGIC) {
            return Err(HeaderReason::Magic);
        }
        let half = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        let length = u32::from_le_bytes(body[24..28].try_into().expect("4 bytes")) as usize;
        if !(FIXED_LEN + CRC_LEN..=body.len()).contains(&length) {
            return Err(HeaderReason::Checksum);
        }
        let (body, crc) = body[..length].split_at(length - CRC_LEN);
        if crc != crc32fast::hash(body).to_le_bytes() {
            return Err(HeaderReason::Checksum);
        }
        if half(8) != VERSION {
            return Err(HeaderReason::Version(half(8)));
        }
        let mut fields = Fields(&body[FIXED_LEN..]);
        let header = Self {
            sequence: u64::from_le_bytes(body[16..24].try_into().expect("8 bytes")),
            proportion: half(12),
            partitions: fields.partitions(half(10).into())?,
        };
        let header = fields.attributes(header, half(14))?;
        // One way to write it: no bytes left over, no field out of order.
        if header.to_slot() != slot {
            return Err(HeaderReason::Form);
        }
        Ok(header)
    }
}

/// A slot with nothing in it, but a record.
pub(crate) fn empty_slot() -> Vec<u8> {
    let mut slot = alloc::vec![0; SLOT_LEN];
    slot[..4].copy_from_slice(&SLOT_WORD.to_le_bytes());
    slot[SLOT_LEN - 4..].copy_from_slice(&SLOT_WORD.to_le_bytes());
    slot
}

/// A slot of these fields, from the version on, with a magic, a length and a
/// checksum that are right. What is too long is cut.
#[cfg(feature = "driver")]
pub(crate) fn seal(fields: &[u8]) -> Vec<u8> {
    let mut slot = empty_slot();
    let room = SLOT_LEN - 2 * size_of::<u32>() - MAGIC.len() - CRC_LEN;
    let fields = &fields[..fields.len().min(room)];
    let body = &mut slot[4..SLOT_LEN - 4];
    let sums = FIXED_LEN.max(MAGIC.len() + fields.len());
    body[..MAGIC.len()].copy_from_slice(MAGIC);
    body[MAGIC.len()..][..fields.len()].copy_from_slice(fields);
    body[24..28].copy_from_slice(&((sums + CRC_LEN) as u32).to_le_bytes());
    let crc = crc32fast::hash(&body[..sums]).to_le_bytes();
    body[sums..sums + CRC_LEN].copy_from_slice(&crc);
    slot
}

fn to_limit(value: Option<u64>) -> u64 {
    value.unwrap_or(NO_LIMIT)
}

/// What of a body is still to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], HeaderReason> {
        let (first, rest) = self.0.split_first_chunk().ok_or(HeaderReason::Form)?;
        self.0 = rest;
        Ok(*first)
    }

    fn long(&mut self) -> Result<u64, HeaderReason> {
        self.take().map(u64::from_le_bytes)
    }

    fn limit(&mut self) -> Result<Option<u64>, HeaderReason> {
        self.long()
            .map(|value| Some(value).filter(|v| *v != NO_LIMIT))
    }

    /// The table. Regions follow each other and have no byte in common.
    fn partitions(&mut self, count: usize) -> Result<Vec<Partition>, HeaderReason> {
        if !(1..=PARTITIONS_MAX).contains(&count) {
            return Err(HeaderReason::Partitions(count));
        }
        let mut partitions = Vec::new();
        let mut free = Some(HEADER_LEN);
        for number in 0..count {
            let region = HeaderReason::Region(number);
            let partition = Partition {
                start: self.long()?,
                length: self.limit()?,
                capacity: self.limit()?,
                attributes: Vec::new(),
            };
            let Partition {
                start,
                length,
                capacity,
                ..
            } = partition;
            let first = number > 0 || start == HEADER_LEN;
            let behind = free.is_some_and(|free| start >= free);
            let bounded = length.is_none() || capacity.is_some_and(|c| Some(c) <= length);
            let aligned = (start | length.unwrap_or(0)) % ALIGN == 0 && length != Some(0);
            if !(first && behind && bounded && aligned) {
                return Err(region);
            }
            let end = start.checked_add(length.unwrap_or(0));
            let end = end
                .filter(|end| i64::try_from(*end).is_ok())
                .ok_or(region)?;
            free = length.map(|_| end);
            partitions.push(partition);
        }
        Ok(partitions)
    }

    fn attributes(&mut self, mut header: Header, count: u16) -> Result<Header, HeaderReason> {
        for _ in 0..count {
            let id = u16::from_le_bytes(self.take()?);
            let [number, format] = self.take()?;
            let length = usize::from(u16::from_le_bytes(self.take()?));
            let value = self.0.get(..length).ok_or(HeaderReason::Form)?.to_vec();
            self.0 = &self.0[length..];
            let partition = header.partitions.get_mut(usize::from(number));
            let list = &mut partition.ok_or(HeaderReason::Form)?.attributes;
            if list.last().is_some_and(|before| before.id >= id) {
                return Err(HeaderReason::Form);
            }
            list.push(Attribute { id, format, value });
        }
        Ok(header)
    }
}
