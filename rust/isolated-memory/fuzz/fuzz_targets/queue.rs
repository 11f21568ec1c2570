// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest, and a back-end that writes what it likes when it likes, tried by libFuzzer. It needs
//! g++, and no nightly toolchain; from rust/isolated-memory/fuzz:
//!
//! ```text
//! RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
//!     -Cllvm-args=-sanitizer-coverage-pc-table -Cdebug-assertions" \
//! cargo run --release --bin queue --features libfuzzer --target x86_64-unknown-linux-gnu -- \
//!     corpus/queue seeds/queue -max_total_time=60
//! ```
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| isolated_memory::testing::exercise(input));
