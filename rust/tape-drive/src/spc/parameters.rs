// SPDX-License-Identifier: GPL-2.0-or-later
//! Commands about the drive itself: parameters in and out. What they mean is in
//! the modules beside this one.

use crate::bytes::number;
use crate::command::{
    commands, Call, Length, Length::InField, Length::OutField, CHANGES, LOADS, LOADS_ALL, QUIET,
};
use crate::core::Core;
use crate::density;
use crate::sense::{Answer, Refusal, Sense};
use crate::spc::inquiry::inquiry;
use crate::spc::log::Context;
use crate::spc::{diagnostic, security};

const SETS: u8 = CHANGES | LOADS;

commands! {
    0x03, "REQUEST SENSE", InField(4, 1), QUIET,
        reply |core, call, _| Ok(pending_sense(core, call)), [1 0 0 0xff 0];
    0x05, "READ BLOCK LIMITS", Length::In(0, |cdb| if cdb[1] & 1 != 0 { 20 } else { 6 }), LOADS,
        reply |_, call, _| Ok(block_limits(call)), [1 0 0 0 0];
    0x12, "INQUIRY", InField(3, 2), QUIET,
        reply |core, call, _| Ok(inquiry(&core.config, call.cdb())?), [1 0xff 0xff 0xff 0];
    0x15, "MODE SELECT(6)", OutField(4, 1), SETS, reply mode_select, [0x11 0 0 0xff 0];
    0x16, "RESERVE(6)", Length::None, CHANGES,
        reply |core, _, _| set(core.reservations.reserve()), [0 0 0 0 0];
    0x17, "RELEASE(6)", Length::None, CHANGES,
        reply |core, _, _| set(core.reservations.release()), [0 0 0 0 0];
    0x1a, "MODE SENSE(6)", InField(4, 1), SETS, reply mode_sense, [8 0xff 0xff 0xff 0];
    0x1c, "RECEIVE DIAGNOSTIC RESULTS", InField(3, 2), SETS,
        reply |_, call, _| Ok(diagnostic::receive(call.cdb())?), [1 0xff 0xff 0xff 0];
    0x1d, "SEND DIAGNOSTIC", OutField(3, 2), SETS,
        reply |_, call, data| set(diagnostic::send(call.cdb(), data)), [0xf7 0 0xff 0xff 0];
    0x1e, "PREVENT ALLOW MEDIUM REMOVAL", Length::None, SETS, reply prevent_allow, [0 0 0 3 0];
    0x3b, "WRITE BUFFER", OutField(6, 3), SETS,
        reply |core, call, data| set(core.buffers.write(call.cdb(), data)),
        [0x1f 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x3c, "READ BUFFER", InField(6, 3), SETS,
        reply |core, call, _| Ok(core.buffers.read(call.cdb())?),
        [0x1f 0xff 0xff 0xff 0xff 0xff 0xff 0xff 0];
    0x44, "REPORT DENSITY SUPPORT", InField(7, 2), LOADS,
        reply |core, call, _| Ok(density::report(&core.config, core.view().as_ref(), call.cdb())?),
        [3 0 0 0 0 0 0xff 0xff 0];
    0x4c, "LOG SELECT", OutField(7, 2), SETS,
        reply |core, call, _| set(core.counters.select(call.cdb())),
        [3 0xff 0xff 0 0 0 0xff 0xff 0];
    0x4d, "LOG SENSE", InField(7, 2), LOADS_ALL, reply log_sense,
        [1 0xff 0xff 0 0xff 0xff 0xff 0xff 0];
    0x55, "MODE SELECT(10)", OutField(7, 2), SETS, reply mode_select,
        [0x11 0 0 0 0 0 0xff 0xff 0];
    0x56, "RESERVE(10)", Length::None, CHANGES,
        reply |core, _, _| set(core.reservations.reserve()), [0 0 0 0 0 0 0 0 0];
    0x57, "RELEASE(10)", Length::None, CHANGES,
        reply |core, _, _| set(core.reservations.release()), [0 0 0 0 0 0 0 0 0];
    0x5a, "MODE SENSE(10)", InField(7, 2), SETS, reply mode_sense,
        [8 0xff 0xff 0 0 0 0xff 0xff 0];
    0x5e / 0x00, "PERSISTENT RESERVE IN, READ KEYS", InField(7, 2), CHANGES,
        reply persistent_in, [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5e / 0x01, "PERSISTENT RESERVE IN, READ RESERVATION", InField(7, 2), CHANGES,
        reply persistent_in, [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5e / 0x02, "PERSISTENT RESERVE IN, REPORT CAPABILITIES", InField(7, 2), CHANGES,
        reply persistent_in, [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5e / 0x03, "PERSISTENT RESERVE IN, READ FULL STATUS", InField(7, 2), CHANGES,
        reply persistent_in, [0x1f 0 0 0 0 0 0xff 0xff 0];
    0x5f / 0x00, "PERSISTENT RESERVE OUT, REGISTER", OutField(5, 4), CHANGES,
        reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x01, "PERSISTENT RESERVE OUT, RESERVE", OutField(5, 4), CHANGES,
        reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x02, "PERSISTENT RESERVE OUT, RELEASE", OutField(5, 4), CHANGES,
        reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x03, "PERSISTENT RESERVE OUT, CLEAR", OutField(5, 4), CHANGES,
        reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x04, "PERSISTENT RESERVE OUT, PREEMPT", OutField(5, 4), CHANGES,
        reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x05, "PERSISTENT RESERVE OUT, PREEMPT AND ABORT", OutField(5, 4), CHANGES,
        reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0x5f / 0x06, "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", OutField(5, 4),
        CHANGES, reply persistent_out, [0x1f 0xff 0 0 0xff 0xff 0xff 0xff 0];
    0xa0, "REPORT LUNS", InField(6, 4), QUIET, reply |_, call, _| Ok(luns(call)?),
        [0 0xff 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xa2, "SECURITY PROTOCOL IN", Length::In(6, in_512), SETS,
        reply |_, call, _| Ok(security::protocol_in(call.cdb())?),
        [0xff 0xff 0xff 0x80 0 0xff 0xff 0xff 0xff 0 0];
    0xa3 / 0x0f, "REPORT TIMESTAMP", InField(6, 4), 0,
        reply |core, _, _| Ok(core.timestamp.report()?),
        [0x1f 0 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xa4 / 0x0f, "SET TIMESTAMP", OutField(6, 4), SETS,
        reply |core, call, data| set(core.timestamp.change(call.cdb(), data)),
        [0x1f 0 0 0 0 0xff 0xff 0xff 0xff 0 0];
    0xb5, "SECURITY PROTOCOL OUT", Length::Out(6, in_512), SETS,
        reply |_, _, _| set(security::protocol_out()),
        [0xff 0xff 0xff 0x80 0 0xff 0xff 0xff 0xff 0 0];
}

/// The length of the security protocol commands, which INC_512 counts in 512 bytes.
fn in_512(cdb: &[u8]) -> u64 {
    number(cdb, 6, 4) * if cdb[4] & 0x80 != 0 { 512 } else { 1 }
}

fn set(done: Result<(), impl Into<Refusal>>) -> Answer {
    done.map(|()| Vec::new()).map_err(Into::into)
}

fn mode_sense(core: &mut Core, call: &Call, _: &[u8]) -> Answer {
    Ok(core.modes.sense(core.view().as_ref(), call.cdb())?)
}

fn mode_select(core: &mut Core, call: &Call, data: &[u8]) -> Answer {
    let view = core.view();
    set(core.modes.select(view.as_ref(), call.cdb(), data))
}

fn log_sense(core: &mut Core, call: &Call, _: &[u8]) -> Answer {
    let slot = core.slot.as_ref();
    let view = core.view();
    let context = Context {
        config: &core.config,
        view: view.as_ref(),
        attributes: slot.map_or(&[], |slot| slot.cartridge.attributes(0)),
        compression: core.modes.compression(),
    };
    Ok(core.counters.sense(&context, call.cdb())?)
}

fn persistent_in(core: &mut Core, call: &Call, _: &[u8]) -> Answer {
    Ok(core.reservations.persistent_in(call.cdb())?)
}

fn persistent_out(core: &mut Core, call: &Call, data: &[u8]) -> Answer {
    set(core.reservations.persistent_out(call.cdb(), data))
}

/// REQUEST SENSE, SPC-4 6.37: a deferred error, as nothing else is pending
/// here.
fn pending_sense(core: &mut Core, call: &Call) -> Vec<u8> {
    const DESC: u8 = 1;
    let sense = core.deferred.take().unwrap_or(Sense::NOTHING);
    sense.to_bytes(call.flag(DESC))
}

/// PREVENT ALLOW MEDIUM REMOVAL, SPC-4 6.17.
fn prevent_allow(core: &mut Core, call: &Call, _: &[u8]) -> Answer {
    core.prevented = match call.byte(4) & 3 {
        0 => false,
        1 => true,
        // Of a medium changer.
        _ => return Err(Sense::cdb_field(4, Some(1)).into()),
    };
    Ok(Vec::new())
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
