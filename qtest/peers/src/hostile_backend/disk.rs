// SPDX-License-Identifier: GPL-2.0-or-later
//! A disk in RAM, of virtio-blk's kind.

use anyhow::{ensure, Context, Result};

use crate::vhost_user::Chain;
use crate::vhost_user::Memory;

const SECTOR: u64 = 512;
const HEADER: usize = 16;

/// Kinds of requests.
pub const READ: u32 = 0;
pub const WRITE: u32 = 1;
const FLUSH: u32 = 4;
pub const GET_ID: u32 = 8;

const OK: u8 = 0;
/// A status.
pub const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

/// What is on it.
pub struct Disk(Vec<u8>);

impl Disk {
    /// Of `mib` MiB of zeros.
    pub fn new(mib: usize) -> Self {
        Self(vec![0; mib << 20])
    }

    /// Its configuration space: capacity, limits, number of queues.
    pub fn config(&self, queues: u16) -> Vec<u8> {
        let mut config = vec![0; 60];
        config[..8].copy_from_slice(&(self.0.len() as u64 / SECTOR).to_le_bytes());
        config[12..16].copy_from_slice(&126u32.to_le_bytes());
        config[20..24].copy_from_slice(&(SECTOR as u32).to_le_bytes());
        config[34..36].copy_from_slice(&queues.to_le_bytes());
        config
    }

    /// What a request asks for: its kind, the first sector, and all that it gives
    /// to read.
    pub fn asked(chain: &Chain, memory: &Memory) -> Result<(u32, u64, Vec<u8>)> {
        let mut out = Vec::new();
        for buffer in &chain.readable {
            out.extend(memory.read(buffer.at, buffer.len as usize)?);
        }
        ensure!(out.len() >= HEADER, "a request of {} bytes", out.len());
        let kind = u32::from_le_bytes(out[..4].try_into()?);
        let sector = u64::from_le_bytes(out[8..16].try_into()?);
        Ok((kind, sector, out))
    }

    /// Carries a request out; how many bytes of its writable buffers are
    /// written, from the first on. What has none is no disk's, but a packet, and
    /// is lost.
    pub fn serve(&mut self, chain: &Chain, memory: &Memory) -> Result<u32> {
        if chain.writable.is_empty() {
            return Ok(0);
        }
        let (kind, sector, out) = Self::asked(chain, memory)?;
        let room: usize = chain
            .writable
            .iter()
            .map(|buffer| buffer.len as usize)
            .sum();
        let room = room.checked_sub(1).context("no room for the status")?;
        let data = &out[HEADER..];
        let length = if kind == READ { room } else { data.len() };
        let place = sector
            .checked_mul(SECTOR)
            .and_then(|start| Some(start as usize..usize::try_from(start).ok()? + length))
            .filter(|place| place.end <= self.0.len());
        let mut answer = vec![0; room];
        let status = match (kind, place) {
            (READ, Some(place)) => {
                answer.copy_from_slice(&self.0[place]);
                OK
            }
            (WRITE, Some(place)) => {
                self.0[place].copy_from_slice(data);
                OK
            }
            (READ | WRITE, None) => IO_ERROR,
            (FLUSH, _) => OK,
            (GET_ID, _) => {
                let name = b"hostile";
                let length = name.len().min(room);
                answer[..length].copy_from_slice(&name[..length]);
                OK
            }
            _ => UNSUPPORTED,
        };
        answer.push(status);
        let mut rest = &answer[..];
        for buffer in &chain.writable {
            let (now, later) = rest.split_at(buffer.len as usize);
            memory.write(buffer.at, now)?;
            rest = later;
        }
        Ok(answer.len() as u32)
    }
}
