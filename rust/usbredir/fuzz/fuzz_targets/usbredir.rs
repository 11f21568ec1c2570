// SPDX-License-Identifier: GPL-2.0-or-later
//! What a peer sends, read by either side and sent on; see `scripts/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| usbredir::testing::exercise(input));
