// SPDX-License-Identifier: GPL-2.0-or-later
//! PCID and INVPCID under TCG, and a TLB that remembers: programs of page-table
//! steps beside a model, and Linux. Each file registers its own tests.

mod board;
mod cpus;
mod follow;
mod gdb;
mod hunt;
mod hunt_random;
mod linux;
mod machine;
mod missed;
mod outside;
mod random;
mod reports;
mod two;

fn main() -> std::process::ExitCode {
    annex_qtest::trial::main()
}
