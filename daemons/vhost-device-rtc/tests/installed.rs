// SPDX-License-Identifier: GPL-2.0-or-later
//! What is installed beside the program: the manual page says what --help says, and systemd takes
//! the units.

use std::collections::BTreeSet;
use std::process::Command;

use clap::CommandFactory;
use vhost_device_rtc::args::Args;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const UNITS: [&str; 2] = [
    "vhost-device-rtc@web.service",
    "vhost-device-rtc@web.socket",
];
const BINARY: &str = env!("CARGO_BIN_EXE_vhost-device-rtc");

/// Every --word in a text.
fn options(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in text.split("--").skip(1) {
        let end = part
            .find(|c: char| !c.is_ascii_lowercase() && c != '-')
            .unwrap_or(part.len());
        if end > 0 {
            found.insert(part[..end].trim_end_matches('-').to_string());
        }
    }
    found
}

#[test]
fn the_manual_has_every_option_and_no_other() {
    let page = std::fs::read_to_string(format!("{FOLDER}/vhost-device-rtc.1")).unwrap();
    let page = options(&page.replace("\\-", "-"));
    let help = options(&Args::command().render_long_help().to_string());
    let mut help: BTreeSet<_> = help.into_iter().collect();
    help.insert("no-offer-alarm".into());
    assert_eq!(page, help);
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

/// The units as they are installed, in a folder of their own.
fn units() -> tempfile::TempDir {
    let scrap = tempfile::tempdir().unwrap();
    let folder = std::path::Path::new(BINARY)
        .parent()
        .unwrap()
        .to_str()
        .unwrap();
    for (from, to) in [".service.in", ".socket"].into_iter().zip(UNITS) {
        let text = std::fs::read_to_string(format!("{FOLDER}/systemd/vhost-device-rtc@{from}"));
        let text = text
            .unwrap()
            .replace("@bindir@", folder)
            .replace("man:", "https://");
        std::fs::write(scrap.path().join(to), text).unwrap();
    }
    scrap
}

/// What systemd-analyze, 250 or newer, says.
fn analyze(arguments: &[&str], folder: &std::path::Path) -> std::process::Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .current_dir(folder)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()))
        .output()
        .expect("no systemd-analyze, which Debian's package systemd has")
}

#[test]
fn systemd_takes_the_units() {
    let folder = units();
    let arguments = ["verify", "--man=no", UNITS[0], UNITS[1]];
    let out = analyze(&arguments, folder.path());
    let said = String::from_utf8_lossy(&out.stderr);
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("vhost-device-rtc"))
        .collect();
    assert!(out.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_service_is_as_confined_as_can_be() {
    let folder = units();
    let unit = format!("./{}", UNITS[0]);
    // 0.5 out of 10 when this was written: AF_UNIX, adjtimex and the host's root directory.
    let arguments = [
        "security",
        "--no-pager",
        "--offline=true",
        "--threshold=9",
        &unit,
    ];
    let out = analyze(&arguments, folder.path());
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stderr),
        String::from_utf8_lossy(&out.stdout)
    );
}
