// SPDX-License-Identifier: GPL-2.0-or-later
//! What a device of each type writes into a request, and what a request reads as that no device
//! has answered: one table.
//!
//! A back-end says in the used ring how many bytes it wrote. Without isolation most drivers never
//! look at that, and so back-ends are wrong about it: they leave the status out, count it alone,
//! or say 0. Here that number decides what is copied, and so it isn't believed, but where the
//! bytes are a stream and nothing else tells their number ([`Length::Stream`]).
//!
//! What the back-end doesn't write is zero, and a status that it doesn't write is a failure:
//! the answer that [`Failure`] describes is in the buffers before the back-end gets them. The
//! same answer, written to the guest, is what a request gets that can't be lent
//! ([`Queue::refuse`](crate::Queue::refuse)).
//!
//! All fields are little-endian, as the area's rings are.

use std::fmt::{self, Display, Formatter};
use std::iter;

use vm_memory::VolatileSlice;

use crate::copy::{after, copy};

/// How many bytes of a request's writable buffers are copied back, and how many the guest is told
/// of in its used ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As many as the back-end says, for both: a stream of bytes without another length.
    Stream,
    /// All are copied, and the guest is told what the back-end says.
    Count,
    /// All are copied, and the guest is told what the back-end says, or where the status ends if
    /// that is more.
    Status,
    /// As many as the reply says in its first field (`fuse_out_header`), or the back-end if that
    /// is more, for both.
    Reply,
}

/// An answer that says that a request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which field the driver looks at, and what it says.
    about: &'static str,
    /// Its bytes.
    bytes: &'static [u8],
    /// It lies at the end of the writable buffers, not at their beginning.
    at_end: bool,
    /// What is taken from the request, by which the driver knows the answer.
    echo: Option<Echo>,
}

/// Bytes of a request that its answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Echo {
    /// Where they are in the readable buffers.
    from: usize,
    /// Where they go in the answer.
    to: usize,
    len: usize,
}

/// What holds for a queue of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How much is copied back.
    pub length: Length,
    /// What a request reads as that nobody answered. None: zeros, and one that is too large can't
    /// be refused.
    pub failure: Option<Failure>,
    /// The back-end keeps requests until something happens, which may be never: a device that
    /// stops doesn't wait for them.
    pub held: bool,
}

/// Which queues of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queues {
    All,
    One(usize),
    From(usize),
    Even,
    Odd,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The device's number (Virtio 1.3, 5).
    pub device: u16,
    name: &'static str,
    queues: Queues,
    /// What the queues are for.
    role: &'static str,
    /// What holds for them.
    pub rule: Rule,
}

const NET: u16 = 1;
const BLOCK: u16 = 2;
const CONSOLE: u16 = 3;
const RNG: u16 = 4;
const SCSI: u16 = 8;
const RTC: u16 = 17;
const INPUT: u16 = 18;
const VSOCK: u16 = 19;
const CRYPTO: u16 = 20;
const SOUND: u16 = 25;
const FS: u16 = 26;
const SCMI: u16 = 32;
const I2C: u16 = 34;
const GPIO: u16 = 41;

/// Bytes of the longest [`Failure`].
pub(crate) const FAILURE_MAX: usize = 16;

const fn last_byte(about: &'static str, bytes: &'static [u8; 1]) -> Failure {
    Failure {
        about,
        bytes,
        at_end: true,
        echo: None,
    }
}

const fn at_start(about: &'static str, bytes: &'static [u8]) -> Failure {
    Failure {
        about,
        bytes,
        at_end: false,
        echo: None,
    }
}

const BLOCK_FAILURE: Failure = last_byte("status, the last byte: `VIRTIO_BLK_S_IOERR`", &[1]);
const CRYPTO_FAILURE: Failure = last_byte("status, the last byte: `VIRTIO_CRYPTO_ERR`", &[1]);
const I2C_FAILURE: Failure = last_byte("status, the last byte: `VIRTIO_I2C_MSG_ERR`", &[1]);
const SCSI_CONTROL_FAILURE: Failure =
    last_byte("response, the last byte: `VIRTIO_SCSI_S_FAILURE`", &[9]);
