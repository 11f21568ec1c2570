// SPDX-License-Identifier: GPL-2.0-or-later
//! PERSISTENT RESERVE IN (SPC-4 6.15) and OUT (6.16). Reservations aren't kept
//! over a loss of power (APTPL), and registrations are for one I_T nexus each
//! (SPEC_I_PT, ALL_TG_PT).

use super::{Holder, Notice, Refusal, Registration, Reservations, Type, REGISTRATIONS_MAX};
use crate::command::number;
use crate::sense::{asc, Key, Sense};

/// Bytes of PERSISTENT RESERVE OUT's parameter list.
const LIST_LENGTH: usize = 24;

impl Reservations {
    /// PERSISTENT RESERVE IN: parameter data.
    pub(crate) fn persistent_in(&self, initiator: u32, cdb: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.exclude_unit(initiator)?;
        Ok(match cdb[1] & 0x1f {
            0x00 => self.listing(self.registrations.iter().map(|r| r.key.to_be_bytes())),
            0x01 => self.listing(self.holder.map(|holder| self.reservation(holder))),
            0x02 => capabilities(),
            0x03 => self.listing(self.registrations.iter().map(|r| self.full_status(*r))),
            _ => return Err(Sense::cdb_field(1, Some(4)).into()),
        })
    }

    /// PRGENERATION, ADDITIONAL LENGTH, and what is listed.
    fn listing<T: AsRef<[u8]>>(&self, items: impl IntoIterator<Item = T>) -> Vec<u8> {
        let mut bytes = self.generation.to_be_bytes().to_vec();
        bytes.extend([0; 4]);
        for item in items {
            bytes.extend(item.as_ref());
        }
        let length = bytes.len() as u32 - 8;
        bytes[4..8].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// The data of READ RESERVATION. All registrants have no key in common.
    fn reservation(&self, holder: Holder) -> [u8; 16] {
        let mut bytes = [0; 16];
        if !holder.kind.all() {
            let key = self.key_of(holder.initiator).unwrap_or(0);
            bytes[..8].copy_from_slice(&key.to_be_bytes());
        }
        bytes[13] = holder.kind as u8;
        bytes
    }

    /// The data of READ FULL STATUS. The transport is not known here: an initiator is
    /// given a SAS TransportID with a locally assigned address.
    fn full_status(&self, registration: Registration) -> [u8; 48] {
        const SAS: u8 = 0x06;
        const LOCALLY_ASSIGNED: u64 = 0x3000_0000_0000_0000;
        let Registration { initiator, key } = registration;
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(&key.to_be_bytes());
        let held = self.holder.filter(|&h| self.holds(h, initiator));
        if let Some(holder) = held {
            bytes[12] = 1; // R_HOLDER
            bytes[13] = holder.kind as u8;
        }
        bytes[19] = 1; // relative target port
        bytes[23] = 24; // bytes of the TransportID
        bytes[24] = SAS;
        let address = LOCALLY_ASSIGNED | u64::from(initiator);
        bytes[28..36].copy_from_slice(&address.to_be_bytes());
        bytes
    }

    /// PERSISTENT RESERVE OUT, with what was received of its list. Returns
    /// who else is to be told.
    pub(crate) fn persistent_out(
        &mut self,
        initiator: u32,
        cdb: &[u8],
        data: &[u8],
    ) -> Result<Vec<Notice>, Refusal> {
        self.exclude_unit(initiator)?;
        if number(cdb, 5, 4) != LIST_LENGTH as u64 || data.len() < LIST_LENGTH {
            return Err(Sense::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH).into());
        }
        let wrong = data[20] & 0x0d;
        if wrong != 0 {
            return Err(Sense::list_field(20, Some(wrong.ilog2() as u8)).into());
        }
        let (key, action_key) = (number(data, 0, 8), number(data, 8, 8));
        let registered = self.key_of(initiator);
        let action = cdb[1] & 0x1f;
        match action {
            0x00 if registered.unwrap_or(0) != key => return Err(Refusal::Conflict),
            0x00 | 0x06 => return self.register(initiator, action_key),
            _ if registered != Some(key) => return Err(Refusal::Conflict),
            _ => {}
        }
        match action {
            0x01 => self.hold(initiator, kind(cdb)?),
            0x02 => self.let_go(initiator, kind(cdb)?),
            0x03 => Ok(self.clear(initiator)),
            // PREEMPT AND ABORT has nothing to abort: commands come one at a time.
            0x04 | 0x05 => self.preempt(initiator, action_key, kind(cdb)?),
            _ => Err(Sense::cdb_field(1, Some(4)).into()),
        }
    }

    /// RESERVE's reservation of another initiator excludes these commands.
    fn exclude_unit(&self, initiator: u32) -> Result<(), Refusal> {
        match self.unit {
            Some(holder) if holder != initiator => Err(Refusal::Conflict),
            _ => Ok(()),
        }
    }

    /// REGISTER: a key, another, or (0) none any more.
    fn register(&mut self, initiator: u32, key: u64) -> Result<Vec<Notice>, Refusal> {
        let full = self.registrations.len() == REGISTRATIONS_MAX;
        let own = self
            .registrations
            .iter_mut()
            .find(|registration| registration.initiator == initiator);
        let mut notices = Vec::new();
        match own {
            None if key == 0 => return Ok(notices),
            None if full => {
                let full = Sense::new(Key::IllegalRequest, asc::INSUFFICIENT_REGISTRATIONS);
                return Err(full.into());
            }
            None => self.registrations.push(Registration { initiator, key }),
            Some(own) if key != 0 => own.key = key,
            Some(_) => notices = self.unregister(initiator),
        }
        self.generation = self.generation.wrapping_add(1);
        // From here on persistent reservations count.
        self.unit = self.unit.filter(|_| self.registrations.is_empty());
        Ok(notices)
    }

