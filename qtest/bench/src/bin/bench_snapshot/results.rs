// SPDX-License-Identifier: GPL-2.0-or-later
//! What was measured, and its medians.

use std::fmt::Write;

use annex_bench::Spread;
use annex_qtest::measure::Timings;
use annex_qtest::snapshot::Mode;

use crate::bare_loop::Latency;
use crate::cache::Cache;
use crate::cases::Guest;

/// One load.
pub struct Sample {
    /// What was loaded.
    pub guest: &'static Guest,
    /// From where.
    pub cache: Cache,
    /// How.
    pub mode: Mode,
    /// Counts from 0.
    pub run: usize,
    /// And how long it took.
    pub timings: Timings,
}

/// All of a bench.
#[derive(Default)]
pub struct Results {
    /// In the order they were taken.
    pub samples: Vec<Sample>,
    /// One for each round.
    pub bare: Vec<Latency>,
}

/// A figure of a load: what a column of the table or a line of the plot shows.
pub type Figure = fn(&Timings) -> Option<f64>;

/// Seconds until the VM runs.
pub const TO_RUN: Figure = |timings| Some(timings.to_run.as_secs_f64());
/// Seconds until the guest shows life.
pub const TO_LIFE: Figure = |timings| Some(timings.to_life.as_secs_f64());
/// Seconds until all is loaded.
pub const TO_LOADED: Figure = |timings| Some(timings.to_loaded.as_secs_f64());
/// Resident MiB when all is loaded.
pub const RESIDENT: Figure = |timings| Some(timings.resident_kib as f64 / 1024.0);
/// Demand faults.
pub const FAULTS: Figure = |timings| timings.figures.as_ref()?["faults"].as_f64();
/// Median latency of a demand fault in µs.
pub const MEDIAN: Figure = |timings| latency(timings, "median");
/// The 99th centile in µs.
pub const P99: Figure = |timings| latency(timings, "p99");
/// The longest in µs.
pub const MAX: Figure = |timings| latency(timings, "max");

fn latency(timings: &Timings, which: &str) -> Option<f64> {
    let nanoseconds = timings.figures.as_ref()?[format!("fault-latency-{which}")].as_f64()?;
    Some(nanoseconds / 1000.0)
}

impl Results {
    /// A figure over all runs of a case; none if the mode has no such figure.
    pub fn spread(
        &self,
        guest: &Guest,
        cache: Cache,
        mode: Mode,
        figure: Figure,
    ) -> Option<Spread> {
        let case = |sample: &&Sample| {
            sample.guest == guest && sample.cache == cache && sample.mode == mode
        };
        Spread::of(
            self.samples
                .iter()
                .filter(case)
                .filter_map(|s| figure(&s.timings))
                .collect(),
        )
    }

    /// The bare loop's latency over all rounds, in µs.
    pub fn bare(&self, figure: fn(&Latency) -> std::time::Duration) -> Option<Spread> {
        let microseconds = |latency| figure(latency).as_nanos() as f64 / 1000.0;
        Spread::of(self.bare.iter().map(microseconds).collect())
    }

    /// The guests, in the order they were measured.
    pub fn guests(&self) -> Vec<&'static Guest> {
        let mut guests: Vec<&'static Guest> = Vec::new();
        for sample in &self.samples {
            if !guests.contains(&sample.guest) {
                guests.push(sample.guest);
            }
        }
        guests
    }

    /// Every run as a line.
    pub fn csv(&self) -> String {
        let mut csv = String::from(
            "guest,cache,mode,run,to_run_s,to_life_s,to_loaded_s,resident_mib,\
             faults,fault_median_us,fault_p99_us,fault_max_us\n",
        );
        for Sample {
            guest,
            cache,
            mode,
            run,
            timings,
        } in &self.samples
        {
            // A mode's name has a comma.
            let _ = write!(csv, "{},{cache},\"{mode}\",{run}", guest.name);
            for figure in [
                TO_RUN, TO_LIFE, TO_LOADED, RESIDENT, FAULTS, MEDIAN, P99, MAX,
            ] {
                let _ = match figure(timings) {
                    Some(value) => write!(csv, ",{value:.6}"),
                    None => write!(csv, ","),
                };
            }
            csv.push('\n');
        }
        csv
    }
}
