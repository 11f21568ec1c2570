// SPDX-License-Identifier: GPL-2.0-or-later
//! What was measured: runs of cases in modes that take turns.

use std::fmt;

use anyhow::{Context, Result};
use bench_report::Spread;
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::progress::Progress;
use crate::runs::Runs;

/// What is done. Tables and charts call it as its `Display` has it.
pub trait Case: Copy + PartialEq + fmt::Display {
    /// What it is in the table of runs.
    fn columns(self) -> Vec<String>;
}

/// A way to do it.
pub trait Mode: Copy + PartialEq + fmt::Display + strum::VariantArray {
    /// The rival that the others are compared with.
    const RIVAL: Self;
}

struct Sample<C, M, F> {
    case: C,
    mode: M,
    /// Counts from 1. Each mode had its turn in it.
    run: usize,
    figures: F,
}

/// Figures of all runs.
pub struct Results<C, M, F> {
    /// What there is to measure, or was measured.
    pub cases: Vec<C>,
    /// In the order they were taken.
    samples: Vec<Sample<C, M, F>>,
}

impl<C: Case, M: Mode, F> Results<C, M, F> {
    /// None yet.
    pub fn new(cases: Vec<C>) -> Self {
        Self {
            cases,
            samples: Vec::new(),
        }
    }

    /// Has all modes do each case `runs` times, and once that isn't kept; `line` is what is told of a
    /// case that is done.
    pub fn measured(
        bench: &str,
        cases: Vec<C>,
        modes: &[M],
        runs: usize,
        line: impl Fn(&Self, C) -> String,
        mut run: impl FnMut(C, M) -> Result<F>,
    ) -> Result<Self> {
        let mut results = Self::new(cases);
        let turns = (runs + 1) * modes.len();
        let mut progress = Progress::new(bench, results.cases.len(), turns);
        for case in results.cases.clone() {
            results.rounds(case, modes, runs, &progress, &mut run)?;
            progress.case(line(&results, case));
        }
        Ok(results)
    }

    /// Has each mode do `case` once, none always first. Run 0 isn't kept.
    pub fn turns(
        &mut self,
        case: C,
        run: usize,
        progress: &Progress,
        measure: impl FnMut(C, M) -> Result<F>,
    ) -> Result<()> {
        self.turns_of(case, M::VARIANTS, run, progress, measure)
    }

    /// The same with some of the modes.
    pub fn turns_of(
        &mut self,
        case: C,
        modes: &[M],
        run: usize,
        progress: &Progress,
        mut measure: impl FnMut(C, M) -> Result<F>,
    ) -> Result<()> {
        let count = modes.len();
        for &mode in modes.iter().cycle().skip(run % count).take(count) {
            progress.turn(format_args!("{case}, {mode}"));
            let figures = measure(case, mode).with_context(|| format!("{case}, {mode}"))?;
            if run > 0 {
                self.samples.push(Sample {
                    case,
                    mode,
                    run,
                    figures,
                });
            }
        }
        Ok(())
    }

    /// Has some of the modes do `case` in so many rounds, after one that isn't kept.
    pub fn rounds(
        &mut self,
        case: C,
        modes: &[M],
        rounds: usize,
        progress: &Progress,
        mut measure: impl FnMut(C, M) -> Result<F>,
    ) -> Result<()> {
        (0..=rounds).try_for_each(|round| self.turns_of(case, modes, round, progress, &mut measure))
    }

    /// Those modes that were measured.
    pub fn modes(&self) -> impl Iterator<Item = M> + '_ {
        let is_there = |mode: &M| self.samples.iter().any(|sample| sample.mode == *mode);
        M::VARIANTS.iter().copied().filter(is_there)
    }

    /// Those but the rival.
    pub fn ours(&self) -> impl Iterator<Item = M> + '_ {
        self.modes().filter(|&mode| mode != M::RIVAL)
    }

    /// How often each case was measured.
    pub fn runs(&self) -> usize {
        self.samples
            .iter()
            .map(|sample| sample.run)
            .max()
            .unwrap_or(0)
    }

    fn of(&self, case: C, mode: M) -> impl Iterator<Item = &Sample<C, M, F>> {
        self.samples
            .iter()
            .filter(move |sample| (sample.case, sample.mode) == (case, mode))
    }

    /// A figure over all runs of a case; none if it has no such figure.
    pub fn spread(&self, case: C, mode: M, value: impl Fn(&F) -> Option<f64>) -> Option<Spread> {
        Spread::of(
            self.of(case, mode)
                .filter_map(|sample| value(&sample.figures))
                .collect(),
        )
    }

    /// The same of each run and the rival's beside it.
    pub fn pairs(&self, case: C, mode: M, value: impl Fn(&F, &F) -> Option<f64>) -> Option<Spread> {
        let pair = |ours: &Sample<C, M, F>| {
            let rival = self
                .of(case, M::RIVAL)
                .find(|rival| rival.run == ours.run)?;
            value(&ours.figures, &rival.figures)
        };
        Spread::of(self.of(case, mode).filter_map(pair).collect())
    }

    /// A figure, of the rival's.
    pub fn ratio(&self, case: C, mode: M, value: impl Fn(&F) -> Option<f64>) -> Option<Spread> {
        self.pairs(case, mode, |ours, rival| Some(value(ours)? / value(rival)?))
    }
}

