// SPDX-License-Identifier: GPL-2.0-or-later
//! Medium auxiliary memory: READ ATTRIBUTE (SPC-4 6.16) and WRITE ATTRIBUTE
//! (6.47), attributes of SPC-4 7.4.
//!
//! ```text
//!  | available data | attribute … |      attribute, ascending by identifier:
//!                                        | id | RO, format | length | value |
//! ```
//!
//! Each partition has its own attributes. Those of hosts are kept with the
//! tape as they were written; the drive works out its own (device.rs), some of
//! them from what it keeps there itself (life.rs).

mod device;
pub(crate) mod life;
mod memory;
mod standard;
#[cfg(test)]
mod tests;

use crate::bytes::{number, set_length};
use crate::sense::{asc, Key, Reply, Sense};
use crate::view::Tape;

use memory::size;
pub(crate) use memory::Memory;
use tape_image::container::Attribute;

/// Bytes before an attribute's value in parameter data.
const HEADER: usize = 5;

impl<'a> Memory<'a> {
    /// Of LOGICAL VOLUME NUMBER and PARTITION NUMBER: the tape, and the
    /// partition.
    fn partition(&self, cdb: &[u8]) -> Result<(&'a Tape, usize), Sense> {
        let tape = self.view.ok_or(Sense::NO_MEDIUM)?;
        let partition = usize::from(cdb[7]);
        if cdb[5] != 0 {
            return Err(Sense::cdb_field(5, Some(7)));
        }
        if partition >= tape.partitions.len() {
            return Err(Sense::cdb_field(7, Some(7)));
        }
        Ok((tape, partition))
    }

    /// READ ATTRIBUTE.
    pub(crate) fn read(&self, cdb: &[u8]) -> Reply {
        const VALUES: u8 = 0x00;
        const LIST: u8 = 0x01;
        const VOLUMES: u8 = 0x02;
        const PARTITIONS: u8 = 0x03;
        const SUPPORTED: u8 = 0x05;
        let (tape, partition) = self.partition(cdb)?;
        match cdb[1] & 0x1f {
            VALUES => {
                let attributes = self.from(tape, partition, cdb)?;
                Ok(available(attributes.iter().flat_map(to_bytes)))
            }
            LIST => {
                let attributes = self.from(tape, partition, cdb)?;
                Ok(available(
                    attributes.iter().flat_map(|a| a.id.to_be_bytes()),
                ))
            }
            // The first, and how many.
            VOLUMES => Ok(vec![0, 2, 0, 1]),
            PARTITIONS => Ok(vec![0, 2, 0, tape.partitions.len() as u8]),
            SUPPORTED => {
                let all = self.all(tape, partition).into_iter();
                let mut ids: Vec<u16> = all.map(|attribute| attribute.id).collect();
                ids.extend(standard::HOST.map(|entry| entry.0));
                ids.extend(life::KEPT);
                ids.sort_unstable();
                ids.dedup();
                Ok(available(ids.into_iter().flat_map(u16::to_be_bytes)))
            }
            _ => Err(Sense::cdb_field(1, Some(4))),
        }
    }

    /// From FIRST ATTRIBUTE IDENTIFIER on, which has to be there.
    fn from(&self, tape: &Tape, partition: usize, cdb: &[u8]) -> Result<Vec<Attribute>, Sense> {
        let first = number(cdb, 8, 2) as u16;
        let mut attributes = self.all(tape, partition);
        attributes.retain(|attribute| attribute.id >= first);
        match attributes.first() {
            Some(attribute) if attribute.id == first => Ok(attributes),
            _ => Err(Sense::cdb_field(8, None)),
        }
    }

    /// All that there are, ascending.
    fn all(&self, tape: &Tape, partition: usize) -> Vec<Attribute> {
        let mut all = device::attributes(self, tape, partition);
        // What the drive keeps for itself is among its own.
        let kept = self.kept(partition).iter();
        all.extend(kept.filter(|kept| !life::KEPT.contains(&kept.id)).cloned());
        all.sort_by_key(|attribute| attribute.id);
        all
    }

    /// WRITE ATTRIBUTE, with what was received of its list: the attributes to
    /// be kept with the partition (CDB byte 7) from now on, ascending. They
    /// always go to the medium at once (WTC). All of them, or none.
    pub(crate) fn write(&self, cdb: &[u8], data: &[u8]) -> Result<Vec<Attribute>, Sense> {
        let (tape, partition) = self.partition(cdb)?;
        let mut kept = self.kept(partition).to_vec();
        let length = number(cdb, 10, 4) as usize;
        if length == 0 {
            return Ok(kept);
        }
        let list = data.get(..length).ok_or(Sense::TRUNCATED_LIST)?;
        if tape.write_protected {
            return Err(Sense::new(Key::DataProtect, asc::WRITE_PROTECTED));
        }
        // PARAMETER DATA LENGTH is ignored, as the standard says.
        let mut at = 4;
        let mut last = None;
        while at < list.len() || at == 4 {
            let header = list.get(at..at + HEADER).ok_or(Sense::TRUNCATED_LIST)?;
            let length = number(header, 3, 2) as usize;
            let value = list.get(at + HEADER..).and_then(|rest| rest.get(..length));
            let attribute = Attribute {
                id: number(header, 0, 2) as u16,
                format: header[2] & 0x03,
                value: value.ok_or(Sense::TRUNCATED_LIST)?.to_vec(),
            };
            // Ascending, and each once.
            if last >= Some(attribute.id) {
                return Err(Sense::list_field(at, None));
            }
            last = Some(attribute.id);
            check(&attribute, header[2], at)?;
            kept.retain(|old| old.id != attribute.id);
            if !attribute.value.is_empty() {
                kept.push(attribute);
            }
            at += HEADER + length;
        }
        kept.sort_by_key(|attribute| attribute.id);
        if size(&kept) > self.free() + size(self.kept(partition)) {
            let full = Sense::new(Key::IllegalRequest, asc::MAM_OUT_OF_SPACE);
            return Err(full);
        }
        Ok(kept)
    }
}

/// As it is in parameter data. READ ONLY is what no host may write.
fn to_bytes(attribute: &Attribute) -> Vec<u8> {
    let Attribute { id, format, value } = attribute;
    let read_only = standard::allowed(*id).is_none();
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([u8::from(read_only) << 7 | format & 0x03, 0, 0]);
    bytes.extend(value);
    set_length(&mut bytes, 3, 2);
    bytes
}

/// Checks an attribute that is to be written, at `at` in the list. READ ONLY
/// is what hosts copied from an attribute that they had read.
fn check(attribute: &Attribute, bits: u8, at: usize) -> Result<(), Sense> {
    let allowed = standard::allowed(attribute.id).ok_or(Sense::list_field(at, None))?;
    let reserved = bits & 0x7c;
    if reserved != 0 {
        return Err(Sense::list_field(at + 2, Some(reserved.ilog2() as u8)));
    }
    let length = attribute.value.len();
    // Without a value, it is deleted: of whatever format.
    if length != 0 && !allowed.formats.contains(&attribute.format) {
        return Err(Sense::list_field(at + 2, Some(1)));
    }
    if length != 0 && !allowed.lengths.contains(&length) {
        return Err(Sense::list_field(at + 3, None));
    }
    Ok(())
}

/// Behind their number, 4 bytes.
fn available(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut reply = vec![0; 4];
    reply.extend(bytes);
    set_length(&mut reply, 0, 4);
    reply
}
