// SPDX-License-Identifier: GPL-2.0-or-later
//! What commands about the drive answer, and change.

use tape_image::{Error, Operation, Outcome};

use crate::alert;
use crate::attribute::{Attribute, Memory};
use crate::call::Call;
use crate::counters::{Counters, Transfers};
use crate::density;
use crate::diagnostic::{self, Buffers};
use crate::inquiry::inquiry;
use crate::log::Context;
use crate::mode::ModePages;
use crate::opcodes::{report_opcodes, report_task_management, Timestamp};
use crate::reserve::{Refusal, Reservations};
use crate::security;
use crate::state::Reader;
use crate::{asc, Attention, Config, Drive, Key, Sense};

/// What the drive is set to.
#[derive(Debug)]
pub(crate) struct Parameters {
    pub(crate) modes: ModePages,
    pub(crate) reservations: Reservations,
    pub(crate) counters: Counters,
    buffers: Buffers,
    timestamp: Timestamp,
}

impl Parameters {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            modes: ModePages::new(config),
            reservations: Reservations::default(),
            counters: Counters::default(),
            buffers: Buffers::default(),
            timestamp: Timestamp::default(),
        }
    }

    /// Brings the parameters to what a logical unit reset leaves.
    pub(crate) fn reset(&mut self) {
        self.modes.reset();
        self.reservations.reset();
    }

    /// What FORMAT MEDIUM is to make of a cartridge: bytes of each partition.
    /// Only the last can be without a bound, so others get their share of what
    /// such cartridges usually hold.
    pub(crate) fn partitions(&self, config: &Config) -> Result<Vec<u64>, Sense> {
        let mut sizes = self.modes.partition_plan(config.capacity)?;
        let [others @ .., last] = &mut sizes[..] else {
            return Ok(sizes);
        };
        if others.is_empty() {
            // All of the image, however much that is.
            *last = u64::MAX;
        }
        let share = density::usual_capacity(config) / (others.len() as u64 + 1);
        for size in others.iter_mut().filter(|size| **size == u64::MAX) {
            *size = share;
        }
        Ok(sizes)
    }

    /// Counts what the tape did.
    pub(crate) fn count(&mut self, operation: Operation, outcome: &Result<Outcome, Error>) {
        let mut moved = Transfers::default();
        match (operation, outcome) {
            (Operation::Write { length }, Ok(Outcome::Done)) => {
                moved.from_host = length as u64;
                moved.to_medium = length as u64;
                moved.records_written = 1;
            }
            // The record was counted when it was met.
            (Operation::Reread { .. }, Ok(_)) => return,
            (_, Ok(Outcome::Record { length, .. })) => {
                moved.from_medium = u64::from(*length);
                moved.records_read = 1;
            }
            (_, Err(Error::Read { .. })) => moved.read_errors = 1,
            (_, Err(Error::Write { .. })) => moved.write_errors = 1,
            _ => return,
        }
        self.counters.count(moved);
    }

    /// Counts a motion from one byte of a cartridge to another.
    pub(crate) fn count_passes(&mut self, from: u64, to: u64, middle: u64) {
        let beginning = from != 0 && to == 0;
        let over_middle = (from < middle) != (to < middle);
        self.counters.count(Transfers {
            beginning_passes: beginning.into(),
            middle_passes: over_middle.into(),
            ..Transfers::default()
        });
    }

    /// Counts what an initiator was sent of the tape.
    pub(crate) fn count_sent(&mut self, bytes: usize) {
        self.counters.count(Transfers {
            to_host: bytes as u64,
            ..Transfers::default()
        });
    }

    /// Raises the TapeAlert flags that go with an error.
    pub(crate) fn alert(&mut self, sense: &Sense, failure: Option<&Error>) {
        let flags: &[u8] = match (failure, sense.asc) {
            (Some(Error::Read { .. } | Error::Damaged { .. }), _) => {
                &[alert::HARD_ERROR, alert::READ_FAILURE]
            }
            (Some(Error::Write { .. }), _) => &[alert::HARD_ERROR, alert::WRITE_FAILURE],
            (Some(Error::NotATape { .. }), _) => &[alert::UNSUPPORTED_FORMAT],
            (_, asc::WRITE_PROTECTED) => &[alert::WRITE_PROTECT],
            (_, asc::WORM_OVERWRITE) => &[alert::WORM_OVERWRITE],
            (_, asc::REMOVAL_PREVENTED) => &[alert::NO_REMOVAL],
            _ => &[],
        };
        flags.iter().for_each(|&flag| self.counters.raise(flag));
    }

    pub(crate) fn save(&self, bytes: &mut Vec<u8>) {
        self.modes.save(bytes);
        self.reservations.save(bytes);
        self.counters.save(bytes);
        self.buffers.save(bytes);
        self.timestamp.save(bytes);
    }

    pub(crate) fn restore(config: &Config, reader: &mut Reader) -> Option<Self> {
        let mut new = Self::new(config);
        new.modes.restore(reader)?;
        new.reservations = Reservations::restore(reader)?;
        new.counters = Counters::restore(reader)?;
        new.buffers = Buffers::restore(reader)?;
        new.timestamp = Timestamp::restore(reader)?;
        Some(new)
    }
}

