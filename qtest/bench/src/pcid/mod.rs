// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux with PCIDs and a TLB that remembers, beside the same without PCIDs.

mod cases;
mod guest;
mod page;

use annex_qtest::files::{base_qemu, top, Dir};
use anyhow::Result;
use strum::VariantArray;

use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::progress::Progress;
use crate::results::Results;
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use cases::{Case, Figures, Machine, Mode};
use guest::Guests;

/// The bench of PCIDs.
pub type Pcid = Single<OfPcid>;

/// What tells it from other benches.
pub enum OfPcid {}

impl Kind for OfPcid {
    const FILE: &'static str = "pcid";
    const COLUMNS: &'static [&'static str] = &[
        "work", "vcpus", "pti", "mode", "run", "count", "seconds", "misses", "flushes", "found",
    ];
    type Case = Case;
    type Mode = Mode;
    type Figures = Figures;

    fn cases(_: Size) -> Vec<Self::Case> {
        Case::all()
    }

    fn measure(size: Size, _: &mut About) -> Result<ResultsOf<Self>> {
        let mut cases = Case::all();
        if size == Size::Row {
            cases.truncate(1);
        }
        let (runs, share) = size.pick((7, 3), (1, 50));
        let dir = Dir::at(top().join("build/bench/pcid"))?;
        let mut results = Results::new(cases);
        let has_unpatched = base_qemu().is_some();
        let is_there = |mode: &Mode| has_unpatched || *mode != Mode::Unpatched;
        let modes: Vec<_> = Mode::VARIANTS.iter().copied().filter(is_there).collect();
        let turns = (runs + 1) * modes.len();
        let mut progress = Progress::new("pcid", results.cases.len(), turns);
        for machine in Machine::ALL {
            let cases = results.cases.iter().filter(|case| case.machine == machine);
            let cases: Vec<_> = cases.copied().collect();
            if cases.is_empty() {
                continue;
            }
            let guests = Guests::boot(&dir, machine, &modes)?;
            for case in cases {
                let count = case.work.count() / share;
                results.rounds(case, &modes, runs, &progress, |case, mode| {
                    guests.run(mode, case.work, count)
                })?;
                progress.case(page::line(&results, case));
            }
            guests.quit()?;
        }
        Ok(results)
    }

    fn page(bench: &Pcid) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &Pcid) -> Vec<Verdict> {
        page::verdicts(&bench.results)
    }
}
