// SPDX-License-Identifier: GPL-2.0-or-later
//! A snapshot on another host, as docs/fast-snapshot-load.md has it: an NBD server, a
//! millisecond away, and qemu-storage-daemon, which shows it here with an empty cache.

use std::time::Duration;

use annex_qtest::elsewhere::{fuse_daemon, Daemon, Distant, Nbd, Server, Shown};
use annex_qtest::error::Skip;
use annex_qtest::kept::Kept;
use anyhow::Result;

use super::cache::Cache;
use super::cases::Case;

/// What an answer of the server takes longer.
pub const DELAY: Duration = Duration::from_millis(1);

/// The server of one kept snapshot.
pub struct Far<'a> {
    kept: &'a Kept,
    server: Distant,
    _daemon: Daemon,
}

impl<'a> Far<'a> {
    /// Serves it.
    pub fn of(kept: &'a Kept) -> Result<Self> {
        let server = Distant::by(DELAY, Nbd::of(&kept.path, &kept.dir), &kept.dir)?;
        let daemon = server.serve(&kept.dir)?;
        Ok(Self {
            kept,
            server,
            _daemon: daemon,
        })
    }

    /// Shows it here, where nothing of it is.
    pub fn show(&self) -> Result<Shown> {
        let size = self.kept.path.metadata()?.len();
        Shown::start(&self.kept.dir, &self.server, size)
    }
}

/// Leaves far cases out where nothing can show a file of another host, and says why.
pub fn that_can_be(mut cases: Vec<Case>) -> Result<Vec<Case>> {
    match fuse_daemon().map_err(|error| error.downcast::<Skip>()) {
        Ok(_) => {}
        Err(Ok(Skip(why))) => {
            println!("a snapshot on another host is left out: {why}");
            cases.retain(|case| case.cache != Cache::Far);
        }
        Err(Err(error)) => return Err(error),
    }
    Ok(cases)
}
