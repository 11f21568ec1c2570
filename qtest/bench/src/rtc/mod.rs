// SPDX-License-Identifier: GPL-2.0-or-later
//! The virtio-rtc daemon over its socket, beside the least that could take its
//! place.

mod cases;
mod echo;
mod guest;
mod measure;
mod page;

use annex_qtest::files::{top, Dir, Guest};
use anyhow::Result;
use strum::VariantArray;

use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::results::Results;
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use cases::{Case, Figures, Mode};
use measure::Rig;

pub use echo::serve;

/// The bench of vhost-device-rtc.
pub type Rtc = Single<OfRtc>;

/// What tells it from other benches.
pub enum OfRtc {}

impl Kind for OfRtc {
    const FILE: &'static str = "virtio-rtc";
    const COLUMNS: &'static [&'static str] = &[
        "case",
        "mode",
        "run",
        "count",
        "seconds",
        "median_ns",
        "centile99_ns",
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
        if let Err(missing) = Guest::with_rtc() {
            println!("rtc: without the rows of a guest: {missing}");
            cases.retain(|case| !case.in_guest());
        }
        let (runs, count) = size.pick((9, 20_000), (2, 500));
        let dir = Dir::at(top().join("build/bench/rtc"))?;
        let mut rig = Rig::start(dir)?;
        Results::measured(
            "rtc",
            cases,
            Mode::VARIANTS,
            runs,
            page::line,
            |case, mode| rig.run(case, mode, count),
        )
    }

    fn page(bench: &Rtc) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &Rtc) -> Vec<Verdict> {
        page::verdicts(&bench.results)
    }
}
