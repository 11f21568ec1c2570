// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's commands, and failing I/O, tried by libFuzzer; how is told in
//! rust/tape-image/fuzz/fuzz_targets/image.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tape_drive::exercise::exercise(input));
