// SPDX-License-Identifier: GPL-2.0-or-later
//! vhost-device-rtc: a real-time clock for guests. See the crate's documentation.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use log::{error, info};
use vhost_device_rtc::args::Args;
use vhost_device_rtc::backend::Rtc;
use vhost_device_rtc::clocks::Clocks;
use vhost_device_rtc::device::Device;
use vhost_device_rtc::linux::Linux;
use vhost_device_rtc::sandbox;
use vhost_device_rtc::server::{block_signals, serve, Socket};

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    block_signals()?;
    let socket = Socket::open(args.socket_path.as_deref(), args.socket_fd)?;
    let (kinds, list) = args.clocks(&mut Linux)?;
    let names: Vec<_> = kinds.iter().map(ToString::to_string).collect();
    info!("clocks: {}; alarms: {}", names.join(", "), !args.no_alarm);
    let device = Device::new(Clocks::new(&kinds, list));
    let rtc = Rtc::new(device, Box::new(Linux), !args.no_alarm)?;
    sandbox::enter(args.seccomp)?;
    serve(&socket, rtc)?;
    Ok(())
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let command = Args::command().after_help(Args::about_host(&mut Linux));
    let matches = command.get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}
