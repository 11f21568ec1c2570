// SPDX-License-Identifier: GPL-2.0-or-later
//! Dumps of lines.
//!
//! ```text
//! cpuid -r     CPU 0:
//!                 0x00000007 0x00: eax=0x00000002 ebx=0x219c07ab ecx=0x18400f6e edx=0xac184410
//! kcpuid -r    0x00000001: EAX=0x000906ea, EBX=0x00100800, ECX=0x7ffafbff, EDX=0xbfebfbff
//!              0x00000004: subleafs:
//!               0: EAX=0x1c004121, EBX=0x01c0003f, ECX=0x0000003f, EDX=0x00000000
//! numbers      7 0 00000002 219c07ab 18400f6e ac184410
//! ```
//!
//! Empty lines and those that begin with `#` are left out, and kcpuid's headings.

use cpuid_data::Registers;

use crate::dump::{Dump, DumpError, Fault};

/// As much of a line as a message shows.
const SHOWN: usize = 60;

pub fn parse(input: &str) -> Result<Dump, DumpError> {
    let mut reader = Reader::default();
    for (index, line) in input.lines().enumerate() {
        reader.take(line.trim()).map_err(|fault| DumpError::Line {
            number: index + 1,
            fault,
            line: line.chars().take(SHOWN).collect(),
        })?;
    }
    Ok(reader.dump)
}

#[derive(Default)]
struct Reader {
    dump: Dump,
    /// Of kcpuid's subleaves.
    leaf: Option<u32>,
}

impl Reader {
    fn take(&mut self, line: &str) -> Result<(), Fault> {
        if line.is_empty() || line.starts_with(['#', '=']) || line.ends_with("Leafs :") {
            return Ok(());
        }
        if let Some(name) = line
            .strip_prefix("CPU")
            .and_then(|rest| rest.strip_suffix(':'))
        {
            self.dump.begin(name.trim());
            return Ok(());
        }
        let Some((of, answer)) = line.split_once(':') else {
            return self.numbers(line);
        };
        let (of, answer): (Vec<_>, _) = (of.split_whitespace().collect(), answer.trim());
        match of[..] {
            [leaf] if answer == "subleafs" || answer == "subleafs:" => {
                self.leaf = Some(number(leaf)?);
                Ok(())
            }
            [leaf, subleaf] => self
                .dump
                .add(number(leaf)?, number(subleaf)?, registers(answer)?),
            [leaf] if leaf.starts_with("0x") => {
                self.leaf = None;
                self.dump.add(number(leaf)?, 0, registers(answer)?)
            }
            [subleaf] => {
                // kcpuid counts them in decimal.
                let subleaf = subleaf.parse().map_err(|_| Fault::Unknown)?;
                let leaf = self.leaf.ok_or(Fault::Leafless)?;
                self.dump.add(leaf, subleaf, registers(answer)?)
            }
            _ => Err(Fault::Unknown),
        }
    }

    fn numbers(&mut self, line: &str) -> Result<(), Fault> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [leaf, subleaf, eax, ebx, ecx, edx] = words[..] else {
            return Err(Fault::Unknown);
        };
        let registers = Registers {
            eax: number(eax)?,
            ebx: number(ebx)?,
            ecx: number(ecx)?,
            edx: number(edx)?,
        };
        self.dump.add(number(leaf)?, number(subleaf)?, registers)
    }
}

/// "eax=0x1 ebx=0x2 ecx=0x3 edx=0x4", in capitals or not, with commas or without.
fn registers(answer: &str) -> Result<Registers, Fault> {
    let words: Vec<_> = answer
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .collect();
    let [eax, ebx, ecx, edx] = words[..] else {
        return Err(Fault::Registers);
    };
    let value = |word: &str, name: &str| {
        let (register, value) = word.split_once('=').ok_or(Fault::Registers)?;
        match register.eq_ignore_ascii_case(name) {
            true => number(value),
            false => Err(Fault::Registers),
        }
    };
    Ok(Registers {
        eax: value(eax, "eax")?,
        ebx: value(ebx, "ebx")?,
        ecx: value(ecx, "ecx")?,
        edx: value(edx, "edx")?,
    })
}

