// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench`: each feature measured beside its rival, in one run.
//!
//! A bench has cases, which are done in several modes that take turns. What it
//! has measured goes into two files, a table of all runs and what else is known
//! of them; from these two come its page and its charts, and nothing else is in
//! them: `--draw` makes them again.

mod about;
mod bench;
mod chart;
mod crate_figures;
mod isolation;
mod machine;
mod page;
mod pcid;
mod progress;
mod rdp;
mod results;
mod rtc;
mod runs;
mod single;
mod snapshot;
mod tape;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use bench::Options;

/// Measures a feature of QEMU beside its rival
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    feature: Feature,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, Subcommand)]
enum Feature {
    /// Starting from a snapshot: eagerly, with multifd, on demand
    Snapshot,
    /// A guest's tape beside its disk, and the format's crate beside plain file I/O
    Tape,
    /// vhost-user back-ends that see no guest memory beside some that see all of it
    Isolation,
    /// The virtio-rtc daemon over its socket, beside eventfds and a timerfd alone
    Rtc,
    /// Linux with PCIDs and a TLB that remembers, beside the same without
    Pcid,
    /// A guest's screen over RDP beside QEMU's own VNC server
    Rdp,
    /// A USB stick over RDP beside one that QEMU is given by a socket
    RdpUsb,
    /// What the bench of virtio-rtc starts as its rival
    #[command(hide = true)]
    Echo,
}

impl Feature {
    fn run(self, options: &Options) -> Result<()> {
        match self {
            Self::Snapshot => bench::run::<snapshot::Snapshot>(options),
            Self::Tape => bench::run::<tape::Tape>(options),
            Self::Isolation => bench::run::<isolation::IsolationBench>(options),
            Self::Rtc => bench::run::<rtc::Rtc>(options),
            Self::Pcid => bench::run::<pcid::Pcid>(options),
            Self::Rdp => bench::run::<rdp::Rdp>(options),
            Self::RdpUsb => bench::run::<rdp::usb::RdpUsb>(options),
            Self::Echo => rtc::serve(),
        }
    }
}

fn main() -> ExitCode {
    let Arguments { feature, options } = Arguments::parse();
    match feature.run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}\nbench: logs are in build/bench");
            ExitCode::FAILURE
        }
    }
}
