// SPDX-License-Identifier: GPL-2.0-or-later
//! Benches whose runs are one table of cases and modes: most of them.

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::about::About;
use crate::bench::{Bench, Size};
use crate::chart::Chart;
use crate::results::{Case, Mode, Results};
use crate::runs::Runs;
use crate::verdict::Verdict;

/// What tells one from the others; the rest of [`Bench`] follows.
pub trait Kind: Sized {
    /// What its files are called.
    const FILE: &'static str;
    /// The columns of its table of runs.
    const COLUMNS: &'static [&'static str];
    /// What is done.
    type Case: Case;
    /// In which ways.
    type Mode: Mode;
    /// What comes of it.
    type Figures: Serialize + DeserializeOwned;

    /// All cases that there are at this size.
    fn cases(size: Size) -> Vec<Self::Case>;

    /// Measures; what else there is to know goes into `about`.
    fn measure(size: Size, about: &mut About) -> Result<ResultsOf<Self>>;

    /// The page up to the verdicts.
    fn page(bench: &Single<Self>) -> String;

    /// Its chart.
    fn chart(results: &ResultsOf<Self>) -> Chart;

    /// What the project set out to reach, and whether it did.
    fn verdicts(bench: &Single<Self>) -> Vec<Verdict>;
}

/// The runs of a kind.
pub type ResultsOf<K> = Results<<K as Kind>::Case, <K as Kind>::Mode, <K as Kind>::Figures>;

/// A bench, with what it has measured.
pub struct Single<K: Kind> {
    /// What isn't in the table of runs.
    pub about: About,
    /// The table.
    pub results: ResultsOf<K>,
}

impl<K: Kind> Bench for Single<K> {
    const FILE: &'static str = K::FILE;
    const COLUMNS: &'static [&'static str] = K::COLUMNS;

    fn measure(size: Size) -> Result<Self> {
        let mut about = About::now(size)?;
        let results = K::measure(size, &mut about)?;
        Ok(Self { about, results })
    }

    fn restore(about: About, runs: &mut Runs) -> Result<Self> {
        let cases = K::cases(about.size);
        Ok(Self {
            about,
            results: Results::take(None, cases, runs)?,
        })
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn runs(&self) -> Result<Runs> {
        let mut runs = Runs::default();
        self.results.put(None, &mut runs)?;
        Ok(runs)
    }

    fn page(&self) -> String {
        K::page(self)
    }

    fn charts(&self) -> Vec<(&'static str, Chart)> {
        vec![("", K::chart(&self.results))]
    }

    fn verdicts(&self) -> Vec<Verdict> {
        K::verdicts(self)
    }
}
