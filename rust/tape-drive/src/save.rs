// SPDX-License-Identifier: GPL-2.0-or-later
//! The drive's state as bytes, for migration: everything but the cartridge's
//! image, and the commands, of which there are none then.
//!
//! ```text
//!  "TAPE"  u8 version, 1; 2 with what only it has
//!  u8      cartridge: 0 none, 1 loaded, 2 held, 3 unloaded, 4 parked
//!  u8      partition      u64  object at the position
//!  u8      initiators that prevent removal, then a u32 for each
//!  u8      a deferred error: 0, or 1 and
//!            u8 key, u16 code, u8 EOM, u64 INFORMATION
//!  …       parameters
//!  u32     (version 2) bytes read of the record before the position
//!  u64 × 4 (version 2) passes over beginning and middle: all, and of this mount
//! ```
//!
//! Numbers are big-endian.

use tape_image::container::PARTITIONS_MAX;

use crate::cartridge::{Place, Slot, Standing};
use crate::core::Core;
use crate::drive::Drive;
use crate::sense::{Key, Sense};
use crate::state::State;

const MAGIC: &[u8; 4] = b"TAPE";
const VERSION: u8 = 2;
/// What is written if it says all there is to say: others read it, too.
const VERSION_1: u8 = 1;

/// Why a saved state can't be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes are something else.
    #[error("this is not the state of a tape drive")]
    Foreign,
    /// The state was saved by something newer.
    #[error("the state has version {0}, and this is for version {VERSION}: update this side")]
    Version(u8),
    /// The state is too short, too long, or says what can't be.
    #[error("the state of the tape drive is damaged: {0}")]
    Damaged(&'static str),
}

impl Drive {
    /// The state, for [`restore`](Self::restore) of a drive with the same
    /// configuration. What isn't synced is not in it.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn save(&mut self) -> Vec<u8> {
        let core = self.idle_mut();
        let more = core.partly != 0 || core.counters.passes().iter().any(|passes| **passes != 0);
        let version = if more { VERSION } else { VERSION_1 };
        let mut bytes = MAGIC.to_vec();
        bytes.push(version);
        let mut state = State::Saving(bytes);
        let whole = fields(core, version, &mut state);
        debug_assert_eq!(whole, Ok(()), "what is so can be");
        match state {
            State::Saving(bytes) => bytes,
            State::Restoring(_) => unreachable!("it was written"),
        }
    }

    /// Takes over what another drive saved. The cartridge is inserted before or
    /// afterwards; it is read again, and the position taken up, by the first
    /// command that needs it. What wasn't synced before is lost. After an error,
    /// the drive is as it was.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let core = self.idle_mut();
        let mut new = Core::new(core.config.clone(), core.port.clone());
        match bytes.strip_prefix(MAGIC).ok_or(RestoreError::Foreign)? {
            [version @ VERSION_1..=VERSION, rest @ ..] => {
                fields(&mut new, *version, &mut State::Restoring(rest))?;
            }
            [version, ..] => return Err(RestoreError::Version(*version)),
            [] => return Err(RestoreError::Damaged("it ends early")),
        }
        new.slot = core.slot.take();
        new.stand_as_restored();
        *core = new;
        Ok(())
    }
}

/// Goes over the state of a core.
fn fields(core: &mut Core, version: u8, state: &mut State<'_>) -> Result<(), RestoreError> {
    let damaged = RestoreError::Damaged;
    place(core, state).ok_or(damaged("cartridge"))?;
    prevented(core, state).ok_or(damaged("prevention"))?;
    deferred(core, state).ok_or(damaged("deferred error"))?;
    parameters(core, state).ok_or(damaged("parameters"))?;
    if version > VERSION_1 {
        second_version(core, state).ok_or(damaged("it ends early"))?;
    }
    match state {
        State::Restoring([_, ..]) => Err(damaged("something follows it")),
        _ => Ok(()),
    }
}

/// Where the cartridge is, or was in the drive before this one, which hasn't got
/// it yet.
fn place(core: &mut Core, state: &mut State<'_>) -> Option<()> {
    use Standing::{Held, Loaded, Parked, Unloaded};
    let here = core.slot.as_ref().map(Slot::place);
    let place = here.or(core.restored);
    let standing = state.u8(place.map_or(0, |place| place.standing as u8 + 1))?;
    let (partition, object) = place.map_or((0, 0), |place| place.resume);
    let resume = (state.u8(partition as u8)?.into(), state.u64(object)?);
    let place = match standing.checked_sub(1) {
        None => None,
        Some(number) => Some(Place {
            standing: *[Loaded, Held, Unloaded, Parked].get(usize::from(number))?,
            resume,
        }),
    };
    if here.is_none() {
        core.restored = place;
    }
    (place.is_none() || resume.0 < PARTITIONS_MAX).then_some(())
}

/// Who prevents removal: once, that was a list.
fn prevented(core: &mut Core, state: &mut State<'_>) -> Option<()> {
    let nexuses = state.u8(core.prevented.into())?;
    core.prevented = nexuses != 0;
    (0..nexuses).try_for_each(|_| state.u32(0).map(drop))
}

fn deferred(core: &mut Core, state: &mut State<'_>) -> Option<()> {
    if !state.flag(core.deferred.is_some())? {
        return Some(());
    }
    let sense = core.deferred.unwrap_or(Sense::NOTHING);
    let key = state.u8(sense.key as u8)?;
    let keys = [Key::MediumError, Key::HardwareError, Key::VolumeOverflow];
    let key = keys.into_iter().find(|known| *known as u8 == key)?;
    core.deferred = Some(Sense {
        deferred: true,
        ..Sense::new(key, state.u16(sense.asc)?)
    });
    let deferred = core.deferred.as_mut()?;
    deferred.eom = state.flag(sense.eom)?;
    let information = sense.information.unwrap_or(0);
    deferred.information = Some(state.u64(information as u64)? as i64);
    Some(())
}

fn parameters(core: &mut Core, state: &mut State<'_>) -> Option<()> {
    core.modes.state(state)?;
    core.reservations.state(state)?;
    core.counters.state(state)?;
    core.buffers.state(state)?;
    core.timestamp.state(state)
}

fn second_version(core: &mut Core, state: &mut State<'_>) -> Option<()> {
    core.partly = state.u32(core.partly)?;
    for passes in core.counters.passes() {
        *passes = state.u64(*passes)?;
    }
    Some(())
}
