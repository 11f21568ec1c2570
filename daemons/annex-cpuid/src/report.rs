// SPDX-License-Identifier: GPL-2.0-or-later
//! What is said of a dump.

use std::io::{self, Write};

use cpuid_data::{fields, fields_of, leaf, Field, Register, Registers};

use crate::args::Args;
use crate::dump::Dump;

/// Every field that is known, a line each.
pub fn list(out: &mut dyn Write) -> io::Result<()> {
    fields().try_for_each(|field| writeln!(out, "{field}: {}", field.description))
}

/// The dump in words.
pub fn decode(dump: &Dump, args: &Args, out: &mut dyn Write) -> io::Result<()> {
    for (name, answers) in &dump.cpus {
        if !name.is_empty() {
            writeln!(out, "CPU {name}")?;
        }
        let wanted = answers
            .iter()
            .filter(|((number, _), _)| args.leaf.is_none_or(|leaf| leaf == *number));
        for (&(number, subleaf), answer) in wanted {
            let title = leaf(number).map_or("not in the table", |leaf| leaf.title);
            writeln!(out, "leaf {number:X}, subleaf {subleaf:X}: {title}")?;
            for field in fields_of(number, subleaf).filter(|field| args.all || field.is_set(answer))
            {
                writeln!(out, "    {}", line(field, answer))?;
            }
            for (register, bits) in unknown(number, subleaf, answer) {
                writeln!(
                    out,
                    "    {register} {bits:#010x}: set, and not in the table"
                )?;
            }
        }
    }
    Ok(())
}

/// A field and its value.
fn line(field: &Field, answer: &Registers) -> String {
    let value = field.of(answer);
    match field.is_flag() {
        true => format!(
            "{} {} = {value}: {}",
            place(field),
            field.name,
            field.description
        ),
        false => format!(
            "{} {} = {value} ({value:#x}): {}",
            place(field),
            field.name,
            field.description
        ),
    }
}

fn place(field: &Field) -> String {
    match field.is_flag() {
        true => format!("{}[{}]", field.register, field.high),
        false => format!("{}[{}:{}]", field.register, field.high, field.low),
    }
}

/// The set bits of a known leaf that no field has.
fn unknown(
    number: u32,
    subleaf: u32,
    answer: &Registers,
) -> impl Iterator<Item = (Register, u32)> + '_ {
    Register::ALL.into_iter().filter_map(move |register| {
        let of = fields_of(number, subleaf).filter(|field| field.register == register);
        let known = of.fold(0, |known, field| known | field.mask());
        let bits = answer.get(register) & !known;
        (bits != 0).then_some((register, bits))
    })
}

/// A line for each field that a CPU hasn't got.
pub fn missing(dump: &Dump, wanted: &[Field]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, answers) in &dump.cpus {
        for field in wanted {
            let has = answers
                .get(&(field.leaf, field.first_subleaf))
                .is_some_and(|answer| field.is_set(answer));
            if !has {
                let cpu = if name.is_empty() {
                    String::new()
                } else {
                    format!("CPU {name}: ")
                };
                lines.push(format!("{cpu}no {field}"));
            }
        }
    }
    lines
}
