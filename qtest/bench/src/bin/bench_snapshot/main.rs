// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench-snapshot`: how long a guest takes to start from a snapshot,
//! eagerly, eagerly with multifd, and on demand.
//!
//! The modes take turns, each run beside its rivals'. What comes out is a
//! page, a table of all runs and a plot in docs/bench, or for a quick look
//! (`--smoke`: small guests, two runs) in build/bench/smoke.

mod bare_loop;
mod cache;
mod cases;
mod page;
mod plot;
mod results;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use annex_bench::Machine;
use annex_qtest::files;
use annex_qtest::kept::Kept;
use annex_qtest::measure;
use anyhow::{bail, Result};

use cache::Cache;
use cases::{Guest, MODES};
use results::{Results, Sample};

/// Background threads of a load on demand, and channels of multifd.
pub const THREADS: u8 = 2;
/// Runs of each case, time permitting.
const RUNS: usize = 5;
/// No new round is begun that would end after this.
const TIME_LIMIT: Duration = Duration::from_secs(19 * 60);

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-snapshot: {error:#}\nbench-snapshot: logs are in build/bench");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<()> {
    let start = Instant::now();
    let smoke = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--smoke" => true,
        _ => bail!("usage: bench-snapshot [--smoke]"),
    };
    let (guests, runs, out) = match smoke {
        true => (&cases::SMOKE[..], 2, files::top().join("build/bench/smoke")),
        false => (&cases::FULL[..], RUNS, files::top().join("docs/bench")),
    };
    let kept = prepare(guests)?;
    let results = measure_all(guests, &kept, runs, start)?;
    write(&results, out)
}

/// The snapshots, made where they aren't kept from an earlier run.
fn prepare(guests: &'static [Guest]) -> Result<Vec<Kept>> {
    let get = |guest: &Guest| {
        let place = format!("bench/{}", guest.file_name());
        println!("snapshot of {}:", guest.name);
        Kept::get(&place, guest.mib, guest.fill, &|step| {
            println!("    {step}")
        })
    };
    guests.iter().map(get).collect()
}

/// Round after round; in each, every mode of every guest once, and the loop.
fn measure_all(
    guests: &'static [Guest],
    kept: &[Kept],
    runs: usize,
    start: Instant,
) -> Result<Results> {
    let mut results = Results::default();
    for run in 0..runs {
        let round = Instant::now();
        cache::warm(&kept[0].path)?;
        results.bare.push(bare_loop::run(&kept[0].path)?);
        for (guest, kept) in guests.iter().zip(kept) {
            for cache in [Cache::Warm, Cache::Cold] {
                for turn in 0..MODES.len() {
                    // None is always first, or always after the same other.
                    let mode = MODES[(turn + run) % MODES.len()];
                    cache.prepare(&kept.path)?;
                    let timings = measure::load(kept, mode, THREADS)?;
                    println!(
                        "run {}/{runs}: {}, {cache}, {mode}: runs after {:.3} s, all there after {:.3} s",
                        run + 1,
                        guest.name,
                        timings.to_run.as_secs_f64(),
                        timings.to_loaded.as_secs_f64()
                    );
                    results.samples.push(Sample {
                        guest,
                        cache,
                        mode,
                        run,
                        timings,
                    });
                }
            }
        }
        if run + 1 < runs && start.elapsed() + round.elapsed() > TIME_LIMIT {
            println!("time is up after {} of {runs} runs", run + 1);
            break;
        }
    }
    Ok(results)
}

fn write(results: &Results, out: PathBuf) -> Result<()> {
    fs::create_dir_all(&out)?;
    let name = |extension: &str| out.join(format!("fast-snapshot-load.{extension}"));
    fs::write(name("csv"), results.csv())?;
    plot::draw(results, &name("svg"))?;
    fs::write(name("md"), page::text(results, &Machine::here()?))?;
    println!("{}", page::verdicts(results));
    println!("written: {} and .csv, .svg beside it", name("md").display());
    Ok(())
}
