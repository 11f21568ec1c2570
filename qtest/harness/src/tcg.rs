// SPDX-License-Identifier: GPL-2.0-or-later
//! What TCG has counted.

use anyhow::{Context, Result};
use serde_json::json;

use crate::qemu::Vm;

/// A line of `info jit`, by what it begins with.
pub fn counter(vm: &Vm, name: &str) -> Result<u64> {
    let said = vm.qmp.execute("x-query-jit", json!({}))?;
    let said = said["human-readable-text"].as_str().context("text")?;
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    let number = line.with_context(|| format!("no {name:?} in {said}"))?;
    Ok(number.trim().parse()?)
}
