// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the snapshot is before a load: in the page cache or not, or on another host.

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
    /// On an NBD server, and nothing of it here: see [`Far`](super::far::Far).
    Far,
}

impl Cache {
    /// Those of a file on this host.
    pub const NEAR: &'static [Self] = &[Self::Warm, Self::Cold];

    /// Brings the file there. A server's own reads aren't to differ from run to run.
    pub fn prepare(self, path: &Path) -> Result<()> {
        match self {
            Self::Warm | Self::Far => warm(path),
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
