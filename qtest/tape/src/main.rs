// SPDX-License-Identifier: GPL-2.0-or-later
//! The tape drive in real guests: `-device scsi-tape` under Linux's st, with
//! the programs that people back up with. Each file registers its own tests.

mod archives;
mod blocks;
mod cartridges;
mod crash;
mod drive;
mod ends;
mod errors;
mod exchange;
mod hbas;
mod migration;
mod motion;
mod mt;
mod rig;
mod sg;
mod simh;
mod transfers;

fn main() -> std::process::ExitCode {
    let code = annex_qtest::trial::main();
    rig::quit_all();
    code
}
