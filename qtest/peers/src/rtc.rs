// SPDX-License-Identifier: GPL-2.0-or-later
//! A driver of a virtio-rtc device (Virtio 1.4, 5.23) that is its back-end's
//! front-end as well: no QEMU and no guest between the two.

use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::vhost_user::wire::Code;
use crate::vhost_user::{features, protocol, Answer, Frontend, Memory, Part, Queue, Shape};

/// Numbers of requests and of the notification.
#[allow(missing_docs)]
pub mod kind {
    pub const READ: u16 = 0x0001;
    pub const READ_CROSS: u16 = 0x0002;
    pub const CFG: u16 = 0x1000;
    pub const CLOCK_CAP: u16 = 0x1001;
    pub const CROSS_CAP: u16 = 0x1002;
    pub const READ_ALARM: u16 = 0x1003;
    pub const SET_ALARM: u16 = 0x1004;
    pub const SET_ALARM_ENABLED: u16 = 0x1005;
    pub const NOTIF_ALARM: u16 = 0x2000;
}

/// What a response's first byte says.
#[allow(missing_docs)]
pub mod status {
    pub const OK: u8 = 0;
    pub const EOPNOTSUPP: u8 = 2;
    pub const ENODEV: u8 = 3;
    pub const EINVAL: u8 = 4;
    pub const EIO: u8 = 5;
}

/// Types of clocks.
#[allow(missing_docs)]
pub mod clock {
    pub const UTC: u8 = 0;
    pub const TAI: u8 = 1;
    pub const MONOTONIC: u8 = 2;
    pub const UTC_SMEARED: u8 = 3;
    pub const UTC_MAYBE_SMEARED: u8 = 4;
}

/// Hardware counters.
#[allow(missing_docs)]
pub mod counter {
    pub const ARM_VCT: u8 = 0;
    pub const X86_TSC: u8 = 1;
    pub const INVALID: u8 = 0xff;
}

/// The feature bit of alarms.
pub const F_ALARM: u64 = 1;
/// In the flags of an alarm.
pub const ENABLED: u8 = 1;

/// A request of `length` bytes, zeros but for its head's.
fn request(kind: u16, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes
}

/// A request whose only field is a clock.
pub fn of_clock(kind: u16, clock: u16) -> Vec<u8> {
    of_clock_and(kind, clock, 0)
}

/// A request of a clock and, at 10, a counter or flags.
pub fn of_clock_and(kind: u16, clock: u16, byte: u8) -> Vec<u8> {
    let mut bytes = request(kind, 16);
    bytes[8..10].copy_from_slice(&clock.to_le_bytes());
    bytes[10] = byte;
    bytes
}

/// CFG.
pub fn cfg() -> Vec<u8> {
    request(kind::CFG, 8)
}

/// SET_ALARM.
pub fn set_alarm(clock: u16, time: u64, flags: u8) -> Vec<u8> {
    let mut bytes = request(kind::SET_ALARM, 24);
    bytes[8..16].copy_from_slice(&time.to_le_bytes());
    bytes[16..18].copy_from_slice(&clock.to_le_bytes());
    bytes[18] = flags;
    bytes
}

/// The little-endian double word at `at`.
pub fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

/// The guest's counter as QEMU tells a back-end of it: the contents of the
/// configuration, 40 bytes. The guest's is `((host * ratio) >> shift) + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Which one; 0xFF if there is none.
    pub kind: u8,
    /// Whether the rest can be relied on just now.
    pub valid: bool,
    /// 0 to 63.
    pub shift: u8,
    /// How the host's is scaled.
    pub ratio: u64,
    /// What is added, modulo 2^64.
    pub offset: u64,
}

impl Counter {
    /// Bytes of the configuration.
    pub const SIZE: usize = 40;

    /// As it is in the configuration.
    pub fn bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&0x5843_5452u32.to_le_bytes());
        bytes[4] = 1;
        bytes[6] = Self::SIZE as u8;
        bytes[8] = self.kind;
        bytes[9] = self.valid.into();
        bytes[10] = self.shift;
        bytes[16..24].copy_from_slice(&self.ratio.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.offset.to_le_bytes());
        bytes
    }

    /// Whether the guest's counter was `guest` at one of the host's from `first` to
    /// `last`.
    pub fn was(&self, guest: u64, first: u64, last: u64) -> bool {
        (first..=last).any(|host| self.of(host) == guest)
    }

    /// The guest's counter when the host's is `host`.
    pub fn of(&self, host: u64) -> u64 {
        let scaled = (u128::from(host) * u128::from(self.ratio)) >> self.shift;
        (scaled as u64).wrapping_add(self.offset)
    }
}

