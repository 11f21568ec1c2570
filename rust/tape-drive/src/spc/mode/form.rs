// SPDX-License-Identifier: GPL-2.0-or-later
//! The two forms of MODE SENSE and MODE SELECT, with 6 and 10 bytes: SPC-4 6.11 to
//! 6.14, 7.5.4.

/// One of the two forms of the commands: where their fields are.
#[derive(Debug)]
pub(super) struct Form {
    /// PARAMETER LIST LENGTH in the CDB, and its bytes.
    pub(super) list_length: (usize, usize),
    /// Bytes of the header, which begins with MODE DATA LENGTH.
    pub(super) header: usize,
    pub(super) medium_type: usize,
    pub(super) device_specific: usize,
    /// BLOCK DESCRIPTOR LENGTH and its bytes. What is between the device-specific
    /// parameter and this is reserved, or LONGLBA: there are no long descriptors.
    pub(super) descriptor_length: (usize, usize),
}

pub(super) static SIX: Form = Form {
    list_length: (4, 1),
    header: 4,
    medium_type: 1,
    device_specific: 2,
    descriptor_length: (3, 1),
};

pub(super) static TEN: Form = Form {
    list_length: (7, 2),
    header: 8,
    medium_type: 2,
    device_specific: 3,
    descriptor_length: (6, 2),
};

/// What a MODE SELECT has to agree with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) form: &'static Form,
    /// Of the cartridge; or, if there is none, of those that the drive takes:
    /// hosts change a page between an unload and a load.
    pub(super) medium_type: u8,
    pub(super) density: u8,
}
