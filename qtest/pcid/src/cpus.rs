// SPDX-License-Identifier: GPL-2.0-or-later
//! What the QEMU under test offers.

use annex_qtest::qemu::Vm;
use anyhow::{Context, Result};
use cpuid_data::{Field, Registers};
use serde_json::json;

/// Whether a VM's first CPU has a flag, by what QEMU says that CPUID answers.
pub fn has(vm: &Vm, field: &Field) -> Result<bool> {
    let path = vm.qmp.execute("query-cpus-fast", json!({}))?[0]["qom-path"].clone();
    let what = json!({ "path": path, "property": "feature-words" });
    let words = vm.qmp.execute("qom-get", what)?;
    let mut answer = Registers::default();
    for word in words.as_array().context("feature words are a list")? {
        let subleaf = word["cpuid-input-ecx"].as_u64().unwrap_or(0);
        let register = word["cpuid-register"].as_str() == Some(&field.register.to_string());
        if word["cpuid-input-eax"] == field.leaf && field.is_in(u32::try_from(subleaf)?) && register
        {
            *answer.get_mut(field.register) =
                u32::try_from(word["features"].as_u64().context("a number")?)?;
        }
    }
    Ok(field.is_set(&answer))
}
