// SPDX-License-Identifier: GPL-2.0-or-later
//! RESERVE and RELEASE (SPC-2 5.5.1), and persistent reservations (SPC-4 5.12,
//! 6.15, 6.16), which exclude each other.
//!
//! QEMU tells one initiator: a device is on one bus with one HBA, and requests
//! don't name another. So there is one I_T nexus, with a key at most, and nobody
//! whose commands a reservation could refuse: what is left is what that one can
//! see of its own. Reservations aren't kept over a loss of power (APTPL).

#[cfg(test)]
mod tests;

use crate::bytes::{number, set_length};
use crate::sense::{asc, Key, Refusal, Reply, Sense};
use crate::state::State;

/// Bytes of PERSISTENT RESERVE OUT's parameter list.
const LIST_LENGTH: usize = 24;
/// The nexus in saved states, which name it.
const NEXUS: u32 = 0;

/// PERSISTENT RESERVE's type, SPC-4 table 61.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Type(u8);

impl Type {
    /// Write exclusive 1, exclusive access 3; registrants only 5 and 6; all
    /// registrants 7 and 8.
    fn from_code(code: u8) -> Option<Self> {
        matches!(code, 1 | 3 | 5..=8).then_some(Self(code))
    }

    /// Everybody who is registered holds the reservation.
    fn all(self) -> bool {
        self.0 >= 7
    }
}

/// The reservations there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reservations {
    /// RESERVE has reserved the drive.
    unit: bool,
    generation: u32,
    /// The registered key; 0: none.
    key: u64,
    /// The persistent reservation, for which the nexus is registered.
    held: Option<Type>,
}

impl Reservations {
    /// RESERVE(6) and (10).
    pub(crate) fn reserve(&mut self) -> Result<(), Refusal> {
        self.compatible()?;
        self.unit = self.key == 0;
        Ok(())
    }

    /// RELEASE(6) and (10).
    pub(crate) fn release(&mut self) -> Result<(), Refusal> {
        self.compatible()?;
        self.unit = false;
        Ok(())
    }

    /// Compatible reservation handling (CRH), SPC-4 5.12.3: RESERVE and RELEASE
    /// have nothing to do for who holds the persistent reservation, and conflict
    /// with registrations otherwise.
    fn compatible(&self) -> Result<(), Refusal> {
        match self.key != 0 && self.held.is_none() {
            true => Err(Refusal::Conflict),
            false => Ok(()),
        }
    }

    /// After a reset: RESERVE's reservation is gone, persistent ones aren't.
    pub(crate) fn reset(&mut self) {
        self.unit = false;
    }

    /// PERSISTENT RESERVE IN: parameter data.
    pub(crate) fn persistent_in(&self, cdb: &[u8]) -> Reply {
        let key = self.key.to_be_bytes();
        let registered = self.key != 0;
        Ok(match cdb[1] & 0x1f {
            0x00 => self.listing(registered.then_some(key)),
            0x01 => self.listing(self.held.map(|held| self.reservation(held))),
            // CRH; TMV, and the types.
            0x02 => vec![0, 8, 0x10, 0x80, 0xea, 0x01, 0, 0],
            0x03 => self.listing(registered.then(|| self.full_status())),
            _ => return Err(Sense::cdb_field(1, Some(4))),
        })
    }

    /// PRGENERATION, ADDITIONAL LENGTH, and what is listed.
    fn listing<T: AsRef<[u8]>>(&self, item: Option<T>) -> Vec<u8> {
        let item = item.as_ref().map_or(&[][..], AsRef::as_ref);
        let mut bytes = [&self.generation.to_be_bytes(), &[0; 4], item].concat();
        set_length(&mut bytes, 4, 4);
        bytes
    }

    /// The data of READ RESERVATION. All registrants have no key in common.
    fn reservation(&self, held: Type) -> [u8; 16] {
        let mut bytes = [0; 16];
        if !held.all() {
            bytes[..8].copy_from_slice(&self.key.to_be_bytes());
        }
        bytes[13] = held.0;
        bytes
    }

