// SPDX-License-Identifier: GPL-2.0-or-later
//! Headers and bitmaps of a stranger, tried by libFuzzer. It needs g++, and no nightly toolchain;
//! from rust/mapped-ram/fuzz:
//!
//! ```text
//! RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
//!     -Cllvm-args=-sanitizer-coverage-pc-table -Cdebug-assertions" \
//! cargo run --release --features libfuzzer --target x86_64-unknown-linux-gnu --bin snapshot -- \
//!     corpus/snapshot -max_total_time=60
//! ```
#![no_main]

use libfuzzer_sys::{fuzz_target, Corpus};

fuzz_target!(|input: &[u8]| -> Corpus {
    mapped_ram::testing::check_snapshot(input);
    Corpus::Keep
});
