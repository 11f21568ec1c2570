// SPDX-License-Identifier: GPL-2.0-or-later
//! What CPUID's leaves, subleaves, registers and bits mean.
//!
//! [`LEAVES`] is the whole table; each leaf is a module, too, with a constant for each of its
//! fields: `leaf_7::INVPCID`. A [`Field`] reads itself from the four [`Registers`] that CPUID
//! answered for its leaf and subleaf. Leaves are written in hexadecimal, as the manuals have them.
//!
//! ```
//! use cpuid_data::{find, leaf_80000008, Registers};
//!
//! let answer = Registers { eax: 0x3028, ..Registers::default() };
//! assert_eq!(leaf_80000008::PHYS_ADDR_BITS.of(&answer), 40);
//! assert!(find("pcid").all(|field| field.leaf == 1));
//! ```
#![no_std]

use core::fmt;

#[rustfmt::skip]
mod table;

pub use table::*;

/// Where CPUID answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Register {
    /// EAX.
    Eax,
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX.
    Edx,
}

impl Register {
    /// All four, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Eax, Self::Ebx, Self::Ecx, Self::Edx];
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eax => "EAX",
            Self::Ebx => "EBX",
            Self::Ecx => "ECX",
            Self::Edx => "EDX",
        })
    }
}

/// What CPUID answered for one leaf and subleaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

impl Registers {
    /// The value of one.
    pub const fn get(&self, register: Register) -> u32 {
        match register {
            Register::Eax => self.eax,
            Register::Ebx => self.ebx,
            Register::Ecx => self.ecx,
            Register::Edx => self.edx,
        }
    }

    /// One of them, to be written.
    pub fn get_mut(&mut self, register: Register) -> &mut u32 {
        match register {
            Register::Eax => &mut self.eax,
            Register::Ebx => &mut self.ebx,
            Register::Ecx => &mut self.ecx,
            Register::Edx => &mut self.edx,
        }
    }
}

/// A bit, or bits that are one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// EAX before CPUID.
    pub leaf: u32,
    /// The least value of ECX before CPUID for which the answer has this field.
    pub first_subleaf: u32,
    /// The greatest one.
    pub last_subleaf: u32,
    /// Where it is in the answer.
    pub register: Register,
    /// Its highest bit, 0 to 31.
    pub high: u8,
    /// Its lowest bit, 0 to `high`.
    pub low: u8,
    /// What Linux calls it.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
}

impl Field {
    /// Whether it is one bit.
    pub const fn is_flag(&self) -> bool {
        self.high == self.low
    }

    /// Its bits in the register.
    pub const fn mask(&self) -> u32 {
        (u32::MAX >> (31 - (self.high - self.low))) << self.low
    }

    /// Its value in an answer.
    pub const fn of(&self, answer: &Registers) -> u32 {
        (answer.get(self.register) & self.mask()) >> self.low
    }

    /// Whether one of its bits is set in an answer.
    pub const fn is_set(&self, answer: &Registers) -> bool {
        self.of(answer) != 0
    }

    /// Whether CPUID answers with it when ECX was `subleaf`.
    pub const fn is_in(&self, subleaf: u32) -> bool {
        self.first_subleaf <= subleaf && subleaf <= self.last_subleaf
    }
}

/// Intel's notation, and the name: `CPUID.7.0:EBX[10] invpcid`. A field of several subleaves has
/// the first and the last.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPUID.{:X}.{:X}", self.leaf, self.first_subleaf)?;
        if self.last_subleaf != self.first_subleaf {
            write!(f, "-{:X}", self.last_subleaf)?;
        }
        write!(f, ":{}[{}", self.register, self.high)?;
        if !self.is_flag() {
            write!(f, ":{}", self.low)?;
        }
        write!(f, "] {}", self.name)
    }
}

/// A leaf.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// EAX before CPUID.
    pub number: u32,
    /// What it is about.
    pub title: &'static str,
    /// Its fields, of all subleaves: by subleaf, register and bit.
    pub fields: &'static [Field],
}

