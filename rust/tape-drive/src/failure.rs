// SPDX-License-Identifier: GPL-2.0-or-later
//! What an image's failure is in sense data.

use tape_image::{Error, IoError};

use crate::{asc, Key, Sense};

/// Of a command that hasn't written anything itself.
pub(crate) fn sense_of(error: &Error) -> Sense {
    written(error, 0, 0)
}

/// Of a command that has `accepted` objects in the drive's buffer, and was to
/// write `all` (blocks, or bytes of a variable block): none of it is written.
///
/// An error is deferred if it is about what was acknowledged before; its
/// INFORMATION then counts the objects that are lost.
pub(crate) fn written(error: &Error, accepted: u64, all: i64) -> Sense {
    match *error {
        Error::NotATape { .. } => Sense::new(Key::MediumError, asc::CANNOT_READ_FORMAT),
        Error::Damaged { .. } => Sense::new(Key::MediumError, asc::MEDIUM_FORMAT_CORRUPTED),
        Error::Changed { .. } => Sense::new(Key::MediumError, asc::BLOCK_SEQUENCE_ERROR),
        Error::Read { .. } => Sense::new(Key::MediumError, asc::UNRECOVERED_READ_ERROR),
        Error::ReadOnly | Error::FormatReadOnly => {
            Sense::new(Key::DataProtect, asc::WRITE_PROTECTED)
        }
        Error::Write { error, lost } => {
            let earlier = lost > accepted;
            let left = if earlier {
                i64::try_from(lost).unwrap_or(i64::MAX)
            } else {
                all
            };
            Sense {
                deferred: earlier,
                information: Some(left),
                ..write_error(error)
            }
        }
        Error::Header { .. } => Sense::new(Key::MediumError, asc::MEDIUM_FORMAT_CORRUPTED),
        Error::NoRoom | Error::AttributesFull { .. } => {
            Sense::new(Key::IllegalRequest, asc::MAM_OUT_OF_SPACE)
        }
        Error::Partitions | Error::TooSmall { .. } => {
            Sense::new(Key::IllegalRequest, asc::PARAMETER_VALUE_INVALID)
        }
        // Promises that this crate breaks, or memory that isn't there.
        _ => Sense::new(Key::HardwareError, asc::INTERNAL_FAILURE),
    }
}

/// No more room on the host is the end of the tape.
fn write_error(error: IoError) -> Sense {
    const EFBIG: i32 = 27;
    const ENOSPC: i32 = 28;
    const EDQUOT: i32 = 122;
    match error.0 {
        EFBIG | ENOSPC | EDQUOT => Sense {
            eom: true,
            ..Sense::new(Key::VolumeOverflow, asc::END_OF_PARTITION)
        },
        _ => Sense::new(Key::MediumError, asc::WRITE_ERROR),
    }
}
