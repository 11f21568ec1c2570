// SPDX-License-Identifier: GPL-2.0-or-later
//! The core does no I/O, and has neither threads nor a clock: its sources name
//! nothing of the sort.

use std::fs;
use std::path::Path;

/// Over a medium that answers at once, for tests.
const WITH_IO: [&str; 2] = ["driver.rs", "exercise.rs"];
const FOREIGN: [&str; 7] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
];

fn check(folder: &Path) -> usize {
    let mut read = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("in ASCII");
        if path.is_dir() {
            read += check(&path);
        } else if !WITH_IO.contains(&name) {
            let text = fs::read_to_string(&path).expect("a source");
            for word in FOREIGN {
                assert!(!text.contains(word), "{name} uses {word}");
            }
            read += 1;
        }
    }
    read
}

#[test]
fn only_the_driver_does_io() {
    let read = check(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(read > 20, "{read} files read");
}
