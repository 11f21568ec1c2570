// SPDX-License-Identifier: GPL-2.0-or-later
//! The page cache, with the snapshot in it or not.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Result;
use rustix::fs::{fadvise, Advice};
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

/// POSIX_FADV_DONTNEED drops the pages of a file that are clean; no root needed.
fn drop_from_cache(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed).map_err(io::Error::from)?;
    Ok(())
}
