// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes in and out: structures, and what they are in the crate.

use std::ffi::{c_char, c_int, CStr};
use std::ptr;

use tape_drive::{asc, Config, Done, Format, Key, Sense, Status, Tray};

use crate::error::BoxError;

/// Bytes of the longest sense data.
pub const ANNEX_TAPE_SENSE_MAX: usize = 96;

/// The properties of a drive. NULL or 0 stand for the default.
#[repr(C)]
pub struct AnnexTapeConfig {
    /// T10 vendor identification, up to 8 characters of ASCII.
    pub vendor: *const c_char,
    /// Product identification, up to 16.
    pub product: *const c_char,
    /// Product revision level, up to 4.
    pub revision: *const c_char,
    /// Unit serial number, up to 36; NULL: none.
    pub serial: *const c_char,
    /// Image format: "auto", "simh", "e11" or "aws"; NULL is "auto".
    pub format: *const c_char,
    /// NAA identifier; 0: none.
    pub wwn: u64,
    /// Bytes of a cartridge; 0: that of the density's cartridges.
    pub capacity: u64,
    /// Bytes before its end from which writes are warned of; 0: a sixteenth, at most 256 MiB.
    pub early_warning: u64,
    /// Block length at power on in bytes; 0: variable.
    pub block_length: u32,
    /// Density code; 0: LTO-5's.
    pub density: u8,
    /// Cartridges are write once, read many.
    pub worm: bool,
    /// The bus can queue commands.
    pub command_queuing: bool,
    /// What the data compression page says at power on.
    pub compression: bool,
    /// Keep an index in the image.
    pub index: bool,
    /// Reads of fixed blocks cut them from the data of consecutive records.
    pub join_records: bool,
    /// EOM goes with every end of data.
    pub eom_at_eod: bool,
    /// Unloading while removal is prevented keeps the cartridge, for the next command.
    pub autoload_after_unload: bool,
}

/// How an image can be cut.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeTruncation {
    /// To the byte.
    Exact,
    /// To sectors of 512 bytes.
    Sectors,
    /// Not at all.
    Never,
}

/// An image.
#[repr(C)]
pub struct AnnexTapeMedium {
    /// In bytes, exactly.
    pub length: u64,
    /// An AnnexTapeTruncation.
    pub truncation: c_int,
    /// Write-protected.
    pub read_only: bool,
}

/// What is to be done to the image.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeIoKind {
    /// Read into `data`.
    Read,
    /// Write `data`.
    Write,
    /// Bring everything completed so far to stable storage.
    Flush,
    /// Make the image `offset` bytes long.
    Truncate,
}

/// Memory, part of an I/O request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AnnexTapeData {
    /// Its first byte; anything if `len` is 0.
    pub base: *mut u8,
    /// In bytes.
    pub len: usize,
}

/// An I/O request. Its memory is the drive's, or in the command's buffer, and stays until
/// annex_tape_complete(). Requests that are out together don't overlap and may be carried out in
/// any order.
#[repr(C)]
pub struct AnnexTapeIo {
    /// For annex_tape_complete().
    pub id: u64,
    /// What to do.
    pub kind: AnnexTapeIoKind,
    /// In the image, in bytes.
    pub offset: u64,
    /// One after the other at `offset`.
    pub data: [AnnexTapeData; 2],
}

/// What a drive does for its owner.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeTask {
    /// Bring everything acknowledged to stable storage.
    Sync,
    /// That, and the index.
    Unload,
}

/// Where a command has moved the tray.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeTray {
    /// Nowhere.
    Unmoved,
    /// Out.
    Opened,
    /// In.
    Closed,
}

