// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line: that of rust-vmm's vhost-device-rtc, and what this daemon has besides.

use std::io::Read;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, ValueEnum};
use thiserror::Error;

use crate::clocks::knows_tai;
use crate::host::Host;
use crate::kind::Kind;
use crate::leap::{List, ListError, MAX_FILE};

/// Where Debian's tzdata, and others, have the list of leap seconds.
pub const LEAP_SECONDS: &str = "/usr/share/zoneinfo/leap-seconds.list";
/// More clocks than anybody wants; each has a timer.
const MAX_CLOCKS: usize = 64;

/// A virtio real-time clock for guests, as a vhost-user daemon.
///
/// The clocks are offered in the order of --clock, or else: utc, tai (where the kernel or a list
/// of leap seconds knows it), monotonic, maybe-smeared. The front-end's socket is --socket-path,
/// --socket-fd or what systemd hands over; front-ends are served one after another.
#[derive(Clone, Debug, Parser)]
#[command(name = "vhost-device-rtc", version, max_term_width = 100)]
pub struct Args {
    /// Listen on this Unix socket. The file is removed in the end.
    #[arg(short, long, value_name = "SOCKET", conflicts_with = "socket_fd")]
    pub socket_path: Option<PathBuf>,

    /// Listen on this descriptor, a Unix socket that listens already.
    #[arg(long, value_name = "FD")]
    pub socket_fd: Option<RawFd>,

    /// Offer this clock, after those before it: utc, tai, monotonic, maybe-smeared, smeared
    /// (=noon-linear, =utc-sls or =unspecified). Several are separated by commas.
    #[arg(long, value_name = "CLOCK", value_delimiter = ',', action = ArgAction::Append)]
    pub clock: Vec<Kind>,

    /// Offer no UTC-like clock where --clock doesn't say otherwise.
    #[arg(long)]
    pub no_utc: bool,

    /// Offer no TAI clock where --clock doesn't say otherwise.
    #[arg(long)]
    pub no_tai: bool,

    /// Offer no monotonic clock where --clock doesn't say otherwise.
    #[arg(long)]
    pub no_monotonic: bool,

    /// Offer no alarms.
    #[arg(long, visible_alias = "no-offer-alarm")]
    pub no_alarm: bool,

    /// Take TAI and leap seconds that the kernel doesn't know from this file, a
    /// leap-seconds.list.
    #[arg(long, value_name = "FILE", default_value = LEAP_SECONDS)]
    pub leap_seconds: PathBuf,

    /// What happens at a system call that this daemon has no use for.
    #[arg(long, value_name = "ACTION", value_enum, default_value_t = Seccomp::Kill)]
    pub seccomp: Seccomp,
}

/// What happens at a system call that isn't expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Seccomp {
    /// The daemon is killed.
    Kill,
    /// It is carried out, and the kernel logs it.
    Log,
    /// It is carried out.
    Off,
}

/// Why the daemon doesn't start with this command line.
#[derive(Debug, Error)]
pub enum ArgsError {
    /// The list of leap seconds can't be read.
    #[error("the list of leap seconds {0}: {1}")]
    ReadList(PathBuf, std::io::Error),
    /// The list of leap seconds isn't one.
    #[error("the list of leap seconds {0}: {1}")]
    ParseList(PathBuf, ListError),
    /// A clock that can't be had.
    #[error(
        "TAI isn't known here: the kernel's TAI offset isn't set, and {0} isn't there or has \
         expired"
    )]
    NoTai(PathBuf),
    /// No clock is left; Linux's driver would fail.
    #[error("there is no clock left to offer")]
    NoClocks,
    /// Too many.
    #[error("{0} clocks are more than {MAX_CLOCKS}")]
    TooMany(usize),
}

fn read_list(path: &Path) -> Result<Option<List>, ArgsError> {
    let mut text = String::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
    match read {
        // Where it isn't installed, TAI is left out unless the kernel knows it.
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && path == Path::new(LEAP_SECONDS) =>
        {
            Ok(None)
        }
        Err(error) => Err(ArgsError::ReadList(path.into(), error)),
        Ok(_) => List::parse(&text)
            .map(Some)
            .map_err(|error| ArgsError::ParseList(path.into(), error)),
    }
}

impl Args {
    /// The clocks to offer, in order, and the list of leap seconds if there is one.
    pub fn clocks(&self, host: &mut dyn Host) -> Result<(Vec<Kind>, Option<List>), ArgsError> {
        let list = read_list(&self.leap_seconds)?;
        let tai = knows_tai(host, list.as_ref());
        let kinds = if self.clock.is_empty() {
            let wanted = [
                (Kind::Utc, !self.no_utc),
                (Kind::Tai, !self.no_tai && tai),
                (Kind::Monotonic, !self.no_monotonic),
                (Kind::MaybeSmeared, !self.no_utc),
            ];
            wanted
                .into_iter()
                .filter(|(_, wanted)| *wanted)
                .map(|(kind, _)| kind)
                .collect()
        } else if self.clock.contains(&Kind::Tai) && !tai {
            return Err(ArgsError::NoTai(self.leap_seconds.clone()));
        } else {
            self.clock.clone()
        };
        match kinds.len() {
            0 => Err(ArgsError::NoClocks),
            number if number > MAX_CLOCKS => Err(ArgsError::TooMany(number)),
            _ => Ok((kinds, list)),
        }
    }

    /// What --help says of this host: which clocks there would be.
    pub fn about_host(host: &mut dyn Host) -> String {
        let args = Args::parse_from(["vhost-device-rtc"]);
        match args.clocks(host) {
            Ok((kinds, _)) => {
                let names: Vec<_> = kinds.iter().map(Kind::to_string).collect();
                let tai = if kinds.contains(&Kind::Tai) {
                    ""
                } else {
                    "; TAI isn't known"
                };
                format!(
                    "On this host the clocks are by default: {}{tai}.",
                    names.join(", ")
                )
            }
            Err(error) => format!("On this host there are no clocks by default: {error}."),
        }
    }
}