impl Drive {
    /// Carries out a command that the tape has no part in, given its data out.
    pub(crate) fn reply(&mut self, call: &Call, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let cdb = call.cdb();
        let slot = self.slot.as_ref();
        let tape = slot.and_then(|slot| slot.view(&self.config));
        let view = tape.as_ref();
        let Parameters {
            modes,
            reservations,
            counters,
            buffers,
            timestamp,
        } = &mut self.parameters;
        let who = call.initiator;
        let done = |()| Vec::new();
        Ok(match call.opcode() {
            0x03 => self.pending_sense(call),
            0x05 => block_limits(call),
            0x12 => inquiry(&self.config, cdb)?,
            0x15 | 0x55 => {
                modes.select(view, cdb, data)?;
                if !data.is_empty() {
                    self.attentions
                        .push(Attention::others(asc::MODE_PARAMETERS_CHANGED));
                }
                Vec::new()
            }
            0x1a | 0x5a => modes.sense(view, cdb)?,
            0x1c => diagnostic::receive(cdb)?,
            0x1d => diagnostic::send(cdb, data).map(done)?,
            0x1e => self.prevent_allow(call).map(done)?,
            0x16 | 0x56 => reservations.reserve(who).map(done)?,
            0x17 | 0x57 => reservations.release(who).map(done)?,
            0x4c => counters.select(cdb).map(done)?,
            0x4d => {
                let context = Context {
                    config: &self.config,
                    view,
                    attributes: slot.map_or(&[], |slot| slot.cartridge.attributes(0)),
                    compression: modes.compression(),
                };
                counters.sense(&context, cdb)?
            }
            0x5e => reservations.persistent_in(who, cdb)?,
            0x5f => {
                let notices = reservations.persistent_out(who, cdb, data)?;
                self.attentions.extend(notices.iter().map(Attention::from));
                Vec::new()
            }
            0x3b => buffers.write(cdb, data).map(done)?,
            0x3c => buffers.read(cdb)?,
            0x44 => density::report(&self.config, view, cdb)?,
            0x8c => self.with_memory(|memory| memory.read(cdb))?,
            0xa0 => luns(call)?,
            0xa2 => security::protocol_in(cdb)?,
            0xb5 => security::protocol_out().map(done)?,
            0xa3 => match call.byte(1) & 0x1f {
                0x0c => report_opcodes(cdb)?,
                0x0d => report_task_management(cdb)?,
                _ => timestamp.report()?,
            },
            0xa4 => timestamp.change(cdb, data).map(done)?,
            _ => return Err(Sense::new(Key::IllegalRequest, asc::INVALID_OPCODE).into()),
        })
    }

    /// What WRITE ATTRIBUTE makes of a partition's attributes.
    pub(crate) fn attributes_after(
        &self,
        call: &Call,
        data: &[u8],
    ) -> Result<Vec<Attribute>, Sense> {
        self.with_memory(|memory| memory.write(call.cdb(), data))
    }

    fn with_memory<T>(&self, answer: impl FnOnce(Memory<'_>) -> T) -> T {
        let slot = self.slot.as_ref();
        let tape = slot.and_then(|slot| slot.view(&self.config));
        let lists = slot.map_or_else(Vec::new, |slot| {
            let partitions = 0..slot.cartridge.partitions().len();
            let attributes = partitions.map(|number| slot.cartridge.attributes(number));
            attributes.collect()
        });
        answer(Memory {
            config: &self.config,
            view: tape.as_ref(),
            counters: &self.parameters.counters,
            lists: &lists,
        })
    }

    /// REQUEST SENSE, SPC-4 6.37: a deferred error, as nothing else is pending
    /// here.
    fn pending_sense(&mut self, call: &Call) -> Vec<u8> {
        const DESC: u8 = 1;
        let sense = self.deferred.take().unwrap_or(Sense::NOTHING);
        sense.to_bytes(call.flag(DESC))
    }

    /// PREVENT ALLOW MEDIUM REMOVAL, SPC-4 6.17: by initiator.
    fn prevent_allow(&mut self, call: &Call) -> Result<(), Sense> {
        self.preventing.retain(|&who| who != call.initiator);
        match call.byte(4) & 3 {
            0 => {}
            1 => self.preventing.push(call.initiator),
            // Of a medium changer.
            _ => return Err(Sense::cdb_field(4, Some(1))),
        }
        Ok(())
    }
}

/// REPORT LUNS, SPC-4 6.33: this one.
fn luns(call: &Call) -> Result<Vec<u8>, Sense> {
    // All, well known (there are none), all and well known.
    let count = match call.byte(2) {
        0 | 2 => 1,
        1 => 0,
        _ => return Err(Sense::cdb_field(2, Some(7))),
    };
    if call.number(6, 4) < 16 {
        return Err(Sense::cdb_field(6, None));
    }
    let mut data = vec![0, 0, 0, 8 * count, 0, 0, 0, 0];
    data.resize(8 + 8 * usize::from(count), 0);
    Ok(data)
}

/// READ BLOCK LIMITS, SSC-3 6.9: any length that 24 bits can say.
fn block_limits(call: &Call) -> Vec<u8> {
    const MLOI: u8 = 1;
    if call.flag(MLOI) {
        let mut data = vec![0; 20];
        data[12..].fill(0xff);
        return data;
    }
    vec![0, 0xff, 0xff, 0xff, 0, 1]
}
