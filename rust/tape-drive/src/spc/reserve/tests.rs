// SPDX-License-Identifier: GPL-2.0-or-later
//! Reservations as the one nexus sees them.

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
