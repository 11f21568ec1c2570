// SPDX-License-Identifier: GPL-2.0-or-later
//! Two initiators and a drive.

use super::*;
use crate::sense::{asc, Key};
use proptest::prelude::*;

const ALICE: u32 = 1;
const BOB: u32 = 2;
const KEYS: [u64; 3] = [0, 0xa, 0xb];

fn list(key: u64, action_key: u64) -> Vec<u8> {
    let mut list = key.to_be_bytes().to_vec();
    list.extend(action_key.to_be_bytes());
    list.resize(24, 0);
    list
}

fn out(
    drive: &mut Reservations,
    who: u32,
    action: u8,
    kind: u8,
    action_key: u64,
) -> Result<Vec<Notice>, Refusal> {
    let own = drive.key_of(who).unwrap_or(0);
    let cdb = [0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0];
    drive.persistent_out(who, &cdb, &list(own, action_key))
}

fn read(drive: &Reservations, action: u8) -> Vec<u8> {
    let cdb = [0x5e, action, 0, 0, 0, 0, 0, 1, 0, 0];
    drive.persistent_in(BOB, &cdb).unwrap()
}

/// Both registered.
fn registered() -> Reservations {
    let mut drive = Reservations::default();
    assert_eq!(out(&mut drive, ALICE, 0, 0, KEYS[1]), Ok(vec![]));
    assert_eq!(out(&mut drive, BOB, 6, 0, KEYS[2]), Ok(vec![]));
    drive
}

fn told(initiator: u32, asc: u16) -> Vec<Notice> {
    vec![Notice { initiator, asc }]
}

#[test]
fn reserve_excludes_until_release_or_reset() {
    let mut drive = Reservations::default();
    assert_eq!(drive.reserve(ALICE), Ok(()));
    assert_eq!(drive.reserve(ALICE), Ok(()));
    assert_eq!(drive.reserve(BOB), Err(Refusal::Conflict));
    for (access, expected) in [
        (Access::Always, Ok(())),
        (Access::Own, Ok(())),
        (Access::Ready, Err(Conflict)),
        (Access::Read, Err(Conflict)),
        (Access::Conflict, Err(Conflict)),
    ] {
        assert_eq!(drive.check(BOB, access), expected, "{access:?}");
        assert_eq!(drive.check(ALICE, access), Ok(()));
    }
    assert_eq!(out(&mut drive, BOB, 0, 0, 1), Err(Refusal::Conflict));
    assert_eq!(drive.release(BOB), Ok(()));
    assert_eq!(drive.check(BOB, Access::Read), Err(Conflict));
    assert_eq!(drive.release(ALICE), Ok(()));
    assert_eq!(drive.check(BOB, Access::Conflict), Ok(()));
    drive.reserve(BOB).unwrap();
    drive.reset();
    assert_eq!(drive.check(ALICE, Access::Conflict), Ok(()));
}

#[test]
fn types_allow_what_they_say() {
    // The initiator that isn't the holder: registered, or not.
    for (kind, read, write, read_registered, write_registered) in [
        (1, true, false, true, false),
        (3, false, false, false, false),
        (5, true, false, true, true),
        (6, false, false, true, true),
        (7, true, false, true, true),
        (8, false, false, true, true),
    ] {
        let mut drive = registered();
        assert_eq!(out(&mut drive, ALICE, 1, kind, 0), Ok(vec![]));
        let allowed = |drive: &Reservations, who, access| drive.check(who, access).is_ok();
        assert!(allowed(&drive, ALICE, Access::Conflict));
        assert!(allowed(&drive, BOB, Access::Ready));
        assert_eq!(
            allowed(&drive, BOB, Access::Read),
            read_registered,
            "{kind}"
        );
        assert_eq!(allowed(&drive, BOB, Access::Conflict), write_registered);
        out(&mut drive, BOB, 0, 0, 0).unwrap();
        assert_eq!(allowed(&drive, BOB, Access::Read), read, "{kind}");
        assert_eq!(allowed(&drive, BOB, Access::Conflict), write, "{kind}");
        drive.reset();
        assert_eq!(allowed(&drive, BOB, Access::Conflict), write, "persistent");
    }
}

