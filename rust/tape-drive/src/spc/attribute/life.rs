// SPDX-License-Identifier: GPL-2.0-or-later
//! What the drive itself keeps with a tape, among the attributes of partition
//! 0: how often it was loaded and formatted, how much of it was written and
//! read, and a number that changes when the tape does.

use tape_image::container::Attribute;

use super::standard::{binary, BARCODE};
use crate::bytes::number;
use crate::counters::Transfers;

const LOADS: u16 = 0x0003;
pub(super) const INITIALIZATIONS: u16 = 0x0007;
/// Volume change reference, 4 bytes; all ones: it can't be used.
pub(super) const CHANGE_REFERENCE: u16 = 0x0009;
const WRITTEN: u16 = 0x0220;
const READ: u16 = 0x0221;

/// No host may write these.
pub(super) const KEPT: [u16; 5] = [LOADS, INITIALIZATIONS, CHANGE_REFERENCE, WRITTEN, READ];

/// A medium's life, but for what happened since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) loads: u64,
    /// What was written, in units of 2^20 bytes.
    pub(crate) written: u64,
    pub(crate) read: u64,
}

/// Out of the attributes of partition 0. A medium without any has no past.
pub(crate) fn of(kept: &[Attribute]) -> Life {
    Life {
        loads: get(kept, LOADS),
        written: get(kept, WRITTEN),
        read: get(kept, READ),
    }
}

/// The barcode that a host wrote, at most 32 characters; empty if none did.
pub(crate) fn barcode(kept: &[Attribute]) -> String {
    let barcode = kept.iter().find(|attribute| attribute.id == BARCODE);
    let value = barcode.map_or(&[][..], |attribute| &attribute.value);
    let text = value.iter().map(|&byte| match byte {
        0x20..=0x7e => char::from(byte),
        _ => ' ',
    });
    text.take(32).collect::<String>().trim_end().into()
}

/// Something that is to be kept with the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The tape is about to be changed, for the first time since it was loaded.
    Change,
    /// The tape is being formatted.
    Format,
    /// The tape is being unloaded, and this was done since it was loaded.
    Unload(Transfers),
}

/// The attributes of partition 0 after `event`. Whether they are written at
/// all is the caller's choice: an image that has no place for attributes is
/// better left without one.
pub(crate) fn note(kept: &[Attribute], event: Event) -> Vec<Attribute> {
    let mut kept = kept.to_vec();
    let mut add = |id, size, more| {
        let limit = u64::MAX >> (64 - 8 * size);
        let value = get(&kept, id).saturating_add(more).min(limit);
        kept.retain(|attribute| attribute.id != id);
        kept.push(binary(id, &value.to_be_bytes()[8 - size as usize..]));
    };
    match event {
        Event::Change => add(CHANGE_REFERENCE, 4, 1),
        Event::Format => {
            add(INITIALIZATIONS, 2, 1);
            add(CHANGE_REFERENCE, 4, 1);
        }
        Event::Unload(mount) => {
            add(LOADS, 8, 1);
            add(WRITTEN, 8, mount.from_host >> 20);
            add(READ, 8, mount.to_host >> 20);
        }
    }
    kept.sort_by_key(|attribute| attribute.id);
    kept
}

/// A number; 0 if there is none, or one that nobody here wrote.
fn get(kept: &[Attribute], id: u16) -> u64 {
    kept.iter()
        .find(|attribute| attribute.id == id && attribute.value.len() <= 8)
        .map_or(0, |attribute| {
            // Sums of these mustn't overflow.
            number(&attribute.value, 0, attribute.value.len()).min(u64::MAX >> 1)
        })
}
