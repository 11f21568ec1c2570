// SPDX-License-Identifier: GPL-2.0-or-later
//! FORMAT MEDIUM, SET CAPACITY and ALLOW OVERWRITE: SSC-3 7.1, 7.6, SSC-4 7.1.

use tape_image::container::Operation as Change;
use tape_image::{Operation, Outcome};

use crate::call::{Call, Overwrite};
use crate::deck::{Deck, Occasion, TapeState};
use crate::medium::{change, go, note, ready};
use crate::write::may_write;
use crate::{asc, Key, Sense};

/// FORMAT MEDIUM: one partition, or those of the medium partition page.
pub(crate) async fn format(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    if call.number(3, 2) != 0 {
        return Err(Sense::cdb_field(3, None));
    }
    let planned = match call.byte(2) & 0x0f {
        0 => false,
        1 | 2 => true,
        _ => return Err(Sense::cdb_field(2, Some(3))),
    };
    at_the_beginning(deck, call).await?;
    let partitions = if planned {
        deck.plan().await?
    } else {
        vec![u64::MAX]
    };
    blank(deck, partitions).await?;
    begin_anew(deck).await?;
    note(deck, Occasion::Format).await
}

/// SET CAPACITY: so much of the tape is used from now on. What is on it goes.
pub(crate) async fn set_capacity(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    at_the_beginning(deck, call).await?;
    let proportion = call.number(3, 2) as u16;
    blank(deck, vec![u64::MAX]).await?;
    let set = change(deck, Change::SetProportion(proportion)).await;
    deck.forget().await;
    set.and(begin_anew(deck).await)
}

/// ALLOW OVERWRITE: in append-only mode, the next write may be at the position.
pub(crate) async fn allow_overwrite(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let state = deck.tape_state().await;
    let allowed = match call.byte(2) & 0x0f {
        0 => Overwrite::No,
        1 => {
            if usize::from(call.byte(3)) != state.partition {
                return Err(Sense::cdb_field(3, None));
            }
            if call.number(4, 8) != state.position.object {
                return Err(Sense::cdb_field(4, None));
            }
            Overwrite::At(state.partition, state.position.object)
        }
        2 => Overwrite::Format,
        _ => return Err(Sense::cdb_field(2, Some(3))),
    };
    deck.allow(allowed).await;
    Ok(())
}

/// WRITE ATTRIBUTE: medium auxiliary memory, SPC-4 6.43.
pub(crate) async fn write_attribute(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let data = deck.copy(0..call.transfer.bytes() as usize).await;
    let attributes = deck.attributes(data).await?;
    let partition = usize::from(call.byte(7));
    let had_header = deck.state().await.header;
    let _: Outcome = go(deck, Operation::Sync).await?;
    let set = Change::SetAttributes {
        partition,
        attributes,
    };
    let changed = change(deck, set).await;
    if had_header {
        return changed;
    }
    if deck.state().await.header {
        // The blank tape has moved to behind it.
        deck.forget().await;
        begin_anew(deck).await?;
    }
    changed
}

/// Refuses anywhere but at the beginning of partition 0, and what mustn't be
/// written to.
async fn at_the_beginning(deck: &Deck, call: &Call) -> Result<(), Sense> {
    let TapeState {
        partition,
        position,
        ..
    } = deck.tape_state().await;
    if (partition, position.object) != (0, 0) {
        return Err(Sense::new(Key::IllegalRequest, asc::NOT_AT_BEGINNING));
    }
    may_write(deck, call, true).await
}

async fn blank(deck: &Deck, partitions: Vec<u64>) -> Result<(), Sense> {
    let _: Outcome = go(deck, Operation::Sync).await?;
    let changed = change(deck, Change::Format { partitions }).await;
    deck.forget().await;
    if changed.is_err() {
        // Whatever there is now.
        begin_anew(deck).await?;
    }
    changed
}

/// At the beginning of partition 0 of a cartridge that has changed.
async fn begin_anew(deck: &Deck) -> Result<(), Sense> {
    change(deck, Change::Load).await?;
    deck.mount(0).await;
    let _: Outcome = go(deck, Operation::Load).await?;
    deck.loaded().await;
    Ok(())
}
