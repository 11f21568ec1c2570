// SPDX-License-Identifier: GPL-2.0-or-later
//! A server that sends anything, and devices that end it anyhow; see `scripts/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| annex_usb::testing::exercise(input));
