// SPDX-License-Identifier: GPL-2.0-or-later
//! How long a guest takes to start from a snapshot: eagerly, eagerly with
//! multifd, on demand, and mapped; many of them from one; and the loader's crate beside the least that faults
//! can cost.

mod bare_loop;
mod cache;
mod cases;
mod far;
mod fleet;
mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annex_qtest::kept::Kept;
use annex_qtest::measure;
use anyhow::{Context, Result};
use bench_report::Spread;
use mapped_ram::hold::Held;

use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::crate_figures;
use crate::progress::Progress;
use crate::results::Results;
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use bare_loop::Latency;
use cache::Cache;
use cases::{guests, Case, Doing, Figures, Guest, Mode};
use far::Far;

/// Background threads of a load on demand, and channels of multifd.
const THREADS: u8 = 2;
/// No new round is begun that would end after this.
const TIME_LIMIT: Duration = Duration::from_secs(19 * 60);

/// The bench of loading on demand.
pub type Snapshot = Single<OfSnapshot>;

/// What tells it from other benches.
pub enum OfSnapshot {}

impl Kind for OfSnapshot {
    const FILE: &'static str = "fast-snapshot-load";
    const COLUMNS: &'static [&'static str] = &[
        "guest",
        "cache",
        "mode",
        "run",
        "to_run_s",
        "to_life_s",
        "to_loaded_s",
        "resident_mib",
        "faults",
        "fault_median_us",
        "fault_p99_us",
        "fault_max_us",
    ];
    type Case = Case;
    type Mode = Mode;
    type Figures = Figures;

    fn cases(size: Size) -> Vec<Self::Case> {
        Case::all(size)
    }

    fn measure(size: Size, about: &mut About) -> Result<ResultsOf<Self>> {
        about.figures = crate_figures::measure("mapped-ram", "load", size)?;
        let kept = prepare(guests(size))?;
        let cases = far::that_can_be(fleet::that_fit(Case::all(size))?)?;
        let (results, bare) = loads(cases, &kept, size.pick(5, 1))?;
        let mut others: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for (name, micros) in bare.iter().flat_map(Latency::named) {
            others.entry(name).or_default().push(micros);
        }
        for (name, micros) in others {
            let spread = Spread::of(micros).context("no round")?;
            about.others.insert(name.into(), spread);
        }
        Ok(results)
    }

    fn page(bench: &Snapshot) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &Snapshot) -> Vec<Verdict> {
        page::verdicts(bench)
    }
}

/// The snapshots, made where they aren't kept from an earlier run.
fn prepare(guests: &'static [Guest]) -> Result<Vec<(&'static Guest, Kept)>> {
    let get = |guest: &'static Guest| {
        let place = format!("bench/{}", guest.file_name());
        println!("snapshot of {}:", guest.name);
        let kept = Kept::get(&place, guest.mib, guest.fill, &|step| {
            println!("    {step}")
        })?;
        Ok((guest, kept))
    };
    guests.iter().map(get).collect()
}

/// The working set of a guest that works, recorded where there is none of its
/// snapshot.
fn working_set(case: Case, kept: &Kept) -> Result<PathBuf> {
    let set = kept.dir.file("working-set");
    let newer = |path: &Path| anyhow::Ok(path.metadata()?.modified()?);
    if !set.exists() || newer(&set)? < newer(&kept.path)? {
        let _ = fs::remove_file(&set);
        measure::record(kept, &set, case.work())?;
    }
    Ok(set)
}

/// Round after round, while there is time; in each, every case once, and the
/// bare loop.
fn loads(
    cases: Vec<Case>,
    kept: &[(&Guest, Kept)],
    runs: usize,
) -> Result<(Results<Case, Mode, Figures>, Vec<Latency>)> {
    let start = Instant::now();
    let (mut results, mut bare) = (Results::new(cases), Vec::new());
    let count = results.cases.len();
    let mut progress = Progress::new("loads", runs * count, 3);
    for run in 1..=runs {
        let round = Instant::now();
        cache::warm(&kept[0].1.path)?;
        bare.push(bare_loop::run(&kept[0].1.path)?);
        for case in results.cases.clone() {
            let kept = kept.iter().find(|(guest, _)| *guest == case.guest);
            let (_, kept) = kept.context("all were made")?;
            let far = match case.cache {
                Cache::Far => Some(Far::of(kept)?),
                Cache::Warm | Cache::Cold => None,
            };
            results.turns_of(case, case.modes(), run, &progress, |case, mode: Mode| {
                let held = match mode {
                    Mode::Mapped | Mode::Detached => {
                        Some(Held::of(&kept.path).context("holding it in memory")?)
                    }
                    _ => None,
                };
                let set = match mode {
                    Mode::WorkingSet => Some(working_set(case, kept)?),
                    _ => None,
                };
                case.cache.prepare(&kept.path)?;
                let shown = far.as_ref().map(Far::show).transpose()?;
                let path = match (&shown, &held) {
                    (Some(shown), _) => shown.path.clone(),
                    (None, Some(held)) => held.path(),
                    (None, None) => kept.path.clone(),
                };
                let (path, set) = (path.as_path(), set.as_deref());
                Ok(match case.doing {
                    Doing::Ticks => measure::load(kept, path, mode.load(), THREADS)?.into(),
                    Doing::Works => {
                        measure::work(kept, path, mode.load(), THREADS, set, case.work())?.into()
                    }
                    Doing::Fleet(count) => {
                        fleet::load(kept, path, mode.load(), count, held.as_ref())?
                    }
                })
            })?;
            progress.case(page::line(&results, case));
        }
        if run < runs && start.elapsed() + round.elapsed() > TIME_LIMIT {
            progress.say(format_args!("time is up after {run} of {runs} rounds"));
            break;
        }
    }
    Ok((results, bare))
}
