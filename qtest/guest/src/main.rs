// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest tests. Each file registers its own.

mod boot;
mod detached;
mod elsewhere;
mod fixture;
mod fleet;
mod mapped;
mod on_demand;
mod snapshot_eager;

fn main() -> std::process::ExitCode {
    let code = annex_qtest::trial::main();
    // Gigabytes that the next run makes anew.
    fixture::remove_all();
    code
}