#[test]
fn registering() {
    let mut drive = Reservations::default();
    assert_eq!(out(&mut drive, ALICE, 0, 0, 0), Ok(vec![]), "nothing to do");
    assert_eq!(read(&drive, 0), [0; 8]);
    let cdb = [0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0];
    let wrong = drive.persistent_out(ALICE, &cdb, &list(7, 8));
    assert_eq!(wrong, Err(Refusal::Conflict), "there is no key 7");
    let mut drive = registered();
    assert_eq!(
        read(&drive, 0),
        [0, 0, 0, 2, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 11]
    );
    let wrong = drive.persistent_out(ALICE, &cdb, &list(11, 8));
    assert_eq!(wrong, Err(Refusal::Conflict), "it's BOB's");
    assert_eq!(out(&mut drive, ALICE, 0, 0, 12), Ok(vec![]));
    assert_eq!(drive.key_of(ALICE), Some(12));
    assert_eq!(out(&mut drive, ALICE, 0, 0, 0), Ok(vec![]));
    assert_eq!(read(&drive, 0)[..8], [0, 0, 0, 4, 0, 0, 0, 8]);
}

#[test]
fn reserving_and_releasing() {
    let mut drive = registered();
    assert_eq!(out(&mut drive, 3, 1, 3, 0), Err(Refusal::Conflict));
    out(&mut drive, ALICE, 1, 5, 0).unwrap();
    assert_eq!(
        read(&drive, 1)[4..],
        [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 5, 0, 0]
    );
    assert_eq!(out(&mut drive, ALICE, 1, 5, 0), Ok(vec![]));
    assert_eq!(out(&mut drive, ALICE, 1, 6, 0), Err(Refusal::Conflict));
    assert_eq!(out(&mut drive, BOB, 1, 5, 0), Err(Refusal::Conflict));
    assert_eq!(out(&mut drive, BOB, 2, 5, 0), Ok(vec![]), "not BOB's");
    assert!(drive.holder.is_some());
    let wrong = Sense::new(Key::IllegalRequest, asc::INVALID_RELEASE);
    assert_eq!(out(&mut drive, ALICE, 2, 6, 0), Err(Refusal::Sense(wrong)));
    assert_eq!(
        out(&mut drive, ALICE, 2, 5, 0),
        Ok(told(BOB, asc::RESERVATIONS_RELEASED))
    );
    assert_eq!(read(&drive, 1)[4..], [0; 4]);
    for (kind, bit) in [(0x11, 7), (0x00, 3), (0x02, 3), (0x09, 3)] {
        let sense = Sense::cdb_field(2, Some(bit));
        assert_eq!(out(&mut drive, ALICE, 1, kind, 0), Err(sense.into()));
    }
}

#[test]
fn unregistering_gives_the_reservation_up() {
    let mut drive = registered();
    out(&mut drive, ALICE, 1, 6, 0).unwrap();
    assert_eq!(
        out(&mut drive, ALICE, 0, 0, 0),
        Ok(told(BOB, asc::RESERVATIONS_RELEASED))
    );
    assert_eq!(drive.holder, None);
    // All registrants: the last one does.
    let mut drive = registered();
    out(&mut drive, ALICE, 1, 8, 0).unwrap();
    assert_eq!(read(&drive, 1)[8..16], [0; 8]);
    assert_eq!(out(&mut drive, ALICE, 0, 0, 0), Ok(vec![]));
    assert_eq!(drive.check(BOB, Access::Conflict), Ok(()));
    assert_eq!(drive.check(ALICE, Access::Read), Err(Conflict));
    assert_eq!(out(&mut drive, BOB, 0, 0, 0), Ok(vec![]));
    assert_eq!(drive.holder, None);
}

#[test]
fn clearing_and_preempting() {
    let mut drive = registered();
    out(&mut drive, ALICE, 1, 1, 0).unwrap();
    assert_eq!(
        out(&mut drive, BOB, 3, 0, 0),
        Ok(told(ALICE, asc::RESERVATIONS_PREEMPTED))
    );
    assert_eq!(read(&drive, 0), [0, 0, 0, 3, 0, 0, 0, 0]);

    let mut drive = registered();
    out(&mut drive, ALICE, 1, 1, 0).unwrap();
    assert_eq!(out(&mut drive, BOB, 4, 3, 99), Err(Refusal::Conflict));
    let zero = Sense::list_field(8, None);
    assert_eq!(out(&mut drive, BOB, 4, 3, 0), Err(Refusal::Sense(zero)));
    assert_eq!(
        out(&mut drive, BOB, 4, 3, KEYS[1]),
        Ok(told(ALICE, asc::REGISTRATIONS_PREEMPTED))
    );
    assert_eq!(drive.check(ALICE, Access::Read), Err(Conflict));
    assert_eq!(drive.check(BOB, Access::Conflict), Ok(()));
    assert_eq!(read(&drive, 1)[21], 3);

    // Everybody of all registrants.
    let mut drive = registered();
    out(&mut drive, ALICE, 1, 7, 0).unwrap();
    assert_eq!(
        out(&mut drive, BOB, 4, 1, 0),
        Ok(told(ALICE, asc::REGISTRATIONS_PREEMPTED))
    );
    assert_eq!(read(&drive, 0)[7], 8);

    // The holder changes its own reservation's type.
    let mut drive = registered();
    out(&mut drive, ALICE, 1, 5, 0).unwrap();
    assert_eq!(
        out(&mut drive, ALICE, 4, 3, KEYS[1]),
        Ok(told(BOB, asc::RESERVATIONS_RELEASED))
    );
    assert_eq!(drive.check(BOB, Access::Read), Err(Conflict));
}

