// SPDX-License-Identifier: GPL-2.0-or-later
//! Both halves of USB over RDP between a device in software and QEMU's usb-redir, without RDP
//! between them. Each file registers its own tests.

mod firmware;

fn main() -> std::process::ExitCode {
    annex_qtest::trial::main()
}
