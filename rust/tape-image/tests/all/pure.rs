// SPDX-License-Identifier: GPL-2.0-or-later
//! The core does no I/O. It is `no_std`, so it can't; this names the file if
//! somebody lets it in through the driver's `extern crate std`.

use std::fs;

const WITH_STD: [&str; 3] = ["driver.rs", "exercise.rs", "lib.rs"];

#[test]
fn only_the_driver_knows_std() {
    let mut read = 0;
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let files = |folder: &str| fs::read_dir(folder).expect("a folder");
    for entry in files(src).chain(files(&format!("{src}/ops"))) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let name = path
            .file_name()
            .expect("a name")
            .to_str()
            .expect("in ASCII");
        let text = fs::read_to_string(&path).expect("a source");
        if !WITH_STD.contains(&name) {
            assert!(!text.contains("std::"), "{name} uses std");
            read += 1;
        }
    }
    assert!(read > 10, "{read} files read");
    let root = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"));
    let root = root.expect("the crate's root");
    assert!(root.contains("\n#![no_std]\n"));
    assert!(root.contains("#[cfg(feature = \"driver\")]\nextern crate std;"));
}