/// The leaf with this number, if the table has it.
pub fn leaf(number: u32) -> Option<&'static Leaf> {
    let index = LEAVES.binary_search_by_key(&number, |leaf| leaf.number);
    index.ok().map(|index| &LEAVES[index])
}

/// All fields, by leaf.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    LEAVES.iter().flat_map(|leaf| leaf.fields)
}

/// The fields that CPUID answers with for a leaf and a subleaf.
pub fn fields_of(number: u32, subleaf: u32) -> impl Iterator<Item = &'static Field> {
    let fields = leaf(number).map_or(&[][..], |leaf| leaf.fields);
    fields.iter().filter(move |field| field.is_in(subleaf))
}

/// The fields with this name; some names stand in several leaves.
pub fn find(name: &str) -> impl Iterator<Item = &'static Field> + '_ {
    fields().filter(move |field| field.name == name)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_where_the_manuals_have_them() {
        // Intel SDM volume 2, CPUID; AMD64 APM volume 3, appendix E.
        for (field, text) in [
            (leaf_1::PCID, "CPUID.1.0:ECX[17] pcid"),
            (leaf_7::INVPCID, "CPUID.7.0:EBX[10] invpcid"),
            (leaf_7::SMEP, "CPUID.7.0:EBX[7] smep"),
            (leaf_1::PGE, "CPUID.1.0:EDX[13] pge"),
            (leaf_1::CLFLUSH_SIZE, "CPUID.1.0:EBX[15:8] clflush_size"),
            (leaf_4::CACHE_LEVEL, "CPUID.4.0-1F:EAX[7:5] cache_level"),
            (leaf_80000001::SVM, "CPUID.80000001.0:ECX[2] svm"),
            (
                leaf_8000000a::SVM_NASID,
                "CPUID.8000000A.0:EBX[31:0] svm_nasid",
            ),
        ] {
            assert_eq!(field.to_string(), text);
        }
    }

    #[test]
    fn leaves_are_sorted_and_their_fields_are_theirs() {
        assert!(LEAVES.is_sorted_by(|a, b| a.number < b.number));
        for leaf in LEAVES {
            assert!(!leaf.fields.is_empty() && !leaf.title.is_empty());
            assert!(leaf.fields.iter().all(|field| field.leaf == leaf.number));
        }
    }

    #[test]
    fn no_bit_has_two_meanings() {
        for leaf in LEAVES {
            for (index, a) in leaf.fields.iter().enumerate() {
                for b in &leaf.fields[..index] {
                    let apart = a.first_subleaf > b.last_subleaf
                        || b.first_subleaf > a.last_subleaf
                        || a.register != b.register
                        || a.mask() & b.mask() == 0;
                    assert!(apart, "{a}, {b}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_leaf_has_no_fields() {
        assert!(leaf(3).is_none());
        assert_eq!(fields_of(3, 0).count(), 0);
        assert_eq!(fields_of(1, 1).count(), 0);
        assert_eq!(find("warp drive").count(), 0);
    }

    #[test]
    fn a_field_as_wide_as_a_register_has_all_of_it() {
        let answer = Registers {
            eax: 0xdead_beef,
            ..Registers::default()
        };
        assert_eq!(leaf_0::MAX_STD_LEAF.mask(), u32::MAX);
        assert_eq!(leaf_0::MAX_STD_LEAF.of(&answer), 0xdead_beef);
    }

    proptest! {
        /// Each bit of an answer is in one field at most, and fields put together are the answer
        /// as far as the table knows it.
        #[test]
        fn an_answer_is_its_fields(leaf in 0..LEAVES.len(), subleaf in 0u32..4, values: [u32; 4]) {
            let leaf = &LEAVES[leaf];
            let [eax, ebx, ecx, edx] = values;
            let answer = Registers { eax, ebx, ecx, edx };
            for register in Register::ALL {
                let of = || fields_of(leaf.number, subleaf).filter(|f| f.register == register);
                let known = of().fold(0, |known, field| known | field.mask());
                let together = of().fold(0, |value, field| value | field.of(&answer) << field.low);
                prop_assert_eq!(together, answer.get(register) & known);
            }
        }
    }
}
