// SPDX-License-Identifier: GPL-2.0-or-later
//! WRITE and WRITE FILEMARKS: SSC-3 5.9, 5.10, 6.15, 6.16. ERASE, which also
//! has to be allowed.

use tape_image::{Error, Operation, Outcome};

use crate::call::{stopped, Call, Overwrite};
use crate::deck::{Deck, Occasion, TapeState};
use crate::failure::written;
use crate::medium::{go, note, ready};
use crate::motion::go_to_address;
use crate::{asc, Key, Sense};

const FORMAT_MEDIUM: u8 = 0x04;
const SET_CAPACITY: u8 = 0x0b;

/// WRITE(6) and (16).
pub(crate) async fn write(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let blocks = call.blocks()?;
    prepare(deck, call, blocks.count > 0).await?;
    let before = deck.tape_state().await;
    let residue = |written| blocks.residue(written);
    for done in 0..blocks.count {
        let length = blocks.length;
        let outcome = deck
            .tape_at(Operation::Write { length }, done as usize * length)
            .await;
        let outcome = outcome.map_err(|error| written(&error, done, residue))?;
        if let Outcome::Full { .. } = outcome {
            return Err(full(blocks.residue(done)));
        }
    }
    end(deck, call, (blocks.count, residue), before, !call.buffered).await
}

/// WRITE FILEMARKS(6) and (16).
pub(crate) async fn filemarks(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let count = call.number(if call.is_long() { 12 } else { 2 }, 3) as u32;
    prepare(deck, call, count > 0).await?;
    let before = deck.tape_state().await;
    let residue = |written: u64| i64::from(count) - written as i64;
    if count > 0 {
        let outcome = deck.tape(Operation::WriteMarks(count)).await;
        let outcome = outcome.map_err(|error| written(&error, 0, residue))?;
        if let Outcome::Full { left } = outcome {
            sync(deck, (count - left).into(), residue).await?;
            return Err(full(left.into()));
        }
    }
    let immediate = call.flag(1) && call.buffered;
    end(deck, call, (count.into(), residue), before, !immediate).await
}

/// ERASE(6) and (16), short and long: the tape ends here.
pub(crate) async fn erase(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    prepare(deck, call, true).await?;
    go(deck, Operation::Erase).await.map(|_| ())
}

/// [`may_write`], and if something is going to be written, the cartridge knows
/// that it changes.
async fn prepare(deck: &Deck, call: &Call, something: bool) -> Result<(), Sense> {
    may_write(deck, call, something).await?;
    let state = deck.state().await;
    if something && !state.changed {
        note(deck, Occasion::Change).await?;
    }
    Ok(())
}

/// Goes to where the CDB says, and refuses to write if `something` is to be
/// written that mustn't.
pub(crate) async fn may_write(deck: &Deck, call: &Call, something: bool) -> Result<(), Sense> {
    if something && call.write_protected {
        return Err(Sense::new(Key::DataProtect, asc::WRITE_PROTECTED));
    }
    if call.is_long() {
        go_to_address(deck, call).await?;
    }
    if !something || !(call.worm || call.append_only) {
        return Ok(());
    }
    let here = deck.tape_state().await;
    let end = match here.end {
        Some(end) => end,
        None => {
            let found = go(deck, Operation::SpaceEnd).await;
            let end = deck.tape_state().await.position;
            let _: Outcome = go(deck, Operation::Locate(here.position.object)).await?;
            found.map(|_| end)?
        }
    };
    if here.position == end {
        return Ok(());
    }
    if call.worm {
        // All filemarks at the end but the first may be written over: programs
        // end a tape with two, and append in front of the second.
        let marks = end.marks - here.position.marks;
        if here.behind_mark && end.object - here.position.object == marks {
            return Ok(());
        }
        return Err(Sense::new(Key::DataProtect, asc::WORM_OVERWRITE));
    }
    let allowed = match call.overwrite {
        Overwrite::No => false,
        Overwrite::At(partition, object) => {
            (partition, object) == (here.partition, here.position.object)
        }
        Overwrite::Format => matches!(call.opcode(), FORMAT_MEDIUM | SET_CAPACITY),
    };
    let refused = Sense::new(Key::DataProtect, asc::WRITE_PROTECTED);
    allowed.then_some(()).ok_or(refused)
}

/// Ends a command that has written all its `objects`, before which the tape was
/// as in `before`.
async fn end(
    deck: &Deck,
    call: &Call,
    (objects, residue): (u64, impl Fn(u64) -> i64),
    before: TapeState,
    on_medium: bool,
) -> Result<(), Sense> {
    let after = deck.tape_state().await;
    let late = after.past_early_warning();
    // SEW: at early warning, what is buffered is written.
    if on_medium || (late && !before.past_early_warning()) {
        sync(deck, objects, residue).await?;
    }
    let met = if objects == 0 {
        return Ok(());
    } else if late {
        asc::END_OF_PARTITION
    } else if after.past_programmable(call.programmable)
        && !before.past_programmable(call.programmable)
    {
        asc::PROGRAMMABLE_EARLY_WARNING
    } else {
        return Ok(());
    };
    Err(Sense {
        eom: true,
        ..stopped(Key::NoSense, met, 0)
    })
}

async fn sync(deck: &Deck, accepted: u64, residue: impl Fn(u64) -> i64) -> Result<(), Sense> {
    let result: Result<Outcome, Error> = deck.tape(Operation::Sync).await;
    result
        .map(|_| ())
        .map_err(|error| written(&error, accepted, residue))
}

/// The partition is full.
fn full(residue: i64) -> Sense {
    Sense {
        eom: true,
        ..stopped(Key::VolumeOverflow, asc::END_OF_PARTITION, residue)
    }
}
