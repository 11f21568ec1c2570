// SPDX-License-Identifier: GPL-2.0-or-later
//! The device's state, as it goes to another host.
//!
//! ```text
//! 0  "RTCSTATE"   8 le32 version 1   12 le32 number of clocks
//! 16 for each clock, in order:
//!    0 u8 type   1 u8 smearing   2 u8 flags (1 enabled, 2 reached, 4 due)   3 u8[5] 0
//!    8 le64 alarm time   16 le64 what it showed last
//! .. le32 CRC-32 of all that precedes
//! ```
//!
//! Alarm times are absolute times of their clocks. A state is taken whole or not at all: the
//! clocks have to be the same in the same order, since the driver knows them by their numbers.

use thiserror::Error;

use crate::alarm::Alarm;
use crate::device::Device;
use crate::host::Host;

const MAGIC: &[u8; 8] = b"RTCSTATE";
const VERSION: u32 = 1;
const HEAD: usize = 16;
const CLOCK: usize = 24;
const CHECKSUM: usize = 4;
const ENABLED: u8 = 1;
const REACHED: u8 = 2;
const DUE: u8 = 4;

/// Longer than any state: 65,535 clocks.
pub const MAX_LENGTH: u64 = 2 << 20;

/// Why a state is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StateError {
    /// It isn't a state, or not whole.
    #[error("it isn't a whole state of this device")]
    Damaged,
    /// Another version.
    #[error("it is of version {0}; this daemon reads version {VERSION}")]
    Version(u32),
    /// Another number of clocks.
    #[error("it has {0} clocks; this daemon offers {1}")]
    Number(u32, u16),
    /// Another clock.
    #[error(
        "its clock {0} is of type {1}, smearing {2}; this daemon's is of type {3}, smearing {4}"
    )]
    Clock(u16, u8, u8, u8, u8),
    /// Flags from a later version.
    #[error("flags {0:#x} are unknown")]
    Flags(u8),
}

