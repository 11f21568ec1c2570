// SPDX-License-Identifier: GPL-2.0-or-later
//! RESERVE and RELEASE (SPC-2 5.5.1), and persistent reservations (SPC-4 5.12,
//! 6.15, 6.16), which exclude each other.
//!
//! QEMU tells one initiator: a device is on one bus with one HBA, and requests
//! don't name another. So there is one I_T nexus, with a key at most, and nobody
//! whose commands a reservation could refuse: what is left is what that one can
//! see of its own. Reservations aren't kept over a loss of power (APTPL).

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::part;
    use proptest::prelude::*;

    fn list(key: u64, action_key: u64) -> Vec<u8> {
        let mut list = [key.to_be_bytes(), action_key.to_be_bytes()].concat();
        list.resize(LIST_LENGTH, 0);
        list
    }

    fn out(
        drive: &mut Reservations,
        action: u8,
        kind: u8,
        key: u64,
        action_key: u64,
    ) -> Result<(), Refusal> {
        let cdb = [0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0];
        drive.persistent_out(&cdb, &list(key, action_key))
    }

    fn read(drive: &Reservations, action: u8) -> Vec<u8> {
        let cdb = [0x5e, action, 0, 0, 0, 0, 0, 1, 0, 0];
        drive.persistent_in(&cdb).unwrap()
    }

    /// Registered with key 7.
    fn registered() -> Reservations {
        let mut drive = Reservations::default();
        assert_eq!(out(&mut drive, 0, 0, 0, 7), Ok(()));
        drive
    }

    fn restored(state: &[u8]) -> Option<Reservations> {
        part::restore(Reservations::default(), Reservations::state, state)
    }

    fn refused(sense: Sense) -> Result<(), Refusal> {
        Err(sense.into())
    }

    #[test]
    fn reserve_is_for_the_only_nexus_until_release_or_reset() {
        let mut drive = Reservations::default();
        for end in [
            |drive: &mut Reservations| drive.release(),
            |drive: &mut Reservations| {
                drive.reset();
                Ok(())
            },
        ] {
            assert_eq!((drive.reserve(), drive.reserve()), (Ok(()), Ok(())));
            assert!(drive.unit);
            assert_eq!(end(&mut drive), Ok(()));
            assert!(!drive.unit);
        }
    }

    #[test]
    fn registering() {
        let mut drive = registered();
        assert_eq!(
            read(&drive, 0),
            [&[0, 0, 0, 1, 0, 0, 0, 8][..], &7u64.to_be_bytes()].concat()
        );
        assert_eq!(out(&mut drive, 0, 0, 8, 9), Err(Refusal::Conflict));
        assert_eq!(out(&mut drive, 0, 0, 7, 9), Ok(()));
        assert_eq!(out(&mut drive, 6, 0, 1, 10), Ok(()), "whatever there is");
        assert_eq!(drive.key, 10);
        assert_eq!(out(&mut drive, 6, 0, 0, 0), Ok(()));
        assert_eq!(read(&drive, 0), [0, 0, 0, 4, 0, 0, 0, 0]);
        assert_eq!(out(&mut drive, 0, 0, 0, 0), Ok(()), "as it is");
        assert_eq!(drive.generation, 4);
    }

    #[test]
    fn reserving_and_releasing() {
        for kind in [1, 3, 5, 6, 7, 8] {
            let mut drive = registered();
            assert_eq!(out(&mut drive, 1, kind, 8, 0), Err(Refusal::Conflict));
            assert_eq!(out(&mut drive, 2, kind, 7, 0), Ok(()), "nothing to release");
            assert_eq!(out(&mut drive, 1, kind, 7, 0), Ok(()));
            assert_eq!(out(&mut drive, 1, kind, 7, 0), Ok(()), "once more");
            let key = if kind >= 7 { 0 } else { 7 };
            let bytes = read(&drive, 1);
            assert_eq!(bytes[..8], [0, 0, 0, 1, 0, 0, 0, 16]);
            assert_eq!(bytes[8..16], u64::to_be_bytes(key));
            assert_eq!(bytes[21], kind);
            let other = if kind == 1 { 3 } else { 1 };
            assert_eq!(out(&mut drive, 1, other, 7, 0), Err(Refusal::Conflict));
            let wrong = Sense::new(Key::IllegalRequest, asc::INVALID_RELEASE);
            assert_eq!(out(&mut drive, 2, other, 7, 0), refused(wrong));
            assert_eq!(out(&mut drive, 2, kind, 7, 0), Ok(()));
            assert_eq!(drive, registered());
        }
    }

    #[test]
    fn unregistering_and_clearing_give_the_reservation_up() {
        for (action, action_key) in [(0, 0), (6, 0), (3, 0)] {
            let mut drive = registered();
            out(&mut drive, 1, 5, 7, 0).unwrap();
            assert_eq!(out(&mut drive, action, 0, 7, action_key), Ok(()));
            assert_eq!((drive.key, drive.held, drive.generation), (0, None, 2));
        }
    }

    #[test]
    fn preempting() {
        // Its own reservation, with another type.
        for (kind, key) in [(1, 7), (8, 0)] {
            let mut drive = registered();
            out(&mut drive, 1, kind, 7, 0).unwrap();
            assert_eq!(out(&mut drive, 5, 3, 7, key), Ok(()));
            assert_eq!((drive.key, drive.held), (7, Some(Type(3))));
        }
        // Its own key, without the reservation or with all registrants': it goes.
        for kind in [None, Some(7)] {
            let mut drive = registered();
            kind.map(|kind| out(&mut drive, 1, kind, 7, 0));
            assert_eq!(out(&mut drive, 4, 1, 7, 7), Ok(()));
            assert_eq!((drive.key, drive.held, drive.generation), (0, None, 2));
        }
        let mut drive = registered();
        assert_eq!(out(&mut drive, 4, 1, 7, 9), Err(Refusal::Conflict));
        assert_eq!(
            out(&mut drive, 4, 1, 7, 0),
            refused(Sense::list_field(8, None))
        );
    }

    #[test]
    fn reserve_meets_persistent_reservations() {
        let mut drive = Reservations::default();
        drive.reserve().unwrap();
        out(&mut drive, 0, 0, 0, 7).unwrap();
        assert!(!drive.unit, "from here on persistent reservations count");
        assert_eq!(drive.reserve(), Err(Refusal::Conflict));
        assert_eq!(drive.release(), Err(Refusal::Conflict));
        out(&mut drive, 1, 1, 7, 0).unwrap();
        assert_eq!((drive.reserve(), drive.release()), (Ok(()), Ok(())));
        assert!(!drive.unit);
        drive.reset();
        assert_eq!(drive.held, Some(Type(1)));
    }

    #[test]
    fn lists_that_are_refused() {
        let mut drive = registered();
        let truncated = Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH);
        let cdb = |length| [0x5f, 0, 0, 0, 0, 0, 0, 0, length, 0];
        let whole = list(7, 8);
        let mut send = |length, list: &[u8]| drive.persistent_out(&cdb(length), list);
        assert_eq!(send(23, &whole), refused(truncated));
        assert_eq!(send(24, &whole[..23]), refused(truncated));
        for (bits, bit) in [(1, 0), (4, 2), (8, 3)] {
            let mut list = whole.clone();
            list[20] = bits;
            assert_eq!(send(24, &list), refused(Sense::list_field(20, Some(bit))));
        }
        assert_eq!(
            out(&mut drive, 1, 0x11, 7, 0),
            refused(Sense::cdb_field(2, Some(7)))
        );
        assert_eq!(
            out(&mut drive, 1, 2, 7, 0),
            refused(Sense::cdb_field(2, Some(3)))
        );
        assert_eq!(
            out(&mut drive, 7, 1, 7, 0),
            refused(Sense::cdb_field(1, Some(4)))
        );
        assert_eq!(drive, registered());
    }

    #[test]
    fn full_status_and_capabilities() {
        let mut drive = registered();
        out(&mut drive, 1, 5, 7, 0).unwrap();
        let bytes = read(&drive, 3);
        assert_eq!(bytes[..8], [0, 0, 0, 1, 0, 0, 0, 48]);
        assert_eq!(bytes[8..16], 7u64.to_be_bytes());
        assert_eq!(bytes[20..22], [1, 5]);
        assert_eq!(bytes[24..33], [0, 0, 0, 1, 0, 0, 0, 24, 6]);
        assert_eq!(bytes[36..44], [0x30, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&drive, 2), [0, 8, 0x10, 0x80, 0xea, 0x01, 0, 0]);
        assert_eq!(
            drive.persistent_in(&[0x5e, 4, 0, 0, 0, 0, 0, 0, 8, 0]),
            Err(Sense::cdb_field(1, Some(4)))
        );
    }

    #[test]
    fn a_state_of_other_nexuses_is_none() {
        let mut drive = registered();
        out(&mut drive, 1, 5, 7, 0).unwrap();
        let state = part::save(&drive, Reservations::state);
        assert_eq!(restored(&state), Some(drive));
        // Who holds it, who is registered, how many are.
        for byte in [9, 20, 16] {
            let mut other = state.clone();
            other[byte] += 1;
            assert_eq!(restored(&other), None, "{byte}");
        }
    }

    proptest! {
        /// Whatever was done, the state is saved and restored, and makes sense.
        #[test]
        fn the_state_is_sound(
            steps in prop::collection::vec((0u8..10, 0u8..9, 0u64..3, 0u64..3), 0..20),
        ) {
            let mut drive = Reservations::default();
            for (action, kind, key, action_key) in steps {
                let generation = drive.generation;
                let done = match action {
                    8 => drive.reserve(),
                    9 => drive.release(),
                    action => out(&mut drive, action, kind, key, action_key),
                };
                prop_assert!(done.is_ok() || drive.generation == generation);
                prop_assert!(drive.held.is_none() || drive.key != 0);
                prop_assert!(!drive.unit || drive.key == 0);
                let state = part::save(&drive, Reservations::state);
                prop_assert_eq!(restored(&state), Some(drive.clone()));
                prop_assert_eq!(restored(&state[..state.len() - 1]), None);
            }
        }

        #[test]
        fn nothing_panics(
            cdb in prop::array::uniform10(any::<u8>()),
            data in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut drive = registered();
            let _ = drive.persistent_out(&cdb, &data);
            let _ = drive.persistent_in(&cdb);
            let _ = restored(&data);
        }
    }
}
