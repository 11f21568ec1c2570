// SPDX-License-Identifier: GPL-2.0-or-later
//! READ POSITION: SSC-3 6.10.

use crate::call::Call;
use crate::deck::{Deck, TapeState};
use crate::medium::ready;
use crate::Sense;

const BOP: u8 = 0x80;
const EOP: u8 = 0x40;
/// The objects in the buffer are more than their field can say.
const LOCU: u8 = 0x20;
/// The bytes in the buffer are more than their field can say.
const BYCU: u8 = 0x10;
/// The tape is inside of a record, which no address says.
const LOLU: u8 = 0x04;
/// The position is.
const PERR: u8 = 0x02;
const BPEW: u8 = 0x01;

/// READ POSITION: short (service actions 0 and 1), long (6), extended (8).
pub(crate) async fn read_position(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let action = call.byte(1) & 0x1f;
    if action != 8 && call.number(7, 2) != 0 {
        return Err(Sense::cdb_field(7, None));
    }
    let state = deck.tape_state().await;
    let place = flag(state.position.object == 0, BOP)
        | flag(state.past_early_warning(), EOP)
        | flag(state.past_programmable(call.programmable), BPEW);
    let unknown = call.partly != 0;
    let place = place | flag(unknown, LOLU);
    let mut data = match action {
        0 | 1 => short(&state, place),
        6 => long(&state, place),
        8 => extended(&state, place),
        _ => return Err(Sense::cdb_field(1, Some(4))),
    };
    if unknown {
        // What stands there would be the address of the next record.
        let addresses = match action {
            6 => 8..24,
            8 => 8..24,
            _ => 4..12,
        };
        data[addresses].fill(0);
    }
    data.truncate(call.transfer.bytes() as usize);
    deck.transferred(data.len());
    deck.put(0, data).await;
    Ok(())
}

fn flag(set: bool, bit: u8) -> u8 {
    if set {
        bit
    } else {
        0
    }
}

/// LOCU and BYCU, and the counts of what is in the drive's buffer.
fn buffered(state: &TapeState, bytes_max: u64) -> (u8, [u8; 3], u64) {
    let (objects, bytes) = state.unsynced;
    let known = u64::from(u32::MAX >> 8);
    let flags = flag(objects > known, LOCU) | flag(bytes > bytes_max, BYCU);
    let [_, count @ ..] = (objects.min(known) as u32).to_be_bytes();
    (flags, count, bytes.min(bytes_max))
}

fn short(state: &TapeState, place: u8) -> Vec<u8> {
    let mut data = vec![0; 20];
    let (flags, count, bytes) = buffered(state, u32::MAX.into());
    data[0] = place | flags;
    data[1] = state.partition as u8;
    let last = state.position.object - state.unsynced.0;
    match (u32::try_from(state.position.object), u32::try_from(last)) {
        (Ok(first), Ok(last)) => {
            data[4..8].copy_from_slice(&first.to_be_bytes());
            data[8..12].copy_from_slice(&last.to_be_bytes());
        }
        _ => data[0] |= PERR,
    }
    data[13..16].copy_from_slice(&count);
    data[16..20].copy_from_slice(&(bytes as u32).to_be_bytes());
    data
}

fn long(state: &TapeState, place: u8) -> Vec<u8> {
    let mut data = vec![0; 32];
    // MPU and LONU stay 0: marks and objects are known.
    data[0] = place;
    data[4..8].copy_from_slice(&(state.partition as u32).to_be_bytes());
    data[8..16].copy_from_slice(&state.position.object.to_be_bytes());
    data[16..24].copy_from_slice(&state.position.marks.to_be_bytes());
    data
}

fn extended(state: &TapeState, place: u8) -> Vec<u8> {
    let mut data = vec![0; 32];
    let (flags, count, bytes) = buffered(state, u64::MAX);
    let first = state.position.object;
    data[0] = place | flags;
    data[1] = state.partition as u8;
    data[2..4].copy_from_slice(&28u16.to_be_bytes());
    data[5..8].copy_from_slice(&count);
    data[8..16].copy_from_slice(&first.to_be_bytes());
    data[16..24].copy_from_slice(&(first - state.unsynced.0).to_be_bytes());
    data[24..32].copy_from_slice(&bytes.to_be_bytes());
    data
}
