// SPDX-License-Identifier: GPL-2.0-or-later
//! vhost-user back-ends that see the driver's memory beside some that don't, of
//! a disk without a guest, of disks, file systems and networks with one, and
//! the copy engine beside memcpy.

mod daemon;
mod direct;
mod disk;
mod guest;
mod inside;
mod isolated;
mod measure;
mod modes;
mod network;
mod packet;
mod page;
mod reflector;
mod relayed;
mod ring;
mod session;
mod share;
mod source;
mod storage;
mod tables;

use annex_qtest::files::{self, Dir};
use anyhow::{Context, Result};
use strum::VariantArray;

use crate::about::About;
use crate::bench::{Bench, Size};
use crate::chart::Chart;
use crate::crate_figures;
use crate::progress::Progress;
use crate::results::{Mode, Results};
use crate::runs::Runs;
use crate::verdict::Verdict;
use disk::{DiskCase, Export, Shape};
use inside::Inside;
use measure::{measure, verify, Figures};
use modes::{Isolation, Route};
use network::NetworkCase;
use share::FileCase;
use storage::Storage;
use tables::Requests;

/// The bench of memory isolation.
pub struct IsolationBench {
    about: About,
    /// Without a guest.
    outside: Results<DiskCase, Route, Figures>,
    /// vhost-user-blk, -fs and `-netdev vhost-user` of guests.
    disks: Results<DiskCase, Isolation, Figures>,
    files: Results<FileCase, Isolation, Figures>,
    network: Results<NetworkCase, Isolation, Figures>,
}

/// What is measured where, in the table of runs.
const OUTSIDE: Option<&str> = Some("outside");
const GUEST: Option<&str> = Some("guest");

impl Bench for IsolationBench {
    const FILE: &'static str = "isolation";
    const COLUMNS: &'static [&'static str] = &[
        "place",
        "bytes",
        "depth",
        "queues",
        "operation",
        "back_end",
        "mode",
        "run",
        "requests",
        "seconds",
        "front_end_cpu_seconds",
        "back_end_cpu_seconds",
        "median_latency_seconds",
    ];

    fn measure(size: Size) -> Result<Self> {
        let mut about = About::now(size)?;
        about.figures = crate_figures::measure("isolated-memory", "copy", size)?;
        let outside = outside(size)?;

        println!("booting a guest for each way of isolation ...");
        let guests = Isolation::VARIANTS
            .iter()
            .map(|&isolation| Inside::start(isolation, size));
        let guests = guests.collect::<Result<Vec<_>>>()?;
        let guest = |isolation| {
            let guest = guests.iter().find(|guest| guest.isolation() == isolation);
            guest.context("all were booted")
        };
        let (runs, seconds) = size.pick((12, 0.3), (1, 0.1));
        let disks = rounds(
            "disks",
            size,
            DiskCase::of(Export::OF_GUESTS),
            runs,
            |case, mode| guest(mode)?.disk(case, seconds),
        )?;
        let cases = match size {
            Size::Row => Vec::new(),
            Size::Full | Size::Smoke => FileCase::all(),
        };
        let files = rounds("virtiofs", size, cases, runs, |case, mode| {
            guest(mode)?.file(case, seconds)
        })?;
        let network = rounds(
            "networks",
            size,
            NetworkCase::ALL.to_vec(),
            runs,
            |case, mode| guest(mode)?.network(case, seconds),
        )?;
        guests.into_iter().try_for_each(Inside::end)?;
        Ok(Self {
            about,
            outside,
            disks,
            files,
            network,
        })
    }

    fn restore(about: About, runs: &mut Runs) -> Result<Self> {
        Ok(Self {
            about,
            outside: Results::take(OUTSIDE, DiskCase::of(Export::VARIANTS), runs)?,
            disks: Results::take(GUEST, DiskCase::of(Export::OF_GUESTS), runs)?,
            files: Results::take(GUEST, FileCase::all(), runs)?,
            network: Results::take(GUEST, NetworkCase::ALL.to_vec(), runs)?,
        })
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn runs(&self) -> Result<Runs> {
        let mut runs = Runs::default();
        self.outside.put(OUTSIDE, &mut runs)?;
        self.disks.put(GUEST, &mut runs)?;
        self.files.put(GUEST, &mut runs)?;
        self.network.put(GUEST, &mut runs)?;
        Ok(runs)
    }

    fn page(&self) -> String {
        page::text(self)
    }

    fn charts(&self) -> Vec<(&'static str, Chart)> {
        vec![
            ("", page::inside_chart(self)),
            ("-outside", page::outside_chart(self)),
        ]
    }

    fn verdicts(&self) -> Vec<Verdict> {
        page::verdicts(self)
    }
}

fn outside(size: Size) -> Result<Results<DiskCase, Route, Figures>> {
    let storage = Storage::start(&Dir::at(files::top().join("build/bench/isolation"))?)?;
    println!("without a guest: each way carries bytes there and back ...");
    for shape in Shape::ALL {
        for &route in Route::VARIANTS {
            verify(&storage, route, shape).with_context(|| format!("{shape}, {route}"))?;
        }
    }
    let (runs, seconds) = size.pick((24, 0.12), (2, 0.02));
    let cases = DiskCase::of(Export::VARIANTS);
    rounds("without a guest", size, cases, runs, |case, route| {
        measure(&storage, case, route, seconds)
    })
}

/// Case after case, round after round.
fn rounds<C: Requests, M: Mode>(
    what: &str,
    size: Size,
    mut cases: Vec<C>,
    runs: usize,
    mut measure: impl FnMut(C, M) -> Result<Figures>,
) -> Result<Results<C, M, Figures>> {
    if size == Size::Row {
        let mut kinds = Vec::new();
        cases.retain(|case| {
            let is_new = !kinds.contains(&case.is_latency());
            kinds.push(case.is_latency());
            is_new
        });
    }
    let mut results = Results::new(cases);
    let count = results.cases.len();
    let mut progress = Progress::new(what, count, runs * M::VARIANTS.len());
    for case in results.cases.clone() {
        for run in 1..=runs {
            results.turns(case, run, &progress, &mut measure)?;
        }
        progress.case(tables::line(&results, case));
    }
    Ok(results)
}
