// SPDX-License-Identifier: GPL-2.0-or-later
//! Sense data: SPC-4 4.5, and SSC-3 4.2.24's use of it.

use crate::bytes::set_length;

/// Sense keys, SPC-4 table 48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Key {
    /// No error; FM, EOM or ILI say what there is to say.
    NoSense = 0x0,
    /// The command succeeded, but not at first.
    RecoveredError = 0x1,
    /// No medium, or not loaded.
    NotReady = 0x2,
    /// The image can't be read or written, or is damaged.
    MediumError = 0x3,
    /// The drive itself.
    HardwareError = 0x4,
    /// The CDB or its data.
    IllegalRequest = 0x5,
    /// Something changed since the last command.
    UnitAttention = 0x6,
    /// Write protected.
    DataProtect = 0x7,
    /// End of data.
    BlankCheck = 0x8,
    /// Given up.
    AbortedCommand = 0xb,
    /// End of the partition.
    VolumeOverflow = 0xd,
    /// VERIFY with BYTCMP found a difference.
    Miscompare = 0xe,
}

/// Additional sense code and qualifier, the code in the high byte.
pub mod asc {
    #![allow(missing_docs)] // The names are SPC-4's.
    pub const NO_ADDITIONAL_SENSE: u16 = 0x0000;
    pub const FILEMARK_DETECTED: u16 = 0x0001;
    pub const END_OF_PARTITION: u16 = 0x0002;
    pub const BEGINNING_OF_PARTITION: u16 = 0x0004;
    pub const END_OF_DATA: u16 = 0x0005;
    pub const PROGRAMMABLE_EARLY_WARNING: u16 = 0x0007;
    pub const INITIALIZING_COMMAND_REQUIRED: u16 = 0x0402;
    pub const WRITE_ERROR: u16 = 0x0c00;
    pub const UNRECOVERED_READ_ERROR: u16 = 0x1100;
    pub const BLOCK_SEQUENCE_ERROR: u16 = 0x1404;
    pub const PARAMETER_LIST_LENGTH: u16 = 0x1a00;
    pub const MISCOMPARE: u16 = 0x1d00;
    pub const INVALID_OPCODE: u16 = 0x2000;
    pub const INVALID_FIELD_IN_CDB: u16 = 0x2400;
    pub const INVALID_FIELD_IN_LIST: u16 = 0x2600;
    pub const PARAMETER_VALUE_INVALID: u16 = 0x2602;
    pub const INVALID_RELEASE: u16 = 0x2604;
    pub const WRITE_PROTECTED: u16 = 0x2700;
    pub const WORM_OVERWRITE: u16 = 0x300c; // WORM MEDIUM - OVERWRITE ATTEMPTED
    pub const COMMAND_SEQUENCE_ERROR: u16 = 0x2c00;
    pub const CANNOT_READ_FORMAT: u16 = 0x3002;
    pub const MEDIUM_FORMAT_CORRUPTED: u16 = 0x3100;
    pub const MEDIUM_NOT_PRESENT: u16 = 0x3a00;
    pub const INTERNAL_FAILURE: u16 = 0x4400;
    pub const NOT_AT_BEGINNING: u16 = 0x3b0c; // POSITION PAST BEGINNING OF MEDIUM
    pub const DATA_PHASE_ERROR: u16 = 0x4b00;
    pub const REMOVAL_PREVENTED: u16 = 0x5302;
    pub const MAM_OUT_OF_SPACE: u16 = 0x5506;
}

/// Parameter data for the initiator, or why there is none.
pub(crate) type Reply = Result<Vec<u8>, Sense>;

/// Why a command isn't carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// RESERVATION CONFLICT.
    Conflict,
    Sense(Sense),
}

/// Data in, or why the command isn't carried out.
pub(crate) type Answer = Result<Vec<u8>, Refusal>;

impl From<Sense> for Refusal {
    fn from(sense: Sense) -> Self {
        Refusal::Sense(sense)
    }
}

/// What ended a command with CHECK CONDITION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// The key.
    pub key: Key,
    /// Code and qualifier, see [`asc`].
    pub asc: u16,
    /// A filemark was met.
    pub filemark: bool,
    /// At or past early warning, or at the beginning or end.
    pub eom: bool,
    /// The record's length isn't the one asked for.
    pub ili: bool,
    /// INFORMATION; sent in two's complement. Fixed format holds 32 bits.
    pub information: Option<i64>,
    /// The field that is wrong: in the CDB (`true`) or the parameter list, its
    /// byte, and its bit if it's one.
    pub field: Option<(bool, u16, Option<u8>)>,
    /// About an earlier command, whose data was acknowledged.
    pub deferred: bool,
}

impl Sense {
    /// What there is to say when there's nothing.
    pub(crate) const NOTHING: Self = Self::new(Key::NoSense, asc::NO_ADDITIONAL_SENSE);

    /// NOT READY, MEDIUM NOT PRESENT.
    pub(crate) const NO_MEDIUM: Self = Self::new(Key::NotReady, asc::MEDIUM_NOT_PRESENT);
    /// ILLEGAL REQUEST, PARAMETER LIST LENGTH ERROR: of what was received.
    pub(crate) const TRUNCATED_LIST: Self =
        Self::new(Key::IllegalRequest, asc::PARAMETER_LIST_LENGTH);

    /// Key and code, nothing else.
    pub const fn new(key: Key, asc: u16) -> Self {
        Self {
            key,
            asc,
            filemark: false,
            eom: false,
            ili: false,
            information: None,
            field: None,
            deferred: false,
        }
    }

