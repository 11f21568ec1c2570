// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes include/qemu-annex.h from rust/qemu-annex, or, with `--check`,
//! compares the two.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("header: '{other}' is not known; usage: header [--check]");
            return ExitCode::from(2);
        }
    };
    let rust = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let header = rust.join("../include/qemu-annex.h");
    let bindings = match cbindgen::generate(rust.join("qemu-annex")) {
        Ok(bindings) => bindings,
        Err(error) => {
            eprintln!("header: cbindgen can't read rust/qemu-annex: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !check {
        bindings.write_to_file(header);
        return ExitCode::SUCCESS;
    }
    let mut wanted = Vec::new();
    bindings.write(&mut wanted);
    if std::fs::read(header).is_ok_and(|found| found == wanted) {
        ExitCode::SUCCESS
    } else {
        eprintln!("header: include/qemu-annex.h is not what rust/qemu-annex gives; run `make header` and commit it");
        ExitCode::FAILURE
    }
}
