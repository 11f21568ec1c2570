// SPDX-License-Identifier: GPL-2.0-or-later
//! What is installed beside the program: the manual page has what --help has, and systemd takes
//! the unit.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use annex_rdp::args::Args;
use clap::CommandFactory;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_annex-rdp");
const UNIT: &str = "annex-rdp@web.service";

#[test]
fn the_manual_has_every_option_and_no_other() {
    let page = std::fs::read_to_string(format!("{FOLDER}/annex-rdp.1")).expect("the page");
    let options = page.lines().filter(|line| line.starts_with(".B"));
    let told: BTreeSet<String> = options
        .filter_map(|line| line.split_once("\\-\\-"))
        .map(|(_, rest)| {
            let end = rest.find([' ', '"']).unwrap_or(rest.len());
            rest[..end].replace("\\-", "-")
        })
        .collect();
    let command = Args::command();
    let known = command.get_arguments().filter_map(|it| it.get_long());
    assert_eq!(told, known.map(str::to_owned).collect());
}

/// The unit as it is installed, in a folder of its own.
fn unit() -> tempfile::TempDir {
    let scrap = tempfile::tempdir().expect("a folder");
    let programs = Path::new(BINARY).parent().expect("a folder");
    let text = std::fs::read_to_string(format!("{FOLDER}/systemd/annex-rdp@.service.in"))
        .expect("the unit")
        .replace("@bindir@", &programs.display().to_string())
        .replace("@qemu_user@", "daemon")
        .replace("man:", "https://");
    std::fs::write(scrap.path().join(UNIT), text).expect("the unit's copy");
    scrap
}

/// What systemd-analyze, 250 or newer, says.
fn analyze(arguments: &[&str], folder: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .current_dir(folder)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()))
        .output()
        .expect("no systemd-analyze, which Debian's package systemd has")
}

#[test]
fn systemd_takes_the_unit() {
    let folder = unit();
    let out = analyze(&["verify", "--man=no", UNIT], folder.path());
    let said = String::from_utf8_lossy(&out.stderr);
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("annex-rdp"))
        .collect();
    assert!(out.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_service_is_as_confined_as_can_be() {
    let folder = unit();
    let unit = format!("./{UNIT}");
    // In tenths of 10. What it has: the network, AF_UNIX and the host's root directory.
    let threshold = "--threshold=11";
    let arguments = ["security", "--no-pager", "--offline=true", threshold, &unit];
    let out = analyze(&arguments, folder.path());
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stderr),
        String::from_utf8_lossy(&out.stdout)
    );
}
