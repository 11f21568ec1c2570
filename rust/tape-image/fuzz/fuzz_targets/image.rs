// SPDX-License-Identifier: GPL-2.0-or-later
//! Images of a stranger, tried by libFuzzer; `header` does the same with
//! cartridges. They need g++, and no nightly toolchain; from
//! rust/tape-image/fuzz:
//!
//! ```text
//! RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
//!     -Cllvm-args=-sanitizer-coverage-pc-table -Cdebug-assertions" \
//! cargo run --release --features libfuzzer --target x86_64-unknown-linux-gnu --bin image -- \
//!     corpus/image seeds/image -max_total_time=60
//! ```
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tape_image::exercise::image(input));
