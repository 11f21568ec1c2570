// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux with PCIDs and a TLB that remembers, beside the same without PCIDs.

mod cases;
mod guest;
mod page;

use annex_qtest::files::{top, Dir};
use anyhow::Result;
use strum::VariantArray;

use crate::about::About;
use crate::bench::{Bench, Size};
use crate::chart::Chart;
use crate::progress::Progress;
use crate::results::Results;
use crate::runs::Runs;
use crate::verdict::Verdict;
use cases::{Case, Figures, Kind, Mode};
use guest::Guests;

/// The bench of PCIDs.
pub struct Pcid {
    about: About,
    results: Results<Case, Mode, Figures>,
}

impl Bench for Pcid {
    const FILE: &'static str = "pcid";
    const COLUMNS: &'static [&'static str] = &[
        "work", "vcpus", "pti", "mode", "run", "count", "seconds", "misses", "flushes", "found",
    ];

    fn measure(size: Size) -> Result<Self> {
        let about = About::now(size)?;
        let mut cases = Case::all();
        if size == Size::Row {
            cases.truncate(1);
        }
        let (runs, share) = size.pick((9, 1), (1, 50));
        let dir = Dir::at(top().join("build/bench/pcid"))?;
        let mut results = Results::new(cases);
        let turns = (runs + 1) * Mode::VARIANTS.len();
        let mut progress = Progress::new("pcid", results.cases.len(), turns);
        for kind in Kind::ALL {
            let cases = results.cases.iter().filter(|case| case.kind == kind);
            let cases: Vec<_> = cases.copied().collect();
            if cases.is_empty() {
                continue;
            }
            let guests = Guests::boot(&dir, kind)?;
            for case in cases {
                let count = case.work.count() / share;
                for run in 0..=runs {
                    results.turns(case, run, &progress, |case, mode| {
                        guests.run(mode, case.work, count)
                    })?;
                }
                progress.case(page::line(&results, case));
            }
            guests.quit()?;
        }
        Ok(Self { about, results })
    }

    fn restore(about: About, runs: &mut Runs) -> Result<Self> {
        Ok(Self {
            about,
            results: Results::take(None, Case::all(), runs)?,
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
        page::text(self)
    }

    fn charts(&self) -> Vec<(&'static str, Chart)> {
        vec![("", page::chart(&self.results))]
    }

    fn verdicts(&self) -> Vec<Verdict> {
        page::verdicts(&self.results)
    }
}
