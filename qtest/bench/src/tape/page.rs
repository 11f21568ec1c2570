// SPDX-License-Identifier: GPL-2.0-or-later
//! The page, and the chart.

use bench_report::Target;

use crate::bench::Bench;
use crate::chart::{Chart, Panel, Scale};
use crate::crate_figures;
use crate::page::{head, shown, Table};
use crate::results::Mode;
use crate::verdict::Verdict;

use super::cases::{Case, Device, Figures};
use super::Tape;

type Results = crate::results::Results<Case, Device, Figures>;

const GUEST: &str = "\
## In a guest: tape and disk

dd on /dev/nst0 of a scsi-tape, in variable block mode, beside dd on /dev/sda of a
scsi-hd on the same virtio-scsi HBA; both images are raw files in the same directory, in
QEMU's default cache mode. Tapes have no page cache in the guest, so the disk's is passed
by (iflag=direct, oflag=direct): each block is one SCSI command on both, and one at a
time. A write ends when all is on the host's stable storage: closing a tape writes a mark
and flushes, and the disk's dd has conv=fsync. Each run goes over the same part of the
image as the one before it, from the beginning.

";

const CRATE: &str = "\
## The format's crate: beside pread and pwrite

`cargo bench -p tape-image`, in the same run: no QEMU, files in the page cache, flushes
left out.

";

/// The whole page but the verdicts.
pub fn text(bench: &Tape) -> String {
    let results = &bench.results;
    let notes = [
        "The guest has 2 vCPUs".into(),
        format!(
            "{} runs of each case after one that doesn't count; tape and disk take turns, each\n  \
             first as often as second; medians, with the lowest and highest run. A ratio is of two\n  \
             runs beside each other",
            results.runs()
        ),
    ];
    [
        head(bench, "SCSI tape: the numbers", "bench-tape", &notes),
        format!("{GUEST}{}\n", table(results)),
        format!(
            "{CRATE}{}\n",
            crate_figures::table(&bench.about().figures, "plain file I/O")
        ),
    ]
    .concat()
}

/// The cases, writes before reads.
fn cases(results: &Results) -> Vec<Case> {
    let mut cases = results.cases.clone();
    cases.sort_by_key(|case| case.operation);
    cases
}

fn table(results: &Results) -> Table {
    let mut table = Table::new(["", "scsi-tape, MiB/s", "scsi-hd, MiB/s", "ratio"]);
    for case in cases(results) {
        table.row([
            case.to_string(),
            rate(results, case, Device::Tape),
            rate(results, case, Device::Disk),
            ratio(results, case),
        ]);
    }
    table
}

/// MiB/s.
pub fn rate(results: &Results, case: Case, device: Device) -> String {
    shown(results.spread(case, device, Figures::rate), 1)
}

/// The tape's rate, of the disk's.
pub fn ratio(results: &Results, case: Case) -> String {
    shown(results.ratio(case, Device::Tape, Figures::rate), 2)
}

/// Rates, and their ratios.
pub fn chart(results: &Results) -> Chart {
    let modes = [Device::Disk, Device::Tape];
    let rows = |value: &dyn Fn(Case, Device) -> _| {
        let row = |case: Case| {
            (
                case.to_string(),
                modes.map(|mode| value(case, mode)).to_vec(),
            )
        };
        cases(results).into_iter().map(row).collect()
    };
    Chart {
        title: "Rates of tape and disk, by direction and block length".into(),
        modes: modes.map(|mode| mode.to_string()).to_vec(),
        across: 2,
        panels: vec![
            Panel {
                title: "dd on a tape and on a disk: more is better".into(),
                axis: "MiB/s (log scale)".into(),
                scale: Scale::Log,
                marks: vec![],
                rows: rows(&|case, mode| results.spread(case, mode, Figures::rate)),
            },
            Panel {
                title: "The tape's rate of the disk's: more is better".into(),
                axis: "ratio of two runs beside each other".into(),
                scale: Scale::Linear,
                marks: vec![(1.0, Device::RIVAL.to_string())],
                rows: rows(&|case, mode| match mode {
                    Device::RIVAL => None,
                    _ => results.ratio(case, mode, Figures::rate),
                }),
            },
        ],
    }
}

/// What the tape, and the crate, are to reach.
pub fn verdicts(bench: &Tape) -> Vec<Verdict> {
    let of_cases = cases(&bench.results).into_iter().map(|case| {
        let ratio = bench.results.ratio(case, Device::Tape, Figures::rate);
        let target = Target::AtLeast(case.target());
        let what = format!("{case}, of the disk's rate");
        Verdict::new(what, target, ratio.map(|ratio| ratio.median), 2)
    });
    of_cases
        .chain(crate_figures::verdicts(
            &bench.about().figures,
            "tape-image",
        ))
        .collect()
}
