// SPDX-License-Identifier: GPL-2.0-or-later
//! What it tells the test: a line on standard output for each fact.

use std::io::Write;

/// Tells a fact: a keyword and what there is to it. A test that is gone
/// needs no facts.
pub fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}
