// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether the daemon starts.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::Result;

use crate::rig::Daemon;

inventory::submit! { Family(|add| {
    add("rtc/start".into(), Box::new(starts));
}) }

fn starts(dir: &Dir) -> Result<()> {
    Daemon::start(dir, "daemon", &[])?.kill()
}
