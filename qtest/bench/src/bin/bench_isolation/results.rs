// SPDX-License-Identifier: GPL-2.0-or-later
//! What was measured.

use std::fmt::Write;

use annex_bench::Spread;

use crate::row::Row;
use crate::ways::Way;

/// The first line of a table of runs.
pub const COLUMNS: &str = "place,bytes,depth,queues,operation,back_end,way,run,requests,seconds,\
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
    /// Half of the requests took no longer than this, in seconds; NaN where it
    /// isn't known.
    pub latency: f64,
}

/// One run.
pub struct Sample<R, W> {
    /// Of what.
    pub case: R,
    /// In which way.
    pub way: W,
    /// Counts from 1. The other ways had their turns beside it.
    pub run: usize,
    /// What came out.
    pub figures: Figures,
}

/// All of them.
pub struct Results<R, W> {
    /// What there is to measure.
    pub cases: Vec<R>,
    /// In the order they were taken.
    pub samples: Vec<Sample<R, W>>,
}

impl<R: Row, W: Way> Results<R, W> {
    /// None yet.
    pub fn new(cases: Vec<R>) -> Self {
        Self {
            cases,
            samples: Vec::new(),
        }
    }

    /// How often each case was measured.
    pub fn runs(&self) -> usize {
        self.samples
            .iter()
            .map(|sample| sample.run)
            .max()
            .unwrap_or(0)
    }

    /// Cases that tell how many requests there are.
    pub fn many(&self) -> impl Iterator<Item = R> + '_ {
        self.cases.iter().copied().filter(|case| !case.is_latency())
    }

    /// Those that tell how long one takes.
    pub fn single(&self) -> impl Iterator<Item = R> + '_ {
        self.cases.iter().copied().filter(|case| case.is_latency())
    }

    fn of(&self, case: R, way: W) -> impl Iterator<Item = &Sample<R, W>> {
        self.samples
            .iter()
            .filter(move |sample| (sample.case, sample.way) == (case, way))
    }

    fn spread(&self, case: R, way: W, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        Spread::of(
            self.of(case, way)
                .map(|sample| value(&sample.figures))
                .collect(),
        )
    }

    /// Each run of `way` with the first way's beside it.
    fn pairs(&self, case: R, way: W, value: impl Fn(&Figures, &Figures) -> f64) -> Option<Spread> {
        let pair = |ours: &Sample<R, W>| {
            let direct = self
                .of(case, W::first())
                .find(|direct| direct.run == ours.run)?;
            Some(value(&ours.figures, &direct.figures))
        };
        Spread::of(self.of(case, way).filter_map(pair).collect())
    }

    /// Requests a second.
    pub fn rate(&self, case: R, way: W) -> Option<Spread> {
        self.spread(case, way, rate)
    }

    /// Of the first way's requests a second.
    pub fn ratio(&self, case: R, way: W) -> Option<Spread> {
        self.pairs(case, way, |ours, direct| rate(ours) / rate(direct))
    }

    /// Median latency, in µs.
    pub fn latency(&self, case: R, way: W) -> Option<Spread> {
        self.spread(case, way, |figures| figures.latency * 1e6)
    }

    /// What is added to the first way's latency, in µs.
    pub fn added(&self, case: R, way: W) -> Option<Spread> {
        self.pairs(case, way, |ours, direct| {
            (ours.latency - direct.latency) * 1e6
        })
    }

    /// Processor time of the front-end for a request, in µs.
    pub fn front_cpu(&self, case: R, way: W) -> Option<Spread> {
        self.spread(case, way, |figures| {
            figures.front_cpu * 1e6 / figures.requests as f64
        })
    }

    /// And the back-end's.
    pub fn back_cpu(&self, case: R, way: W) -> Option<Spread> {
        self.spread(case, way, |figures| {
            figures.back_cpu * 1e6 / figures.requests as f64
        })
    }

    /// Every run as a line that begins with `place`.
    pub fn csv(&self, place: &str) -> String {
        let mut csv = String::new();
        for Sample {
            case,
            way,
            run,
            figures,
        } in &self.samples
        {
            let Figures {
                requests,
                seconds,
                front_cpu,
                back_cpu,
                latency,
            } = figures;
            let _ = writeln!(
                csv,
                "{place},{},{},{way},{run},{requests},{seconds:.6},{front_cpu:.6},{back_cpu:.6},\
                 {latency:.9}",
                case.bytes(),
                case.columns()
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
    use crate::cases::{Case, Export};
    use crate::ways::Mode;

    #[test]
    fn runs_are_compared_with_the_direct_one_beside_them() {
        let cases = Case::of(&Export::ALL);
        let case = cases[0];
        let sample = |way, run, requests, latency| {
            let figures = Figures {
                requests,
                seconds: 1.0,
                front_cpu: 1e-3,
                back_cpu: 0.0,
                latency,
            };
            Sample {
                case,
                way,
                run,
                figures,
            }
        };
        let results = Results {
            cases,
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
        assert_eq!(
            results
                .front_cpu(case, Mode::Direct)
                .expect("two")
                .max
                .round(),
            10.0
        );
        assert_eq!(results.ratio(case, Mode::Relayed), None);
    }
}
