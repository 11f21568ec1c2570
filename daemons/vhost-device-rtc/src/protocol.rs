// SPDX-License-Identifier: GPL-2.0-or-later
//! The protocol of virtio-rtc (VIRTIO 1.4, "RTC Device", ID 17), whole, on one page. No I/O: a
//! request's bytes, a device and a host's clocks go in, an answer's bytes come out.
//!
//! Little-endian; offsets and lengths in bytes, times in nanoseconds. The driver puts requests
//! into the requestq (queue 0), each with room for the answer behind it.
//!
//! ```text
//! request   0 msg_type le16 | 2 reserved[6] | 8 what the message has
//! answer    0 status u8     | 1 reserved[7] | 8 what the message has
//!
//!                           request                               answer
//! READ               0x0001 8 clock_id le16                    16 8 clock_reading le64           16
//! READ_CROSS         0x0002 8 clock_id, 10 hw_counter u8       16 8 clock_reading,
//!                                                                 16 counter_cycles le64         24
//! CFG                0x1000                                     8 8 num_clocks le16              16
//! CLOCK_CAP          0x1001 8 clock_id                         16 8 type u8, 9 smearing u8,
//!                                                                 10 flags u8 (1: ALARM_CAP)     16
//! CROSS_CAP          0x1002 8 clock_id, 10 hw_counter          16 8 flags u8 (1: CROSS_CAP)      16
//! READ_ALARM         0x1003 8 clock_id                         16 8 alarm_time le64,
//!                                                                 16 flags u8 (1: ENABLED)       24
//! SET_ALARM          0x1004 8 alarm_time, 16 clock_id,
//!                           18 flags u8 (1: ENABLED)           24                                 8
//! SET_ALARM_ENABLED  0x1005 8 clock_id, 10 flags               16                                 8
//!
//! NOTIF_ALARM        0x2000 (alarmq, queue 1) 0 msg_type le16, 8 clock_id le16                   16
//! ```
//!
//! The status, in the order in which it is looked for:
//!
//! | status | when |
//! |---|---|
//! | none, and nothing is written | no room for the status |
//! | EINVAL | the request is shorter than its head |
//! | EOPNOTSUPP | an unknown message |
//! | EINVAL | the request is shorter than its message, or the room than the answer |
//! | ENODEV | a message about alarms without VIRTIO_RTC_F_ALARM; an unknown clock |
//! | EOPNOTSUPP | a counter that the specification doesn't know, or READ_CROSS of one that isn't there |
//! | EINVAL | a flag that the specification doesn't know |
//! | EIO | the clock or, while the virtual machine stands still, its counter can't be read |
//! | OK | otherwise |
//!
//! Bytes beyond a request or an answer are ignored, and so are a request's reserved bytes; an
//! answer's are 0. An answer is as long as its message says whatever its status, with zeros for
//! what isn't known, and cut off only where the room ends: Linux's driver takes any other length
//! for a failure.

use crate::device::Device;
use crate::host::Host;

/// The device's number among virtio's.
pub const DEVICE_ID: u32 = 17;
/// The feature bit of alarms and of their queue, VIRTIO_RTC_F_ALARM.
pub const F_ALARM: u32 = 0;
/// The requestq's number.
pub const REQUESTQ: usize = 0;
/// The alarmq's number; the queue is there only with [`F_ALARM`].
pub const ALARMQ: usize = 1;

/// The length of a request's head, and of an answer's.
pub const HEAD: usize = 8;
/// The longest request.
pub const MAX_REQUEST: usize = 24;
/// The longest answer.
pub const MAX_ANSWER: usize = 24;
/// The length of a notification.
pub const NOTIFICATION: usize = 16;
/// The only notification: an alarm's clock has reached its time.
pub const NOTIF_ALARM: u16 = 0x2000;

/// CLOCK_CAP: the clock has an alarm.
pub const FLAG_ALARM_CAP: u8 = 1;
/// CROSS_CAP: READ_CROSS works for the clock and the counter.
pub const FLAG_CROSS_CAP: u8 = 1;
/// READ_ALARM, SET_ALARM, SET_ALARM_ENABLED: the alarm is enabled.
pub const FLAG_ALARM_ENABLED: u8 = 1;

/// Arm's generic timer, the virtual count.
pub const COUNTER_ARM_VCT: u8 = 0;
/// x86's time stamp counter.
pub const COUNTER_X86_TSC: u8 = 1;
/// No counter.
pub const COUNTER_INVALID: u8 = 0xff;