impl<C: Case, M: Mode, F: Serialize + DeserializeOwned> Results<C, M, F> {
    /// Adds the runs to a table, below `place` if it has such a column.
    pub fn put(&self, place: Option<&str>, runs: &mut Runs) -> Result<()> {
        self.samples.iter().try_for_each(
            |Sample {
                 case,
                 mode,
                 run,
                 figures,
             }| { runs.push(&columns(place, *case), &mode.to_string(), *run, figures) },
        )
    }

    /// Takes those of `cases` from a table; cases that have none are left out.
    pub fn take(place: Option<&str>, mut cases: Vec<C>, runs: &mut Runs) -> Result<Self> {
        let known: Vec<_> = cases
            .iter()
            .map(|&case| (case, columns(place, case)))
            .collect();
        let count = known.first().map_or(0, |(_, columns)| columns.len());
        let find = |fields: &[&str]| {
            let found = known.iter().find(|(_, columns)| columns == fields);
            found.map(|&(case, _)| case)
        };
        let mut samples = Vec::new();
        for (case, mode, run, figures) in runs.take(count, find)? {
            let known = M::VARIANTS.iter().find(|known| known.to_string() == mode);
            let mode = *known.with_context(|| format!("there is no mode {mode:?}"))?;
            samples.push(Sample {
                case,
                mode,
                run,
                figures,
            });
        }
        cases.retain(|case| samples.iter().any(|sample| sample.case == *case));
        Ok(Self { cases, samples })
    }
}

/// A case's columns, behind that of its place.
fn columns(place: Option<&str>, case: impl Case) -> Vec<String> {
    place
        .map(Into::into)
        .into_iter()
        .chain(case.columns())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::cases::{Case, Device, Operation};

    type Results = super::Results<Case, Device, (f64,)>;

    const CASE: Case = Case {
        operation: Operation::Read,
        block: 512,
    };

    fn results(samples: &[(Device, usize, f64)]) -> Results {
        let mut results = Results::new(vec![CASE]);
        results.samples = samples
            .iter()
            .map(|&(mode, run, value)| Sample {
                case: CASE,
                mode,
                run,
                figures: (value,),
            })
            .collect();
        results
    }

    fn six() -> Results {
        results(&[
            (Device::Tape, 1, 2.0),
            (Device::Disk, 1, 1.0),
            (Device::Disk, 2, 8.0),
            (Device::Tape, 2, 4.0),
            (Device::Disk, 3, 3.0),
            (Device::Tape, 3, 3.0),
        ])
    }

    #[test]
    fn runs_are_compared_with_the_one_beside_them() {
        let results = six();
        let ratio = results
            .ratio(CASE, Device::Tape, |figures| Some(figures.0))
            .unwrap();
        assert_eq!(
            ratio,
            Spread {
                min: 0.5,
                median: 1.0,
                max: 2.0
            }
        );
        let added = results
            .pairs(CASE, Device::Tape, |a, b| Some(a.0 - b.0))
            .unwrap();
        assert_eq!(
            added,
            Spread {
                min: -4.0,
                median: 0.0,
                max: 1.0
            }
        );
        let other = Case {
            block: 1024,
            ..CASE
        };
        assert_eq!(
            results.spread(other, Device::Tape, |figures| Some(figures.0)),
            None
        );
        assert_eq!(results.spread(CASE, Device::Tape, |_| None), None);
        assert_eq!(results.runs(), 3);
    }

    #[test]
    fn modes_take_turns_and_the_first_run_does_not_count() {
        let mut results = Results::new(vec![CASE]);
        let progress = Progress::new("test", 1, 6);
        let mut order = Vec::new();
        for run in 0..3 {
            let note = |_, mode| {
                order.push(mode);
                Ok((0.0,))
            };
            results.turns(CASE, run, &progress, note).unwrap();
        }
        use Device::{Disk, Tape};
        assert_eq!(order, [Disk, Tape, Tape, Disk, Disk, Tape]);
        assert_eq!((results.runs(), results.samples.len()), (2, 4));
    }

    #[test]
    fn tables_are_read_back() {
        let mut runs = Runs::default();
        six().put(None, &mut runs).unwrap();
        let other = Case {
            block: 1024,
            ..CASE
        };
        let again = Results::take(None, vec![other, CASE], &mut runs).unwrap();
        runs.end().unwrap();
        assert_eq!(again.cases, [CASE]);
        let value = |results: &Results| results.spread(CASE, Device::Disk, |f| Some(f.0));
        assert_eq!(value(&again), value(&six()));

        let mut runs = Runs::default();
        six().put(None, &mut runs).unwrap();
        Results::take(None, vec![other], &mut runs).unwrap();
        let error = runs.end().unwrap_err().to_string();
        assert!(error.contains("read,512,scsi-tape,1,2.0"), "{error}");
        let mut runs = Runs::default();
        runs.push(&columns(None, CASE), "punched card", 1, (1.0,))
            .unwrap();
        assert!(Results::take(None, vec![CASE], &mut runs).is_err());
    }
}
