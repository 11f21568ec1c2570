// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes rust/cpuid-data/src/table.rs from cpuid.csv beside it, or takes a newer cpuid.csv.

mod rows;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use clap::Parser;
use sha2::{Digest, Sha256};

/// Of tools/arch/x86/kcpuid/cpuid.csv in Debian's linux-source-7.3, 7.3.4-1~bpo13+1.
const SHA256: &str = "ac5e14a17dced4e14740bb7e145ab9edfcfc3c582892936b77c913c284224674";

/// Writes rust/cpuid-data's table from the kernel's cpuid.csv
#[derive(Parser)]
struct Args {
    /// A newer tools/arch/x86/kcpuid/cpuid.csv, to be copied into rust/cpuid-data
    csv: Option<PathBuf>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../cpuid-data")
}

/// The table of a csv.
fn table_of(csv: &Path) -> Result<String> {
    let read = || -> Result<String> {
        let text = fs::read_to_string(csv)?;
        Ok(table::write(&rows::parse(&text)?))
    };
    read().with_context(|| csv.display().to_string())
}

fn main() -> Result<()> {
    let (kept, args) = (folder().join("cpuid.csv"), Args::parse());
    let table = table_of(args.csv.as_deref().unwrap_or(&kept))?;
    if let Some(csv) = &args.csv {
        fs::copy(csv, &kept)?;
    }
    fs::write(folder().join("src/table.rs"), table)?;
    let found = checksum(&kept)?;
    ensure!(
        found == SHA256,
        "cpuid.csv isn't the one that is pinned: if it is to be, SHA256 is {found}, and \
         cpuid-data's README says where it comes from"
    );
    Ok(())
}

fn checksum(path: &Path) -> Result<String> {
    Ok(hex::encode(Sha256::digest(fs::read(path)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_made_from_the_csv_that_is_pinned() {
        let csv = folder().join("cpuid.csv");
        assert_eq!(checksum(&csv).unwrap(), SHA256);
        let found = fs::read_to_string(folder().join("src/table.rs")).unwrap();
        assert!(
            table_of(&csv).unwrap() == found,
            "table.rs isn't what cpuid.csv gives: run `cargo run -p cpuid-table`"
        );
    }
}
