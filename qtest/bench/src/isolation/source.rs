// SPDX-License-Identifier: GPL-2.0-or-later
//! Who makes the requests: for a while, to measure, or a fixed list, to verify.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use bench_report::quantile;
use vm_memory::Bytes;

use super::disk::{DiskCase, Operation, Shape};
use super::guest::Guest;
use super::ring::Source;

/// Requests of a case, until the time is over.
pub struct Timed<'a> {
    guest: &'a Guest,
    case: DiskCase,
    end: Instant,
    random: u64,
    /// Of each queue, the position of its next request in lengths.
    next: Vec<u64>,
    /// When each slot's request was made.
    since: Vec<Instant>,
    latencies: Vec<u32>,
    /// Requests that have come back.
    pub done: u64,
}

impl<'a> Timed<'a> {
    /// From now on for `time`.
    pub fn new(guest: &'a Guest, case: DiskCase, time: Duration) -> Self {
        let now = Instant::now();
        let blocks = case.export.len() / case.shape.len as u64;
        let queues = case.shape.queues as u64;
        Self {
            guest,
            case,
            end: now + time,
            random: 1,
            next: (0..queues).map(|queue| queue * blocks / queues).collect(),
            since: vec![now; case.shape.slots()],
            latencies: Vec::new(),
            done: 0,
        }
    }

    /// In seconds.
    pub fn median_latency(&mut self) -> Option<f64> {
        self.latencies.sort_unstable();
        Some(f64::from(quantile(&self.latencies, 0.5)?) / 1e9)
    }
}

impl Source for Timed<'_> {
    fn next(&mut self, queue: usize, slot: usize) -> Option<Operation> {
        let now = Instant::now();
        if now >= self.end {
            return None;
        }
        let blocks = self.case.export.len() / self.case.shape.len as u64;
        let block = if self.case.shape.is_sequential() {
            self.next[queue] = (self.next[queue] + 1) % blocks;
            self.next[queue]
        } else {
            // Knuth's MMIX.
            self.random = self
                .random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.random >> 33) % blocks
        };
        self.guest.prepare(
            slot,
            self.case.operation,
            block * self.case.shape.len as u64,
        );
        self.since[slot] = now;
        Some(self.case.operation)
    }

    fn done(&mut self, slot: usize) -> Result<()> {
        self.latencies
            .push(self.since[slot].elapsed().as_nanos() as u32);
        self.done += 1;
        self.guest.check(slot)
    }
}

/// Each slot several times, at places of its own, with bytes of its own.
pub struct Verify<'a> {
    guest: &'a Guest,
    operation: Operation,
    seed: u8,
    /// How often each slot was used.
    round: Vec<u8>,
    /// Requests that have come back.
    pub done: u64,
}

/// How often [`Verify`] uses a slot.
const ROUNDS: u8 = 3;

impl<'a> Verify<'a> {
    /// All writes, or reads of what such writes with that seed have left.
    pub fn new(guest: &'a Guest, operation: Operation, seed: u8) -> Self {
        let round = vec![0; guest.shape().slots()];
        Self {
            guest,
            operation,
            seed,
            round,
            done: 0,
        }
    }

    /// Requests in all.
    pub fn rounds(shape: Shape) -> u64 {
        shape.slots() as u64 * u64::from(ROUNDS)
    }

    fn byte(&self, slot: usize, round: u8) -> u8 {
        (slot as u8)
            .wrapping_mul(ROUNDS)
            .wrapping_add(round)
            .wrapping_mul(7)
            ^ self.seed
    }

    fn fill(&self, slot: usize, byte: u8) {
        let bytes = vec![byte; self.guest.shape().len];
        self.guest.data_slice(slot).copy_from(&bytes);
    }
}

impl Source for Verify<'_> {
    fn next(&mut self, _queue: usize, slot: usize) -> Option<Operation> {
        let round = self.round[slot];
        if round == ROUNDS {
            return None;
        }
        self.round[slot] += 1;
        let byte = self.byte(slot, round);
        self.fill(
            slot,
            match self.operation {
                Operation::Write => byte,
                Operation::Read => !byte,
            },
        );
        let shape = self.guest.shape();
        let block = slot as u64 * u64::from(ROUNDS) + u64::from(round);
        self.guest
            .prepare(slot, self.operation, block * shape.len as u64);
        Some(self.operation)
    }

    fn done(&mut self, slot: usize) -> Result<()> {
        self.done += 1;
        self.guest.check(slot)?;
        if self.operation == Operation::Read {
            let byte = self.byte(slot, self.round[slot] - 1);
            let mut bytes = vec![0; self.guest.shape().len];
            self.guest.data_slice(slot).read_slice(&mut bytes, 0)?;
            ensure!(
                bytes.iter().all(|&found| found == byte),
                "slot {slot} read something else"
            );
        }
        Ok(())
    }
}
