// SPDX-License-Identifier: GPL-2.0-or-later
//! Which CPU models offer the two flags, by what QEMU says that CPUID answers.

use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use cpuid_data::{leaf_1, leaf_7, Field, Registers};
use serde_json::json;

inventory::submit! { Family(|add| {
    for (cpu, pcid, invpcid) in [
        ("max", true, true),
        ("max,-invpcid", true, false),
        ("qemu64", false, false),
        ("qemu64,+pcid,+invpcid", true, true),
        // Models that have the flags in their definition keep from them in machines of 10.2.
        ("Haswell", false, false),
        ("Haswell,+pcid,+invpcid", true, true),
        ("EPYC-Milan", false, false),
    ] {
        let name = cpu.replace([',', '+'], "-").replace("--", "-");
        add(format!("pcid/cpus/{}", name.to_lowercase()), Box::new(move |dir| {
            offers(dir, cpu, pcid, invpcid)
        }));
    }
}) }

fn offers(dir: &Dir, cpu: &str, pcid: bool, invpcid: bool) -> Result<()> {
    let vm = Config::new(64)?
        .with(["-S", "-cpu", cpu])
        .start("vm", dir)?;
    for (field, wanted) in [(leaf_1::PCID, pcid), (leaf_7::INVPCID, invpcid)] {
        let found = has(&vm, &field)?;
        ensure!(found == wanted, "{cpu}: {field} is {found}, not {wanted}");
    }
    vm.quit()
}

/// Whether a VM's first CPU has a flag.
fn has(vm: &Vm, field: &Field) -> Result<bool> {
    let path = vm.qmp.execute("query-cpus-fast", json!({}))?[0]["qom-path"].clone();
    let what = json!({ "path": path, "property": "feature-words" });
    let words = vm.qmp.execute("qom-get", what)?;
    let mut answer = Registers::default();
    for word in words.as_array().context("feature words are a list")? {
        let subleaf = word["cpuid-input-ecx"].as_u64().unwrap_or(0);
        let in_leaf = word["cpuid-input-eax"] == field.leaf && field.is_in(u32::try_from(subleaf)?);
        if in_leaf && word["cpuid-register"] == field.register.to_string() {
            let features = word["features"].as_u64().context("a number")?;
            *answer.get_mut(field.register) = u32::try_from(features)?;
        }
    }
    Ok(field.is_set(&answer))
}
