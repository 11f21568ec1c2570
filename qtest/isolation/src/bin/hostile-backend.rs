// SPDX-License-Identifier: GPL-2.0-or-later
//! The program [`annex_peers::hostile_backend`], here for the tests to find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    annex_peers::hostile_backend::main()
}
