// SPDX-License-Identifier: GPL-2.0-or-later
//! A vhost-user-blk back-end that does what it likes: a disk in RAM, served
//! right until an attack's time has come.
//!
//! What it is given, asked and able to do it tells on standard output, a fact
//! a line. One connection at a time; it lives until it is killed.

mod attacks;
mod disk;
mod features;
mod habits;
mod random;
mod report;
mod session;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::vhost_user::wire;
use habits::Habit;
use report::say;
use session::{Plan, Session};

/// A vhost-user-blk back-end that serves a disk in RAM right until an attack's
/// time has come.
#[derive(Parser)]
#[command(name = "hostile-backend")]
struct Arguments {
    /// Name the attacks, and say what each does.
    #[arg(long)]
    list: bool,
    /// Where to listen.
    #[arg(long, required_unless_present = "list")]
    socket: Option<PathBuf>,
    /// What to do: see --list.
    #[arg(long, default_value = "none")]
    attack: String,
    /// How many requests to serve right before it.
    #[arg(long, default_value_t = 16)]
    after: u64,
    /// The disk's MiB.
    #[arg(long, default_value_t = 64)]
    mib: usize,
    /// The device's queues.
    #[arg(long, default_value_t = 1)]
    queues: u16,
    /// Feature bits to offer besides the usual.
    #[arg(long, default_value_t = 0)]
    features: u64,
    /// For attacks that draw numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What guest memory holds that it looks for.
    #[arg(long, default_value = "ANNEX-CANARY")]
    canary: String,
    /// How it answers requests.
    #[arg(long, value_enum, default_value_t = Habit::Right)]
    habit: Habit,
}

/// What the program does.
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile-backend: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if arguments.list {
        for attack in attacks::all() {
            println!("{:24} {}", attack.name, attack.about);
        }
        return Ok(());
    }
    let name = arguments.attack;
    let attack = attacks::all()
        .find(|attack| attack.name == name)
        .with_context(|| format!("no attack {name}: see --list"))?;
    let mut plan = Plan {
        habit: arguments.habit,
        attack,
        after: arguments.after,
        seed: arguments.seed,
        canary: arguments.canary.into_bytes(),
        queues: arguments.queues,
        features: arguments.features,
        struck: false,
    };
    let mut disk = disk::Disk::new(arguments.mib);
    let socket = arguments.socket.expect("clap requires it");
    let listener = UnixListener::bind(&socket).with_context(|| socket.display().to_string())?;
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
