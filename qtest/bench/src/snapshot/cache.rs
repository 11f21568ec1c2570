// SPDX-License-Identifier: GPL-2.0-or-later
//! The page cache, with the snapshot in it or not.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use annex_qtest::files::drop_from_cache;
use anyhow::Result;
use strum::{Display, VariantArray};

/// Where the snapshot's pages are before a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Cache {
    /// In the page cache.
    Warm,
    /// On the disk only, as far as this kernel knows.
    Cold,
}

impl Cache {
    /// Brings the file there.
    pub fn prepare(self, path: &Path) -> Result<()> {
        match self {
            Self::Warm => warm(path),
            Self::Cold => drop_from_cache(path),
        }
    }
}

/// Reads the whole file.
pub fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 1 << 20];
    while file.read(&mut chunk)? > 0 {}
    Ok(())
}
