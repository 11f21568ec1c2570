// SPDX-License-Identifier: GPL-2.0-or-later
//! What a load has done so far, counted without locks and read at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// A load's figures at one moment. Pages are pages of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of all blocks: `zero + data`.
    pub total: u64,
    /// Bytes of pages that aren't in the file, which read as zero.
    pub zero: u64,
    /// Bytes of pages in the file. When the load has finished: `demand + background`.
    pub data: u64,
    /// Bytes brought because a thread waited for them.
    pub demand: u64,
    /// Bytes brought by the background threads, or by [`super::RamLoad::retry`].
    pub background: u64,
    /// Bytes of these that were brought first, since they are in or between the pages of the working
    /// set.
    pub working_set: u64,
    /// Bytes that were recorded for a new working set; a page may count more than once.
    pub recorded: u64,
    /// Faults answered or waiting, of pages in the file and of zero pages.
    pub faults: u64,
    /// Time from reading a fault to its page, brought from the file, being in place.
    pub latency: Latency,
    /// Nanoseconds from the start to the finish; 0 before that.
    pub finish_ns: u64,
}

/// How long faults took, in nanoseconds; zeros when there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took no longer, to within 4 %.
    pub median_ns: u64,
    /// 99 in 100 took no longer, to within 4 %.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// The counters that the threads add to.
#[derive(Debug)]
pub(super) struct Counters {
    pub started: Instant,
    pub total: u64,
    pub data: u64,
    pub demand: AtomicU64,
    pub background: AtomicU64,
    pub working_set: AtomicU64,
    pub faults: AtomicU64,
    pub latency: Histogram,
    pub finish_ns: AtomicU64,
}

impl Counters {
    pub fn new(total: u64, data: u64) -> Self {
        Self {
            started: Instant::now(),
            total,
            data,
            demand: AtomicU64::new(0),
            background: AtomicU64::new(0),
            working_set: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            latency: Histogram::default(),
            finish_ns: AtomicU64::new(0),
        }
    }

    pub fn finish(&self) {
        self.finish_ns
            .store(self.started.elapsed().as_nanos() as u64, Relaxed);
    }

    pub fn snapshot(&self) -> Stats {
        Stats {
            total: self.total,
            zero: self.total - self.data,
            data: self.data,
            demand: self.demand.load(Relaxed),
            background: self.background.load(Relaxed),
            working_set: self.working_set.load(Relaxed),
            recorded: 0,
            faults: self.faults.load(Relaxed),
            latency: self.latency.read(),
            finish_ns: self.finish_ns.load(Relaxed),
        }
    }
}

/// Each power of two is divided into so many buckets: 1 / 16 wide, 1 / 32 off at most.
const PER_OCTAVE: u64 = 16;

/// Up to 2^40 ns, 18 minutes; anything longer counts as that.
const OCTAVES: u64 = 40;

/// A histogram that any thread adds to with one atomic addition, which the crates at hand don't
/// offer without a lock.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Vec<AtomicU64>,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let mut buckets = Vec::new();
        buckets.resize_with((PER_OCTAVE * OCTAVES) as usize, AtomicU64::default);
        Self {
            buckets,
            max: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub fn record(&self, ns: u64) {
        self.buckets[Self::bucket(ns)].fetch_add(1, Relaxed);
        self.max.fetch_max(ns, Relaxed);
    }

    fn bucket(ns: u64) -> usize {
        let ns = ns.clamp(PER_OCTAVE, (1 << OCTAVES) - 1);
        let octave = u64::from(ns.ilog2());
        let within = (ns >> (octave - u64::from(PER_OCTAVE.ilog2()))) % PER_OCTAVE;
        (octave * PER_OCTAVE + within) as usize
    }

    /// The middle of a bucket.
    fn value(bucket: usize) -> u64 {
        let (octave, within) = (bucket as u64 / PER_OCTAVE, bucket as u64 % PER_OCTAVE);
        let width = 1 << (octave - u64::from(PER_OCTAVE.ilog2()));
        (PER_OCTAVE + within) * width + width / 2
    }

    pub fn read(&self) -> Latency {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Relaxed))
            .collect();
        let max_ns = self.max.load(Relaxed);
        let total: u64 = counts.iter().sum();
        let quantile = |percent: u64| {
            let rank = (total * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let bucket = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            bucket.map_or(0, |bucket| Self::value(bucket).min(max_ns))
        };
        Latency {
            median_ns: quantile(50),
            p99_ns: quantile(99),
            max_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_recorded_reads_as_zero() {
        assert_eq!(Histogram::default().read(), Latency::default());
    }

    proptest! {
        #[test]
        fn quantiles_are_close(mut values in prop::collection::vec(100u64..1 << 39, 1..300)) {
            let histogram = Histogram::default();
            values.iter().for_each(|value| histogram.record(*value));
            values.sort_unstable();
            let read = histogram.read();
            prop_assert_eq!(read.max_ns, *values.last().unwrap());
            for (percent, found) in [(50, read.median_ns), (99, read.p99_ns)] {
                let exact = values[(values.len() * percent).div_ceil(100) - 1] as f64;
                prop_assert!((found as f64 / exact - 1.0).abs() < 0.04, "{found} for {exact}");
            }
        }
    }
}
