// SPDX-License-Identifier: GPL-2.0-or-later
//! The page in docs/bench.

use annex_bench::crates::{self, Figure};
use annex_bench::Machine;

use crate::cases::Case;
use crate::network::Traffic;
use crate::results::Results;
use crate::share::Access;
use crate::tables;
use crate::ways::{Isolation, Mode};

const OUTSIDE: &str = "\
## Outside of a guest: isolated and direct

A vhost-user front-end drives a virtio-blk queue of qemu-storage-daemon, with event indexes and
indirect descriptors, in four ways:

- direct: ring and buffers are in one memfd that the back-end has mapped, as with
  `memory-isolation=off`
- isolated: buffers are in anonymous memory; the thread that makes the requests lends them with
  rust/isolated-memory, so that what is added is copying, cleaning and checking
- relayed: the same, in a thread of its own, that driver and back-end kick and call as they do
  QEMU's main loop: what `memory-isolation=on` amounts to, without a guest
- polling: the same, but that thread looks for more for at most 32 µs before it sleeps, unless
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

Linux in QEMU, three guests that take turns: with `memory-isolation=off` (and guest memory in a
shared memfd), `on`, and on with a `memory-isolation-iothread`. Processor time of the front-end is
all of QEMU's, the guest's included.

## In a guest: vhost-user-blk

Two vhost-user-blk-pci disks, each of two queues, of a qemu-storage-daemon of the guest's own with
the first two exports; guest/diskload.c makes the requests, with libaio and past the page cache,
from one CPU for one queue and from two for two.

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

/// All that was measured.
pub struct Measured {
    /// Without a guest.
    pub outside: Results<Case, Mode>,
    /// With one.
    pub inside: MeasuredInside,
    /// By the crate's own bench.
    pub crates: Vec<Figure>,
    /// The machine's load average before.
    pub load: String,
}

/// What was measured in guests.
pub struct MeasuredInside {
    /// Of vhost-user-blk.
    pub disks: Results<Case, Isolation>,
    /// Of vhost-user-fs.
    pub files: Results<Access, Isolation>,
    /// Of `-netdev vhost-user`.
    pub network: Results<Traffic, Isolation>,
}

/// The whole page.
pub fn text(measured: &Measured, machine: &Machine, smoke: bool) -> String {
    let Measured {
        outside,
        inside,
        crates,
        load,
    } = measured;
    let Machine {
        hardware,
        kernel,
        qemu,
        accel,
        date,
    } = machine;
    let MeasuredInside {
        disks,
        files,
        network,
    } = inside;
    let (runs, inside_runs) = (outside.runs(), disks.runs());
    [
        format!(
            "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n\
             # Memory isolation: the numbers\n\n\
             Made by `make bench-isolation` on {date}. Don't edit: run it again.\n\n\
             ![Isolated throughput of direct, and latency](isolation.svg)\n\n\
             - Machine: {hardware}; Linux {kernel}; load average {load} before the bench\n\
             - {qemu}, and its qemu-storage-daemon; accelerator {accel}; the guests have 2 vCPUs\n\
             - {runs} runs of each case without a guest, {inside_runs} with one; the ways take\n  \
               turns, each first as often as the others; medians, with the lowest and highest\n  \
               run. A ratio, or a difference, is of two runs beside each other\n\
             - Every run is in [isolation.csv](isolation.csv)\n\n"
        ),
        format!("{OUTSIDE}{}\n", tables::tables(outside)),
        format!("{INSIDE}{}\n", tables::tables(disks)),
        format!(
            "{FILES}{}\n{}\n",
            tables::tables(files),
            tables::megabytes(files)
        ),
        format!(
            "{NETWORK}{}\n{}\n",
            tables::tables(network),
            tables::megabytes(network)
        ),
        format!(
            "## The copy engine: beside memcpy\n\n\
             `cargo bench -p isolated-memory`, in the same run. Requests (ns) are whole ones,\n\
             lent, answered, reaped and cleaned, beside the copying alone.\n\n{}\n",
            crates::table(crates, "memcpy")
        ),
        format!("## Targets\n\n{}", verdicts(measured, smoke)),
    ]
    .concat()
}

/// What the project set out to reach, and whether it did.
pub fn verdicts(measured: &Measured, smoke: bool) -> String {
    if smoke {
        return "A run at smoke size says nothing of the targets.\n".into();
    }
    [
        tables::verdicts(&measured.outside, "outside of a guest"),
        tables::verdicts(&measured.inside.disks, "in a guest, blk"),
        tables::verdicts(&measured.inside.files, "in a guest, fs"),
        tables::verdicts(&measured.inside.network, "in a guest, net"),
        crates::verdicts(&measured.crates, "isolated-memory"),
    ]
    .concat()
}
