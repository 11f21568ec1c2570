// SPDX-License-Identifier: GPL-2.0-or-later
//! What QEMU could do before: the rival, and proof that the harness sees
//! right and wrong.

use annex_qtest::files::Dir;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::Result;

use crate::fixture::Fixture;

inventory::submit! { Family(|add| {
    add("snapshot/eager".into(), Box::new(|dir| carries_on(dir, Mode::Eager)));
    add("snapshot/multifd".into(), Box::new(|dir| carries_on(dir, Mode::Multifd(2))));
}) }

fn carries_on(dir: &Dir, mode: Mode) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = snapshot::load_whole(&fixture.config, "restored", dir, &fixture.path, mode)?;
    fixture.check(&vm)?;
    vm.quit()
}
