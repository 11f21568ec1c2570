// SPDX-License-Identifier: GPL-2.0-or-later
//! What was measured.

use std::fmt::Write;

use annex_bench::Spread;

use crate::cases::{Device, Operation};

/// One run of dd.
pub struct Sample {
    /// On which device.
    pub device: Device,
    /// Which way.
    pub operation: Operation,
    /// Bytes at a time.
    pub block: usize,
    /// Counts from 1. The device's rival had its turn beside it.
    pub run: usize,
    /// Bytes in all.
    pub bytes: u64,
    /// And how long it took.
    pub seconds: f64,
}

/// All of them.
#[derive(Default)]
pub struct Results {
    /// In the order they were taken.
    pub samples: Vec<Sample>,
}

impl Results {
    fn of(
        &self,
        device: Device,
        operation: Operation,
        block: usize,
    ) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| {
            (sample.device, sample.operation, sample.block) == (device, operation, block)
        })
    }

    /// MiB/s of a case.
    pub fn rate(&self, device: Device, operation: Operation, block: usize) -> Option<Spread> {
        let rate = |sample: &Sample| sample.bytes as f64 / sample.seconds / f64::from(1 << 20);
        Spread::of(self.of(device, operation, block).map(rate).collect())
    }

    /// The tape's rate of the disk's, each run by the one beside it.
    pub fn ratio(&self, operation: Operation, block: usize) -> Option<Spread> {
        let tapes = self.of(Device::Tape, operation, block);
        let ratios = tapes.filter_map(|tape| {
            let disk = self
                .of(Device::Disk, operation, block)
                .find(|disk| disk.run == tape.run)?;
            Some(disk.seconds / tape.seconds)
        });
        Spread::of(ratios.collect())
    }

    /// Every run as a line.
    pub fn csv(&self) -> String {
        let mut csv = String::from("device,operation,block_bytes,run,bytes,seconds\n");
        for Sample {
            device,
            operation,
            block,
            run,
            bytes,
            seconds,
        } in &self.samples
        {
            let _ = writeln!(
                csv,
                "{device},{operation},{block},{run},{bytes},{seconds:.6}"
            );
        }
        csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_compared_with_the_one_beside_them() {
        let sample = |device, run, seconds| {
            let operation = Operation::Read;
            Sample {
                device,
                operation,
                block: 512,
                run,
                bytes: 1 << 20,
                seconds,
            }
        };
        let results = Results {
            samples: vec![
                sample(Device::Tape, 1, 1.0),
                sample(Device::Disk, 1, 2.0),
                sample(Device::Disk, 2, 4.0),
                sample(Device::Tape, 2, 8.0),
                sample(Device::Disk, 3, 3.0),
                sample(Device::Tape, 3, 3.0),
            ],
        };
        let ratio = results.ratio(Operation::Read, 512).unwrap();
        assert_eq!(
            ratio,
            Spread {
                min: 0.5,
                median: 1.0,
                max: 2.0
            }
        );
        assert_eq!(results.ratio(Operation::Write, 512), None);
        assert_eq!(
            results
                .rate(Device::Disk, Operation::Read, 512)
                .unwrap()
                .max,
            0.5
        );
    }
}
