// SPDX-License-Identifier: GPL-2.0-or-later
//! What the specification says of each request (Virtio 1.4, 5.23.6), written down
//! here once more: the daemon's own table is what is tried.

use std::fmt;

use annex_peers::rtc::{counter, kind, status};

/// A message's lengths, heads included.
pub struct Message {
    /// Its number.
    pub kind: u16,
    /// Bytes of the request.
    pub request: usize,
    /// Bytes of the response.
    pub response: usize,
    /// Whether it is about an alarm.
    pub alarm: bool,
    /// Where its clock is, if it has one.
    pub clock: Option<usize>,
    /// Where its counter is, if it has one.
    pub counter: Option<usize>,
    /// Where its flags are, if it has some.
    pub flags: Option<usize>,
}

const fn message(kind: u16, request: usize, response: usize) -> Message {
    Message {
        kind,
        request,
        response,
        alarm: false,
        clock: Some(8),
        counter: None,
        flags: None,
    }
}

/// All that there are.
pub const MESSAGES: [Message; 8] = [
    message(kind::READ, 16, 16),
    Message {
        counter: Some(10),
        ..message(kind::READ_CROSS, 16, 24)
    },
    Message {
        clock: None,
        ..message(kind::CFG, 8, 16)
    },
    message(kind::CLOCK_CAP, 16, 16),
    Message {
        counter: Some(10),
        ..message(kind::CROSS_CAP, 16, 16)
    },
    Message {
        alarm: true,
        ..message(kind::READ_ALARM, 16, 24)
    },
    Message {
        alarm: true,
        clock: Some(16),
        flags: Some(18),
        ..message(kind::SET_ALARM, 24, 8)
    },
    Message {
        alarm: true,
        flags: Some(10),
        ..message(kind::SET_ALARM_ENABLED, 16, 8)
    },
];

/// Numbers that no request has; one of them is the notification's.
pub const UNKNOWN: [u16; 10] = [
    0, 3, 0x00ff, 0x0100, 0x0fff, 0x1006, 0x1100, 0x2000, 0x8001, 0xffff,
];

/// Bytes of a response's head.
const HEAD: usize = 8;

/// What the device was told and offers.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How many clocks it has.
    pub clocks: u16,
    /// Whether alarms were negotiated.
    pub alarms: bool,
    /// Whether the guest's TSC is known: never, not now, now.
    pub tsc: Tsc,
}

/// What is known of the guest's TSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tsc {
    /// There has been no word of it.
    Never,
    /// It is there, but stands still or is unknown just now.
    NotNow,
    /// Known.
    Now,
}

/// What may come of a request.
#[derive(PartialEq, Eq)]
pub enum Outcome {
    /// There is no room for as much as a status.
    Nothing,
    /// Success, and a response of so many bytes.
    Success(usize),
    /// One of these: more than one rule forbids the request, and the
    /// specification doesn't rank them.
    OneOf(Vec<u8>),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Success(bytes) => write!(f, "status 0 and {bytes} bytes"),
            Self::OneOf(statuses) => write!(f, "a status of {statuses:?}"),
        }
    }
}

/// What comes of a request with room for `room` bytes.
pub fn outcome(request: &[u8], room: usize, setting: Setting) -> Outcome {
    if room == 0 {
        return Outcome::Nothing;
    }
    if request.len() < 2 {
        return Outcome::OneOf(vec![status::EINVAL]);
    }
    let number = u16::from_le_bytes([request[0], request[1]]);
    let Some(message) = MESSAGES.iter().find(|message| message.kind == number) else {
        let mut statuses = vec![status::EOPNOTSUPP];
        // It doesn't fit either, whatever it is.
        if request.len() < HEAD || room < HEAD {
            statuses.push(status::EINVAL);
        }
        return Outcome::OneOf(statuses);
    };
    let mut faults = Vec::new();
    if message.alarm && !setting.alarms {
        faults.push(status::ENODEV);
    }
    if request.len() < message.request {
        faults.push(status::EINVAL);
        return Outcome::OneOf(faults);
    }
    if room < message.response {
        faults.push(status::EINVAL);
    }
    if let Some(at) = message.clock {
        let clock = u16::from_le_bytes([request[at], request[at + 1]]);
        if clock >= setting.clocks {
            faults.push(status::ENODEV);
        }
    }
    if message.flags.is_some_and(|at| request[at] & !1 != 0) {
        faults.push(status::EINVAL);
    }
    if let Some(at) = message.counter {
        let counter = request[at];
        let known = [counter::ARM_VCT, counter::X86_TSC].contains(&counter);
        if !known {
            faults.push(status::EOPNOTSUPP);
        } else if number == kind::READ_CROSS {
            match (counter, setting.tsc) {
                (counter::X86_TSC, Tsc::Now) => {}
                (counter::X86_TSC, Tsc::NotNow) => faults.push(status::EIO),
                _ => faults.push(status::EOPNOTSUPP),
            }
        }
    }
    match faults.is_empty() {
        true => Outcome::Success(message.response),
        false => Outcome::OneOf(faults),
    }
}

/// What is wrong with an answer, if something is: `room` is what is in the
/// chain's room, of which `len` bytes were written.
pub fn fault(outcome: &Outcome, room: &[u8], len: usize) -> Option<String> {
    let expected = format!("{len} bytes, {room:02x?}, but {outcome:?} expected");
    let right = match outcome {
        Outcome::Nothing => len == 0,
        Outcome::Success(bytes) => len == *bytes && room[0] == status::OK,
        Outcome::OneOf(statuses) => len > 0 && statuses.contains(&room[0]),
    };
    if !right {
        return Some(expected);
    }
    let reserved = room.get(1..len.min(HEAD)).unwrap_or_default();
    (reserved.iter().any(|byte| *byte != 0)).then(|| format!("reserved bytes: {expected}"))
}
