// SPDX-License-Identifier: GPL-2.0-or-later
//! REWIND, SPACE, LOCATE, LOAD UNLOAD, and the addresses of 16-byte commands:
//! SSC-3 6.4 to 6.6, 6.8, 6.13, 6.14. IMMED is answered when it is done.

use tape_image::{Operation, Outcome, Stop};

use crate::call::{at_beginning, at_end_of_data, at_filemark, Call};
use crate::command::signed;
use crate::deck::{Deck, Occasion};
use crate::medium::{change_partition, go as tape, note, present, ready};
use crate::state::Standing;
use crate::{asc, Key, Sense};

/// REWIND.
pub(crate) async fn rewind(deck: &Deck) -> Result<(), Sense> {
    ready(deck).await?;
    tape(deck, Operation::Rewind).await.map(|_| ())
}

/// SPACE(6) and (16).
pub(crate) async fn space(deck: &Deck, call: &Call) -> Result<(), Sense> {
    ready(deck).await?;
    let count = if call.is_long() {
        signed(call.cdb(), 4, 8)
    } else {
        signed(call.cdb(), 2, 3)
    };
    if call.is_long() && call.number(12, 2) != 0 {
        // A parameter list: none of the codes below has one.
        return Err(Sense::cdb_field(12, None));
    }
    let operation = match call.byte(1) & 0x0f {
        0 => Operation::SpaceRecords(count),
        1 => Operation::SpaceMarks(count),
        2 => Operation::SpaceSequentialMarks(count),
        3 => Operation::SpaceEnd,
        // Setmarks, 4 and 5, are of the past.
        _ => return Err(Sense::cdb_field(1, Some(3))),
    };
    go(deck, operation).await
}

/// LOCATE(10) and (16).
pub(crate) async fn locate(deck: &Deck, call: &Call) -> Result<(), Sense> {
    const CP: u8 = 2;
    ready(deck).await?;
    let long = call.is_long();
    let (partition, destination) = if long {
        (call.byte(3), call.number(4, 8))
    } else {
        (call.byte(8), call.number(3, 4))
    };
    let operation = match call.byte(1) >> 3 {
        0 => Operation::Locate(destination),
        1 => Operation::LocateMark(destination),
        3 => Operation::SpaceEnd,
        _ => return Err(Sense::cdb_field(1, Some(5))),
    };
    if call.flag(CP) {
        let field = if long { 3 } else { 8 };
        go_to_partition(deck, partition, field).await?;
    }
    go(deck, operation).await
}

/// Goes where a 16-byte READ, WRITE and the like say. The FCS and LCS bits need
/// nothing done: commands come one at a time.
pub(crate) async fn go_to_address(deck: &Deck, call: &Call) -> Result<(), Sense> {
    go_to_partition(deck, call.byte(3), 3).await?;
    let object = call.number(4, 8);
    if deck.tape_state().await.position.object == object {
        return Ok(());
    }
    go(deck, Operation::Locate(object)).await
}

async fn go_to_partition(deck: &Deck, partition: u8, field: usize) -> Result<(), Sense> {
    if usize::from(partition) >= deck.state().await.partitions {
        return Err(Sense::cdb_field(field, None));
    }
    change_partition(deck, partition.into()).await
}

/// Carries out a motion, and says why it ended early.
async fn go(deck: &Deck, operation: Operation) -> Result<(), Sense> {
    let Outcome::Moved { left, stop } = tape(deck, operation).await? else {
        unreachable!("{operation:?} is a motion");
    };
    // A residue is positive, back or forth.
    let residue = i64::try_from(left).unwrap_or(i64::MAX);
    match stop {
        Stop::Done => Ok(()),
        Stop::Mark => Err(at_filemark(residue)),
        Stop::Beginning => Err(at_beginning(residue)),
        Stop::End => {
            let eom = deck.tape_state().await.eom_at_end();
            Err(at_end_of_data(residue, eom))
        }
    }
}

/// LOAD UNLOAD. A tape has no tension: RETEN needs nothing done.
pub(crate) async fn load_unload(deck: &Deck, call: &Call) -> Result<(), Sense> {
    const HOLD: u8 = 8;
    const EOT: u8 = 4;
    const LOAD: u8 = 1;
    let bits = call.byte(4);
    let (hold, load) = (bits & HOLD != 0, bits & LOAD != 0);
    let state = deck.state().await;
    if bits & EOT != 0 && load {
        return Err(Sense::cdb_field(4, Some(2)));
    }
    if state.standing.is_none() {
        return Err(Sense::new(Key::NotReady, asc::MEDIUM_NOT_PRESENT));
    }
    if load && !hold {
        deck.stand(Standing::Loaded).await;
        ready(deck).await?;
        change_partition(deck, 0).await?;
        return rewind(deck).await;
    }
    if !load && state.standing == Some(Standing::Unloaded) {
        present(&state)?;
    }
    let park = !hold && state.prevented && call.autoload;
    if !hold && state.prevented && !park {
        return Err(Sense::new(Key::IllegalRequest, asc::REMOVAL_PREVENTED));
    }
    if park && state.standing == Some(Standing::Loaded) {
        ready(deck).await?;
        change_partition(deck, 0).await?;
        rewind(deck).await?;
    }
    flush_partitions(deck).await?;
    if state.loaded && state.standing == Some(Standing::Loaded) {
        note(deck, Occasion::Unload).await?;
    }
    deck.stand(match (hold, park) {
        (true, _) => Standing::Held,
        (_, true) => Standing::Parked,
        _ => Standing::Unloaded,
    })
    .await;
    Ok(())
}

/// Brings a cartridge back that an UNLOAD has parked.
pub(crate) async fn unpark(deck: &Deck) {
    if deck.state().await.standing == Some(Standing::Parked) {
        deck.stand(Standing::Loaded).await;
    }
}

/// Leaves every partition synced and its index saved.
pub(crate) async fn flush_partitions(deck: &Deck) -> Result<(), Sense> {
    let state = deck.state().await;
    if !state.loaded {
        return Ok(());
    }
    // The current one first: it may have something that isn't synced.
    let others = (0..state.partitions).filter(|&p| p != state.partition);
    let mounted = others.filter(|p| state.mounted & 1 << p != 0);
    for partition in std::iter::once(state.partition).chain(mounted) {
        deck.mount(partition).await;
        let unloaded = tape(deck, Operation::Unload).await;
        if unloaded.is_err() {
            deck.mount(state.partition).await;
        }
        let _: Outcome = unloaded?;
    }
    deck.mount(state.partition).await;
    Ok(())
}
