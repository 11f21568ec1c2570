// SPDX-License-Identifier: GPL-2.0-or-later
//! Who may use the drive: RESERVE and RELEASE (SPC-2 5.5.1), and persistent
//! reservations (SPC-4 5.12), which exclude each other.
//!
//! An initiator is a number that its I_T nexus has. There is one target port.

mod persistent;
#[cfg(test)]
mod tests;

use crate::command::{Access, Entry};
use crate::sense::Sense;
use crate::state::Reader;

/// Registrations, at most. Each is another I_T nexus.
const REGISTRATIONS_MAX: usize = 256;

/// RESERVATION CONFLICT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

/// Why a command isn't carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Conflict,
    Sense(Sense),
}

impl From<Sense> for Refusal {
    fn from(sense: Sense) -> Self {
        Refusal::Sense(sense)
    }
}

/// A unit attention that an initiator is owed: its number, and the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) initiator: u32,
    pub(crate) asc: u16,
}

/// PERSISTENT RESERVE's type, SPC-4 table 61.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    WriteExclusive = 1,
    ExclusiveAccess = 3,
    WriteExclusiveRegistrants = 5,
    ExclusiveAccessRegistrants = 6,
    WriteExclusiveAll = 7,
    ExclusiveAccessAll = 8,
}

impl Type {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::WriteExclusive,
            3 => Self::ExclusiveAccess,
            5 => Self::WriteExclusiveRegistrants,
            6 => Self::ExclusiveAccessRegistrants,
            7 => Self::WriteExclusiveAll,
            8 => Self::ExclusiveAccessAll,
            _ => return None,
        })
    }

    fn write_exclusive(self) -> bool {
        self as u8 % 2 == 1 && self != Self::ExclusiveAccess
    }

    /// Everybody who is registered may use the drive.
    fn registrants(self) -> bool {
        self as u8 >= 5
    }

    /// Everybody who is registered holds the reservation.
    fn all(self) -> bool {
        self as u8 >= 7
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Registration {
    initiator: u32,
    /// Never 0.
    key: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    /// Who asked for it: registered, but not the only holder if the type is
    /// one of the all registrants types.
    initiator: u32,
    kind: Type,
}

/// The reservations there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reservations {
    /// The initiator that RESERVE has reserved the drive for.
    unit: Option<u32>,
    generation: u32,
    /// The registrations in the order of their coming, one for an initiator.
    registrations: Vec<Registration>,
    holder: Option<Holder>,
}

/// What a command does about reservations, which of PREVENT ALLOW MEDIUM
/// REMOVAL depends on whether it prevents.
pub(crate) fn access(entry: &Entry, cdb: &[u8]) -> Access {
    match entry.opcode {
        0x1e if cdb[4] & 0x03 == 0 => Access::Always,
        _ => entry.access,
    }
}

impl Reservations {
    /// May this initiator have that? The reservation commands decide for
    /// themselves.
    pub(crate) fn check(&self, initiator: u32, access: Access) -> Result<(), Conflict> {
        if matches!(access, Access::Always | Access::Own) {
            return Ok(());
        }
        if self.unit.is_some_and(|holder| holder != initiator) {
            return Err(Conflict);
        }
        let Some(holder) = self.holder else {
            return Ok(());
        };
        let mine = holder.initiator == initiator
            || (holder.kind.registrants() && self.key_of(initiator).is_some());
        let allowed = match access {
            Access::Ready => true,
            Access::Read => mine || holder.kind.write_exclusive(),
            _ => mine,
        };
        allowed.then_some(()).ok_or(Conflict)
    }

    /// RESERVE(6) and (10).
    pub(crate) fn reserve(&mut self, initiator: u32) -> Result<(), Refusal> {
        if self.compatible(initiator)? {
            return Ok(());
        }
        match self.unit {
            Some(holder) if holder != initiator => Err(Refusal::Conflict),
            _ => {
                self.unit = Some(initiator);
                Ok(())
            }
        }
    }

    /// RELEASE(6) and (10): nothing happens if it's another initiator's.
    pub(crate) fn release(&mut self, initiator: u32) -> Result<(), Refusal> {
        if !self.compatible(initiator)? && self.unit == Some(initiator) {
            self.unit = None;
        }
        Ok(())
    }

    /// Compatible reservation handling (CRH), SPC-4 5.12.3: whether RESERVE and
    /// RELEASE have nothing to do, since the initiator has its persistent
    /// reservation. They conflict with persistent reservations otherwise.
    fn compatible(&self, initiator: u32) -> Result<bool, Refusal> {
        if self.registrations.is_empty() {
            return Ok(false);
        }
        match self.holder {
            Some(holder) if holder.initiator == initiator => Ok(true),
            Some(holder) if holder.kind.registrants() && self.key_of(initiator).is_some() => {
                Ok(true)
            }
            _ => Err(Refusal::Conflict),
        }
    }

    /// After a reset: RESERVE's reservation is gone, persistent ones aren't.
    pub(crate) fn reset(&mut self) {
        self.unit = None;
    }

    fn key_of(&self, initiator: u32) -> Option<u64> {
        self.registrations
            .iter()
            .find(|registration| registration.initiator == initiator)
            .map(|registration| registration.key)
    }

    /// Whether the initiator holds the persistent reservation, if there is one.
    fn holds(&self, holder: Holder, initiator: u32) -> bool {
        match holder.kind.all() {
            true => self.key_of(initiator).is_some(),
            false => holder.initiator == initiator,
        }
    }

    /// Appends the state for migration.
    pub(crate) fn save(&self, bytes: &mut Vec<u8>) {
        let mut flagged = |value: Option<u32>| {
            bytes.push(u8::from(value.is_some()));
            bytes.extend(value.unwrap_or(0).to_be_bytes());
        };
        flagged(self.unit);
        flagged(self.holder.map(|holder| holder.initiator));
        bytes.push(self.holder.map_or(0, |holder| holder.kind as u8));
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend((self.registrations.len() as u16).to_be_bytes());
        for registration in &self.registrations {
            bytes.extend(registration.initiator.to_be_bytes());
            bytes.extend(registration.key.to_be_bytes());
        }
    }

    /// Reads a saved state; `None`: it isn't one.
    pub(crate) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        let flagged = |reader: &mut Reader<'_>| {
            let flag = reader.flag()?;
            let value = reader.u32()?;
            Some(flag.then_some(value))
        };
        let mut new = Self {
            unit: flagged(reader)?,
            ..Self::default()
        };
        let holder = flagged(reader)?;
        let kind = reader.u8()?;
        new.generation = reader.u32()?;
        let count = usize::from(reader.u16()?);
        for _ in 0..count {
            let (initiator, key) = (reader.u32()?, reader.u64()?);
            if key == 0 || new.key_of(initiator).is_some() {
                return None;
            }
            new.registrations.push(Registration { initiator, key });
        }
        if let Some(initiator) = holder {
            new.key_of(initiator)?;
            let kind = Type::from_code(kind)?;
            new.holder = Some(Holder { initiator, kind });
        }
        let both = new.unit.is_some() && count != 0;
        (count <= REGISTRATIONS_MAX && !both).then_some(new)
    }
}