/// The state as of now.
pub fn save(device: &mut Device, host: &mut dyn Host) -> Vec<u8> {
    device.look(host);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(u32::from(device.clocks().number()).to_le_bytes());
    let (clocks, alarms) = device.parts_mut();
    for (id, alarm) in (0..).zip(alarms) {
        let last = clocks.read(id, host).unwrap_or_else(|_| clocks.last(id));
        let Some(kind) = clocks.kind(id) else {
            continue;
        };
        let flags = if alarm.enabled() { ENABLED } else { 0 }
            | if alarm.reached() { REACHED } else { 0 }
            | if alarm.due() { DUE } else { 0 };
        bytes.extend([kind.number(), kind.smearing(), flags, 0, 0, 0, 0, 0]);
        bytes.extend(alarm.time().to_le_bytes());
        bytes.extend(last.to_le_bytes());
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn le64(bytes: &[u8]) -> u64 {
    u64::from(le32(bytes)) | u64::from(le32(&bytes[4..])) << 32
}

/// Take a state over. If it is refused, the device is as it was.
pub fn load(bytes: &[u8], device: &mut Device, host: &mut dyn Host) -> Result<(), StateError> {
    if bytes.len() < HEAD + CHECKSUM || bytes[..8] != *MAGIC {
        return Err(StateError::Damaged);
    }
    if le32(&bytes[8..]) != VERSION {
        return Err(StateError::Version(le32(&bytes[8..])));
    }
    let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    let number = le32(&bytes[12..]);
    if (body.len() - HEAD) as u64 != u64::from(number) * CLOCK as u64
        || crc32fast::hash(body) != le32(checksum)
    {
        return Err(StateError::Damaged);
    }
    let (clocks, alarms) = device.parts_mut();
    if number != u32::from(clocks.number()) {
        return Err(StateError::Number(number, clocks.number()));
    }
    let rows = || (0..).zip(body[HEAD..].chunks_exact(CLOCK));
    for (id, row) in rows() {
        let own = clocks
            .kind(id)
            .map_or((0, 0), |kind| (kind.number(), kind.smearing()));
        if (row[0], row[1]) != own {
            return Err(StateError::Clock(id, row[0], row[1], own.0, own.1));
        }
        if row[2] & !(ENABLED | REACHED | DUE) != 0 || row[3..8] != [0; 5] {
            return Err(StateError::Flags(row[2]));
        }
    }
    for ((id, row), alarm) in rows().zip(alarms) {
        let set = |flag| row[2] & flag != 0;
        *alarm = Alarm::restored(le64(&row[8..]), set(ENABLED), set(REACHED), set(DUE));
        clocks.carry(id, le64(&row[16..]), host);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::Clocks;
    use crate::host::SECOND;
    use crate::kind::{Kind, Smearing};
    use crate::testing::FakeHost;

    const KINDS: [Kind; 3] = [Kind::Utc, Kind::Monotonic, Kind::Smeared(Smearing::UtcSls)];

    fn device(kinds: &[Kind]) -> Device {
        Device::new(Clocks::new(kinds, None))
    }

    /// A device whose alarms are armed, due, and delivered; and when that was.
    fn busy(host: &mut FakeHost) -> Device {
        let mut device = device(&KINDS);
        let now = host.realtime();
        let (_, alarms) = device.parts_mut();
        alarms[0].set(now + 10 * SECOND, true, now);
        alarms[1].set(5, true, 7);
        alarms[2].set(now, true, now);
        alarms[2].delivered();
        device
    }

    #[test]
    fn comes_back() {
        let mut host = FakeHost::new();
        let mut from = busy(&mut host);
        let bytes = save(&mut from, &mut host);
        let mut to = device(&KINDS);
        load(&bytes, &mut to, &mut host).unwrap();
        assert_eq!(to.alarms(), from.alarms());
        assert_eq!(to.due(), Some(1));
        host.advance(10 * SECOND);
        assert!(to.look(&mut host), "the alarm that waited");
        to.delivered(0);
        to.delivered(1);
        assert_eq!(to.due(), None, "what was delivered there isn't again");
    }

    #[test]
    fn no_clock_goes_back() {
        let mut host = FakeHost::new();
        let mut from = device(&KINDS);
        let bytes = save(&mut from, &mut host);
        let shown = [0, 1, 2].map(|id| from.clocks().last(id));
        // The other host was started later, and its clock is a little behind.
        let mut other = FakeHost {
            elapsed: SECOND,
            civil: host.civil - SECOND / 2,
            ..host
        };
        let mut to = device(&KINDS);
        load(&bytes, &mut to, &mut other).unwrap();
        let read = |to: &mut Device, other: &mut FakeHost| {
            [0, 1, 2].map(|id| to.parts_mut().0.read(id, other).unwrap())
        };
        assert_eq!(read(&mut to, &mut other), shown);
        other.advance(SECOND);
        let later = read(&mut to, &mut other);
        assert_eq!(later[0], shown[0] + SECOND / 2);
        assert_eq!(
            later[1],
            shown[1] + SECOND,
            "monotonic time goes on at once"
        );
        assert_eq!(later[2], shown[2] + SECOND / 2);
    }

    #[test]
    fn another_hosts_clock_that_is_far_off_is_followed() {
        let mut host = FakeHost::new();
        let bytes = save(&mut device(&KINDS), &mut host);
        host.step(-5);
        let mut to = device(&KINDS);
        load(&bytes, &mut to, &mut host).unwrap();
        assert_eq!(to.parts_mut().0.read(0, &mut host), Ok(host.realtime()));
    }

    #[test]
    fn anything_else_is_refused_and_changes_nothing() {
        let mut host = FakeHost::new();
        let bytes = save(&mut busy(&mut host), &mut host);
        let mut to = device(&KINDS);
        for length in 0..bytes.len() {
            assert!(
                load(&bytes[..length], &mut to, &mut host).is_err(),
                "{length}"
            );
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(load(&bad, &mut to, &mut host).is_err(), "byte {at}");
        }
        assert_eq!(to.alarms(), device(&KINDS).alarms());
        let mut fewer = device(&KINDS[..2]);
        assert_eq!(
            load(&bytes, &mut fewer, &mut host),
            Err(StateError::Number(3, 2))
        );
        let mut other = device(&[Kind::Utc, Kind::Monotonic, Kind::Tai]);
        let error = load(&bytes, &mut other, &mut host).unwrap_err();
        assert_eq!(error, StateError::Clock(2, 3, 2, 1, 0));
        let mut bad = bytes.clone();
        bad[HEAD + 2] = 8;
        let end = bad.len() - CHECKSUM;
        let checksum = crc32fast::hash(&bad[..end]).to_le_bytes();
        bad[end..].copy_from_slice(&checksum);
        assert_eq!(load(&bad, &mut to, &mut host), Err(StateError::Flags(8)));
    }
}
