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

use crate::bytes::Reader;
use crate::cartridge::{Place, Slot, Standing};
use crate::core::Core;
use crate::counters::Counters;
use crate::drive::Drive;
use crate::sense::{Key, Sense};
use crate::spc::diagnostic::Buffers;
use crate::spc::reserve::Reservations;
use crate::spc::timestamp::Timestamp;

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
    pub fn save(&self) -> Vec<u8> {
        let core = self.idle();
        let mut bytes = MAGIC.to_vec();
        let mut counters = core.counters.clone();
        let passes: Vec<u64> = counters.passes().map(|passes| *passes).collect();
        let more = core.partly != 0 || passes.iter().any(|&passes| passes != 0);
        bytes.push(if more { VERSION } else { VERSION_1 });
        // Or where it was in the drive before this one, which hasn't got it yet.
        let place = core.slot.as_ref().map(Slot::place).or(core.restored);
        bytes.push(place.map_or(0, |place| place.standing as u8 + 1));
        let (partition, object) = place.map_or((0, 0), |place| place.resume);
        bytes.push(partition as u8);
        bytes.extend(object.to_be_bytes());
        bytes.push(core.prevented.into());
        if core.prevented {
            bytes.extend(0u32.to_be_bytes());
        }
        bytes.push(core.deferred.is_some().into());
        if let Some(sense) = core.deferred {
            bytes.push(sense.key as u8);
            bytes.extend(sense.asc.to_be_bytes());
            bytes.push(sense.eom.into());
            bytes.extend(sense.information.unwrap_or(0).to_be_bytes());
        }
        core.modes.save(&mut bytes);
        core.reservations.save(&mut bytes);
        core.counters.save(&mut bytes);
        core.buffers.save(&mut bytes);
        core.timestamp.save(&mut bytes);
        if more {
            bytes.extend(core.partly.to_be_bytes());
            bytes.extend(passes.into_iter().flat_map(u64::to_be_bytes));
        }
        bytes
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
        read(&mut new, bytes)?;
        new.slot = core.slot.take();
        new.stand_as_restored();
        *core = new;
        Ok(())
    }
}

/// Reads a saved state into a new drive's core.
fn read(core: &mut Core, bytes: &[u8]) -> Result<(), RestoreError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(RestoreError::Foreign)?;
    let reader = &mut Reader::new(rest);
    let damaged = RestoreError::Damaged;
    let version = match reader.u8() {
        Some(version @ VERSION_1..=VERSION) => version,
        Some(other) => return Err(RestoreError::Version(other)),
        None => return Err(damaged("it ends early")),
    };
    core.restored = place(reader).ok_or(damaged("cartridge"))?;
    core.prevented = prevented(reader).ok_or(damaged("prevention"))?;
    core.deferred = deferred(reader).ok_or(damaged("deferred error"))?;
    parameters(core, reader).ok_or(damaged("parameters"))?;
    if version > VERSION_1 {
        core.partly = reader.u32().ok_or(damaged("it ends early"))?;
        for passes in core.counters.passes() {
            *passes = reader.u64().ok_or(damaged("it ends early"))?;
        }
    }
    match reader.is_empty() {
        true => Ok(()),
        false => Err(damaged("something follows it")),
    }
}

fn parameters(core: &mut Core, reader: &mut Reader) -> Option<()> {
    core.modes.restore(reader)?;
    core.reservations = Reservations::restore(reader)?;
    core.counters = Counters::restore(reader)?;
    core.buffers = Buffers::restore(reader)?;
    core.timestamp = Timestamp::restore(reader)?;
    Some(())
}

fn place(reader: &mut Reader) -> Option<Option<Place>> {
    let standing = reader.u8()?;
    let resume = (reader.u8()?, reader.u64()?);
    let standing = match standing {
        0 => return Some(None),
        1 => Standing::Loaded,
        2 => Standing::Held,
        3 => Standing::Unloaded,
        4 => Standing::Parked,
        _ => return None,
    };
    (usize::from(resume.0) < PARTITIONS_MAX).then_some(Some(Place {
        standing,
        resume: (resume.0.into(), resume.1),
    }))
}

fn prevented(reader: &mut Reader) -> Option<bool> {
    let initiators = reader.u8()?;
    for _ in 0..initiators {
        reader.u32()?;
    }
    Some(initiators != 0)
}

fn deferred(reader: &mut Reader) -> Option<Option<Sense>> {
    if !reader.flag()? {
        return Some(None);
    }
    let key = match reader.u8()? {
        0x3 => Key::MediumError,
        0x4 => Key::HardwareError,
        0xd => Key::VolumeOverflow,
        _ => return None,
    };
    let sense = Sense::new(key, reader.u16()?);
    Some(Some(Sense {
        eom: reader.flag()?,
        information: Some(reader.u64()? as i64),
        deferred: true,
        ..sense
    }))
}