/// A command's end.
#[repr(C)]
pub struct AnnexTapeDone {
    /// SAM-5's status code.
    pub status: u8,
    /// Sense key, with CHECK CONDITION.
    pub sense_key: u8,
    /// Additional sense code.
    pub asc: u8,
    /// Its qualifier.
    pub ascq: u8,
    /// Bytes of `sense`; 0 unless CHECK CONDITION.
    pub sense_len: u8,
    /// Sense data, in the format that D_SENSE asks for.
    pub sense: [u8; ANNEX_TAPE_SENSE_MAX],
    /// D_SENSE of the control mode page as it is now.
    pub descriptor_sense: bool,
    /// Bytes of data in, at the beginning of the buffer.
    pub data_in: usize,
    /// What became of the tray.
    pub tray: AnnexTapeTray,
    /// Not carried out, and nothing has changed, for annex_tape_interrupt() was called.
    pub interrupted: bool,
    /// What is wrong with the image, for the log; else NULL. Valid until the next call.
    pub message: *const c_char,
}

impl AnnexTapeConfig {
    /// # Safety
    /// The strings are NULL or end in NUL.
    pub(super) unsafe fn to_rust(&self) -> Result<Config, BoxError> {
        let string = |pointer: *const c_char, name: &str| -> Result<Option<String>, BoxError> {
            if pointer.is_null() {
                return Ok(None);
            }
            // SAFETY: ends in NUL, says the caller.
            let string = unsafe { CStr::from_ptr(pointer) }.to_str();
            let string = string.map_err(|_| format!("{name} isn't UTF-8"))?;
            Ok(Some(string.to_owned()))
        };
        let default = Config::default();
        let format = match string(self.format, "format")?.as_deref() {
            None | Some("auto") => None,
            Some("simh") => Some(Format::Simh),
            Some("e11") => Some(Format::E11),
            Some("aws") => Some(Format::Aws),
            Some(other) => {
                return Err(format!("format '{other}' is none of auto, simh, e11 and aws").into())
            }
        };
        let or = |value, default| if value == 0 { default } else { value };
        let density = match self.density {
            0 => default.density,
            code => code,
        };
        let nominal = tape_drive::nominal_capacity(density).unwrap_or(u64::MAX);
        let capacity = or(self.capacity, nominal);
        Ok(Config {
            vendor: string(self.vendor, "vendor")?.unwrap_or(default.vendor),
            product: string(self.product, "product")?.unwrap_or(default.product),
            revision: string(self.revision, "ver")?.unwrap_or(default.revision),
            serial: string(self.serial, "serial")?,
            wwn: self.wwn,
            capacity,
            early_warning: or(self.early_warning, (capacity / 16).min(256 << 20)),
            block_length: self.block_length,
            density,
            worm: self.worm,
            command_queuing: self.command_queuing,
            compression: self.compression,
            format,
            index: self.index,
            join_records: self.join_records,
            eom_at_eod: self.eom_at_eod,
            autoload_after_unload: self.autoload_after_unload,
        })
    }
}

/// How every command of a broken drive ends.
pub(super) fn broken() -> AnnexTapeDone {
    let cause = Sense::new(Key::HardwareError, asc::INTERNAL_FAILURE);
    describe(&Done {
        status: Status::CheckCondition,
        sense: cause.to_bytes(false),
        cause: Some(cause),
        data_in: 0,
        tray: None,
        interrupted: false,
    })
}

/// `done` for C, without what only the drive knows.
pub(super) fn describe(done: &Done) -> AnnexTapeDone {
    let mut sense = [0; ANNEX_TAPE_SENSE_MAX];
    let sense_len = done.sense.len().min(sense.len());
    sense[..sense_len].copy_from_slice(&done.sense[..sense_len]);
    let [asc, ascq] = done.cause.map_or(0, |cause| cause.asc).to_be_bytes();
    AnnexTapeDone {
        status: done.status as u8,
        sense_key: done.cause.map_or(0, |cause| cause.key as u8),
        asc,
        ascq,
        sense_len: sense_len as u8,
        sense,
        descriptor_sense: false,
        data_in: done.data_in,
        tray: match done.tray {
            None => AnnexTapeTray::Unmoved,
            Some(Tray::Unloaded) => AnnexTapeTray::Opened,
            Some(Tray::Loaded) => AnnexTapeTray::Closed,
        },
        interrupted: done.interrupted,
        message: ptr::null(),
    }
}
