// SPDX-License-Identifier: GPL-2.0-or-later
//! What was measured.

use std::fmt::Write;

use annex_qtest::bench::Spread;

use crate::cases::Case;
use crate::ways::Way;

/// The first line of a table of runs.
pub const COLUMNS: &str = "place,bytes,depth,queues,operation,export,way,run,requests,seconds,\
                           front_end_cpu_seconds,back_end_cpu_seconds,median_latency_seconds\n";

/// What a run gave.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Requests that were carried out, in how many seconds.
    pub requests: u64,
    pub seconds: f64,
    /// Seconds of processor time: the front-end's process's, and the
    /// back-end's.
    pub front_cpu: f64,
    pub back_cpu: f64,
    /// Half of the requests took no longer than this, in seconds.
    pub latency: f64,
}

/// One run.
pub struct Sample<W> {
    /// Of what.
    pub case: Case,
    /// In which way.
    pub way: W,
    /// Counts from 1. The other ways had their turns beside it.
    pub run: usize,
    /// What came out.
    pub figures: Figures,
}

/// All of them.
pub struct Results<W> {
    /// In the order they were taken.
    pub samples: Vec<Sample<W>>,
}

impl<W: Way> Results<W> {
    /// None yet.
    pub fn new() -> Self {
        Self { samples: Vec::new() }
    }

    fn of(&self, case: Case, way: W) -> impl Iterator<Item = &Sample<W>> {
        self.samples.iter().filter(move |sample| (sample.case, sample.way) == (case, way))
    }

    fn spread(&self, case: Case, way: W, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        Spread::of(self.of(case, way).map(|sample| value(&sample.figures)).collect())
    }

    /// Each run of `way` with the first way's beside it.
    fn pairs(
        &self,
        case: Case,
        way: W,
        value: impl Fn(&Figures, &Figures) -> f64,
    ) -> Option<Spread> {
        let pair = |ours: &Sample<W>| {
            let direct = self.of(case, W::first()).find(|direct| direct.run == ours.run)?;
            Some(value(&ours.figures, &direct.figures))
        };
        Spread::of(self.of(case, way).filter_map(pair).collect())
    }

    /// Requests a second.
    pub fn rate(&self, case: Case, way: W) -> Option<Spread> {
        self.spread(case, way, rate)
    }

    /// Of the first way's requests a second.
    pub fn ratio(&self, case: Case, way: W) -> Option<Spread> {
        self.pairs(case, way, |ours, direct| rate(ours) / rate(direct))
    }

    /// Median latency, in µs.
    pub fn latency(&self, case: Case, way: W) -> Option<Spread> {
        self.spread(case, way, |figures| figures.latency * 1e6)
    }

    /// What is added to the first way's latency, in µs.
    pub fn added(&self, case: Case, way: W) -> Option<Spread> {
        self.pairs(case, way, |ours, direct| (ours.latency - direct.latency) * 1e6)
    }

    /// Processor time of the front-end for a request, in µs.
    pub fn front_cpu(&self, case: Case, way: W) -> Option<Spread> {
        self.spread(case, way, |figures| figures.front_cpu * 1e6 / figures.requests as f64)
    }

    /// And the back-end's.
    pub fn back_cpu(&self, case: Case, way: W) -> Option<Spread> {
        self.spread(case, way, |figures| figures.back_cpu * 1e6 / figures.requests as f64)
    }

    /// Every run as a line that begins with `place`.
    pub fn csv(&self, place: &str) -> String {
        let mut csv = String::new();
        for Sample { case, way, run, figures } in &self.samples {
            let Case { export, operation, shape } = case;
            let Figures { requests, seconds, front_cpu, back_cpu, latency } = figures;
            let _ = writeln!(
                csv,
                "{place},{},{},{},{operation},{export},{way},{run},{requests},{seconds:.6},\
                 {front_cpu:.6},{back_cpu:.6},{latency:.9}",
                shape.len, shape.depth, shape.queues
            );
        }
        csv
    }
}

fn rate(figures: &Figures) -> f64 {
    figures.requests as f64 / figures.seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ways::Mode;

    #[test]
    fn runs_are_compared_with_the_direct_one_beside_them() {
        let case = Case::all().next().expect("a case");
        let sample = |way, run, requests, latency| {
            let figures =
                Figures { requests, seconds: 1.0, front_cpu: 1e-3, back_cpu: 0.0, latency };
            Sample { case, way, run, figures }
        };
        let results = Results {
            samples: vec![
                sample(Mode::Direct, 1, 100, 10e-6),
                sample(Mode::Isolated, 1, 50, 15e-6),
                sample(Mode::Isolated, 2, 200, 45e-6),
                sample(Mode::Direct, 2, 200, 20e-6),
            ],
        };
        let ratio = results.ratio(case, Mode::Isolated).expect("two pairs");
        assert_eq!((ratio.min, ratio.max), (0.5, 1.0));
        let added = results.added(case, Mode::Isolated).expect("two pairs");
        assert_eq!((added.min.round(), added.max.round()), (5.0, 25.0));
        assert_eq!(results.front_cpu(case, Mode::Direct).expect("two").max.round(), 10.0);
        assert_eq!(results.ratio(case, Mode::Relayed), None);
    }
}
