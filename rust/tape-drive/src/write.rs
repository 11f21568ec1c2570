// SPDX-License-Identifier: GPL-2.0-or-later
//! WRITE and WRITE FILEMARKS: SSC-3 5.9, 5.10, 6.15, 6.16. ERASE, which also
//! has to be allowed.

use tape_image::{Error, Operation, Outcome};

use crate::call::{stopped, Call};
use crate::deck::{Deck, TapeState};
use crate::failure::{sense_of, written};
use crate::medium::{go, ready};
use crate::motion::go_to_address;
use crate::{asc, Key, Sense};

/// WRITE(6) and (16).
pub(crate) async fn write(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let blocks = call.blocks()?;
    may_write(deck, call, blocks.count > 0).await?;
    for done in 0..blocks.count {
        let residue = blocks.residue(done);
        let length = blocks.length;
        let outcome = deck
            .tape_at(Operation::Write { length }, done as usize * length)
            .await;
        match outcome.map_err(|error| written(&error, done, residue))? {
            Outcome::Full { .. } => return Err(full(residue)),
            _ => {}
        }
    }
    end(deck, call, blocks.count, !call.buffered).await
}

/// WRITE FILEMARKS(6) and (16).
pub(crate) async fn filemarks(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let count = call.number(if call.is_long() { 12 } else { 2 }, 3) as u32;
    may_write(deck, call, count > 0).await?;
    if count > 0 {
        let outcome = deck.tape(Operation::WriteMarks(count)).await;
        match outcome.map_err(|error| written(&error, 0, count.into()))? {
            Outcome::Full { left } => {
                sync(deck, u64::from(count - left), left.into()).await?;
                return Err(full(left.into()));
            }
            _ => {}
        }
    }
    let immediate = call.flag(1) && call.buffered;
    end(deck, call, count.into(), !immediate).await
}

/// ERASE(6) and (16), short and long: the tape ends here.
pub(crate) async fn erase(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    may_write(deck, call, true).await?;
    go(deck, Operation::Erase).await.map(|_| ())
}

/// Is this past early warning, where writes are answered with EOM?
pub(crate) fn past_early_warning(call: &Call, state: &TapeState) -> bool {
    state
        .capacity
        .is_some_and(|capacity| state.used > capacity.saturating_sub(call.early_warning))
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
    if !(something && call.worm) {
        return Ok(());
    }
    let state = deck.tape_state().await;
    if state.end == Some(state.position) {
        return Ok(());
    }
    let next = deck.tape(Operation::Read { limit: 0 }).await;
    if next == Ok(Outcome::End) {
        return Ok(());
    }
    let back = deck.tape(Operation::Locate(state.position.object)).await;
    let _: Outcome = next.and(back).map_err(|error| sense_of(&error))?;
    Err(Sense::new(Key::DataProtect, asc::WORM_OVERWRITE))
}

/// Ends a command that has written `objects`.
async fn end(deck: &Deck, call: &Call, objects: u64, on_medium: bool) -> Result<(), Sense> {
    if on_medium {
        sync(deck, objects, 0).await?;
    }
    if objects > 0 && past_early_warning(call, &deck.tape_state().await) {
        return Err(Sense {
            eom: true,
            ..stopped(Key::NoSense, asc::END_OF_PARTITION, 0)
        });
    }
    Ok(())
}

async fn sync(deck: &Deck, accepted: u64, residue: i64) -> Result<(), Sense> {
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
