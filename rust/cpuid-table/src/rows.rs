// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's cpuid.csv: a row for each field, headed by comments that name its leaf.
//!
//! ```text
//! # Leaf 1H
//! # CPU FMS (Family/Model/Stepping) + standard feature flags
//!
//! LEAF, SUBLEAVES, reg, bits, short_name, long_description
//! 0x1,          0, ecx,   17, pcid,       Process-context identifiers
//! 0x4,       31:0, eax,  7:5, cache_level, Cache level (1-based)
//! ```
//!
//! Subleaves and bits are a number, or the greatest and the least. A description may have commas.

use std::collections::BTreeMap;

use anyhow::{bail, ensure, Context, Result};

/// A leaf's title and rows.
#[derive(Debug, Default)]
pub struct Leaf {
    pub title: String,
    pub rows: Vec<Row>,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The least and the greatest.
    pub subleaves: (u32, u32),
    /// As an index into eax, ebx, ecx, edx.
    pub register: usize,
    /// The lowest and the highest.
    pub bits: (u32, u32),
    pub name: String,
    pub description: String,
}

/// What the registers are called.
pub const REGISTERS: [&str; 4] = ["eax", "ebx", "ecx", "edx"];

/// All leaves of a file by their numbers, or which line is wrong, and how.
pub fn parse(text: &str) -> Result<BTreeMap<u32, Leaf>> {
    let mut leaves = BTreeMap::<u32, Leaf>::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim();
        let parsed = if let Some(number) = line.strip_prefix("# Leaf ") {
            let title = lines.next().map(|(_, title)| title).unwrap_or_default();
            heading(number, title)
                .map(|(number, title)| leaves.entry(number).or_default().title = title)
        } else if line.is_empty() || line.starts_with('#') {
            continue;
        } else {
            row(line).and_then(|(number, row)| {
                let leaf = leaves.get_mut(&number).context("its leaf has no heading")?;
                leaf.rows.push(row);
                Ok(())
            })
        };
        parsed.with_context(|| format!("line {}", index + 1))?;
    }
    ensure!(!leaves.is_empty(), "there is no leaf in it");
    for (number, leaf) in &mut leaves {
        ensure!(!leaf.rows.is_empty(), "leaf {number:#x} has no fields");
        leaf.rows
            .sort_by_key(|row| (row.subleaves, row.register, row.bits));
    }
    Ok(leaves)
}

fn heading(number: &str, title: &str) -> Result<(u32, String)> {
    let number = number.strip_suffix('H').context("no leaf's number")?;
    let title = title.trim().strip_prefix("# ").context("no title")?;
    Ok((u32::from_str_radix(number, 16)?, title.into()))
}

fn row(line: &str) -> Result<(u32, Row)> {
    let fields: Vec<_> = line.splitn(6, ',').map(str::trim).collect();
    let [leaf, subleaves, register, bits, name, description] = fields[..] else {
        bail!("it has {} columns, not 6", fields.len());
    };
    let leaf = leaf.strip_prefix("0x").context("a leaf begins with 0x")?;
    let known = REGISTERS.iter().position(|known| *known == register);
    let bits = range(bits)?;
    ensure!(bits.1 < 32, "a register has no bit {}", bits.1);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    ensure!(
        !name.is_empty() && name.chars().all(plain),
        "the name {name:?} isn't of small letters, digits and underscores"
    );
    ensure!(!description.is_empty(), "it has no description");
    let row = Row {
        subleaves: range(subleaves)?,
        register: known.with_context(|| format!("there is no register {register:?}"))?,
        bits,
        name: name.into(),
        description: description.into(),
    };
    Ok((u32::from_str_radix(leaf, 16)?, row))
}

/// "7" or "31:7", as the least and the greatest.
fn range(text: &str) -> Result<(u32, u32)> {
    let (high, low) = text.split_once(':').unwrap_or((text, text));
    let (high, low) = (high.parse()?, low.parse()?);
    ensure!(low <= high, "{text}: the greater one comes first");
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# Leaf 4H\n# Caches\n";

    #[test]
    fn rows_are_sorted_and_descriptions_may_have_commas() {
        let text = format!("{HEAD}\n0x4, 31:0, edx, 0, b, Two, three\n 0x4,31:0,eax,7:5,a ,One\n");
        let leaves = parse(&text).unwrap();
        let leaf = &leaves[&4];
        assert_eq!(leaf.title, "Caches");
        let (a, b) = (&leaf.rows[0], &leaf.rows[1]);
        assert_eq!((&*a.name, a.bits, a.subleaves), ("a", (5, 7), (0, 31)));
        assert_eq!((&*b.description, b.register), ("Two, three", 3));
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        for (row, fault) in [
            ("0x4, 0, eax, 0, a", "5 columns"),
            ("4, 0, eax, 0, a, b", "0x"),
            ("0xzz, 0, eax, 0, a, b", "invalid digit"),
            ("0x5, 0, eax, 0, a, b", "no heading"),
            ("0x4, 0, rax, 0, a, b", "\"rax\""),
            ("0x4, 0, eax, 32, a, b", "bit 32"),
            ("0x4, 0, eax, 0:1, a, b", "0:1"),
            ("0x4, -1, eax, 0, a, b", "invalid digit"),
            ("0x4, 0, eax, 0, a b, c", "\"a b\""),
            ("0x4, 0, eax, 0, A, b", "\"A\""),
            ("0x4, 0, eax, 0, a, ", "no description"),
            ("# Leaf 5\n# x", "no leaf's number"),
            ("# Leaf 5H", "no title"),
        ] {
            let error = format!("{:#}", parse(&format!("{HEAD}{row}\n")).unwrap_err());
            assert!(
                error.starts_with("line 3") && error.contains(fault),
                "{row}: {error}"
            );
        }
        assert!(parse("").is_err());
        assert!(parse(HEAD).is_err());
    }
}
