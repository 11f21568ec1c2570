// SPDX-License-Identifier: GPL-2.0-or-later
//! What was measured outside of a guest.

use std::fmt::Write;

use annex_qtest::bench::Spread;

use crate::cases::{Case, Mode};
use crate::measure::Figures;

/// One run.
pub struct Sample {
    /// Of what.
    pub case: Case,
    /// In which way.
    pub mode: Mode,
    /// Counts from 1. The other modes had their turns beside it.
    pub run: usize,
    /// What came out.
    pub figures: Figures,
}

/// All of them.
#[derive(Default)]
pub struct Results {
    /// In the order they were taken.
    pub samples: Vec<Sample>,
}

impl Results {
    fn of(&self, case: Case, mode: Mode) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| (sample.case, sample.mode) == (case, mode))
    }

    fn spread(&self, case: Case, mode: Mode, value: impl Fn(&Figures) -> f64) -> Option<Spread> {
        Spread::of(self.of(case, mode).map(|sample| value(&sample.figures)).collect())
    }

    /// Each run of `mode` with the direct one beside it.
    fn pairs(
        &self,
        case: Case,
        mode: Mode,
        value: impl Fn(&Figures, &Figures) -> f64,
    ) -> Option<Spread> {
        let pair = |ours: &Sample| {
            let direct = self.of(case, Mode::Direct).find(|direct| direct.run == ours.run)?;
            Some(value(&ours.figures, &direct.figures))
        };
        Spread::of(self.of(case, mode).filter_map(pair).collect())
    }

    /// Requests a second.
    pub fn rate(&self, case: Case, mode: Mode) -> Option<Spread> {
        self.spread(case, mode, rate)
    }

    /// Of direct's requests a second.
    pub fn ratio(&self, case: Case, mode: Mode) -> Option<Spread> {
        self.pairs(case, mode, |ours, direct| rate(ours) / rate(direct))
    }

    /// Median latency, in µs.
    pub fn latency(&self, case: Case, mode: Mode) -> Option<Spread> {
        self.spread(case, mode, |figures| figures.latency * 1e6)
    }

    /// What is added to direct's latency, in µs.
    pub fn added(&self, case: Case, mode: Mode) -> Option<Spread> {
        self.pairs(case, mode, |ours, direct| (ours.latency - direct.latency) * 1e6)
    }

    /// Processor time of the front-end for a request, in µs.
    pub fn front_cpu(&self, case: Case, mode: Mode) -> Option<Spread> {
        self.spread(case, mode, |figures| figures.front_cpu * 1e6 / figures.requests as f64)
    }

    /// And the back-end's.
    pub fn back_cpu(&self, case: Case, mode: Mode) -> Option<Spread> {
        self.spread(case, mode, |figures| figures.back_cpu * 1e6 / figures.requests as f64)
    }

    /// Every run as a line.
    pub fn csv(&self) -> String {
        let mut csv = String::from(
            "bytes,depth,queues,operation,export,mode,run,requests,seconds,front_end_cpu_seconds,\
             back_end_cpu_seconds,median_latency_seconds\n",
        );
        for Sample { case, mode, run, figures } in &self.samples {
            let Case { export, operation, shape } = case;
            let Figures { requests, seconds, front_cpu, back_cpu, latency } = figures;
            let _ = writeln!(
                csv,
                "{},{},{},{operation},{export},{mode},{run},{requests},{seconds:.6},\
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

    #[test]
    fn runs_are_compared_with_the_direct_one_beside_them() {
        let case = Case::all().next().expect("a case");
        let sample = |mode, run, requests, latency| {
            let figures =
                Figures { requests, seconds: 1.0, front_cpu: 1e-3, back_cpu: 0.0, latency };
            Sample { case, mode, run, figures }
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
