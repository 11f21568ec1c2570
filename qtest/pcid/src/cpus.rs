// SPDX-License-Identifier: GPL-2.0-or-later
//! Which CPU models offer the two flags, by what QEMU says that CPUID answers.

use std::collections::BTreeMap;

use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use cpuid_data::{fields_of, leaf_1, leaf_7, Field, Register, Registers};
use serde_json::json;

inventory::submit! { Family(|add| {
    for (machine, cpu, pcid, invpcid) in [
        ("pc", "max", true, true),
        ("pc", "max,-invpcid", true, false),
        ("pc", "qemu64", false, false),
        ("pc", "qemu64,+pcid,+invpcid", true, true),
        // Models that have the flags in their definition keep from them in machines up to 10.2.
        ("pc", "Haswell", false, false),
        ("pc", "Haswell,+pcid,+invpcid", true, true),
        ("pc", "EPYC-Milan", false, false),
        ("pc-i440fx-9.0", "Haswell", false, false),
        ("pc-q35-8.2", "EPYC-Milan", false, false),
        ("pc-q35-8.2", "Haswell,+pcid,+invpcid", true, true),
    ] {
        let cpu_name = cpu.replace([',', '+'], "-").replace("--", "-").to_lowercase();
        add(format!("pcid/cpus/{machine}/{cpu_name}"), Box::new(move |dir| {
            offers(dir, machine, cpu, pcid, invpcid)
        }));
    }
}) }

fn offers(dir: &Dir, machine: &str, cpu: &str, pcid: bool, invpcid: bool) -> Result<()> {
    let vm = Config::new(64)?
        .with(["-S", "-machine", machine, "-cpu", cpu])
        .start("vm", dir)?;
    let answers = answers(&vm)?;
    vm.quit()?;
    for (&(leaf, subleaf), answer) in &answers {
        for field in fields_of(leaf, subleaf).filter(|field| field.is_set(answer)) {
            dir.log(format!("{cpu}: {field}"));
        }
    }
    let has = |field: &Field| {
        let answer = answers.get(&(field.leaf, field.first_subleaf));
        answer.is_some_and(|answer| field.is_set(answer))
    };
    for (field, wanted) in [(leaf_1::PCID, pcid), (leaf_7::INVPCID, invpcid)] {
        let found = has(&field);
        ensure!(found == wanted, "{cpu}: {field} is {found}, not {wanted}");
    }
    ensure!(
        has(&leaf_1::FPU),
        "QEMU's words aren't understood: {answers:x?}"
    );
    Ok(())
}

/// What a VM's first CPU answers, by leaf and subleaf, as far as QEMU has features there.
fn answers(vm: &Vm) -> Result<BTreeMap<(u32, u32), Registers>> {
    let path = vm.qmp.execute("query-cpus-fast", json!({}))?[0]["qom-path"].clone();
    let what = json!({ "path": path, "property": "feature-words" });
    let words = vm.qmp.execute("qom-get", what)?;
    let mut answers = BTreeMap::<_, Registers>::new();
    for word in words.as_array().context("feature words are a list")? {
        let number = |name: &str| -> Result<u32> {
            let number = word[name]
                .as_u64()
                .with_context(|| format!("{name} in {word}"))?;
            Ok(u32::try_from(number)?)
        };
        // Leaves without subleaves have none here.
        let subleaf = number("cpuid-input-ecx").unwrap_or(0);
        let named = |register: &Register| word["cpuid-register"] == register.to_string();
        let register = Register::ALL.into_iter().find(named);
        let register = register.with_context(|| format!("a register in {word}"))?;
        let answer = answers.entry((number("cpuid-input-eax")?, subleaf));
        *answer.or_default().get_mut(register) = number("features")?;
    }
    Ok(answers)
}
