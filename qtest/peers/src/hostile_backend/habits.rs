// SPDX-License-Identifier: GPL-2.0-or-later
//! How back-ends that others wrote answer requests: what they write, and how
//! many bytes they say that was. None of them is wrong where the guest's memory
//! is shared, since drivers look at the status.

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::hostile_backend::disk::{Disk, GET_ID, IO_ERROR, READ, WRITE};
use crate::vhost_user::{Chain, Memory};

/// A way of answering.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Habit {
    /// All is said.
    Right,
    /// SPDK's vhost-blk: of FLUSH, and of what fails early, it says 0, and the
    /// status isn't counted with a name.
    SpdkBlk,
    /// Cloud Hypervisor's vhost_user_block: of a READ that fails it says 1, the
    /// status, which is the last byte.
    CloudHypervisorBlk,
    /// vhost-device-i2c: of a read that isn't acknowledged it says the same.
    VhostDeviceI2c,
    /// Nothing is written, and said to be.
    Silent,
    /// Nothing is written, but everything said to be.
    Boastful,
}

/// The sectors that can't be read, of 32 MiB to 33.
const BAD: std::ops::Range<u64> = 32 << 11..33 << 11;

impl Habit {
    /// Answers a request; what it says that it wrote. But for the right one, a
    /// disk's flushes fail, and reads of its bad sectors; other devices never do
    /// anything else.
    pub fn serve(self, disk: &mut Disk, chain: &Chain, memory: &Memory) -> Result<u32> {
        let all = chain.writable.iter().map(|buffer| buffer.len).sum();
        if self == Self::Right || chain.writable.is_empty() {
            return disk.serve(chain, memory);
        }
        if self == Self::VhostDeviceI2c {
            fail(chain, memory)?;
            return Ok(1);
        }
        let asked = Disk::asked(chain, memory).map(|(kind, sector, _)| (kind, sector));
        match asked {
            Ok((READ, sector)) if BAD.contains(&sector) => self.give_up(chain, memory, all),
            Ok((GET_ID, _)) if self == Self::SpdkBlk => {
                Ok(disk.serve(chain, memory)?.saturating_sub(1))
            }
            Ok((READ | WRITE | GET_ID, _)) => disk.serve(chain, memory),
            // Flushes, and what isn't for a disk.
            _ => self.give_up(chain, memory, all),
        }
    }

    /// Answers a request that fails.
    fn give_up(self, chain: &Chain, memory: &Memory, all: u32) -> Result<u32> {
        match self {
            Self::Silent => return Ok(0),
            Self::Boastful => return Ok(all),
            _ => fail(chain, memory)?,
        }
        Ok(u32::from(self != Self::SpdkBlk))
    }
}

/// Writes a disk's or a bus's status for a request that failed, its last byte.
fn fail(chain: &Chain, memory: &Memory) -> Result<()> {
    let last = chain.writable.last().context("room for a status")?;
    memory.write(last.at + u64::from(last.len) - 1, &[IO_ERROR])
}
