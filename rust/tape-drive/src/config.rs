// SPDX-License-Identifier: GPL-2.0-or-later
//! What a drive is, and what is in it.

use tape_image::{Format, Truncation};

/// A drive's identity and habits; the properties of `-device scsi-tape`.
#[derive(Clone, Debug)]
pub struct Config {
    /// T10 vendor identification, at most 8 ASCII characters.
    pub vendor: String,
    /// Product identification, at most 16.
    pub product: String,
    /// Product revision level, at most 4.
    pub revision: String,
    /// Unit serial number, at most 36; none: no VPD page 80h.
    pub serial: Option<String>,
    /// NAA identifier of the logical unit; 0: none.
    pub wwn: u64,
    /// Bytes of a cartridge, record framing included; `u64::MAX`: no bound but
    /// the host's.
    pub capacity: u64,
    /// Bytes before the end of a cartridge from which writes are answered with
    /// EOM; less than `capacity`. A partition has its share of that.
    pub early_warning: u64,
    /// Block length at power on, 0 for variable, in bytes; at most 2^24 - 1.
    pub block_length: u32,
    /// Density code of cartridges, SSC-3 8.3.1.
    pub density: u8,
    /// Cartridges are write once, read many.
    pub worm: bool,
    /// The bus can queue commands: INQUIRY's CMDQUE.
    pub command_queuing: bool,
    /// What the data compression page says at power on. The data stays plain.
    pub compression: bool,
    /// Format of images, or by content.
    pub format: Option<Format>,
    /// Keep an index of the tape in the image.
    pub index: bool,
    /// A READ of fixed blocks cuts them from the data of consecutive records,
    /// wherever these end.
    pub join_records: bool,
    /// EOM goes with every end of data, not only past early warning.
    pub eom_at_eod: bool,
    /// An UNLOAD while removal is prevented lifts that and keeps the cartridge,
    /// which the next command that needs it loads again.
    pub autoload_after_unload: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vendor: "QEMU".into(),
            product: "QEMU TAPE".into(),
            revision: "0001".into(),
            serial: None,
            wwn: 0,
            capacity: u64::MAX,
            early_warning: 0,
            block_length: 0,
            density: 0x58,
            worm: false,
            command_queuing: true,
            compression: true,
            format: None,
            index: true,
            join_records: false,
            eom_at_eod: false,
            autoload_after_unload: false,
        }
    }
}

/// What is wrong with a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A string doesn't fit its field in INQUIRY data.
    #[error("{field} \"{value}\": at most {max} printable ASCII characters")]
    Text {
        /// Which.
        field: &'static str,
        /// What it was to be.
        value: String,
        /// What fits.
        max: usize,
    },
    /// Blocks that no command could transfer.
    #[error("block length {0}: at most 16777215 bytes")]
    BlockLength(u32),
    /// Every write would be past early warning.
    #[error("early warning {early_warning}: has to be less than the capacity, {capacity}")]
    EarlyWarning {
        /// What it was to be.
        early_warning: u64,
        /// What it is compared with.
        capacity: u64,
    },
}

impl Config {
    /// The longest block, in bytes.
    const BLOCK_MAX: u32 = 0xff_ffff;

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let serial = self.serial.as_deref().unwrap_or("");
        for (field, value, max) in [
            ("vendor", &self.vendor[..], 8),
            ("product", &self.product, 16),
            ("revision", &self.revision, 4),
            ("serial", serial, 36),
        ] {
            let printable = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            if value.len() > max || !printable {
                let value = value.into();
                return Err(ConfigError::Text { field, value, max });
            }
        }
        if self.block_length > Self::BLOCK_MAX {
            return Err(ConfigError::BlockLength(self.block_length));
        }
        let Self {
            early_warning,
            capacity,
            ..
        } = *self;
        if early_warning >= capacity {
            return Err(ConfigError::EarlyWarning {
                early_warning,
                capacity,
            });
        }
        Ok(())
    }
}

/// The image in the drive.
#[derive(Clone, Copy, Debug)]
pub struct Medium {
    /// Bytes of the image, exactly.
    pub length: u64,
    /// How it can be cut.
    pub truncation: Truncation,
    /// A write-protected cartridge.
    pub read_only: bool,
}
