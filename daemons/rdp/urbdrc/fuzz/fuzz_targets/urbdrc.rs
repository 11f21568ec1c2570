// SPDX-License-Identifier: GPL-2.0-or-later
//! A client that sends anything, and guests that do; see `scripts/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| urbdrc::testing::exercise(input));
