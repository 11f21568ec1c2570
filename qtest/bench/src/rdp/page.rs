// SPDX-License-Identifier: GPL-2.0-or-later
//! The page, and the chart.

use bench_report::{Spread, Target};
use strum::VariantArray;

use crate::chart::{Chart, Panel, Scale};
use crate::page::{head, shown, Table};
use crate::verdict::Verdict;

use super::cases::{Case, Figures, Mode};
use super::Rdp;

type Results = crate::results::Results<Case, Mode, Figures>;
/// A figure of a run.
type Value = fn(&Figures) -> Option<f64>;

const PICTURES: &str = "\
## Full-screen changes

A guest of 1024 by 768 pixels (daemons/rdp/trials/guest/pictures.c) shows another picture each
time; the next one when the client shows all of this one, compared pixel by pixel: nothing is
left out, and nothing is lossy. Each waits for QEMU's refresh, every 30 ms, and for a client on
the same machine to decode it.

";

const BYTES: &str = "\
## Bytes

KiB that the client is sent for a change. What TLS adds to RDP's, half a percent, isn't in it.

";

const CPU: &str = "\
## CPU time

ms for a change, of QEMU (where the VNC server is a part of it, and the guest's own drawing) and
of annex-rdp together.

";

const LATENCY: &str = "\
## Input to screen

From the client's key to its picture: the guest, when it has the key, inverts 32 by 32 pixels. In
ms; that QEMU looks for changes every 30 ms, or less often while nothing happens, is a part of
it.

";

/// The whole page but the verdicts.
pub fn text(bench: &Rdp) -> String {
    let results = &bench.results;
    let notes = [
        format!(
            "{} runs of each case after one that doesn't count, with a QEMU of its own for each; the\n  \
             four take turns; medians, with the lowest and highest run",
            results.runs()
        ),
        "VNC over a socket of this machine, without TLS, at the level of compression that QEMU\n  \
         takes if none is asked for (9); RDP over loopback, with TLS and NLA"
            .into(),
        "annex-rdp sends RDP 6.0 bitmaps with bulk compression, without loss".into(),
    ];
    let mut text = head(
        bench,
        "A guest's screen over RDP: the numbers",
        "bench-rdp",
        &notes,
    );
    let sections: [(&str, bool, Value, usize); 4] = [
        (PICTURES, true, Figures::rate, 1),
        (BYTES, true, Figures::kib, 1),
        (CPU, true, Figures::cpu_ms, 1),
        (LATENCY, false, Figures::median, 1),
    ];
    for (title, pictures, value, digits) in sections {
        let has = |case: &Case| case.is_picture() == pictures;
        if results.cases.iter().any(has) {
            let mut table = Table::new(
                std::iter::once(String::new()).chain(Mode::VARIANTS.iter().map(Mode::to_string)),
            );
            for &case in results.cases.iter().filter(|case| has(case)) {
                let cells = Mode::VARIANTS
                    .iter()
                    .map(|&mode| shown(results.spread(case, mode, value), digits));
                table.row(std::iter::once(case.to_string()).chain(cells));
            }
            text += &format!("{title}{table}\n");
        }
    }
    text
}

/// A case's result as progress shows it.
pub fn line(results: &Results, case: Case) -> String {
    let of = |mode| {
        format!(
            "{mode} {} ms, {} KiB",
            shown(results.spread(case, mode, Figures::median), 1),
            shown(results.spread(case, mode, Figures::kib), 1)
        )
    };
    let all: Vec<_> = Mode::VARIANTS.iter().map(|&mode| of(mode)).collect();
    format!("{case}: {}", all.join("; "))
}

/// What a change costs.
pub fn chart(results: &Results) -> Chart {
    let rows = |value: Value| -> Vec<(String, Vec<Option<Spread>>)> {
        let row = |&case: &Case| {
            let spreads = Mode::VARIANTS
                .iter()
                .map(|&mode| results.spread(case, mode, value));
            (case.to_string(), spreads.collect())
        };
        results.cases.iter().map(row).collect()
    };
    let panel = |title: &str, axis: &str, value: Value| Panel {
        title: title.into(),
        axis: axis.into(),
        scale: Scale::Log,
        marks: vec![],
        rows: rows(value),
    };
    Chart {
        title: "What it takes to show a change".into(),
        modes: Mode::VARIANTS.iter().map(Mode::to_string).collect(),
        across: 2,
        panels: vec![
            panel("Bytes: less is better", "KiB (log scale)", Figures::kib),
            panel("Time: less is better", "ms (log scale)", Figures::median),
            panel("CPU: less is better", "ms (log scale)", Figures::cpu_ms),
        ],
    }
}

/// What annex-rdp is to reach beside each of VNC's encodings that compresses.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let pictures = || {
        results
            .cases
            .iter()
            .copied()
            .filter(|case| case.is_picture())
    };
    let beside = |mode: Mode, value: Value| {
        let ratio = move |case: Case| {
            let ours = results.spread(case, Mode::Rdp, value)?.median;
            let theirs = results.spread(case, mode, value)?.median;
            Some((case.to_string(), ours / theirs))
        };
        pictures().filter_map(ratio).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for mode in [Mode::VncTight, Mode::VncZrle] {
        let changes = format!("changes a second, of {mode}'s");
        all.push(Verdict::on_all(
            changes,
            Target::AtLeast(1.0),
            beside(mode, Figures::rate),
            2,
        ));
        let bytes = format!("bytes of a change, of {mode}'s");
        all.push(Verdict::on_all(
            bytes,
            Target::AtMost(1.0),
            beside(mode, Figures::kib),
            2,
        ));
    }
    all
}