/// Hexadecimal, with 0x or without.
fn number(text: &str) -> Result<u32, Fault> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    // from_str_radix takes a sign.
    match digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => u32::from_str_radix(digits, 16).map_err(|_| Fault::Number),
        false => Err(Fault::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(eax: u32, ebx: u32, ecx: u32, edx: u32) -> Registers {
        Registers { eax, ebx, ecx, edx }
    }

    #[test]
    fn cpuid_r_is_read_with_its_cpus() {
        let dump = parse(
            "CPU 0:\n   0x00000000 0x00: eax=0x0000000d ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69\n\
             CPU 1:\n   0x00000004 0x1f: eax=0x00000001 ebx=0x00000002 ecx=0x00000003 edx=0x00000004\n",
        )
        .unwrap();
        let [(zero, first), (one, second)] = &dump.cpus[..] else {
            panic!("{dump:?}");
        };
        assert_eq!((zero.as_str(), one.as_str()), ("0", "1"));
        assert_eq!(
            first[&(0, 0)],
            registers(0xd, 0x756e_6547, 0x6c65_746e, 0x4965_6e69)
        );
        assert_eq!(second[&(4, 0x1f)], registers(1, 2, 3, 4));
        // `cpuid -1 -r`
        let dump = parse("CPU:\n 0x1 0x0: eax=0x1 ebx=0x2 ecx=0x3 edx=0x4\n").unwrap();
        assert_eq!(dump.cpus[0].0, "");
    }

    #[test]
    fn kcpuid_r_is_read_with_its_subleaves() {
        let dump = parse(
            "Basic Leafs :\n================\n\
             0x00000001: EAX=0x000906ea, EBX=0x00100800, ECX=0x7ffafbff, EDX=0xbfebfbff\n\
             0x00000004: subleafs:\n  0: EAX=0x1, EBX=0x2, ECX=0x3, EDX=0x4\n 10: EAX=0x5, EBX=0x6, ECX=0x7, EDX=0x8\n\
             Extended Leafs :\n0x80000000: EAX=0x80000008, EBX=0x0, ECX=0x0, EDX=0x0\n",
        )
        .unwrap();
        let answers = &dump.cpus[0].1;
        assert_eq!(answers[&(1, 0)].ecx, 0x7ffa_fbff);
        assert_eq!(answers[&(4, 10)], registers(5, 6, 7, 8));
        assert_eq!(answers[&(0x8000_0000, 0)].eax, 0x8000_0008);
    }

    #[test]
    fn plain_numbers_are_read() {
        let dump = parse("# mine\n\n7 0 00000002 0x219c07ab 18400f6e ac184410\n").unwrap();
        let found = dump.cpus[0].1[&(7, 0)];
        assert_eq!(found, registers(2, 0x219c_07ab, 0x1840_0f6e, 0xac18_4410));
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        for (line, fault) in [
            ("hello", Fault::Unknown),
            ("a b c: eax=0x1 ebx=0x2 ecx=0x3 edx=0x4", Fault::Unknown),
            ("1 0 1 2 3", Fault::Unknown),
            ("1 0 1 2 3 4 5", Fault::Unknown),
            ("1 0 1 2 3 x", Fault::Number),
            ("1 0 1 2 3 +4", Fault::Number),
            ("1 0 1 2 3 123456789", Fault::Number),
            ("1 0 1 2 3 0x", Fault::Number),
            ("0x1 0x0: eax=0x1 ebx=0x2 ecx=0x3", Fault::Registers),
            ("0x1 0x0: eax=0x1 ecx=0x2 ebx=0x3 edx=0x4", Fault::Registers),
            ("0x1 0x0: 1 2 3 4", Fault::Registers),
            ("0x1 0x0:", Fault::Registers),
            (" 0: EAX=0x1, EBX=0x2, ECX=0x3, EDX=0x4", Fault::Leafless),
            (":", Fault::Unknown),
            ("0 0 1 2 3 4", Fault::Again),
        ] {
            let error = parse(&format!("0 0 1 2 3 4\n{line}\n")).unwrap_err();
            let DumpError::Line {
                number,
                fault: found,
                ..
            } = &error
            else {
                panic!("{error}");
            };
            assert_eq!((*number, *found), (2, fault), "{line}");
        }
    }
}
