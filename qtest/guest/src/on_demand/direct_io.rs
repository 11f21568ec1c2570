// SPDX-License-Identifier: GPL-2.0-or-later
//! A load that leaves the page cache alone.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use annex_qtest::error::Skip;
use annex_qtest::files::{drop_from_cache, Dir};
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use mapped_ram::source::{FileSource, PageSource};

use crate::fixture::Fixture;

const MIB: u64 = 1 << 20;

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/direct-io".into(), Box::new(direct_io));
}) }

/// A guest at work has every word of its data, and hardly a page of its snapshot came to the page
/// cache: headers, bitmaps and the devices' state.
fn direct_io(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let path = fixture.copy_into(dir)?;
    drop_from_cache(&path)?;
    let (before, all) = cached(&path, 0)?;
    if before > all / 2 {
        return Err(Skip("the snapshot stays in memory, as on tmpfs".into()).into());
    }
    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::Direct)?;
    snapshot::begin(&vm, &path)?.wait_loaded()?;
    fixture.check(&vm)?;
    // Beside the pages that were looked at before, as looking brings them there.
    let (after, all) = cached(&path, MIB / 2)?;
    dir.log(format!("in the page cache: {after} of {all} pages"));
    ensure!(after <= all / 20, "{after} of {all} pages are cached");
    vm.quit()
}

/// How many pages, one of each MiB of the file, are in the page cache, and of how many.
fn cached(path: &Path, first: u64) -> Result<(usize, usize)> {
    let source = FileSource::new(File::open(path)?.as_fd())?;
    let offsets = || (first..source.size().unwrap_or(0)).step_by(MIB as usize);
    let is_cached = |offset: &u64| source.read_cached(&mut [0; 16], *offset) > 0;
    Ok((offsets().filter(is_cached).count(), offsets().count()))
}
