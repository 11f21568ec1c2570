// SPDX-License-Identifier: GPL-2.0-or-later
//! What is installed beside the program: the manual page has what --help has, and systemd takes
//! the unit.

use annex_rdp::args::Args;
use clap::CommandFactory;
use installed::{check_manual, Units};

#[test]
fn the_manual_has_every_option_and_no_other() {
    check_manual(include_str!("../annex-rdp.1"), &Args::command());
}

fn unit() -> Units {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/annex-rdp@.service.in");
    let units = [(template.to_owned(), "annex-rdp@web.service")];
    let program = env!("CARGO_BIN_EXE_annex-rdp");
    Units::of(program, &units, &[("@qemu_user@", "daemon")])
}

#[test]
fn systemd_takes_the_unit() {
    unit().check_taken("annex-rdp");
}

#[test]
fn the_service_is_as_confined_as_can_be() {
    // In tenths of 10. What it has: the network, AF_UNIX and the host's root directory.
    unit().check_confined(11);
}
