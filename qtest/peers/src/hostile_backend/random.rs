// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes of anything to anywhere, while requests are served.

use annex_qtest::stream;
use anyhow::Result;

use crate::hostile_backend::disk::Disk;
use crate::hostile_backend::report::say;
use crate::vhost_user::Memory;
use crate::vhost_user::{Chain, Ring};

/// How many mutations a test is about.
const ALL: u64 = 1_000_000;
/// How many are made between two requests, at most.
const BURST: u64 = 96;
/// One in so many used elements is a wrong one, or moves the index wrongly:
/// that breaks the device, and ends a round.
const WRONG: u64 = 400;

/// A source of mutations.
pub struct Mutator {
    seed: u64,
    drawn: u64,
    made: u64,
}

impl Mutator {
    /// The same ones for the same seed, given the same requests.
    pub fn new(seed: u64) -> Self {
        say(format!("seed {seed}"));
        Self {
            seed,
            drawn: 0,
            made: 0,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        stream::word(self.seed, self.drawn) % below.max(1)
    }

    /// Takes what waits, spoils the memory, and gives back what it took.
    pub fn work(&mut self, memory: &Memory, ring: &mut Ring, disk: &mut Disk) -> Result<()> {
        let mut taken = Vec::new();
        while taken.len() < usize::from(ring.num) {
            match ring.take(memory) {
                Ok(Some(chain)) => taken.push(chain),
                Ok(None) => break,
                // What it reads there, it has written itself.
                Err(_) => {
                    ring.taken = memory.u16(ring.avail + 2)?;
                    break;
                }
            }
        }
        for chain in taken {
            for _ in 0..1 + self.draw(BURST) {
                self.mutate(memory, ring)?;
            }
            let len = disk.serve(&chain, memory).unwrap_or(1);
            self.give(memory, ring, &chain, len)?;
        }
        // A kick's event index may be spoilt: rings are polled.
        ring.wait_for_kick(memory).map(drop)
    }

    fn give(&mut self, memory: &Memory, ring: &mut Ring, chain: &Chain, len: u32) -> Result<()> {
        let (mut id, mut len, mut count) = (u32::from(chain.head), len, 1);
        if self.draw(8) == 0 {
            len = self.draw(1 << 32) as u32;
        }
        match self.draw(3 * WRONG) {
            0 => id = self.draw(1 << 32) as u32,
            1 => id = self.draw(u64::from(ring.num)) as u32,
            2 => count = self.draw(1 << 16) as u16,
            _ => {}
        }
        ring.put(memory, 0, id, len)?;
        ring.give(memory, count)?;
        ring.call()
    }

    /// Writes 1 to 8 bytes of anything to a place of a kind.
    fn mutate(&mut self, memory: &Memory, ring: &Ring) -> Result<()> {
        self.made += 1;
        if self.made % (ALL / 10) == 0 {
            say(format!("mutations {}", self.made));
        }
        let [table, avail, used] = ring.extents();
        let (start, length) = match self.draw(128) {
            0..=47 => table,
            48..=51 => avail,
            52..=79 => (used.0, 2),
            80..=95 => (used.0 + used.1 - 2, 2),
            // Seldom, and not the index: what was given and not yet looked at
            // is there, and a round ends with it.
            96 => (used.0 + 4, used.1 - 4),
            _ => {
                let ranges: Vec<(u64, u64)> = memory.ranges().collect();
                ranges[self.draw(ranges.len() as u64) as usize]
            }
        };
        let size = 1 + self.draw(8.min(length));
        let at = start + self.draw(length - size + 1);
        if at < used.0 + 4 && at + size > used.0 + 2 {
            return Ok(());
        }
        let bytes = stream::word(self.seed ^ 1, self.drawn).to_le_bytes();
        memory.write(at, &bytes[..size as usize])
    }
}
