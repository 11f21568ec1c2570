// SPDX-License-Identifier: GPL-2.0-or-later
//! The page in docs/bench.

use std::fmt::Write;

use annex_bench::crates::{self, Figure};
use annex_bench::{shown, Machine};

use crate::cases::{length, Device, Operation, BLOCKS};
use crate::results::Results;

/// What the tape is to reach of the disk's rate.
fn target(block: usize) -> f64 {
    match block >= 64 << 10 {
        true => 0.9,
        false => 1.0,
    }
}

/// The whole page.
pub fn text(results: &Results, figures: &[Figure], machine: &Machine, smoke: bool) -> String {
    let runs = results
        .samples
        .iter()
        .map(|sample| sample.run)
        .max()
        .unwrap_or(0);
    let Machine {
        hardware,
        kernel,
        qemu,
        accel,
        date,
    } = machine;
    format!(
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n\
         # SCSI tape: the numbers\n\n\
         Made by `make bench-tape` on {date}. Don't edit: run it again.\n\n\
         ![MiB/s of tape and disk, by block length](scsi-tape.svg)\n\n\
         - Machine: {hardware}; Linux {kernel}\n\
         - {qemu}; accelerator {accel}; the guest has 2 vCPUs\n\
         - {runs} runs of each case after one that doesn't count; tape and disk take turns, each\n  \
           first as often as second; medians, with the lowest and highest run. A ratio is of two\n  \
           runs beside each other\n\
         - Every run is in [scsi-tape.csv](scsi-tape.csv)\n\n\
         {}\n{}\n## Targets\n\n{}",
        guest(results),
        of_crates(figures),
        verdicts(results, figures, smoke)
    )
}

fn guest(results: &Results) -> String {
    let mut table = String::from(
        "## In a guest: tape and disk\n\n\
         dd on /dev/nst0 of a scsi-tape, in variable block mode, beside dd on /dev/sda of a\n\
         scsi-hd on the same virtio-scsi HBA; both images are raw files in the same directory, in\n\
         QEMU's default cache mode. Tapes have no page cache in the guest, so the disk's is passed\n\
         by (iflag=direct, oflag=direct): each block is one SCSI command on both, and one at a\n\
         time. A write ends when all is on the host's stable storage: closing a tape writes a mark\n\
         and flushes, and the disk's dd has conv=fsync. Each run goes over the same part of the\n\
         image as the one before it, from the beginning.\n\n\
         | | block | scsi-tape, MiB/s | scsi-hd, MiB/s | ratio |\n\
         |---|---|---|---|---|\n",
    );
    for operation in Operation::ALL {
        for block in BLOCKS {
            let rate = |device| shown(results.rate(device, operation, block), 1);
            let _ = writeln!(
                table,
                "| {operation} | {} | {} | {} | {} |",
                length(block),
                rate(Device::Tape),
                rate(Device::Disk),
                shown(results.ratio(operation, block), 2)
            );
        }
    }
    table
}

fn of_crates(figures: &[Figure]) -> String {
    format!(
        "## The format's crate: beside pread and pwrite\n\n\
         `cargo bench -p tape-image`, in the same run: no QEMU, files in the page cache, flushes\n\
         left out.\n\n{}",
        crates::table(figures, "plain file I/O")
    )
}

/// What the project set out to reach, and whether it did.
pub fn verdicts(results: &Results, figures: &[Figure], smoke: bool) -> String {
    if smoke {
        return "A run at smoke size says nothing of the targets.\n".into();
    }
    let mut list = String::new();
    for operation in Operation::ALL {
        for block in BLOCKS {
            let limit = target(block);
            let what = format!(
                "{operation}, {}, of the disk's, at least {limit}",
                length(block)
            );
            let _ = match results.ratio(operation, block).map(|ratio| ratio.median) {
                Some(found) if found >= limit => writeln!(list, "- met: {what}: {found:.2}"),
                Some(found) => writeln!(list, "- NOT MET: {what}: {found:.2}"),
                None => writeln!(list, "- not measured: {what}"),
            };
        }
    }
    list.push_str(&crates::verdicts(figures, "tape-image"));
    list
}

/// A case in a line, for who watches.
pub fn line(results: &Results, operation: Operation, block: usize) -> String {
    let rate = |device| shown(results.rate(device, operation, block), 1);
    format!(
        "{operation} {}: tape {} MiB/s, disk {} MiB/s, ratio {}",
        length(block),
        rate(Device::Tape),
        rate(Device::Disk),
        shown(results.ratio(operation, block), 2)
    )
}
