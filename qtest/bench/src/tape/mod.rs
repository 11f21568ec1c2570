// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that writes and reads a tape beside the same guest writing and
//! reading a disk, and the crate beside plain file I/O.

pub mod cases;
mod guest;
mod page;

use anyhow::Result;
use strum::VariantArray;

use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::crate_figures;
use crate::progress::Progress;
use crate::results::{Mode, Results};
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use cases::{Case, Device, Figures, Operation};
use guest::Guest;

/// The bench of scsi-tape.
pub type Tape = Single<OfTape>;

/// What tells it from other benches.
pub enum OfTape {}

impl Kind for OfTape {
    const FILE: &'static str = "scsi-tape";
    const COLUMNS: &'static [&'static str] = &[
        "operation",
        "block_bytes",
        "device",
        "run",
        "bytes",
        "seconds",
    ];
    type Case = Case;
    type Mode = Device;
    type Figures = Figures;

    fn cases(_: Size) -> Vec<Self::Case> {
        Case::all()
    }

    fn measure(size: Size, about: &mut About) -> Result<ResultsOf<Self>> {
        about.figures = crate_figures::measure("tape-image", "tape", size)?;
        let (runs, seconds) = size.pick((9, 1.5), (2, 0.1));
        let mut cases = Case::all();
        if size == Size::Row {
            cases.truncate(2);
        }
        in_guest(cases, runs, seconds)
    }

    fn page(bench: &Tape) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &Tape) -> Vec<Verdict> {
        page::verdicts(bench)
    }
}

/// Case after case, since a write at the beginning of a tape ends it: what is
/// read is what was written last. Round 0 makes the files as long as they will
/// be.
fn in_guest(cases: Vec<Case>, runs: usize, seconds: f64) -> Result<Results<Case, Device, Figures>> {
    println!("booting a guest ...");
    let guest = Guest::boot()?;
    let mut results = Results::new(cases);
    let mut progress = Progress::new("tape and disk", results.cases.len(), (runs + 1) * 2);
    let mut count = 0;
    for case in results.cases.clone() {
        if case.operation == Operation::Write {
            count = guest.calibrate(case.block, seconds)?;
        }
        results.rounds(case, Device::VARIANTS, runs, &progress, |case, device| {
            guest.run(device, case, count)
        })?;
        let rate = |device| page::rate(&results, case, device);
        let ratio = page::ratio(&results, case);
        progress.case(format_args!(
            "{case}: tape {} MiB/s, disk {} MiB/s, ratio {ratio}",
            rate(Device::Tape),
            rate(Device::RIVAL)
        ));
    }
    drop(progress);
    guest.end()?;
    Ok(results)
}