    /// With INFORMATION, unless it has one.
    pub(crate) fn or_information(mut self, information: i64) -> Self {
        self.information.get_or_insert(information);
        self
    }

    /// ILLEGAL REQUEST, INVALID FIELD IN CDB, at `byte` (and the highest wrong
    /// `bit` of it).
    pub const fn cdb_field(byte: usize, bit: Option<u8>) -> Self {
        let mut sense = Self::new(Key::IllegalRequest, asc::INVALID_FIELD_IN_CDB);
        sense.field = Some((true, byte as u16, bit));
        sense
    }

    /// ILLEGAL REQUEST, INVALID FIELD IN PARAMETER LIST, at `byte`.
    pub const fn list_field(byte: usize, bit: Option<u8>) -> Self {
        let mut sense = Self::new(Key::IllegalRequest, asc::INVALID_FIELD_IN_LIST);
        sense.field = Some((false, byte as u16, bit));
        sense
    }

    /// As sense data: fixed format (response code 70h or 71h), or descriptor
    /// format (72h or 73h) with the information (type 00h), sense key specific
    /// (02h) and stream commands (04h) descriptors that it takes.
    pub fn to_bytes(&self, descriptor: bool) -> Vec<u8> {
        if descriptor {
            self.descriptor_format()
        } else {
            self.fixed_format()
        }
    }

    fn fixed_format(&self) -> Vec<u8> {
        let mut bytes = vec![0; 18];
        bytes[0] = 0x70 | u8::from(self.deferred);
        // VALID also says that INFORMATION fits.
        if let Some(information) = self.information.and_then(fits) {
            bytes[0] |= 0x80;
            bytes[3..7].copy_from_slice(&information);
        }
        bytes[2] = self.key as u8 | self.stream_bits();
        bytes[7] = 10;
        bytes[12..14].copy_from_slice(&self.asc.to_be_bytes());
        bytes[15..18].copy_from_slice(&self.key_specific());
        bytes
    }

    fn descriptor_format(&self) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        bytes[0] = 0x72 | u8::from(self.deferred);
        bytes[1] = self.key as u8;
        bytes[2..4].copy_from_slice(&self.asc.to_be_bytes());
        if let Some(information) = self.information {
            bytes.extend([0x00, 0x0a, 0x80, 0]);
            bytes.extend(information.to_be_bytes());
        }
        if self.field.is_some() {
            bytes.extend([0x02, 0x06, 0, 0]);
            bytes.extend(self.key_specific());
            bytes.push(0);
        }
        if self.stream_bits() != 0 {
            bytes.extend([0x04, 0x02, 0, self.stream_bits()]);
        }
        set_length(&mut bytes, 7, 1);
        bytes
    }

    /// FM, EOM and ILI, in the same places in both formats.
    fn stream_bits(&self) -> u8 {
        u8::from(self.filemark) << 7 | u8::from(self.eom) << 6 | u8::from(self.ili) << 5
    }

    /// The field pointer, SPC-4 4.5.2.4.2.
    fn key_specific(&self) -> [u8; 3] {
        let Some((cdb, byte, bit)) = self.field else {
            return [0; 3];
        };
        let bit = bit.map_or(0, |bit| 0x08 | bit);
        let [high, low] = byte.to_be_bytes();
        [0x80 | u8::from(cdb) << 6 | bit, high, low]
    }
}

/// Fixed format's four bytes, if it can say that.
fn fits(information: i64) -> Option<[u8; 4]> {
    i32::try_from(information)
        .map(i32::to_be_bytes)
        .or_else(|_| u32::try_from(information).map(u32::to_be_bytes))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filemark(residue: i64) -> Sense {
        Sense {
            filemark: true,
            information: Some(residue),
            ..Sense::new(Key::NoSense, asc::FILEMARK_DETECTED)
        }
    }

    #[test]
    fn fixed_format_has_flags_and_information() {
        let bytes = filemark(3).to_bytes(false);
        assert_eq!(bytes[..8], [0xf0, 0, 0x80, 0, 0, 0, 3, 10]);
        assert_eq!(bytes[12..14], [0, 1]);
    }

    #[test]
    fn negative_information_is_twos_complement() {
        let sense = Sense {
            ili: true,
            information: Some(-1),
            ..Sense::new(Key::NoSense, asc::NO_ADDITIONAL_SENSE)
        };
        assert_eq!(sense.to_bytes(false)[2..7], [0x20, 255, 255, 255, 255]);
        assert_eq!(
            sense.to_bytes(true)[8..20],
            [0, 10, 0x80, 0, 255, 255, 255, 255, 255, 255, 255, 255]
        );
    }

    #[test]
    fn information_too_large_for_fixed_format_is_not_valid() {
        let bytes = filemark(1 << 32).to_bytes(false);
        assert_eq!(bytes[0], 0x70);
        assert_eq!(bytes[3..7], [0; 4]);
    }

    #[test]
    fn descriptor_format_has_a_stream_commands_descriptor() {
        let bytes = filemark(3).to_bytes(true);
        assert_eq!(bytes[..8], [0x72, 0, 0, 1, 0, 0, 0, 16]);
        assert_eq!(bytes[20..], [4, 2, 0, 0x80]);
    }

    #[test]
    fn field_pointer_names_byte_and_bit() {
        let bytes = Sense::cdb_field(4, Some(7)).to_bytes(false);
        assert_eq!(bytes[15..18], [0xcf, 0, 4]);
    }
}
