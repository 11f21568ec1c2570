// SPDX-License-Identifier: GPL-2.0-or-later
//! What commands about the drive answer, and change.

use crate::call::Call;
use crate::command::Entry;
use crate::run::Refused;
use crate::state::Reader;
use crate::{Config, Drive, Sense};

/// What the drive is set to.
#[derive(Debug)]
pub(crate) struct Parameters {
    block_length: u32,
    buffered: bool,
}

impl Parameters {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            block_length: config.block_length,
            buffered: true,
        }
    }

    /// As after a logical unit reset.
    pub(crate) fn reset(&mut self, config: &Config) {
        *self = Self::new(config);
    }

    pub(crate) fn save(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.block_length.to_be_bytes());
        bytes.push(self.buffered.into());
    }

    pub(crate) fn restore(_: &Config, reader: &mut Reader) -> Option<Self> {
        Some(Self {
            block_length: reader.u32()? & 0xff_ffff,
            buffered: reader.flag()?,
        })
    }

    /// Of fixed blocks, in bytes; 0: only variable ones.
    pub(crate) fn block_length(&self) -> u32 {
        self.block_length
    }

    pub(crate) fn buffered(&self) -> bool {
        self.buffered
    }

    pub(crate) fn write_protected(&self) -> bool {
        false
    }

    pub(crate) fn descriptor_sense(&self) -> bool {
        false
    }

    /// Do reservations let this initiator do that?
    pub(crate) fn allows(&self, _entry: &Entry, _cdb: &[u8], _initiator: u32) -> bool {
        true
    }
}

impl Drive {
    /// Carries out a command that the tape has no part in, given its data out.
    pub(crate) fn reply(&mut self, call: &Call, data: &[u8]) -> Result<Vec<u8>, Refused> {
        Ok(match call.opcode() {
            0x03 => Sense::NOTHING.to_bytes(call.flag(1)),
            0x05 => block_limits(call),
            0x12 => {
                let mut reply = vec![0x01, 0x80, 0x05, 0x02, 31, 0, 0x10, 0x02];
                reply.extend(
                    format!(
                        "{:8}{:16}{:4}",
                        self.config.vendor, self.config.product, self.config.revision
                    )
                    .bytes(),
                );
                reply
            }
            0x15 => {
                if data.len() >= 12 {
                    self.parameters.buffered = data[2] & 0x70 != 0;
                    self.parameters.block_length =
                        u32::from_be_bytes([0, data[9], data[10], data[11]]);
                }
                Vec::new()
            }
            0x1a => {
                let read_only = self.slot.as_ref().is_some_and(|s| s.medium.read_only);
                let [_, a, b, c] = self.parameters.block_length.to_be_bytes();
                vec![
                    11,
                    0,
                    u8::from(read_only) << 7 | u8::from(self.parameters.buffered) << 4,
                    8,
                    self.config.density,
                    0,
                    0,
                    0,
                    0,
                    a,
                    b,
                    c,
                ]
            }
            0x1e => {
                self.prevent_allow(call)?;
                Vec::new()
            }
            _ => {
                return Err(
                    Sense::new(crate::Key::IllegalRequest, crate::asc::INVALID_OPCODE).into(),
                )
            }
        })
    }

    /// PREVENT ALLOW MEDIUM REMOVAL, SPC-4 6.17: by initiator.
    fn prevent_allow(&mut self, call: &Call) -> Result<(), Sense> {
        self.preventing.retain(|&who| who != call.initiator);
        match call.byte(4) & 3 {
            0 => {}
            1 => self.preventing.push(call.initiator),
            // Of a medium changer.
            _ => return Err(Sense::cdb_field(4, Some(1))),
        }
        Ok(())
    }
}

/// READ BLOCK LIMITS, SSC-3 6.9: any length that 24 bits can say.
fn block_limits(call: &Call) -> Vec<u8> {
    const MLOI: u8 = 1;
    if call.flag(MLOI) {
        let mut data = vec![0; 20];
        data[12..].fill(0xff);
        return data;
    }
    vec![0, 0xff, 0xff, 0xff, 0, 1]
}
