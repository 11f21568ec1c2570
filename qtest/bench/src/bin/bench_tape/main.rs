// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench-tape`: a guest that writes and reads a tape beside the same
//! guest writing and reading a disk, and the crate beside plain file I/O.
//!
//! Tape and disk take turns. What comes out is a page, a table of all runs
//! and a plot in docs/bench, or for a quick look (`--smoke`) in
//! build/bench/smoke.

mod cases;
mod guest;
mod page;
mod plot;
mod results;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use annex_bench::crates::{self, Figure};
use annex_bench::Machine;
use annex_qtest::files;
use anyhow::{bail, Result};

use cases::{Device, Operation, BLOCKS};
use guest::Bench;
use results::{Results, Sample};

/// Runs of each case that count.
const RUNS: usize = 9;
/// Seconds that a run of dd is to take, about.
const SECONDS: f64 = 1.5;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-tape: {error:#}\nbench-tape: logs are in build/bench/tape");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<()> {
    let smoke = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--smoke" => true,
        _ => bail!("usage: bench-tape [--smoke]"),
    };
    let (runs, seconds, out) = match smoke {
        true => (2, 0.1, files::top().join("build/bench/smoke")),
        false => (RUNS, SECONDS, files::top().join("docs/bench")),
    };
    println!("the crate beside plain file I/O ...");
    let figures = crates::measure("tape-image", "tape", smoke)?;
    let bench = Bench::start()?;
    let results = measure_all(&bench, runs, seconds)?;
    bench.end()?;
    write(&results, &figures, out, smoke)
}

/// Round after round; in each, every block length both ways, tape and disk
/// one after the other, each first as often as second. Round 0 doesn't count:
/// it makes the files as long as they will be.
fn measure_all(bench: &Bench, runs: usize, seconds: f64) -> Result<Results> {
    let mut results = Results::default();
    for block in BLOCKS {
        let count = bench.calibrate(block, seconds)?;
        for run in 0..=runs {
            let devices = match run % 2 {
                0 => [Device::Tape, Device::Disk],
                _ => [Device::Disk, Device::Tape],
            };
            for operation in Operation::ALL {
                for device in devices {
                    let seconds = bench.run(device, operation, block, count)?;
                    if run > 0 {
                        let bytes = block as u64 * count;
                        results.samples.push(Sample {
                            device,
                            operation,
                            block,
                            run,
                            bytes,
                            seconds,
                        });
                    }
                }
            }
        }
        for operation in Operation::ALL {
            println!("{}", page::line(&results, operation, block));
        }
    }
    Ok(results)
}

fn write(results: &Results, figures: &[Figure], out: PathBuf, smoke: bool) -> Result<()> {
    fs::create_dir_all(&out)?;
    let name = |extension: &str| out.join(format!("scsi-tape.{extension}"));
    fs::write(name("csv"), results.csv())?;
    plot::draw(results, &name("svg"))?;
    fs::write(
        name("md"),
        page::text(results, figures, &Machine::here()?, smoke),
    )?;
    println!("{}", page::verdicts(results, figures, smoke));
    println!("written: {} and .csv, .svg beside it", name("md").display());
    Ok(())
}
