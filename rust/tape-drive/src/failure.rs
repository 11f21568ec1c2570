// SPDX-License-Identifier: GPL-2.0-or-later
//! What an image's failure is in sense data.

use tape_image::{Error, IoError};

use crate::sense::{asc, Key, Sense};

/// The sense data of a command that hasn't written anything itself.
pub(crate) fn sense_of(error: &Error) -> Sense {
    written(error, 0, |_| 0)
}

/// The sense data of a command that has put `accepted` objects into the buffer;
/// `residue` is what is left of it if so many of its objects are written.
///
/// An error is deferred if it is about what was acknowledged before; its
/// INFORMATION then counts the objects that are lost. It is never EOM: up to the
/// end of a tape, programs believe, everything is on it.
pub(crate) fn written(error: &Error, accepted: u64, residue: impl Fn(u64) -> i64) -> Sense {
    match *error {
        Error::NotATape { .. } => Sense::new(Key::MediumError, asc::CANNOT_READ_FORMAT),
        Error::Damaged { .. } => Sense::new(Key::MediumError, asc::MEDIUM_FORMAT_CORRUPTED),
        Error::Changed { .. } => Sense::new(Key::MediumError, asc::BLOCK_SEQUENCE_ERROR),
        Error::Read { .. } => Sense::new(Key::MediumError, asc::UNRECOVERED_READ_ERROR),
        Error::ReadOnly | Error::FormatReadOnly => {
            Sense::new(Key::DataProtect, asc::WRITE_PROTECTED)
        }
        Error::Write { error, lost } => {
            let Some(kept) = accepted.checked_sub(lost) else {
                return Sense {
                    deferred: true,
                    information: Some(i64::try_from(lost).unwrap_or(i64::MAX)),
                    ..Sense::new(Key::MediumError, asc::WRITE_ERROR)
                };
            };
            Sense {
                information: Some(residue(kept)),
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
