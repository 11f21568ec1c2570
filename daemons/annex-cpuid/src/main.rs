// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-cpuid: says what a dump of CPUID means.

mod args;
mod dump;
mod feature_words;
mod report;
mod text;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use args::Args;
use dump::{Dump, DumpError};

/// A dump of a machine with a thousand CPUs is half of that.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}: {1}")]
    Read(String, io::Error),
    #[error("{0} is longer than {max} MiB", max = MAX_BYTES >> 20)]
    TooLong(String),
    #[error("{0}: {1}")]
    Dump(String, DumpError),
    #[error("{0}")]
    Write(io::Error),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(has_all) => match has_all {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(1),
        },
        // Who reads has seen enough.
        Err(Error::Write(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("annex-cpuid: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every CPU has what `--has` asks for.
fn run(args: &Args) -> Result<bool, Error> {
    let mut out = io::stdout().lock();
    if args.list {
        report::list(&mut out).map_err(Error::Write)?;
        return Ok(true);
    }
    let name = args.name();
    let dump = Dump::parse(&read(&args.file, &name)?).map_err(|error| Error::Dump(name, error))?;
    if args.has.is_empty() {
        report::decode(&dump, args, &mut out).map_err(Error::Write)?;
        return Ok(true);
    }
    let missing = report::missing(&dump, &args.has);
    for line in &missing {
        writeln!(out, "{line}").map_err(Error::Write)?;
    }
    Ok(missing.is_empty())
}

/// The file, or standard input for "-".
fn read(path: &Path, name: &str) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| Error::Read(name.into(), error))?;
    if length as u64 > MAX_BYTES {
        return Err(Error::TooLong(name.into()));
    }
    String::from_utf8(bytes)
        .map_err(|error| Error::Read(name.into(), io::Error::new(ErrorKind::InvalidData, error)))
}
