// SPDX-License-Identifier: GPL-2.0-or-later
//! A stick in a guest, handed over by RDP, beside one that `usb-redir` is connected to by a socket.

mod cases;
mod page;

use anyhow::Result;
use strum::VariantArray;

use super::program::Program;
use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::results::Results;
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use cases::{Case, Figures, Mode};

/// The bench of USB over RDP.
pub type RdpUsb = Single<OfRdpUsb>;

/// What tells it from other benches.
pub enum OfRdpUsb {}

impl Kind for OfRdpUsb {
    const FILE: &'static str = "rdp-usb";
    const COLUMNS: &'static [&'static str] = &[
        "case",
        "mode",
        "run",
        "count",
        "bytes",
        "seconds",
        "median_ms",
        "centile99_ms",
    ];
    type Case = Case;
    type Mode = Mode;
    type Figures = Figures;

    fn cases(_: Size) -> Vec<Self::Case> {
        Case::VARIANTS.to_vec()
    }

    fn measure(size: Size, _: &mut About) -> Result<ResultsOf<Self>> {
        let mut cases = Case::VARIANTS.to_vec();
        if size == Size::Row {
            // A row of each table.
            cases.retain(|case| *case != Case::Write);
        }
        let (runs, count) = size.pick((9, 200), (1, 5));
        let mut program = Program::start()?;
        Results::measured(
            "rdp-usb",
            cases,
            Mode::VARIANTS,
            runs,
            page::line,
            |case, mode| program.ask(case.key(), mode, count),
        )
    }

    fn page(bench: &RdpUsb) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &RdpUsb) -> Vec<Verdict> {
        page::verdicts(&bench.results)
    }
}
