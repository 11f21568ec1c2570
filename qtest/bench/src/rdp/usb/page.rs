// SPDX-License-Identifier: GPL-2.0-or-later
//! The page, and the chart.

use bench_report::{Spread, Target};
use strum::VariantArray;

use crate::chart::{Chart, Panel, Scale};
use crate::page::{head, shown, Table};
use crate::verdict::Verdict;

use super::cases::{Case, Figures, Mode};
use super::RdpUsb;

type Results = crate::results::Results<Case, Mode, Figures>;

const RATE: &str = "\
## Throughput

MiB a second, with 64 KiB at a time: by a SCSI command of bulk-only transport, so that each time
31 bytes go before them and 13 come behind, in transfers of their own.

";

const TIME: &str = "\
## Time of each

ms from the guest's system call (`USBDEVFS_BULK` three times, or `USBDEVFS_CONTROL` once) until it
has returned. *More* is what the way over RDP adds.

";

/// The whole page but the verdicts.
pub fn text(bench: &RdpUsb) -> String {
    let results = &bench.results;
    let notes = [
        format!(
            "{} runs of each case after one that doesn't count; the two take turns, each first as\n  \
             often as second; medians, with the lowest and highest run. A ratio, or a difference, is\n  \
             of two runs beside each other",
            results.runs()
        ),
        "One Linux guest under TCG has both sticks, which are the same code (rust/rdp-usb), in two\n  \
         `usb-redir`s of one xHCI. A program in it (guest/usbload.c) asks for one thing after\n  \
         another, without a driver for storage, and compares what it reads with what was written"
            .into(),
        "*socket*: `-chardev socket`, a Unix socket with the stick at its other end".into(),
        "*rdp*: `-chardev dbus`, annex-rdp, TLS over loopback, and annex-usb's session with the\n  \
         stick in its process"
            .into(),
    ];
    let mut text = head(
        bench,
        "A USB stick over RDP: the numbers",
        "bench-rdp-usb",
        &notes,
    );
    let cases = || results.cases.iter().copied();
    let mut table = Table::new(["", "socket", "rdp", "rdp, of socket's"]);
    for case in cases().filter(|case| case.is_bulk()) {
        table.row([
            case.to_string(),
            shown(results.spread(case, Mode::Socket, Figures::rate), 2),
            shown(results.spread(case, Mode::Rdp, Figures::rate), 2),
            shown(results.ratio(case, Mode::Rdp, Figures::rate), 2),
        ]);
    }
    text += &format!("{RATE}{table}\n");
    let mut table = Table::new([
        "",
        "socket, median",
        "99 %",
        "rdp, median",
        "99 %",
        "more, of medians",
    ]);
    for case in cases() {
        let of =
            |mode, value: fn(&Figures) -> Option<f64>| shown(results.spread(case, mode, value), 2);
        table.row([
            case.to_string(),
            of(Mode::Socket, Figures::median),
            of(Mode::Socket, Figures::centile99),
            of(Mode::Rdp, Figures::median),
            of(Mode::Rdp, Figures::centile99),
            shown(more(results, case), 2),
        ]);
    }
    text + &format!("{TIME}{table}\n")
}

/// What the way over RDP adds, in ms.
fn more(results: &Results, case: Case) -> Option<Spread> {
    results.pairs(case, Mode::Rdp, |ours, rival| {
        Some(ours.median_ms - rival.median_ms)
    })
}

/// A case's result as progress shows it.
pub fn line(results: &Results, case: Case) -> String {
    let of = |mode| shown(results.spread(case, mode, Figures::median), 2);
    let mut line = format!(
        "{case}: socket {} ms, rdp {} ms",
        of(Mode::Socket),
        of(Mode::Rdp)
    );
    if case.is_bulk() {
        let ratio = results.ratio(case, Mode::Rdp, Figures::rate);
        line += &format!("; of its throughput {}", shown(ratio, 2));
    }
    line
}

/// Times.
pub fn chart(results: &Results) -> Chart {
    let panel = |title: &str, value: fn(&Figures) -> Option<f64>| {
        let row = |&case: &Case| {
            let spreads = Mode::VARIANTS
                .iter()
                .map(|&mode| results.spread(case, mode, value));
            (case.to_string(), spreads.collect())
        };
        Panel {
            title: title.into(),
            axis: "ms".into(),
            scale: Scale::Linear,
            marks: vec![],
            rows: results.cases.iter().map(row).collect(),
        }
    };
    Chart {
        title: "What a guest waits for a stick".into(),
        modes: Mode::VARIANTS.iter().map(Mode::to_string).collect(),
        across: 2,
        panels: vec![
            panel("Median: less is better", Figures::median),
            panel("99th centile: less is better", Figures::centile99),
        ],
    }
}

/// What the way over RDP is to reach beside the socket.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let rate = |&case: &Case| {
        let ratio = results.ratio(case, Mode::Rdp, Figures::rate)?;
        Some((case.to_string(), ratio.median))
    };
    let bulk = results.cases.iter().filter(|case| case.is_bulk());
    vec![
        Verdict::on_all(
            "throughput, of the socket's".into(),
            Target::AtLeast(0.8),
            bulk.filter_map(rate),
            2,
        ),
        Verdict::new(
            "a control transfer's time, ms more than by the socket".into(),
            Target::AtMost(1.0),
            more(results, Case::Control).map(|more| more.median),
            2,
        ),
    ]
}
