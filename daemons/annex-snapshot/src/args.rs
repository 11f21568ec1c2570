// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Shows what a mapped-ram snapshot holds; holds one in memory for VMs to share; shows, merges and
/// trims working sets.
///
/// Exits with 1 if a snapshot isn't known to be whole, and with 2 if something can't be done.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What a snapshot holds: its RAM blocks, and whether it is whole
    Show(SnapshotFile),
    /// Keep a snapshot in memory, sealed, for VMs to map (mapped-ram-backing=map): prints where it is
    /// and stays until it is killed. VMs that have mapped it keep it
    Hold(SnapshotFile),
    /// Working sets: which pages of a snapshot a load brings first
    #[command(subcommand)]
    WorkingSet(SetCommand),
}

/// A snapshot that was saved with the capability mapped-ram.
#[derive(Debug, Args)]
pub struct SnapshotFile {
    /// The snapshot
    pub snapshot: PathBuf,
    /// Where in the file it begins, as in QEMU's file:PATH,offset=BYTES
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = size)]
    pub offset: u64,
}

#[derive(Debug, Subcommand)]
pub enum SetCommand {
    /// What a working set holds, and whether it is a snapshot's
    Show {
        /// The working set
        set: PathBuf,
        /// Tell whether it belongs to this snapshot, and fail if it doesn't
        #[arg(long, value_name = "FILE")]
        snapshot: Option<PathBuf>,
        /// Where in its file the snapshot begins
        #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = size,
              requires = "snapshot")]
        offset: u64,
        /// List its pages, in the order in which they were touched
        #[arg(long)]
        pages: bool,
    },
    /// Make one working set of several of the same snapshot
    Merge {
        /// Where to write it: the file is replaced as a whole
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// The working sets
        #[arg(required = true)]
        sets: Vec<PathBuf>,
    },
    /// Leave out what isn't worth bringing first
    Trim {
        /// Where to write it, which may be the same file
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Keep so many bytes at most, those that were touched first; K, M and G are powers of 1024
        #[arg(long, value_name = "SIZE", value_parser = size)]
        bytes: Option<u64>,
        /// Keep only what was brought for the guest in so many of the recorded loads, 1 to 255
        #[arg(long, value_name = "N", default_value_t = 1,
              value_parser = clap::value_parser!(u8).range(1..))]
        loads: u8,
        /// Keep only what was touched, and not what came along
        #[arg(long)]
        touched: bool,
        /// The working set
        set: PathBuf,
    },
}

/// A number of bytes, perhaps in K, M, G or T.
fn size(text: &str) -> Result<u64, String> {
    let shift = match text.bytes().last().map(|byte| byte.to_ascii_uppercase()) {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => 0,
    };
    let digits = &text[..text.len() - usize::from(shift > 0)];
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("'{text}' is no number of bytes"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("'{text}' is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_manual_has_every_option_and_no_other() {
        installed::check_manual(include_str!("../annex-snapshot.1"), &Cli::command());
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("0", 0), ("512", 512), ("3k", 3072), ("2G", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for text in ["", "K", "-1", "1.5M", "16777216T", "é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