/// Where the guest's memory begins, and where it is for those who share it: far
/// apart, so that one taken for the other is noticed.
pub const GUEST: u64 = 0x10_0000;
const USER: u64 = 0x7000_0000_0000;
/// Bytes of it.
pub const SIZE: u64 = 0x40_0000;
/// Entries of the queues: each has half of the memory.
pub const ENTRIES: u16 = 256;

/// What a driver takes of what is offered.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Virtio's features.
    pub features: u64,
    /// vhost-user's.
    pub protocol: u64,
}

impl Wanted {
    /// All that this driver knows.
    pub const ALL: Self = Self {
        features: F_ALARM
            | features::VERSION_1
            | features::INDIRECT
            | features::EVENT_IDX
            | features::PROTOCOL_FEATURES,
        protocol: protocol::MQ | protocol::REPLY_ACK | protocol::CONFIG | protocol::DEVICE_STATE,
    };

    /// The same without these features of Virtio's.
    pub const fn without(self, features: u64) -> Self {
        Self {
            features: self.features & !features,
            ..self
        }
    }
}

/// The device, with its queues running.
pub struct Device {
    /// The connection to the back-end.
    pub frontend: Frontend,
    /// The guest's memory.
    pub memory: Memory,
    /// The queue of requests.
    pub requests: Queue,
    /// The queue of notifications, which runs if alarms were negotiated.
    pub alarms: Queue,
    /// Virtio's features that were negotiated.
    pub features: u64,
    /// vhost-user's that were offered.
    pub protocol: u64,
}

/// Connects, and negotiates: the connection, the protocol features that were
/// offered, and the features that were taken.
fn connect(socket: &Path, wanted: Wanted) -> Result<(Frontend, u64, u64)> {
    let mut frontend = Frontend::connect(socket)?;
    frontend.order(Code::SET_OWNER, &[], &[])?;
    let offered = frontend.get(Code::GET_FEATURES)?;
    ensure!(
        offered & features::PROTOCOL_FEATURES != 0,
        "no protocol features in {offered:#x}"
    );
    let protocol = frontend.negotiate(wanted.protocol)?;
    let features = offered & wanted.features;
    frontend.order(Code::SET_FEATURES, &features.to_le_bytes(), &[])?;
    Ok((frontend, protocol, features))
}

impl Device {
    /// How long a back-end may take on a busy host.
    pub const LIMIT: Duration = Duration::from_secs(30);

    /// Connects and starts the queues, with all features.
    pub fn open(socket: &Path) -> Result<Self> {
        Self::open_with(socket, Wanted::ALL)
    }

    /// The same with some features.
    pub fn open_with(socket: &Path, wanted: Wanted) -> Result<Self> {
        let mut device = Self::prepare(socket, wanted)?;
        device.start()?;
        Ok(device)
    }

    /// Connects and negotiates, no more: [`Device::start`] does the rest.
    pub fn prepare(socket: &Path, wanted: Wanted) -> Result<Self> {
        let (frontend, protocol, features) = connect(socket, wanted)?;
        let memory = Memory::of_zeros(GUEST, USER, SIZE)?;
        let event_idx = features & features::EVENT_IDX != 0;
        let requests = Queue::new(&memory, GUEST, ENTRIES, event_idx)?;
        let alarms = Queue::new(&memory, GUEST + SIZE / 2, ENTRIES, event_idx)?;
        Ok(Self {
            frontend,
            memory,
            requests,
            alarms,
            features,
            protocol,
        })
    }

    /// Connects and negotiates anew, to the same back-end or another, with the
    /// queues as they are. [`Device::start`] starts them.
    pub fn reconnect(self, socket: &Path) -> Result<Self> {
        let protocol = Wanted::ALL.protocol;
        let features = self.features;
        drop(self.frontend);
        let (frontend, ..) = connect(socket, Wanted { features, protocol })?;
        Ok(Self { frontend, ..self })
    }

    /// Shares the memory and starts the queues.
    pub fn start(&mut self) -> Result<()> {
        self.frontend.share(&self.memory)?;
        self.start_queue(0)?;
        if self.features & F_ALARM != 0 {
            self.start_queue(1)?;
        }
        Ok(())
    }

    /// Starts one. As from QEMU, there is a kick in it already.
    pub fn start_queue(&mut self, index: u32) -> Result<()> {
        let queue = match index {
            0 => &self.requests,
            _ => &self.alarms,
        };
        queue.kick_anyway()?;
        self.frontend.start(index, queue, queue.seen())
    }

    /// Stops the queues, with what is in them.
    pub fn stop(&mut self) -> Result<()> {
        self.frontend.stop(0)?;
        if self.features & F_ALARM != 0 {
            self.frontend.stop(1)?;
        }
        Ok(())
    }

