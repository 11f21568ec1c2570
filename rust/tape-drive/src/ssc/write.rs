// SPDX-License-Identifier: GPL-2.0-or-later
//! WRITE and WRITE FILEMARKS: SSC-3 5.9, 5.10, 6.15, 6.16. ERASE, which also
//! has to be allowed.

use tape_image::{Operation, Outcome};

use super::blocks::{blocks, stopped, Blocks};
use super::motion::go_to_address;
use crate::cartridge::TapeState;
use crate::command::{commands, Call, Length, CHANGES, UNPARKS, WRITES};
use crate::core::{Core, Overwrite};
use crate::failure::written;
use crate::sense::{asc, Key, Sense};
use crate::spc::attribute::life::Event;

/// What all commands do that write.
pub(super) const WRITING: u8 = WRITES | CHANGES | UNPARKS;

commands! {
    0x0a, "WRITE(6)", Length::Write(2), WRITING, tape write, [1 0xff 0xff 0xff 0];
    0x10, "WRITE FILEMARKS(6)", Length::None, WRITING, tape filemarks, [1 0xff 0xff 0xff 0];
    0x19, "ERASE(6)", Length::None, WRITING, tape erase, [3 0 0 0 0];
    0x80, "WRITE FILEMARKS(16)", Length::None, WRITING, tape filemarks,
        [0x0d 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x8a, "WRITE(16)", Length::Write(12), WRITING, tape write,
        [0x0d 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x93, "ERASE(16)", Length::None, WRITING, tape erase,
        [0x0f 0 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0 0 0 0];
}

/// WRITE(6) and (16).
async fn write(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    let blocks = blocks(core, call)?;
    prepare(core, call, blocks.count > 0).await?;
    let before = core.tape_state();
    for done in 0..blocks.count {
        let length = blocks.length;
        let outcome = core
            .tape_at(Operation::Write { length }, done as usize * length)
            .await;
        let outcome =
            outcome.map_err(|error| written(&error, done, |done| blocks.residue(done)))?;
        if let Outcome::Full { .. } = outcome {
            return Err(full(blocks.residue(done)));
        }
    }
    let on_medium = !core.modes.buffered();
    end(core, blocks, before, on_medium).await
}

/// WRITE FILEMARKS(6) and (16).
async fn filemarks(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    let count = call.number(if call.is_long() { 12 } else { 2 }, 3) as u32;
    prepare(core, call, count > 0).await?;
    let before = core.tape_state();
    let blocks = Blocks {
        fixed: true,
        count: count.into(),
        length: 0,
    };
    if count > 0 {
        let outcome = core.tape_at(Operation::WriteMarks(count), 0).await;
        let outcome = outcome.map_err(|error| written(&error, 0, |done| blocks.residue(done)))?;
        if let Outcome::Full { left } = outcome {
            sync(core, (count - left).into(), blocks).await?;
            return Err(full(left.into()));
        }
    }
    let immediate = call.flag(1) && core.modes.buffered();
    end(core, blocks, before, !immediate).await
}

/// ERASE(6) and (16), short and long: the tape ends here.
async fn erase(core: &mut Core, call: &Call) -> Result<(), Sense> {
    core.ready().await?;
    prepare(core, call, true).await?;
    core.tape(Operation::Erase).await.map(|_| ())
}

/// [`may_write`], and if something is going to be written, the cartridge knows
/// that it changes.
async fn prepare(core: &mut Core, call: &Call, something: bool) -> Result<(), Sense> {
    may_write(core, call, something, false).await?;
    if something && !core.slot().changed {
        core.note(Event::Change).await?;
    }
    Ok(())
}

/// Goes to where the CDB says, and refuses to write if `something` is to be
/// written that mustn't.
///
/// `formats`: all of the tape goes.
pub(super) async fn may_write(
    core: &mut Core,
    call: &Call,
    something: bool,
    formats: bool,
) -> Result<(), Sense> {
    if something && core.write_protected() {
        return Err(Sense::new(Key::DataProtect, asc::WRITE_PROTECTED));
    }
    if call.is_long() {
        go_to_address(core, call).await?;
    }
    if !something || !(core.config.worm || core.modes.append_only()) {
        return Ok(());
    }
    let here = core.tape_state();
    let end = match here.end {
        Some(end) => end,
        None => {
            let found = core.tape(Operation::SpaceEnd).await;
            let end = core.tape_state().position;
            let _: Outcome = core.tape(Operation::Locate(here.position.object)).await?;
            found.map(|_| end)?
        }
    };
    if here.position == end {
        return Ok(());
    }
    if core.config.worm {
        // All filemarks at the end but the first may be written over: programs
        // end a tape with two, and append in front of the second.
        let marks = end.marks - here.position.marks;
        if here.behind_mark && end.object - here.position.object == marks {
            return Ok(());
        }
        return Err(Sense::new(Key::DataProtect, asc::WORM_OVERWRITE));
    }
    let allowed = match core.progress.overwrite {
        Overwrite::No => false,
        Overwrite::At(partition, object) => {
            (partition, object) == (here.partition, here.position.object)
        }
        Overwrite::Format => formats,
    };
    let refused = Sense::new(Key::DataProtect, asc::WRITE_PROTECTED);
    allowed.then_some(()).ok_or(refused)
}

/// Ends a command that has written all its blocks or marks, before which the tape was
/// as in `before`.
async fn end(
    core: &mut Core,
    blocks: Blocks,
    before: TapeState,
    on_medium: bool,
) -> Result<(), Sense> {
    let after = core.tape_state();
    let programmable = core.modes.early_warning_size();
    let late = after.past_early_warning();
    // SEW: at early warning, what is buffered is written.
    if on_medium || (late && !before.past_early_warning()) {
        sync(core, blocks.count, blocks).await?;
    }
    let met = if blocks.count == 0 {
        return Ok(());
    } else if late {
        asc::END_OF_PARTITION
    } else if after.past_programmable(programmable) && !before.past_programmable(programmable) {
        asc::PROGRAMMABLE_EARLY_WARNING
    } else {
        return Ok(());
    };
    Err(Sense {
        eom: true,
        ..stopped(Key::NoSense, met, 0)
    })
}

/// Has `accepted` of a command's blocks or marks on the medium.
async fn sync(core: &mut Core, accepted: u64, blocks: Blocks) -> Result<(), Sense> {
    let synced = core.tape_at(Operation::Sync, 0).await;
    let sense = |error| written(&error, accepted, |done| blocks.residue(done));
    synced.map(drop).map_err(sense)
}

/// The partition is full.
fn full(residue: i64) -> Sense {
    Sense {
        eom: true,
        ..stopped(Key::VolumeOverflow, asc::END_OF_PARTITION, residue)
    }
}
