// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that sends anything, and a client that answers anything; see `scripts/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rdp_usb::testing::exercise(input));
