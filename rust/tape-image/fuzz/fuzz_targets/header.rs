// SPDX-License-Identifier: GPL-2.0-or-later
//! Headers of a stranger; see `image`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tape_image::exercise::header(input));
