// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench-isolation`: vhost-user back-ends that see the driver's memory
//! beside some that don't, of a disk without a guest, of disks, file systems and
//! networks with one, and the copy engine beside memcpy.
//!
//! The ways take turns. What comes out is a page, a table of all runs and a
//! plot in docs/bench, or for a quick look (`--smoke`) in build/bench/smoke.

mod cases;
mod daemon;
mod direct;
mod guest;
mod inside;
mod isolated;
mod lane;
mod measure;
mod network;
mod packet;
mod page;
mod plot;
mod reflector;
mod relayed;
mod results;
mod row;
mod session;
mod share;
mod source;
mod storage;
mod tables;
mod ways;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use annex_bench::{crates, Machine};
use annex_qtest::files::{self, Dir};
use anyhow::{bail, Context, Result};

use cases::{Case, Export, Shape};
use inside::Inside;
use measure::{measure, verify};
use network::Traffic;
use page::{Measured, MeasuredInside};
use results::{Figures, Results, Sample, COLUMNS};
use row::Row;
use share::Access;
use storage::Storage;
use ways::{Isolation, Mode, Way, EXPORTS};

/// How much is measured.
struct Size {
    /// Runs of each case without a guest, in seconds each.
    outside: (usize, f64),
    /// With one.
    inside: (usize, f64),
}

const FULL: Size = Size {
    outside: (24, 0.12),
    inside: (12, 0.3),
};
const SMOKE: Size = Size {
    outside: (2, 0.02),
    inside: (1, 0.1),
};

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
    let (size, out) = match smoke {
        true => (SMOKE, files::top().join("build/bench/smoke")),
        false => (FULL, files::top().join("docs/bench")),
    };
    let load = fs::read_to_string("/proc/loadavg").context("the machine's load")?;
    let load = load.split(' ').next().unwrap_or("?").into();
    println!("the copy engine beside memcpy ...");
    let crates = crates::measure("isolated-memory", "copy", smoke)?;
    let outside = outside(size.outside)?;
    let inside = inside(size.inside)?;
    write(
        &Measured {
            outside,
            inside,
            crates,
            load,
        },
        out,
        smoke,
    )
}

fn outside((runs, seconds): (usize, f64)) -> Result<Results<Case, Mode>> {
    let storage = Storage::start(&Dir::at(files::top().join("build/bench/isolation"))?)?;
    println!("without a guest: each way carries bytes there and back ...");
    for shape in Shape::ALL {
        for &mode in Mode::ALL {
            verify(&storage, mode, shape).with_context(|| format!("{shape}, {mode}"))?;
        }
    }
    rounds(Case::of(&Export::ALL), runs, |case, mode| {
        measure(&storage, case, mode, seconds)
    })
}

fn inside((runs, seconds): (usize, f64)) -> Result<MeasuredInside> {
    println!("booting a guest with isolation off, one with it on, one with it in an iothread ...");
    let guests = Isolation::ALL
        .iter()
        .map(|&isolation| Inside::start(isolation));
    let guests = guests.collect::<Result<Vec<_>>>()?;
    let guest = |isolation| {
        let guest = guests.iter().find(|guest| guest.isolation() == isolation);
        guest.context("all were booted")
    };
    let disks = rounds(Case::of(&EXPORTS), runs, |case, isolation| {
        guest(isolation)?.disk(case, seconds)
    })?;
    println!("virtiofs ...");
    let files = rounds(Access::all(), runs, |access, isolation| {
        guest(isolation)?.file(access, seconds)
    })?;
    println!("networks ...");
    let network = rounds(Traffic::ALL.to_vec(), runs, |traffic, isolation| {
        guest(isolation)?.network(traffic, seconds)
    })?;
    guests.into_iter().try_for_each(Inside::end)?;
    Ok(MeasuredInside {
        disks,
        files,
        network,
    })
}

/// Round after round; in each, one way after the other.
fn rounds<R: Row, W: Way>(
    cases: Vec<R>,
    runs: usize,
    mut measure: impl FnMut(R, W) -> Result<Figures>,
) -> Result<Results<R, W>> {
    let mut results = Results::new(cases);
    for case in results.cases.clone() {
        for run in 1..=runs {
            let count = W::ALL.len();
            for &way in W::ALL.iter().cycle().skip(run % count).take(count) {
                let figures = measure(case, way).with_context(|| format!("{case}, {way}"))?;
                results.samples.push(Sample {
                    case,
                    way,
                    run,
                    figures,
                });
            }
        }
        println!("{}", tables::line(&results, case));
    }
    Ok(results)
}

fn write(measured: &Measured, out: PathBuf, smoke: bool) -> Result<()> {
    fs::create_dir_all(&out)?;
    let name = |extension: &str| out.join(format!("isolation.{extension}"));
    let MeasuredInside {
        disks,
        files,
        network,
    } = &measured.inside;
    let inside = [disks.csv("guest"), files.csv("guest"), network.csv("guest")].concat();
    fs::write(
        name("csv"),
        [COLUMNS, &measured.outside.csv("outside"), &inside].concat(),
    )?;
    plot::draw(&measured.outside, &name("svg"))?;
    fs::write(name("md"), page::text(measured, &Machine::here()?, smoke))?;
    println!("{}", page::verdicts(measured, smoke));
    println!("written: {} and .csv, .svg beside it", name("md").display());
    Ok(())
}
