// SPDX-License-Identifier: GPL-2.0-or-later
//! The virtio-rtc daemon: driven over its socket, through QEMU, and by guests.
//! Each file registers its own tests.

mod alarms;
mod chains;
mod cross;
mod guest;
mod guest_clocks;
mod guest_right;
mod guest_suspend;
mod masked;
mod matrix;
mod order;
mod qemu;
mod rig;
mod sessions;
mod starts;
mod state;
mod table;

fn main() -> std::process::ExitCode {
    let code = annex_qtest::trial::main();
    guest::quit_all();
    code
}
