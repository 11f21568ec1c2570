// SPDX-License-Identifier: GPL-2.0-or-later
//! A dump, of whatever format.

use std::collections::btree_map::{BTreeMap, Entry};

use cpuid_data::Registers;
use thiserror::Error;

use crate::{feature_words, text};

/// What a CPU answers, by leaf and subleaf.
pub type Answers = BTreeMap<(u32, u32), Registers>;

/// What a machine's CPUs answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// By what the dump calls them: nothing if it has one without a name.
    pub cpus: Vec<(String, Answers)>,
}

/// Why it isn't a dump.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DumpError {
    /// A line of it.
    #[error("line {number}: {fault}: {line:?}")]
    Line {
        /// Counts from 1.
        number: usize,
        /// What is wrong with it.
        fault: Fault,
        /// Its beginning.
        line: String,
    },
    /// JSON, but no feature words.
    #[error("{0}")]
    Json(String),
    /// Nothing in it.
    #[error("there is no leaf in it")]
    Empty,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// No format has such a line.
    #[error("this isn't a leaf's answer in any format that is known")]
    Unknown,
    /// A number that isn't one.
    #[error("a number isn't hexadecimal or has more than 32 bits")]
    Number,
    /// Not four registers.
    #[error("a leaf's answer has EAX, EBX, ECX and EDX")]
    Registers,
    /// A subleaf whose leaf isn't known.
    #[error("no leaf is named before this subleaf")]
    Leafless,
    /// Twice the same.
    #[error("this CPU has answered for the same leaf and subleaf before")]
    Again,
}

impl Dump {
    /// Takes a dump in any of the formats.
    pub fn parse(input: &str) -> Result<Self, DumpError> {
        let input = input.trim_start_matches('\u{feff}');
        let dump = if input.trim_start().starts_with(['{', '[']) {
            feature_words::parse(input)?
        } else {
            text::parse(input)?
        };
        match dump.cpus.iter().any(|(_, answers)| !answers.is_empty()) {
            true => Ok(dump),
            false => Err(DumpError::Empty),
        }
    }

    /// Begins another CPU.
    pub fn begin(&mut self, name: &str) {
        self.cpus.push((name.into(), Answers::new()));
    }

    /// Adds what the last CPU answered.
    pub fn add(&mut self, leaf: u32, subleaf: u32, registers: Registers) -> Result<(), Fault> {
        if self.cpus.is_empty() {
            self.begin("");
        }
        let index = self.cpus.len() - 1;
        match self.cpus[index].1.entry((leaf, subleaf)) {
            Entry::Vacant(entry) => {
                entry.insert(registers);
                Ok(())
            }
            Entry::Occupied(_) => Err(Fault::Again),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    /// An answer in each format of lines.
    fn lines(answers: &Answers) -> [String; 2] {
        let (mut cpuid, mut numbers) = (String::new(), String::new());
        for ((leaf, subleaf), Registers { eax, ebx, ecx, edx }) in answers {
            let _ = writeln!(
                cpuid,
                "   {leaf:#010x} {subleaf:#04x}: eax={eax:#010x} ebx={ebx:#010x} ecx={ecx:#010x} edx={edx:#010x}"
            );
            let _ = writeln!(
                numbers,
                "{leaf:x} {subleaf:x} {eax:08x} {ebx:x} {ecx:#x} {edx:X}"
            );
        }
        [cpuid, numbers]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            answers in btree_map(any::<(u32, u32)>(), any::<[u32; 4]>(), 1..20)
        ) {
            let answers: Answers = answers
                .into_iter()
                .map(|(place, [eax, ebx, ecx, edx])| (place, Registers { eax, ebx, ecx, edx }))
                .collect();
            for text in lines(&answers) {
                let dump = Dump::parse(&text).unwrap();
                prop_assert_eq!(&dump.cpus[0].1, &answers);
            }
        }

        #[test]
        fn nothing_is_too_odd(text in "[ -~\n]{0,80}") {
            let _ = Dump::parse(&text);
        }

        #[test]
        fn nor_is_what_looks_like_a_dump(text in "(CPU|0x|[0-9a-f]|e[abcd]x=|[:,= \n]|subleafs:|é){0,30}") {
            let _ = Dump::parse(&text);
        }
    }
}
