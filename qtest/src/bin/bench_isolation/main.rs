// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench-isolation`: a vhost-user block back-end that sees the driver's
//! memory beside one that doesn't, and the copy engine beside memcpy.
//!
//! The ways take turns. What comes out is a page, a table of all runs and a
//! plot in docs/bench, or for a quick look (`--smoke`) in build/bench/smoke.

mod cases;
mod direct;
mod guest;
mod isolated;
mod lane;
mod measure;
mod page;
mod plot;
mod relayed;
mod results;
mod session;
mod source;
mod storage;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use annex_qtest::bench::crates::{self, Figure};
use annex_qtest::bench::Machine;
use annex_qtest::files::{self, Dir};
use anyhow::{bail, Context, Result};

use cases::{Case, Mode, Shape};
use measure::{measure, verify};
use results::{Results, Sample};
use storage::Storage;

/// Runs of each case.
const RUNS: usize = 9;
/// Seconds of a run.
const SECONDS: f64 = 0.4;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-isolation: {error:#}");
            eprintln!("bench-isolation: logs are in build/bench/isolation");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<()> {
    let smoke = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--smoke" => true,
        _ => bail!("usage: bench-isolation [--smoke]"),
    };
    let (runs, seconds, out) = match smoke {
        true => (2, 0.02, files::top().join("build/bench/smoke")),
        false => (RUNS, SECONDS, files::top().join("docs/bench")),
    };
    println!("the copy engine beside memcpy ...");
    let figures = crates::measure("isolated-memory", "copy", smoke)?;
    let storage = Storage::start(&Dir::at(files::top().join("build/bench/isolation"))?)?;
    println!("each way carries bytes there and back ...");
    for shape in Shape::ALL {
        for mode in Mode::ALL {
            verify(&storage, mode, shape).with_context(|| format!("{shape}, {mode}"))?;
        }
    }
    let results = measure_all(&storage, runs, seconds)?;
    write(&results, &figures, out, smoke)
}

/// Round after round; in each, one way after the other.
fn measure_all(storage: &Storage, runs: usize, seconds: f64) -> Result<Results> {
    let mut results = Results::default();
    for case in Case::all() {
        for run in 1..=runs {
            let mut modes = Mode::ALL;
            modes.rotate_left(run % Mode::ALL.len());
            for mode in modes {
                let figures = measure(storage, case, mode, seconds);
                let figures = figures.with_context(|| format!("{case}, {mode}"))?;
                results.samples.push(Sample { case, mode, run, figures });
            }
        }
        println!("{}", page::line(&results, case));
    }
    Ok(results)
}

fn write(results: &Results, figures: &[Figure], out: PathBuf, smoke: bool) -> Result<()> {
    fs::create_dir_all(&out)?;
    let name = |extension: &str| out.join(format!("isolation.{extension}"));
    fs::write(name("csv"), results.csv())?;
    plot::draw(results, &name("svg"))?;
    fs::write(name("md"), page::text(results, figures, &Machine::here()?, smoke))?;
    println!("{}", page::verdicts(results, figures, smoke));
    println!("written: {} and .csv, .svg beside it", name("md").display());
    Ok(())
}
