// SPDX-License-Identifier: GPL-2.0-or-later
//! How the guest's counter follows from the host's: what the front-end writes into the
//! configuration space by VHOST_USER_SET_CONFIG, which is never shown to the guest.
//!
//! ```text
//! 0  le32 magic "RTCX"   4 le16 version 1   6 le16 size 40
//! 8  u8 hw_counter (1 TSC, 0 ARM_VCT, 0xff none)   9 u8 flags (1: VALID)   10 u8 shift   11 u8[5] 0
//! 16 le64 ratio
//! 24 le64 offset
//! 32 le64 0
//! ```
//!
//! guest = ((host * ratio) >> shift) + offset, modulo 2^64. A counter that exists but isn't VALID
//! stands still with the virtual machine, or isn't known just now.

use thiserror::Error;

use crate::protocol::{COUNTER_ARM_VCT, COUNTER_INVALID, COUNTER_X86_TSC};

/// The length of the message.
pub const LENGTH: usize = 40;
const MAGIC: &[u8; 4] = b"RTCX";
const VERSION: u16 = 1;
const VALID: u8 = 1;
const MAX_SHIFT: u8 = 63;

/// Why a message is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CounterError {
    /// It isn't written whole.
    #[error("{1} bytes at offset {0} of the configuration; it takes {LENGTH} at 0")]
    Extent(u32, usize),
    /// Not the message that is known here.
    #[error("not a counter message of version {VERSION}")]
    Version,
    /// An unknown counter.
    #[error("counter {0:#x} is unknown")]
    Unknown(u8),
    /// An unknown flag.
    #[error("flags {0:#x} are unknown")]
    Flags(u8),
    /// Too large a shift.
    #[error("a shift of {0} is more than {MAX_SHIFT}")]
    Shift(u8),
    /// Bytes that have to be 0.
    #[error("reserved bytes aren't 0")]
    Reserved,
}

/// The guest's counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    kind: Option<u8>,
    valid: bool,
    shift: u8,
    ratio: u64,
    offset: u64,
}

fn le64(bytes: &[u8; LENGTH], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

impl Counter {
    /// What a write of `bytes` at `at` says.
    pub fn parse(at: u32, bytes: &[u8]) -> Result<Counter, CounterError> {
        let length = bytes.len();
        let bytes: &[u8; LENGTH] = bytes
            .try_into()
            .map_err(|_| CounterError::Extent(at, length))?;
        if at != 0 {
            return Err(CounterError::Extent(at, length));
        }
        let le16 = |at| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        if bytes[..4] != *MAGIC || le16(4) != VERSION || usize::from(le16(6)) != LENGTH {
            return Err(CounterError::Version);
        }
        let kind = match bytes[8] {
            COUNTER_INVALID => None,
            kind @ (COUNTER_X86_TSC | COUNTER_ARM_VCT) => Some(kind),
            kind => return Err(CounterError::Unknown(kind)),
        };
        let (flags, shift) = (bytes[9], bytes[10]);
        if flags & !VALID != 0 {
            return Err(CounterError::Flags(flags));
        }
        if shift > MAX_SHIFT {
            return Err(CounterError::Shift(shift));
        }
        if bytes[11..16] != [0; 5] || bytes[32..] != [0; 8] {
            return Err(CounterError::Reserved);
        }
        let (ratio, offset) = (le64(bytes, 16), le64(bytes, 24));
        Ok(Counter {
            kind,
            valid: flags & VALID != 0,
            shift,
            ratio,
            offset,
        })
    }

    /// Which counter there is, by its number in the protocol, for as long as the guest runs.
    pub fn kind(&self) -> Option<u8> {
        self.kind
    }

    /// The guest's counter when the host's is `host`; None while it can't be told.
    pub fn guest(&self, host: u64) -> Option<u64> {
        let scaled = (u128::from(host) * u128::from(self.ratio)) >> self.shift;
        self.valid
            .then(|| (scaled as u64).wrapping_add(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::counter_message as message;

    #[test]
    fn converts_modulo_2_64() {
        let counter = |shift, ratio, offset| {
            Counter::parse(0, &message(COUNTER_X86_TSC, 1, shift, ratio, offset)).unwrap()
        };
        assert_eq!(counter(0, 1, 5).guest(100), Some(105));
        assert_eq!(counter(0, 1, u64::MAX).guest(100), Some(99));
        assert_eq!(counter(1, 3, 0).guest(5), Some(7));
        assert_eq!(counter(63, u64::MAX, 0).guest(u64::MAX), Some(u64::MAX - 3));
        let still = Counter::parse(0, &message(COUNTER_ARM_VCT, 0, 0, 1, 0)).unwrap();
        assert_eq!(
            (still.kind(), still.guest(1)),
            (Some(COUNTER_ARM_VCT), None)
        );
        let none = Counter::parse(0, &message(COUNTER_INVALID, 0, 0, 0, 0)).unwrap();
        assert_eq!(none.kind(), None);
    }

    #[test]
    fn anything_else_is_refused() {
        let good = message(COUNTER_X86_TSC, 1, 0, 1, 0);
        assert!(Counter::parse(0, &good).is_ok());
        assert_eq!(Counter::parse(1, &good), Err(CounterError::Extent(1, 40)));
        assert_eq!(
            Counter::parse(0, &good[..39]),
            Err(CounterError::Extent(0, 39))
        );
        assert_eq!(Counter::parse(0, &[]), Err(CounterError::Extent(0, 0)));
        for (at, byte, error) in [
            (0, 0, CounterError::Version),
            (4, 2, CounterError::Version),
            (6, 41, CounterError::Version),
            (8, 2, CounterError::Unknown(2)),
            (9, 2, CounterError::Flags(2)),
            (10, 64, CounterError::Shift(64)),
            (11, 1, CounterError::Reserved),
            (15, 1, CounterError::Reserved),
            (32, 1, CounterError::Reserved),
            (39, 1, CounterError::Reserved),
        ] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert_eq!(Counter::parse(0, &bytes), Err(error), "byte {at}");
        }
    }
}
