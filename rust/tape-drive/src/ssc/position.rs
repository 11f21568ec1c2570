// SPDX-License-Identifier: GPL-2.0-or-later
//! READ POSITION: SSC-3 6.10.

use crate::bytes::number;
use crate::cartridge::TapeState;
use crate::command::{commands, Call, Length, UNPARKS};
use crate::core::Core;
use crate::sense::Sense;

commands! {
    0x34, "READ POSITION", Length::In(7, length), UNPARKS, tape read_position,
        [0x1f 0 0 0 0 0 0xff 0xff 0];
}

fn length(cdb: &[u8]) -> u64 {
    match cdb[1] & 0x1f {
        0 | 1 => 20,
        6 => 32,
        8 => number(cdb, 7, 2),
        _ => 0,
    }
}

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
async fn read_position(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    let action = call.byte(1) & 0x1f;
    if action != 8 && call.number(7, 2) != 0 {
        return Err(Sense::cdb_field(7, None));
    }
    let state = core.tape_state();
    let place = flag(state.position.object == 0, BOP)
        | flag(state.past_early_warning(), EOP)
        | flag(
            state.past_programmable(core.modes.early_warning_size()),
            BPEW,
        );
    let unknown = core.partly != 0;
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
            6 | 8 => 8..24,
            _ => 4..12,
        };
        data[addresses].fill(0);
    }
    core.send(data, call.transfer.bytes()).await;
    Ok(())
}

fn flag(set: bool, bit: u8) -> u8 {
    u8::from(set) * bit
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
    let (flags, count, bytes) = buffered(state, u32::MAX.into());
    let first = u32::try_from(state.position.object);
    let last = u32::try_from(state.position.object - state.unsynced.0);
    let (addresses, error) = match (first, last) {
        (Ok(first), Ok(last)) => ([first, last], 0),
        _ => ([0; 2], PERR),
    };
    let [first, last] = addresses.map(u32::to_be_bytes);
    let head = [place | flags | error, state.partition as u8, 0, 0];
    let bytes = (bytes as u32).to_be_bytes();
    [&head[..], &first, &last, &[0], &count, &bytes].concat()
}

fn long(state: &TapeState, place: u8) -> Vec<u8> {
    // MPU and LONU stay 0: marks and objects are known.
    let partition = (state.partition as u32).to_be_bytes();
    let object = state.position.object.to_be_bytes();
    let marks = state.position.marks.to_be_bytes();
    [&[place, 0, 0, 0][..], &partition, &object, &marks, &[0; 8]].concat()
}

fn extended(state: &TapeState, place: u8) -> Vec<u8> {
    let (flags, count, bytes) = buffered(state, u64::MAX);
    let first = state.position.object;
    let last = first - state.unsynced.0;
    let head = [place | flags, state.partition as u8, 0, 28, 0];
    let [first, last, bytes] = [first, last, bytes].map(u64::to_be_bytes);
    [&head[..], &count, &first, &last, &bytes].concat()
}
