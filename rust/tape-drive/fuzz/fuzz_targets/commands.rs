// SPDX-License-Identifier: GPL-2.0-or-later
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tape_drive::exercise::exercise(input));