    /// Stops the queues, and begins anew with empty ones, as a driver does that
    /// resets the device.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let event_idx = self.features & features::EVENT_IDX != 0;
        self.requests = Queue::new(&self.memory, GUEST, ENTRIES, event_idx)?;
        self.alarms = Queue::new(&self.memory, GUEST + SIZE / 2, ENTRIES, event_idx)?;
        self.start()
    }

    /// Makes a request of one part, with room for so many bytes, and waits until
    /// it comes back.
    pub fn ask(&mut self, request: &[u8], room: usize) -> Result<Answer> {
        let mut parts = vec![Part::Bytes(request.to_vec()), Part::Room(room)];
        // A descriptor has a byte at least, but for a chain of nothing.
        parts.retain(|part| !matches!(part, Part::Bytes(bytes) if bytes.is_empty()));
        if parts.len() > 1 {
            parts.retain(|part| *part != Part::Room(0));
        }
        self.ask_in(&parts, Shape::Direct)
    }

    /// The same of any parts.
    pub fn ask_in(&mut self, parts: &[Part], shape: Shape) -> Result<Answer> {
        let head = self.requests.submit(parts, shape)?;
        self.requests.kick()?;
        let answer = self.requests.wait(Self::LIMIT)?;
        let answer = answer.with_context(|| format!("no answer to {parts:02x?}"))?;
        ensure!(answer.head == head, "another chain came back");
        Ok(answer)
    }

    /// Makes a request that must go well, whose response has so many bytes.
    pub fn does(&mut self, request: &[u8], size: usize) -> Result<Vec<u8>> {
        let answer = self.ask(request, size)?;
        ensure!(
            answer.len as usize == size && answer.room[0] == status::OK,
            "{request:02x?} was answered with {answer:02x?}"
        );
        Ok(answer.room)
    }

    /// A clock's reading in ns.
    pub fn read(&mut self, clock: u16) -> Result<u64> {
        Ok(word(&self.does(&of_clock(kind::READ, clock), 16)?, 8))
    }

    /// The number of clocks.
    pub fn clocks(&mut self) -> Result<u16> {
        Ok(word(&self.does(&cfg(), 16)?, 8) as u16)
    }

    /// A clock's type, smearing and flags.
    pub fn capabilities(&mut self, clock: u16) -> Result<[u8; 3]> {
        let response = self.does(&of_clock(kind::CLOCK_CAP, clock), 16)?;
        Ok([response[8], response[9], response[10]])
    }

    /// A reading of a clock and the counter at that instant.
    pub fn read_cross(&mut self, clock: u16, counter: u8) -> Result<(u64, u64)> {
        let request = of_clock_and(kind::READ_CROSS, clock, counter);
        let response = self.does(&request, 24)?;
        Ok((word(&response, 8), word(&response, 16)))
    }

    /// Sets an alarm in ns of its clock.
    pub fn set_alarm(&mut self, clock: u16, time: u64, flags: u8) -> Result<()> {
        self.does(&set_alarm(clock, time, flags), 8).map(drop)
    }

    /// Enables or disables an alarm.
    pub fn set_alarm_enabled(&mut self, clock: u16, flags: u8) -> Result<()> {
        let request = of_clock_and(kind::SET_ALARM_ENABLED, clock, flags);
        self.does(&request, 8).map(drop)
    }

    /// An alarm's time and flags.
    pub fn read_alarm(&mut self, clock: u16) -> Result<(u64, u8)> {
        let response = self.does(&of_clock(kind::READ_ALARM, clock), 24)?;
        Ok((word(&response, 8), response[16]))
    }

    /// Lends a buffer for a notification.
    pub fn lend(&mut self) -> Result<()> {
        self.lend_room(16)
    }

    /// The same of another size.
    pub fn lend_room(&mut self, room: usize) -> Result<()> {
        self.alarms.submit(&[Part::Room(room)], Shape::Direct)?;
        self.alarms.kick()
    }

    /// The clock whose alarm is told next within `limit`.
    pub fn alarm(&mut self, limit: Duration) -> Result<Option<u16>> {
        let Some(answer) = self.alarms.wait(limit)? else {
            return Ok(None);
        };
        let told = answer.written();
        let mut head = [0; 8];
        head[..2].copy_from_slice(&kind::NOTIF_ALARM.to_le_bytes());
        ensure!(
            told.len() == 16 && told[..8] == head && told[10..] == [0; 6],
            "no notification of an alarm: {told:02x?}"
        );
        Ok(Some(u16::from_le_bytes([told[8], told[9]])))
    }

    /// The same, which must come.
    pub fn wait_alarm(&mut self) -> Result<u16> {
        self.alarm(Self::LIMIT)?.context("no notification came")
    }
}