/// An answer's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// An unknown message or counter, or something that this device can't do.
    Unsupported = 2,
    /// No such clock, or one without an alarm.
    NoDevice = 3,
    /// Too short a buffer, or a value that the specification doesn't allow.
    Invalid = 4,
    /// A fault that isn't the driver's.
    Io = 5,
}

/// A row of the table: what is known of a message.
#[derive(Debug)]
pub struct Message {
    /// The value of msg_type.
    pub kind: u16,
    /// The name that the specification has for it, without VIRTIO_RTC_REQ_.
    pub name: &'static str,
    /// The request's length.
    pub request: usize,
    /// The answer's length.
    pub answer: usize,
    /// Whether it is there only with [`F_ALARM`].
    pub alarm: bool,
    /// What gives the answer.
    pub handler: Handler,
}

/// Fills in an answer behind its head, or says why it can't.
pub type Handler =
    fn(&mut Device, &mut dyn Host, &Fields, &mut [u8; MAX_ANSWER]) -> Result<(), Status>;

const fn row(
    kind: u16,
    name: &'static str,
    lengths: (usize, usize),
    alarm: bool,
    handler: Handler,
) -> Message {
    Message {
        kind,
        name,
        request: lengths.0,
        answer: lengths.1,
        alarm,
        handler,
    }
}

/// Every request. What a handler does is in device.rs.
#[rustfmt::skip]
pub const MESSAGES: [Message; 8] = [
    row(0x0001, "READ",              (16, 16), false, Device::read),
    row(0x0002, "READ_CROSS",        (16, 24), false, Device::read_cross),
    row(0x1000, "CFG",               ( 8, 16), false, Device::cfg),
    row(0x1001, "CLOCK_CAP",         (16, 16), false, Device::clock_cap),
    row(0x1002, "CROSS_CAP",         (16, 16), false, Device::cross_cap),
    row(0x1003, "READ_ALARM",        (16, 24), true,  Device::read_alarm),
    row(0x1004, "SET_ALARM",         (24,  8), true,  Device::set_alarm),
    row(0x1005, "SET_ALARM_ENABLED", (16,  8), true,  Device::set_alarm_enabled),
];

/// A request's bytes, at least as many as its message has.
#[derive(Debug)]
pub struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The byte at an offset.
    pub fn u8(&self, at: usize) -> u8 {
        self.0[at]
    }

    /// The le16 at an offset.
    pub fn le16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// The le64 at an offset.
    pub fn le64(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        u64::from_le_bytes(bytes)
    }
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    bytes: [u8; MAX_ANSWER],
    length: usize,
}

impl Answer {
    /// The bytes to write; their number is the length that the driver is told.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn failure(status: Status, length: usize) -> Answer {
        let mut bytes = [0; MAX_ANSWER];
        bytes[0] = status as u8;
        Answer { bytes, length }
    }
}

/// The row of a message.
pub fn message(kind: u16) -> Option<&'static Message> {
    MESSAGES.iter().find(|message| message.kind == kind)
}

/// Answer `request`, of which [`MAX_REQUEST`] bytes are enough, in `room` bytes.
pub fn answer(device: &mut Device, host: &mut dyn Host, request: &[u8], room: usize) -> Answer {
    if request.len() < HEAD {
        return Answer::failure(Status::Invalid, room.min(HEAD));
    }
    let fields = Fields(request);
    let Some(message) = message(fields.le16(0)) else {
        return Answer::failure(Status::Unsupported, room.min(HEAD));
    };
    let length = room.min(message.answer);
    if request.len() < message.request || room < message.answer {
        return Answer::failure(Status::Invalid, length);
    }
    if message.alarm && !device.has_alarms() {
        return Answer::failure(Status::NoDevice, length);
    }
    let mut bytes = [0; MAX_ANSWER];
    match (message.handler)(device, host, &fields, &mut bytes) {
        Ok(()) => Answer { bytes, length },
        Err(status) => Answer::failure(status, length),
    }
}

/// What is put into a buffer of the alarmq when the alarm of a clock has expired.
pub fn notification(clock: u16) -> [u8; NOTIFICATION] {
    let mut bytes = [0; NOTIFICATION];
    bytes[..2].copy_from_slice(&NOTIF_ALARM.to_le_bytes());
    bytes[8..10].copy_from_slice(&clock.to_le_bytes());
    bytes
}
