// SPDX-License-Identifier: GPL-2.0-or-later
//! REWIND, SPACE, LOCATE, LOAD UNLOAD, and the addresses of 16-byte commands:
//! SSC-3 6.4 to 6.6, 6.8, 6.13, 6.14. IMMED is answered when it is done.

use tape_image::{Operation, Outcome, Stop};

use super::blocks::{at_beginning, at_end_of_data, at_filemark};
use crate::bytes::signed;
use crate::cartridge::Standing;
use crate::command::{commands, Call, Length, CHANGES, MOVES, UNPARKS, WRITES};
use crate::core::Core;
use crate::sense::{asc, Key, Sense};

commands! {
    0x00, "TEST UNIT READY", Length::None, 0, tape test_unit_ready, [0 0 0 0 0];
    0x01, "REWIND", Length::None, MOVES | UNPARKS, tape rewind, [1 0 0 0 0];
    0x11, "SPACE(6)", Length::None, MOVES | UNPARKS, tape space, [0x0f 0xff 0xff 0xff 0];
    0x1b, "LOAD UNLOAD", Length::None, WRITES | CHANGES, tape load_unload, [1 0 0 0x0f 0];
    0x2b, "LOCATE(10)", Length::None, MOVES | UNPARKS, tape locate,
        [7 0 0xff 0xff 0xff 0xff 0 0xff 0];
    0x91, "SPACE(16)", Length::OutField(12, 2), MOVES | UNPARKS, tape space,
        [0x0f 0 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0];
    0x92, "LOCATE(16)", Length::None, MOVES | UNPARKS, tape locate,
        [0x3b 1 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0 0 0];
}

async fn test_unit_ready(core: &mut Core, _: &Call) -> Result<(), Sense> {
    core.ready().await
}

/// REWIND.
async fn rewind(core: &mut Core, _: &Call) -> Result<(), Sense> {
    core.ready().await?;
    core.tape(Operation::Rewind).await.map(drop)
}

/// SPACE(6) and (16).
async fn space(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
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
    go(core, operation).await
}

/// LOCATE(10) and (16).
async fn locate(core: &mut Core, call: &Call) -> Result<(), Sense> {
    const CP: u8 = 2;
    core.ready().await?;
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
        go_to_partition(core, partition, field).await?;
    }
    go(core, operation).await
}

/// Goes where a 16-byte READ, WRITE and the like say. The FCS and LCS bits need
/// nothing done: commands come one at a time.
pub(super) async fn go_to_address(core: &mut Core, call: &Call) -> Result<(), Sense> {
    go_to_partition(core, call.byte(3), 3).await?;
    let object = call.number(4, 8);
    if core.tape_state().position.object == object {
        return Ok(());
    }
    go(core, Operation::Locate(object)).await
}

async fn go_to_partition(core: &mut Core, partition: u8, field: usize) -> Result<(), Sense> {
    if usize::from(partition) >= core.slot().partitions() {
        return Err(Sense::cdb_field(field, None));
    }
    core.change_partition(partition.into()).await
}

/// Carries out a motion, and says why it ended early.
async fn go(core: &mut Core, operation: Operation) -> Result<(), Sense> {
    let Outcome::Moved { left, stop } = core.tape(operation).await? else {
        unreachable!("{operation:?} is a motion");
    };
    // A residue is positive, back or forth.
    let residue = i64::try_from(left).unwrap_or(i64::MAX);
    match stop {
        Stop::Done => Ok(()),
        Stop::Mark => Err(at_filemark(residue)),
        Stop::Beginning => Err(at_beginning(residue)),
        Stop::End => {
            let eom = core.tape_state().eom_at_end();
            Err(at_end_of_data(residue, eom))
        }
    }
}

/// LOAD UNLOAD. A tape has no tension: RETEN needs nothing done.
async fn load_unload(core: &mut Core, call: &Call) -> Result<(), Sense> {
    const HOLD: u8 = 8;
    const EOT: u8 = 4;
    const LOAD: u8 = 1;
    let bits = call.byte(4);
    let (hold, load) = (bits & HOLD != 0, bits & LOAD != 0);
    if bits & EOT != 0 && load {
        return Err(Sense::cdb_field(4, Some(2)));
    }
    let Some(standing) = core.standing() else {
        return Err(Sense::NO_MEDIUM);
    };
    if load && !hold {
        core.stand(Standing::Loaded);
        core.ready().await?;
        core.change_partition(0).await?;
        return rewind(core, call).await;
    }
    if !load && standing == Standing::Unloaded {
        core.slot().present()?;
    }
    let park = !hold && core.prevented && core.config.autoload_after_unload;
    if !hold && core.prevented && !park {
        return Err(Sense::new(Key::IllegalRequest, asc::REMOVAL_PREVENTED));
    }
    let was_loaded = core.slot().loaded;
    if park && standing == Standing::Loaded {
        core.ready().await?;
        core.change_partition(0).await?;
        rewind(core, call).await?;
    }
    core.flush_partitions().await?;
    if was_loaded {
        core.note_unload().await?;
    }
    core.stand(match (hold, park) {
        (true, _) => Standing::Held,
        (_, true) => Standing::Parked,
        _ => Standing::Unloaded,
    });
    Ok(())
}
