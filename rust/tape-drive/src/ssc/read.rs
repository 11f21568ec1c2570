// SPDX-License-Identifier: GPL-2.0-or-later
//! READ, READ REVERSE, VERIFY and RECOVER BUFFERED DATA: SSC-3 5.3 to 5.6,
//! 6.11, 6.12.

use tape_image::{Operation, Outcome};

use super::blocks::{at_beginning, at_end_of_data, at_filemark, blocks, stopped, Blocks};
use super::motion::go_to_address;
use crate::command::{commands, Call, Length::Read, Length::Verify, CHANGES, MOVES, UNPARKS};
use crate::core::Core;
use crate::failure::sense_of;
use crate::sense::{asc, Key, Sense};

commands! {
    0x08, "READ(6)", Read(2), MOVES | UNPARKS, tape read, [3 0xff 0xff 0xff 0];
    0x0f, "READ REVERSE(6)", Read(2), MOVES | UNPARKS, tape reverse, [7 0xff 0xff 0xff 0];
    0x13, "VERIFY(6)", Verify(2), MOVES | UNPARKS, tape verify, [7 0xff 0xff 0xff 0];
    0x14, "RECOVER BUFFERED DATA", Read(2), CHANGES, tape recover, [3 0xff 0xff 0xff 0];
    0x81, "READ REVERSE(16)", Read(12), MOVES | UNPARKS, tape reverse,
        [7 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x88, "READ(16)", Read(12), MOVES | UNPARKS, tape read,
        [3 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x8f, "VERIFY(16)", Verify(12), MOVES | UNPARKS, tape verify,
        [7 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
}

/// Bytes that VERIFY compares at a time.
const CHUNK: usize = 64 << 10;

/// What becomes of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadMode {
    /// The records are transferred.
    Read,
    /// The records are met in reverse and transferred; `swapped`: so are their bytes.
    Reverse { swapped: bool },
    /// The records have to be readable; and, if so asked, equal to the data out.
    Verify { compared: bool },
}

/// READ(6) and (16).
async fn read(core: &mut Core, call: &Call) -> Result<(), Sense> {
    records(core, call, ReadMode::Read).await
}

/// READ REVERSE(6) and (16).
async fn reverse(core: &mut Core, call: &Call) -> Result<(), Sense> {
    const BYTORD: u8 = 4;
    let swapped = !call.flag(BYTORD);
    records(core, call, ReadMode::Reverse { swapped }).await
}

/// VERIFY(6) and (16).
async fn verify(core: &mut Core, call: &Call) -> Result<(), Sense> {
    const BYTCMP: u8 = 2;
    const IMMED: u8 = 4;
    let compared = call.flag(BYTCMP);
    if compared && call.flag(IMMED) {
        return Err(Sense::cdb_field(1, Some(2)));
    }
    records(core, call, ReadMode::Verify { compared }).await
}

/// RECOVER BUFFERED DATA. Nothing stays in the buffer that couldn't be written:
/// there is never anything to recover.
async fn recover(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    let blocks = blocks(core, call)?;
    if blocks.count == 0 {
        return Ok(());
    }
    Err(Sense {
        eom: true,
        ..stopped(Key::NoSense, asc::END_OF_DATA, blocks.residue(0))
    })
}

async fn records(core: &mut Core, call: &Call, mode: ReadMode) -> Result<(), Sense> {
    core.ready().await?;
    let blocks = blocks(core, call)?;
    let verify = matches!(mode, ReadMode::Verify { .. });
    // Byte 1, bit 1 is BYTCMP there.
    let sili = !verify && call.flag(2);
    if sili && blocks.fixed {
        return Err(Sense::cdb_field(1, Some(1)));
    }
    if call.is_long() {
        go_to_address(core, call).await?;
    }
    if core.config.join_records && blocks.fixed && mode == ReadMode::Read {
        return joined(core, call, blocks).await;
    }
    for done in 0..blocks.count {
        let data = done as usize * blocks.length;
        // VERIFY's records go behind the data.
        let at = if verify {
            call.transfer.bytes() as usize
        } else {
            data
        };
        let limit = blocks.length;
        let operation = match mode {
            ReadMode::Reverse { .. } => Operation::ReadReverse { limit },
            _ => Operation::Read { limit },
        };
        let length = record(core, operation, (blocks.residue(done), at), mode).await?;
        if let ReadMode::Verify { compared: true } = mode {
            let known = length.min(blocks.length);
            compare(core, blocks.residue(done), data, at, known).await?;
        } else if !verify && (length == blocks.length || !blocks.fixed) {
            core.progress.data_in = data + length.min(blocks.length);
        }
        let over_tolerated = core.modes.block_length() == 0 || length < blocks.length;
        if length != blocks.length && !(sili && over_tolerated) {
            let information = if blocks.fixed {
                blocks.residue(done)
            } else {
                blocks.length as i64 - length as i64
            };
            return Err(Sense {
                ili: true,
                ..stopped(Key::NoSense, asc::NO_ADDITIONAL_SENSE, information)
            });
        }
    }
    Ok(())
}

/// Reads blocks that are cut from the data of consecutive records, wherever
/// these end, from inside of a record on if an earlier READ has stopped there.
async fn joined(core: &mut Core, call: &Call, blocks: Blocks) -> Result<(), Sense> {
    let wanted = blocks.count as usize * blocks.length;
    let mut read = 0;
    let mut skip = match call.is_long() {
        // It says where to begin.
        true => 0,
        false => core.partly as usize,
    };
    while read < wanted {
        let limit = wanted - read;
        let operation = match skip {
            0 => Operation::Read { limit },
            skip => Operation::Reread { skip, limit },
        };
        let residue = blocks.residue((read / blocks.length) as u64);
        let length = match record(core, operation, (residue, read), ReadMode::Read).await {
            Ok(length) => length,
            Err(sense) => {
                // A block that isn't whole counts as not read.
                let ili = sense.ili || read % blocks.length != 0;
                return Err(Sense { ili, ..sense });
            }
        };
        let rest = length.saturating_sub(skip);
        let taken = rest.min(limit);
        skip = if taken < rest { skip + taken } else { 0 };
        read += taken;
        core.progress.data_in = read;
    }
    core.progress.partly = Some(skip as u32);
    Ok(())
}

/// Has the tape read a record to `at` in the data buffer. Its length.
async fn record(
    core: &mut Core,
    operation: Operation,
    (residue, at): (i64, usize),
    mode: ReadMode,
) -> Result<usize, Sense> {
    let (Operation::Read { limit }
    | Operation::ReadReverse { limit }
    | Operation::Reread { limit, .. }) = operation
    else {
        unreachable!("{operation:?} is no read");
    };
    let outcome = core.tape_at(operation, at).await;
    match outcome.map_err(|error| sense_of(&error).or_information(residue))? {
        Outcome::Record {
            length,
            bad: false,
            buffered,
        } => {
            let length = length as usize;
            if buffered > 0 && mode != (ReadMode::Verify { compared: false }) {
                core.put_buffered(at).await;
            }
            if mode == (ReadMode::Reverse { swapped: true }) {
                let mut bytes = core.copy(at..at + length.min(limit)).await?;
                bytes.reverse();
                core.put(at, bytes).await;
            }
            Ok(length)
        }
        Outcome::Record { .. } => Err(stopped(
            Key::MediumError,
            asc::UNRECOVERED_READ_ERROR,
            residue,
        )),
        Outcome::Mark => Err(at_filemark(residue)),
        Outcome::End => {
            let eom = core.tape_state().eom_at_end();
            Err(at_end_of_data(residue, eom))
        }
        Outcome::Beginning => Err(at_beginning(residue)),
        other => unreachable!("{other:?} of a read"),
    }
}

/// Compares the data out at `data` with the record at `at`.
async fn compare(
    core: &mut Core,
    residue: i64,
    data: usize,
    at: usize,
    length: usize,
) -> Result<(), Sense> {
    for from in (0..length).step_by(CHUNK) {
        let to = length.min(from + CHUNK);
        let expected = core.copy(data + from..data + to).await?;
        if core.copy(at + from..at + to).await? != expected {
            return Err(stopped(Key::Miscompare, asc::MISCOMPARE, residue));
        }
    }
    Ok(())
}