const SCSI_FAILURE: Failure = at_start(
    "response, byte 11: `VIRTIO_SCSI_S_FAILURE`",
    &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
);
const RTC_FAILURE: Failure = at_start("status, byte 0: `VIRTIO_RTC_S_EIO`", &[5]);
const GPIO_FAILURE: Failure = at_start("status, byte 0: `VIRTIO_GPIO_STATUS_ERR`", &[1, 0]);
const GPIO_EVENT_FAILURE: Failure =
    at_start("status, byte 0: `VIRTIO_GPIO_IRQ_STATUS_INVALID`", &[0]);
const SOUND_FAILURE: Failure = at_start(
    "code, bytes 0 to 3: `VIRTIO_SND_S_IO_ERR`",
    &[0x03, 0x80, 0, 0],
);
const PCM_FAILURE: Failure = Failure {
    about: "status, in the last 8 bytes: `VIRTIO_SND_S_IO_ERR`",
    bytes: &[0x03, 0x80, 0, 0, 0, 0, 0, 0],
    at_end: true,
    echo: None,
};
/// `fuse_out_header`: its length, -EIO, and the request's `unique`.
const FS_FAILURE: Failure = Failure {
    about: "error, bytes 4 to 7: `-EIO`",
    bytes: &[16, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
    at_end: false,
    echo: Some(Echo {
        from: 8,
        to: 8,
        len: 8,
    }),
};
/// The message's header, and a status.
const SCMI_FAILURE: Failure = Failure {
    about: "status, bytes 4 to 7: `COMMS_ERROR`",
    bytes: &[0, 0, 0, 0, 0xf9, 0xff, 0xff, 0xff],
    at_end: false,
    echo: Some(Echo {
        from: 0,
        to: 0,
        len: 4,
    }),
};

const STREAM: Rule = Rule::STREAM;
const COUNT: Rule = Rule::of(Length::Count, None);

/// What holds for devices and queues that aren't in the [`TABLE`].
pub const OTHERS: Rule = COUNT;

/// All device types that the annex knows.
pub const TABLE: &[Row] = &[
    row(NET, "net", Queues::Even, "receive", STREAM.held()),
    row(NET, "net", Queues::Odd, "transmit", STREAM),
    row(
        BLOCK,
        "blk",
        Queues::All,
        "requests",
        answered(BLOCK_FAILURE),
    ),
    row(CONSOLE, "console", Queues::Even, "receive", STREAM.held()),
    row(CONSOLE, "console", Queues::Odd, "transmit", STREAM),
    row(RNG, "rng", Queues::All, "requests", STREAM),
    row(
        SCSI,
        "scsi",
        Queues::One(0),
        "control",
        answered(SCSI_CONTROL_FAILURE),
    ),
    row(SCSI, "scsi", Queues::One(1), "events", COUNT.held()),
    row(
        SCSI,
        "scsi",
        Queues::From(2),
        "requests",
        answered(SCSI_FAILURE),
    ),
    row(
        RTC,
        "rtc",
        Queues::One(0),
        "requests",
        answered(RTC_FAILURE),
    ),
    row(RTC, "rtc", Queues::One(1), "alarms", COUNT.held()),
    row(INPUT, "input", Queues::One(0), "events", COUNT.held()),
    row(INPUT, "input", Queues::One(1), "status", COUNT),
    row(
        VSOCK,
        "vsock",
        Queues::Even,
        "receive, events",
        STREAM.held(),
    ),
    row(VSOCK, "vsock", Queues::Odd, "transmit", STREAM),
    row(
        CRYPTO,
        "crypto",
        Queues::All,
        "data",
        answered(CRYPTO_FAILURE),
    ),
    row(
        SOUND,
        "snd",
        Queues::One(0),
        "control",
        answered(SOUND_FAILURE),
    ),
    row(SOUND, "snd", Queues::One(1), "events", COUNT.held()),
    row(
        SOUND,
        "snd",
        Queues::One(2),
        "playback",
        answered(PCM_FAILURE).held(),
    ),
    // How much was captured is what the back-end says.
    row(
        SOUND,
        "snd",
        Queues::One(3),
        "capture",
        Rule::of(Length::Count, Some(PCM_FAILURE)).held(),
    ),
    row(
        FS,
        "fs",
        Queues::All,
        "requests",
        Rule::of(Length::Reply, Some(FS_FAILURE)),
    ),
    row(
        SCMI,
        "scmi",
        Queues::One(0),
        "commands",
        answered(SCMI_FAILURE),
    ),
    row(SCMI, "scmi", Queues::One(1), "events", COUNT.held()),
    row(I2C, "i2c", Queues::All, "requests", answered(I2C_FAILURE)),
    row(
        GPIO,
        "gpio",
        Queues::One(0),
        "requests",
        answered(GPIO_FAILURE),
    ),
    row(
        GPIO,
        "gpio",
        Queues::One(1),
        "events",
        answered(GPIO_EVENT_FAILURE).held(),
    ),
];

const fn row(
    device: u16,
    name: &'static str,
    queues: Queues,
    role: &'static str,
    rule: Rule,
) -> Row {
    Row {
        device,
        name,
        queues,
        role,
        rule,
    }
}

const fn answered(failure: Failure) -> Rule {
    Rule::of(Length::Status, Some(failure))
}

impl Rule {
    /// A stream of bytes without a status.
    pub const STREAM: Self = Self::of(Length::Stream, None);

    /// The rule for queue `queue` of a device of type `device`.
    pub fn new(device: u16, queue: usize) -> Self {
        let mut rows = TABLE.iter();
        let row = rows.find(|row| row.device == device && row.queues.has(queue));
        row.map_or(OTHERS, |row| row.rule)
    }

    const fn of(length: Length, failure: Option<Failure>) -> Self {
        Self {
            length,
            failure,
            held: false,
        }
    }

    const fn held(self) -> Self {
        Self { held: true, ..self }
    }

    /// Writes the failure to a request's writable buffers, of `len` bytes together. Where it ends
    /// there; None if there is none for such a request, of which nothing was written then.
    pub(crate) fn fail<'a, 'b>(
        &self,
        readable: impl Iterator<Item = VolatileSlice<'a>>,
        writable: impl Iterator<Item = VolatileSlice<'b>>,
        len: u64,
    ) -> Option<u64> {
        let failure = self.failure?;
        let count = failure.bytes.len();
        let before = len.checked_sub(count as u64)?;
        let at = if failure.at_end { before } else { 0 };
        let mut answer = [0; FAILURE_MAX];
        let answer = &mut answer[..count];
        answer.copy_from_slice(failure.bytes);
        if let Some(Echo { from, to, len }) = failure.echo {
            let echo = VolatileSlice::from(&mut answer[to..to + len]);
            let found = after(readable, from as u64);
            if copy(found, iter::once(echo), len as u64) < len as u64 {
                return None;
            }
        }
        let answer = iter::once(VolatileSlice::from(answer));
        copy(answer, after(writable, at), count as u64);
        Some(at + count as u64)
    }
}

impl Queues {
    fn has(self, queue: usize) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => queue == one,
            Self::From(first) => queue >= first,
            Self::Even => queue % 2 == 0,
            Self::Odd => queue % 2 == 1,
        }
    }
}

impl Display for Length {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "used.len bytes | used.len",
            Self::Count => "all | used.len",
            Self::Status => "all | used.len, up to the status at least",
            Self::Reply => "as the reply says | the same",
        })
    }
}

/// The row as it stands in docs/memory-isolation.md.
impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            name,
            role,
            rule,
            ..
        } = self;
        let queues = match self.queues {
            Queues::All => "all".into(),
            Queues::One(one) => one.to_string(),
            Queues::From(first) => format!("{first} and up"),
            Queues::Even => "even".into(),
            Queues::Odd => "odd".into(),
        };
        let failure = rule.failure.map_or("none", |failure| failure.about);
        let held = if rule.held { "no" } else { "yes" };
        write!(
            f,
            "| {name} ({device}) | {queues}: {role} | {} | {failure} | {held} |",
            rule.length
        )
    }
}

#[cfg(test)]
mod tests;