    /// The data of READ FULL STATUS. The transport is not known here: the
    /// initiator is given a SAS TransportID with a locally assigned address.
    fn full_status(&self) -> [u8; 48] {
        const SAS: u8 = 0x06;
        const LOCALLY_ASSIGNED: u64 = 0x3000_0000_0000_0000;
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(&self.key.to_be_bytes());
        if let Some(held) = self.held {
            bytes[12] = 1; // R_HOLDER
            bytes[13] = held.0;
        }
        bytes[19] = 1; // relative target port
        bytes[23] = 24; // bytes of the TransportID
        bytes[24] = SAS;
        let address = LOCALLY_ASSIGNED | u64::from(NEXUS);
        bytes[28..36].copy_from_slice(&address.to_be_bytes());
        bytes
    }

    /// PERSISTENT RESERVE OUT, with what was received of its list.
    pub(crate) fn persistent_out(&mut self, cdb: &[u8], data: &[u8]) -> Result<(), Refusal> {
        if number(cdb, 5, 4) != LIST_LENGTH as u64 || data.len() < LIST_LENGTH {
            return Err(Sense::TRUNCATED_LIST.into());
        }
        let wrong = data[20] & 0x0d;
        if wrong != 0 {
            return Err(Sense::list_field(20, Some(wrong.ilog2() as u8)).into());
        }
        let (key, action_key) = (number(data, 0, 8), number(data, 8, 8));
        match cdb[1] & 0x1f {
            0x00 if self.key != key => Err(Refusal::Conflict),
            0x00 | 0x06 => {
                self.register(action_key);
                Ok(())
            }
            _ if self.key == 0 || self.key != key => Err(Refusal::Conflict),
            0x01 => match (self.held, kind(cdb)?) {
                (Some(held), kind) if held != kind => Err(Refusal::Conflict),
                (_, kind) => {
                    self.held = Some(kind);
                    Ok(())
                }
            },
            0x02 => match (self.held, kind(cdb)?) {
                (Some(held), kind) if held != kind => {
                    Err(Sense::new(Key::IllegalRequest, asc::INVALID_RELEASE).into())
                }
                _ => {
                    self.held = None;
                    Ok(())
                }
            },
            0x03 => {
                self.register(0);
                Ok(())
            }
            // PREEMPT AND ABORT has nothing to abort: commands come one at a time.
            0x04 | 0x05 => self.preempt(action_key, kind(cdb)?),
            _ => Err(Sense::cdb_field(1, Some(4)).into()),
        }
    }

    /// A key, another, or (0) none any more, with which the reservation goes.
    fn register(&mut self, key: u64) {
        if self.key == 0 && key == 0 {
            return;
        }
        self.key = key;
        self.held = self.held.filter(|_| key != 0);
        self.generation = self.generation.wrapping_add(1);
        // From here on persistent reservations count.
        self.unit &= key == 0;
    }

    /// PREEMPT, SPC-4 5.12.11.4: who names its own reservation has it with another
    /// type; who names its own key otherwise is no longer registered.
    fn preempt(&mut self, key: u64, kind: Type) -> Result<(), Refusal> {
        let own = |held: Type| key == if held.all() { 0 } else { self.key };
        if self.held.is_some_and(own) {
            self.held = Some(kind);
            self.generation = self.generation.wrapping_add(1);
            return Ok(());
        }
        match key {
            0 => Err(Sense::list_field(8, None).into()),
            key if key != self.key => Err(Refusal::Conflict),
            _ => {
                self.register(0);
                Ok(())
            }
        }
    }

    /// Their state for migration, in a form that has room for more nexuses.
    pub(crate) fn state(&mut self, state: &mut State<'_>) -> Option<()> {
        let nexus = |state: &mut State<'_>| state.u32(NEXUS).filter(|&other| other == NEXUS);
        self.unit = state.flag(self.unit)?;
        nexus(state)?;
        let held = state.flag(self.held.is_some())?;
        nexus(state)?;
        let kind = state.u8(self.held.map_or(0, |held| held.0))?;
        self.held = match held {
            true => Some(Type::from_code(kind)?),
            false => None,
        };
        self.generation = state.u32(self.generation)?;
        match state.u16((self.key != 0).into())? {
            0 => return self.held.is_none().then_some(()),
            1 => nexus(state)?,
            _ => return None,
        };
        self.key = state.u64(self.key)?;
        (self.key != 0 && !self.unit).then_some(())
    }
}

/// SCOPE, which is the logical unit, and TYPE.
fn kind(cdb: &[u8]) -> Result<Type, Sense> {
    if cdb[2] & 0xf0 != 0 {
        return Err(Sense::cdb_field(2, Some(7)));
    }
    Type::from_code(cdb[2] & 0x0f).ok_or(Sense::cdb_field(2, Some(3)))
}
