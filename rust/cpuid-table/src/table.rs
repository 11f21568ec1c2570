// SPDX-License-Identifier: GPL-2.0-or-later
//! The table as Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::rows::{Leaf, Row};

const HEAD: &str = "\
// SPDX-License-Identifier: GPL-2.0-or-later
//! Made by `cargo run -p cpuid-table` from cpuid.csv: not to be edited.

use crate::Register::{self, Eax, Ebx, Ecx, Edx};
use crate::{Field, Leaf};

const fn field(
    [leaf, first_subleaf, last_subleaf]: [u32; 3],
    register: Register,
    [high, low]: [u8; 2],
    name: &'static str,
    description: &'static str,
) -> Field {
    Field { leaf, first_subleaf, last_subleaf, register, high, low, name, description }
}

/// Every leaf, by its number.
pub static LEAVES: &[Leaf] = &[
";

const REGISTERS: [&str; 4] = ["Eax", "Ebx", "Ecx", "Edx"];

/// The whole file.
pub fn write(leaves: &BTreeMap<u32, Leaf>) -> String {
    let mut text = HEAD.to_owned();
    // A String takes everything.
    let mut line = |line: &str| writeln!(text, "{line}").unwrap_or_default();
    for (number, leaf) in leaves {
        line(&format!(
            "    Leaf {{ number: {number:#x}, title: {:?}, fields: leaf_{number:x}::FIELDS }},",
            leaf.title
        ));
    }
    line("];");
    for (number, leaf) in leaves {
        let names = constants(&leaf.rows);
        line(&format!("\n/// {}.", documented(&leaf.title)));
        line(&format!("pub mod leaf_{number:x} {{"));
        line("    use super::*;\n");
        line("    /// All of its fields.");
        line(&format!(
            "    pub static FIELDS: &[Field] = &[{}];",
            names.join(", ")
        ));
        for (row, name) in leaf.rows.iter().zip(&names) {
            let Row {
                subleaves: (first, last),
                bits: (low, high),
                ..
            } = row;
            line(&format!("    /// {}.", documented(&row.description)));
            line(&format!(
                "    pub const {name}: Field = field([{number:#x}, {first}, {last}], {}, [{high}, {low}], {:?}, {:?});",
                REGISTERS[row.register], row.name, row.description
            ));
        }
        line("}");
    }
    text
}

/// Names of constants, of which no two are alike: a name that a leaf has in several places gets
/// its subleaf and register appended, one that begins with a digit an underscore put before it.
fn constants(rows: &[Row]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = rows
        .iter()
        .filter(|row| !seen.insert(&row.name))
        .map(|row| &row.name)
        .collect();
    let name = |row: &Row| {
        let digit = row.name.starts_with(|c: char| c.is_ascii_digit());
        let name = format!(
            "{}{}",
            if digit { "_" } else { "" },
            row.name.to_uppercase()
        );
        if !twice.contains(&row.name) {
            return name;
        }
        let register = REGISTERS[row.register].to_uppercase();
        format!("{name}_{}_{register}", row.subleaves.0)
    };
    rows.iter().map(name).collect()
}

/// Text as rustdoc takes it: brackets aren't links, nor `<` the beginning of a tag.
fn documented(text: &str) -> String {
    text.replace('[', "\\[")
        .replace(']', "\\]")
        .replace('<', "\\<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_have_names_of_their_own() {
        let row = |name: &str, subleaf, register| Row {
            subleaves: (subleaf, subleaf),
            register,
            bits: (0, 0),
            name: name.into(),
            description: "x".into(),
        };
        let rows = [row("a", 0, 0), row("3d", 0, 1), row("a", 2, 3)];
        assert_eq!(constants(&rows), ["A_0_EAX", "_3D", "A_2_EDX"]);
    }

    #[test]
    fn descriptions_are_no_markup() {
        assert_eq!(documented("MSR[bits 1:0] <x>"), "MSR\\[bits 1:0\\] \\<x>");
    }
}
