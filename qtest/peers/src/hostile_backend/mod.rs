// SPDX-License-Identifier: GPL-2.0-or-later
//! A vhost-user-blk back-end that does what it likes: a disk in RAM, served
//! right until an attack's time has come.
//!
//!     hostile-backend --socket PATH [--attack NAME] [--after REQUESTS]
//!                     [--mib SIZE] [--queues N] [--features BITS] [--seed N]
//!                     [--canary TEXT]
//!     hostile-backend --list
//!
//! What it is given, asked and able to do it tells on standard output, a fact
//! a line. One connection at a time; it lives until it is killed.

mod attacks;
mod disk;
mod features;
mod random;
mod report;
mod session;

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::str::FromStr;

use crate::vhost_user::wire;
use anyhow::{bail, Context, Result};

use report::say;
use session::{Plan, Session};

/// What the program does.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile-backend: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut options = HashMap::new();
    while let Some(argument) = arguments.next() {
        if argument == "--list" {
            for attack in attacks::all() {
                println!("{:24} {}", attack.name, attack.about);
            }
            return Ok(());
        }
        let name = argument
            .strip_prefix("--")
            .with_context(|| format!("what is {argument}?"))?;
        let value = arguments
            .next()
            .with_context(|| format!("{argument} needs a value"))?;
        options.insert(name.to_owned(), value);
    }
    let socket = options
        .remove("socket")
        .context("--socket PATH is needed")?;
    let name = options.remove("attack").unwrap_or_else(|| "none".into());
    let attack = attacks::all()
        .find(|attack| attack.name == name)
        .with_context(|| format!("no attack {name}: see --list"))?;
    let mut plan = Plan {
        attack,
        after: number(&mut options, "after", 16)?,
        seed: number(&mut options, "seed", 1)?,
        canary: options
            .remove("canary")
            .unwrap_or_else(|| "ANNEX-CANARY".into())
            .into_bytes(),
        queues: number(&mut options, "queues", 1)?,
        features: number(&mut options, "features", 0)?,
        struck: false,
    };
    let mut disk = disk::Disk::new(number(&mut options, "mib", 64)?);
    if let Some(unknown) = options.keys().next() {
        bail!("no option --{unknown}");
    }
    let listener = UnixListener::bind(&socket).with_context(|| socket.clone())?;
    say("listening");
    loop {
        let (stream, _) = listener.accept()?;
        say("connected");
        let ended = Session::new(wire::Wire::over(stream), &mut plan, &mut disk).run();
        say(match ended {
            Ok(()) => "disconnected".into(),
            Err(error) => format!("disconnected: {error:#}"),
        });
    }
}

fn number<T: FromStr>(options: &mut HashMap<String, String>, name: &str, default: T) -> Result<T> {
    match options.remove(name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) => Ok(number),
            Err(_) => bail!("--{name} {text}: not a number"),
        },
    }
}
