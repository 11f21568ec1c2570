// SPDX-License-Identifier: GPL-2.0-or-later
//! A stranger's working set, tried by libFuzzer: the bytes before the checksum, which would keep it
//! from getting any further. Run as snapshot.rs says, with `--bin working-set` and
//! corpus/working-set.
#![no_main]

use libfuzzer_sys::{fuzz_target, Corpus};

fuzz_target!(|input: &[u8]| -> Corpus {
    mapped_ram::testing::check_working_set(input);
    Corpus::Keep
});
