// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-rdp between QEMU and clients: a guest that is a boot sector, a client of IronRDP's
//! crates, and FreeRDP where it is installed. Each file registers its own tests.

mod client;
mod ends;
mod freerdp;
mod machine;
mod picture;
mod screen;

fn main() -> std::process::ExitCode {
    annex_qtest::trial::main()
}
