// SPDX-License-Identifier: GPL-2.0-or-later
//! FORMAT MEDIUM, SET CAPACITY and ALLOW OVERWRITE: SSC-3 7.1, 7.6, SSC-4 7.1.

use tape_image::container::Operation as Change;
use tape_image::{Operation, Outcome};

use super::write::{may_write, WRITING};
use crate::cartridge::TapeState;
use crate::command::{commands, Call, Length};
use crate::core::{Core, Overwrite};
use crate::density::usual_capacity;
use crate::sense::{asc, Key, Sense};
use crate::spc::attribute::life::Event;

commands! {
    0x04, "FORMAT MEDIUM", Length::OutField(3, 2), WRITING, tape format, [3 0x0f 0xff 0xff 0];
    0x0b, "SET CAPACITY", Length::None, WRITING, tape set_capacity, [1 0 0xff 0xff 0];
    0x82, "ALLOW OVERWRITE", Length::None, 0, tape allow_overwrite,
        [0 0x0f 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0 0 0];
}

/// FORMAT MEDIUM: one partition, or those of the medium partition page.
async fn format(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    if call.number(3, 2) != 0 {
        return Err(Sense::cdb_field(3, None));
    }
    let planned = match call.byte(2) & 0x0f {
        0 => false,
        1 | 2 => true,
        _ => return Err(Sense::cdb_field(2, Some(3))),
    };
    at_the_beginning(core, call).await?;
    let partitions = if planned {
        partitions(core)?
    } else {
        vec![u64::MAX]
    };
    blank(core, partitions).await?;
    core.begin_anew().await?;
    core.note(Event::Format).await
}

/// SET CAPACITY: so much of the tape is used from now on. What is on it goes.
async fn set_capacity(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    at_the_beginning(core, call).await?;
    let proportion = call.number(3, 2) as u16;
    blank(core, vec![u64::MAX]).await?;
    let set = core.change(Change::SetProportion(proportion)).await;
    core.forget();
    let anew = core.begin_anew().await;
    set.and(anew)
}

/// ALLOW OVERWRITE: in append-only mode, the next write may be at the position.
async fn allow_overwrite(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    let state = core.tape_state();
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
    core.overwrite = allowed;
    Ok(())
}

/// Refuses anywhere but at the beginning of partition 0, and what mustn't be
/// written to.
async fn at_the_beginning(core: &mut Core, call: &Call) -> Result<(), Sense> {
    let TapeState {
        partition,
        position,
        ..
    } = core.tape_state();
    if (partition, position.object) != (0, 0) {
        return Err(Sense::new(Key::IllegalRequest, asc::NOT_AT_BEGINNING));
    }
    may_write(core, call, true, true).await
}

async fn blank(core: &mut Core, partitions: Vec<u64>) -> Result<(), Sense> {
    let _: Outcome = core.tape(Operation::Sync).await?;
    let changed = core.change(Change::Format { partitions }).await;
    core.forget();
    if changed.is_err() {
        // Whatever there is now.
        core.begin_anew().await?;
    }
    changed
}

/// What the medium partition page makes of a cartridge: bytes of each partition.
/// Only the last can be without a bound, so others get their share of what such
/// cartridges usually hold.
fn partitions(core: &Core) -> Result<Vec<u64>, Sense> {
    let mut sizes = core.modes.partition_plan(core.config.capacity)?;
    let [others @ .., last] = &mut sizes[..] else {
        return Ok(sizes);
    };
    if others.is_empty() {
        // All of the image, however much that is.
        *last = u64::MAX;
    }
    let share = usual_capacity(&core.config) / (others.len() as u64 + 1);
    for size in others.iter_mut().filter(|size| **size == u64::MAX) {
        *size = share;
    }
    Ok(sizes)
}
