// SPDX-License-Identifier: GPL-2.0-or-later
//! Rings and descriptors of any bytes; see `scripts/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vhost_device_rtc::testing::exercise_queue(input));