#[test]
fn reserve_meets_persistent_reservations() {
    let mut drive = registered();
    assert_eq!(drive.reserve(ALICE), Err(Refusal::Conflict));
    out(&mut drive, ALICE, 1, 1, 0).unwrap();
    assert_eq!(drive.reserve(ALICE), Ok(()), "it has it");
    assert_eq!(drive.unit, None);
    assert_eq!(drive.release(BOB), Err(Refusal::Conflict));
    let mut drive = Reservations::default();
    drive.reserve(ALICE).unwrap();
    out(&mut drive, ALICE, 0, 0, 9).unwrap();
    assert_eq!(drive.unit, None);
}

#[test]
fn lists_that_are_refused() {
    let mut drive = registered();
    let mut send = |length: u8, bits: u8, bytes: usize| {
        let mut list = list(KEYS[1], 0);
        list[20] = bits;
        let cdb = [0x5f, 1, 1, 0, 0, 0, 0, 0, length, 0];
        drive.persistent_out(ALICE, &cdb, &list[..bytes])
    };
    let length = Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH);
    assert_eq!(send(23, 0, 23), Err(Refusal::Sense(length)));
    assert_eq!(send(24, 0, 23), Err(Refusal::Sense(length)));
    for bit in [0, 2, 3] {
        let field = Sense::list_field(20, Some(bit));
        assert_eq!(send(24, 1 << bit, 24), Err(Refusal::Sense(field)));
    }
    assert_eq!(send(24, 0, 24), Ok(vec![]));
}

#[test]
fn full_status_and_capabilities() {
    let mut drive = registered();
    out(&mut drive, BOB, 1, 3, 0).unwrap();
    let bytes = read(&drive, 3);
    assert_eq!(bytes[4..8], [0, 0, 0, 96]);
    assert_eq!(
        bytes[8..28],
        [0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    );
    assert_eq!(
        bytes[28..44],
        [0, 0, 0, 24, 6, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 1]
    );
    assert_eq!(bytes[56 + 12..56 + 14], [1, 3]);
    assert_eq!(read(&drive, 2), [0, 8, 0x10, 0x80, 0xea, 1, 0, 0]);
}

#[test]
fn there_is_an_end_to_registrations() {
    let mut drive = Reservations::default();
    for who in 0..256 {
        assert_eq!(out(&mut drive, who, 0, 0, 1), Ok(vec![]));
    }
    let full = Sense::new(Key::IllegalRequest, asc::INSUFFICIENT_REGISTRATIONS);
    assert_eq!(out(&mut drive, 256, 0, 0, 1), Err(Refusal::Sense(full)));
    assert_eq!(out(&mut drive, 0, 0, 0, 0), Ok(vec![]));
    assert_eq!(out(&mut drive, 256, 0, 0, 1), Ok(vec![]));
}

proptest! {
    /// Whatever is done: holders are registered, keys aren't 0, states can be
    /// saved, and who is conflicted can be told from the state alone.
    #[test]
    fn the_state_is_sound(
        steps in prop::collection::vec(
            (0u32..3, 0u8..8, 0u8..9, prop::sample::select(&KEYS[..]), any::<bool>()),
            0..40,
        ),
    ) {
        let mut drive = Reservations::default();
        for (who, action, kind, key, unit) in steps {
            let before = drive.clone();
            let result = match (unit, action) {
                (true, 0..=3) => drive.reserve(who).map(|()| vec![]),
                (true, _) => drive.release(who).map(|()| vec![]),
                _ => out(&mut drive, who, action, kind, key),
            };
            match result {
                Ok(notices) => prop_assert!(notices.iter().all(|n| n.initiator != who)),
                Err(_) => prop_assert_eq!(&drive, &before),
            }
            if let Some(holder) = drive.holder {
                prop_assert!(drive.key_of(holder.initiator).is_some());
            }
            let mut bytes = Vec::new();
            drive.save(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Reservations::restore(&mut reader), Some(drive.clone()));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn nothing_panics(
        mut cdb in prop::array::uniform10(any::<u8>()),
        data in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut drive = registered();
        cdb[0] = 0x5e;
        let _ = drive.persistent_in(ALICE, &cdb);
        cdb[0] = 0x5f;
        let _ = drive.persistent_out(ALICE, &cdb, &data);
        let _ = Reservations::restore(&mut Reader::new(&data));
    }
}
