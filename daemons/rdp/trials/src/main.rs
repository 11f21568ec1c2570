// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-rdp between QEMU and clients: guests that are a boot sector, or Linux; a client of IronRDP's
//! crates, annex-usb's, and FreeRDP where it is installed. Each file registers its own tests.

mod agent;
mod bus;
mod clipboard;
mod ends;
mod filesystem;
mod freerdp;
mod packets;
mod pictures;
mod real;
mod real_freerdp;
mod real_isochronous;
mod screen;
mod usb;

use rdp_trials::{client, client_guest, cpio, machine, picture, usb_client, usb_guest};

fn main() -> std::process::ExitCode {
    annex_qtest::trial::main()
}
