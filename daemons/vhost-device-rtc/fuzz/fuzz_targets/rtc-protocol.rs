// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests of any bytes and lengths, while time passes, steps and leaps; see `scripts/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vhost_device_rtc::testing::exercise_protocol(input));