    fn unregister(&mut self, initiator: u32) -> Vec<Notice> {
        self.registrations.retain(|r| r.initiator != initiator);
        let Some(holder) = self.holder else {
            return Vec::new();
        };
        match self.registrations.first() {
            // All registrants hold it: one of them goes on.
            Some(other) if holder.kind.all() => {
                let initiator = match self.key_of(holder.initiator) {
                    Some(_) => holder.initiator,
                    None => other.initiator,
                };
                self.holder = Some(Holder {
                    initiator,
                    ..holder
                });
                Vec::new()
            }
            _ if holder.initiator != initiator && !holder.kind.all() => Vec::new(),
            _ => self.released(initiator),
        }
    }

    /// Ends the reservation. Registrants are told if it was theirs too.
    fn released(&mut self, by: u32) -> Vec<Notice> {
        match self.holder.take() {
            Some(holder) if holder.kind.registrants() => {
                self.others(by, asc::RESERVATIONS_RELEASED)
            }
            _ => Vec::new(),
        }
    }

    fn others(&self, initiator: u32, asc: u16) -> Vec<Notice> {
        let others = self.registrations.iter().map(|r| r.initiator);
        others
            .filter(|&other| other != initiator)
            .map(|initiator| Notice { initiator, asc })
            .collect()
    }

    /// RESERVE.
    fn hold(&mut self, initiator: u32, kind: Type) -> Result<Vec<Notice>, Refusal> {
        match self.holder {
            None => self.holder = Some(Holder { initiator, kind }),
            Some(holder) if self.holds(holder, initiator) && holder.kind == kind => {}
            Some(_) => return Err(Refusal::Conflict),
        }
        Ok(Vec::new())
    }

    /// RELEASE.
    fn let_go(&mut self, initiator: u32, kind: Type) -> Result<Vec<Notice>, Refusal> {
        match self.holder {
            Some(holder) if !self.holds(holder, initiator) => Ok(Vec::new()),
            None => Ok(Vec::new()),
            Some(holder) if holder.kind == kind => Ok(self.released(initiator)),
            Some(_) => Err(Sense::new(Key::IllegalRequest, asc::INVALID_RELEASE).into()),
        }
    }

    fn clear(&mut self, initiator: u32) -> Vec<Notice> {
        let notices = self.others(initiator, asc::RESERVATIONS_PREEMPTED);
        self.registrations.clear();
        self.holder = None;
        self.generation = self.generation.wrapping_add(1);
        notices
    }

    /// PREEMPT: registrations with `key` go, and if the reservation was theirs
    /// it is the initiator's. SPC-4 5.12.11.4.
    fn preempt(&mut self, initiator: u32, key: u64, kind: Type) -> Result<Vec<Notice>, Refusal> {
        let holder = self.holder;
        let takes_over = holder.is_some_and(|holder| match holder.kind.all() {
            true => key == 0,
            false => self.key_of(holder.initiator) == Some(key),
        });
        // All registrants hold it, and all go.
        let everybody = takes_over && key == 0;
        if key == 0 && !everybody {
            return Err(Sense::list_field(8, None).into());
        }
        if !everybody && !self.registrations.iter().any(|r| r.key == key) {
            return Err(Refusal::Conflict);
        }
        // Without the reservation, the preempting initiator itself goes too if
        // the key is its own.
        let (going, staying): (Vec<_>, Vec<_>) = self.registrations.iter().partition(|r| {
            let own = r.initiator == initiator;
            (everybody || r.key == key) && !(own && takes_over)
        });
        self.registrations = staying;
        let mut notices: Vec<Notice> = going
            .iter()
            .filter(|r| r.initiator != initiator)
            .map(|r| Notice {
                initiator: r.initiator,
                asc: asc::REGISTRATIONS_PREEMPTED,
            })
            .collect();
        if let Some(holder) = holder.filter(|_| takes_over) {
            self.holder = Some(Holder { initiator, kind });
            if holder.kind != kind && holder.kind.registrants() {
                notices.extend(self.others(initiator, asc::RESERVATIONS_RELEASED));
            }
        } else if let Some(holder) = holder {
            // One of all registrants may have been its name.
            if self.key_of(holder.initiator).is_none() {
                self.holder = self.registrations.first().map(|r| Holder {
                    initiator: r.initiator,
                    ..holder
                });
            }
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(notices)
    }
}

/// SCOPE, which is the logical unit, and TYPE.
fn kind(cdb: &[u8]) -> Result<Type, Sense> {
    if cdb[2] & 0xf0 != 0 {
        return Err(Sense::cdb_field(2, Some(7)));
    }
    Type::from_code(cdb[2] & 0x0f).ok_or(Sense::cdb_field(2, Some(3)))
}

/// The data of REPORT CAPABILITIES: CRH; TMV, and the types.
fn capabilities() -> Vec<u8> {
    vec![0, 8, 0x10, 0x80, 0xea, 0x01, 0, 0]
}
