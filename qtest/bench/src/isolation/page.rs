// SPDX-License-Identifier: GPL-2.0-or-later
//! The page in docs/bench.

use strum::VariantArray;

use super::modes::{Isolation, Route};
use super::tables;
use super::IsolationBench;
use crate::chart::Chart;
use crate::crate_figures;
use crate::page::head;
use crate::verdict::Verdict;

const OUTSIDE: &str = "\
## Outside of a guest: isolated and direct

A vhost-user front-end drives a virtio-blk queue of qemu-storage-daemon, with event indexes and
indirect descriptors, in five ways:

- direct: ring and buffers are in one memfd that the back-end has mapped, as with
  `memory-isolation=off`
- isolated: buffers are in anonymous memory; the thread that makes the requests lends them with
  rust/isolated-memory, so that what is added is copying, cleaning and checking
- scrubbed: the same, but what the back-end was given is zeroed at once, not when the queue
  has nothing to do
- relayed: as isolated, in a thread of its own, that driver and back-end kick and call as they do
  QEMU's main loop: what `memory-isolation-main-loop=on` amounts to, without a guest
- polling: as relayed, but that thread looks for more for at most 32 µs before it sleeps, unless
  that was for nothing last time, as QEMU's iothreads do

One thread makes the requests of all queues. The back-end has one thread for them, and its thread
pool for the file. Its exports are null-co, which touches no buffer; a file in RAM (a memfd, in
QEMU's default cache and aio modes); and null-co throttled to 3 GB/s. Requests of 4 KiB are at
random places, those of 1 MiB in order, in one segment each.

1 MiB of null-co are no transfer at all without isolation and two passes over memory with it,
copying and cleaning: those rows tell what that costs, not what a disk loses. A file in RAM is a
copy already, which keeps as many CPUs busy as requests are in flight: where there are no more,
what isolation adds is missing there. The throttled export shows what a disk loses.

";

const INSIDE: &str = "\
## In a guest: memory-isolation off and on

Linux in QEMU, a guest for each mode, which take turns:

- off: `memory-isolation=off`, and guest memory in a memfd that is shared with the back-end
- on (own thread): `memory-isolation=on`, and a thread copies for this device alone, and
  zeroes what the back-end was given when it has nothing else to do
- on (main loop): `memory-isolation-main-loop=on`, and QEMU's main loop copies, which has
  other work
- on (scrub=always): as own thread, but it zeroes at once
- on (scrub=never): as own thread, but it doesn't zero before the device is reset

Processor time of the front-end is all of QEMU's, the guest's included.

## In a guest: vhost-user-blk

Two vhost-user-blk-pci disks, each of two queues, of a qemu-storage-daemon of the guest's own:
null-co, which touches no buffer, and a file in RAM. guest/diskload.c makes the requests, with
libaio and past the page cache, from one CPU for one queue and from two for two.

";

const CRATE: &str = "\
## The copy engine: beside memcpy

`cargo bench -p isolated-memory`, in the same run. Requests (ns) are whole ones, lent, answered,
reaped and cleaned, beside the copying alone.

";

const FILES: &str = "\
## In a guest: vhost-user-fs

virtiofsd shares a file in RAM (on a tmpfs); guest/diskload.c reads and writes it past the guest's
page cache, one request at a time, so that each goes to virtiofsd as one. Requests of 4 KiB are at
random places, those of 1 MiB in order.

";

const NETWORK: &str = "\
## In a guest: vhost-user networks

The back-end is a thread of the bench (reflector.rs), which swaps addresses in UDP packets for the
service echo, and counts and drops those for discard without a look at more than their headers. No
checksum or segment is left to it. guest/netload.c sends packets of 64 bytes there and back, one at
a time, and of 1500 bytes, IP's headers included, as many as the network takes: of these it is those
that arrived that count.

";

/// The whole page but the verdicts.
pub fn text(bench: &IsolationBench) -> String {
    let IsolationBench {
        about,
        outside,
        disks,
        files,
        network,
    } = bench;
    let notes = [
        "The back-end of disks is the qemu-storage-daemon of that QEMU; guests have 2 vCPUs".into(),
        format!(
            "{} runs of each case without a guest, {} with one; the modes take turns, each first\n  \
             as often as the others; medians, with the lowest and highest run. A ratio, or a\n  \
             difference, is of two runs beside each other",
            outside.runs(),
            disks.runs()
        ),
    ];
    [
        head(
            bench,
            "Memory isolation: the numbers",
            "bench-isolation",
            &notes,
        ),
        format!("{INSIDE}{}\n", tables::tables(disks)),
        format!(
            "{FILES}{}{}\n",
            tables::tables(files),
            tables::megabytes(files)
        ),
        format!(
            "{NETWORK}{}{}\n",
            tables::tables(network),
            tables::megabytes(network)
        ),
        format!("{OUTSIDE}{}\n", tables::tables(outside)),
        format!(
            "{CRATE}{}\n",
            crate_figures::table(&about.figures, "memcpy")
        ),
    ]
    .concat()
}

/// What users see: guests with isolation beside one without.
pub fn inside_chart(bench: &IsolationBench) -> Chart {
    let IsolationBench {
        disks,
        files,
        network,
        ..
    } = bench;
    let ratios = [
        tables::ratio_rows(disks),
        tables::ratio_rows(files),
        tables::ratio_rows(network),
    ];
    let latencies = [
        tables::latency_rows(disks),
        tables::latency_rows(files),
        tables::latency_rows(network),
    ];
    Chart {
        title: "In a guest: speed with isolation beside that without".into(),
        modes: Isolation::VARIANTS
            .iter()
            .map(ToString::to_string)
            .collect(),
        across: 1,
        panels: tables::panels::<Isolation>(
            ratios.concat(),
            latencies.concat(),
            "without isolation",
        ),
    }
}

/// The same without a guest, for who works on it.
pub fn outside_chart(bench: &IsolationBench) -> Chart {
    let outside = &bench.outside;
    let (ratios, latencies) = (tables::ratio_rows(outside), tables::latency_rows(outside));
    Chart {
        title: "Without a guest: speed of isolated queues beside a direct one".into(),
        modes: Route::VARIANTS.iter().map(ToString::to_string).collect(),
        across: 1,
        panels: tables::panels::<Route>(ratios, latencies, "of a direct queue"),
    }
}

/// What isolation, and the crate, are to reach.
pub fn verdicts(bench: &IsolationBench) -> Vec<Verdict> {
    let IsolationBench {
        about,
        outside,
        disks,
        files,
        network,
    } = bench;
    let mut verdicts = tables::verdicts(disks, "in a guest, blk");
    verdicts.extend(tables::verdicts(files, "in a guest, fs"));
    verdicts.extend(tables::verdicts(network, "in a guest, net"));
    verdicts.extend(tables::verdicts(outside, "outside of a guest"));
    verdicts.extend(crate_figures::verdicts(&about.figures, "isolated-memory"));
    verdicts
}
