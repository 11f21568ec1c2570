// SPDX-License-Identifier: GPL-2.0-or-later
//! The seed of a test that draws numbers: printed, and taken again.

use std::env;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::files::Dir;

/// Says which numbers are drawn; without it, the time does.
const VARIABLE: &str = "ANNEX_SEED";

/// Runs a test with a seed, which a failure names.
pub fn with(dir: &Dir, test: impl FnOnce(u64) -> Result<()>) -> Result<()> {
    let seed = match env::var(VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{VARIABLE}={text}"))?,
        Err(_) => SystemTime::UNIX_EPOCH.elapsed()?.subsec_nanos().into(),
    };
    println!("{}: {VARIABLE}={seed}", dir.path().display());
    test(seed).with_context(|| format!("with {VARIABLE}={seed}"))
}
