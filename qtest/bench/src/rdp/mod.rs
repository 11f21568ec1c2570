// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's screen by annex-rdp, beside QEMU's own VNC server; and in [`usb`], a stick.
//!
//! Clients, and what they measure, are a program of daemons/rdp/trials: IronRDP's crates want a
//! newer Rust than this program.

mod cases;
mod page;
mod program;
pub mod usb;

use anyhow::Result;
use strum::VariantArray;

use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::results::Results;
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use cases::{Case, Figures, Mode};
use program::Program;

/// The bench of annex-rdp's screen.
pub type Rdp = Single<OfRdp>;

/// What tells it from other benches.
pub enum OfRdp {}

impl Kind for OfRdp {
    const FILE: &'static str = "rdp";
    const COLUMNS: &'static [&'static str] = &[
        "case",
        "mode",
        "run",
        "count",
        "seconds",
        "bytes",
        "cpu_seconds",
        "median_ms",
        "centile99_ms",
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
        let (runs, count) = size.pick((3, 24), (1, 2));
        let mut program = Program::start()?;
        Results::measured(
            "rdp",
            cases,
            Mode::VARIANTS,
            runs,
            page::line,
            |case, mode| program.ask(case.0, mode, count),
        )
    }

    fn page(bench: &Rdp) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &Rdp) -> Vec<Verdict> {
        page::verdicts(&bench.results)
    }
}
