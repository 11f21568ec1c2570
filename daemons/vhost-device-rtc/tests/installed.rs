// SPDX-License-Identifier: GPL-2.0-or-later
//! What is installed beside the program: the manual page says what --help says, and systemd takes
//! the units.

use std::process::Command;

use clap::CommandFactory;
use installed::{check_manual, Units};
use vhost_device_rtc::args::Args;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_vhost-device-rtc");

#[test]
fn the_manual_has_every_option_and_no_other() {
    check_manual(include_str!("../vhost-device-rtc.1"), &Args::command());
}

#[test]
fn help_tells_of_this_hosts_clocks() {
    let out = Command::new(BINARY).arg("--help").output().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    let last = text.trim_end().lines().last().unwrap();
    assert!(
        last.starts_with("On this host the clocks are by default: utc, "),
        "{last}"
    );
    assert!(
        last.contains("tai") != last.contains("TAI isn't known"),
        "{last}"
    );
}

#[test]
fn rust_vmms_command_line_is_taken() {
    use clap::Parser;
    for line in [
        "x --socket-path a --no-utc --no-tai --no-monotonic --no-offer-alarm",
        "x -s a",
        "x --socket-fd 3",
        "x --clock utc --clock smeared=utc-sls,tai",
    ] {
        Args::try_parse_from(line.split(' ')).unwrap();
    }
    assert!(Args::try_parse_from(["x", "-s", "a", "--socket-fd", "3"]).is_err());
}

fn units() -> Units {
    let units = [
        (".service.in", "vhost-device-rtc@web.service"),
        (".socket", "vhost-device-rtc@web.socket"),
    ];
    let units = units.map(|(end, name)| (format!("{FOLDER}/systemd/vhost-device-rtc@{end}"), name));
    Units::of(BINARY, &units, &[])
}

#[test]
fn systemd_takes_the_units() {
    units().check_taken("vhost-device-rtc");
}

#[test]
fn the_service_is_as_confined_as_can_be() {
    // 0.5 out of 10 when this was written: AF_UNIX, adjtimex and the host's root directory.
    units().check_confined(9);
}
