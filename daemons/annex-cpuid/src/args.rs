// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line.

use std::path::PathBuf;

use clap::Parser;
use cpuid_data::{find, Field};

/// Says what a dump of CPUID means
///
/// A dump is one of these, told apart by itself:
///   - what `cpuid -r` and `kcpuid -r` print
///   - lines of six hexadecimal numbers: leaf, subleaf, EAX, EBX, ECX, EDX
///   - QMP's answer to qom-get of a CPU's "feature-words", with or without {"return": …}
///
/// Printed are flags that are set and numbers that aren't 0. Leaves are in hexadecimal.
#[derive(Debug, Parser)]
#[command(name = "annex-cpuid", version, verbatim_doc_comment)]
pub struct Args {
    /// The dump; "-" is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub file: PathBuf,

    /// Print flags that are clear and numbers that are 0, too
    #[arg(short, long)]
    pub all: bool,

    /// Print this leaf only, in hexadecimal: 7, 80000008
    #[arg(short, long, value_name = "LEAF", value_parser = hexadecimal)]
    pub leaf: Option<u32>,

    /// Print nothing but which of these fields a CPU lacks; the exit status is 1 if there is one
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = known, conflicts_with_all = ["all", "leaf"])]
    pub has: Vec<Field>,

    /// Print the fields that are known, and read no dump
    #[arg(long, conflicts_with_all = ["file", "all", "leaf", "has"])]
    pub list: bool,
}

impl Args {
    /// What the dump is called in messages.
    pub fn name(&self) -> String {
        if self.file.as_os_str() == "-" {
            "standard input".into()
        } else {
            self.file.display().to_string()
        }
    }
}

fn hexadecimal(text: &str) -> Result<u32, std::num::ParseIntError> {
    u32::from_str_radix(text.trim_start_matches("0x"), 16)
}

/// The first of several places that have a name is the one that is meant: those in AMD's leaves
/// repeat those in Intel's.
fn known(name: &str) -> Result<Field, String> {
    find(name)
        .next()
        .copied()
        .ok_or_else(|| "no field has this name; --list prints those there are".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_manual_has_every_option_and_no_other() {
        installed::check_manual(include_str!("../annex-cpuid.1"), &Args::command());
    }

    #[test]
    fn fields_and_leaves_are_known() {
        let args = Args::try_parse_from(["x", "--has", "pcid,invpcid", "f"]).unwrap();
        assert_eq!(
            args.has,
            [cpuid_data::leaf_1::PCID, cpuid_data::leaf_7::INVPCID]
        );
        let args = Args::try_parse_from(["x", "-l", "0x80000008"]).unwrap();
        assert_eq!(
            (args.leaf, args.name()),
            (Some(0x8000_0008), "standard input".into())
        );
        for wrong in [["x", "--has=warp"], ["x", "-l=100000000"], ["x", "-l="]] {
            assert!(Args::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
