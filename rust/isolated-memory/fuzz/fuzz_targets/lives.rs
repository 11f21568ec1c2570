// SPDX-License-Identifier: GPL-2.0-or-later
//! The starts and stops of a device, tried by libFuzzer as queue.rs says, with `--bin lives` and
//! corpus/lives seeds/lives.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isolated_memory::testing::exercise_lives(input));
