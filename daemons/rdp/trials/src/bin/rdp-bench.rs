// SPDX-License-Identifier: GPL-2.0-or-later
//! What `make bench-rdp` asks for figures: a line on standard input says `CASE MODE COUNT`, and
//! a line of JSON answers it (see [`rdp_trials::measure`]). Cases are a scene's name or `keys`,
//! modes `rdp`, `vnc-raw`, `vnc-zrle` and `vnc-tight`. The argument is a folder for logs. Each
//! line has a QEMU of its own.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use annex_qtest::files::Dir;
use anyhow::{bail, Context, Result};
use rdp_trials::gallery::Scene;
use rdp_trials::measure::{Rig, Way};
use rdp_trials::vnc::Encoding;

fn answer(dir: &Dir, line: &str) -> Result<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [case, mode, count] = words[..] else {
        bail!("CASE MODE COUNT is expected, not {line:?}");
    };
    let way = match mode {
        "rdp" => Way::Rdp,
        "vnc-raw" => Way::Vnc(Encoding::Raw),
        "vnc-zrle" => Way::Vnc(Encoding::Zrle),
        "vnc-tight" => Way::Vnc(Encoding::Tight),
        other => bail!("there is no mode {other:?}"),
    };
    let count = count.parse()?;
    let mut rig = Rig::start(dir, way)?;
    let figures = if case == "keys" {
        rig.keys(count)?
    } else {
        let named = |scene: &Scene| format!("{scene:?}").to_lowercase() == case;
        let scene = Scene::ALL.into_iter().find(named);
        rig.pictures(
            scene.with_context(|| format!("there is no case {case:?}"))?,
            count,
        )?
    };
    Ok(figures.json().to_string())
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("a folder for logs")?;
    let dir = Dir::at(PathBuf::from(folder))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = answer(&dir, &line).with_context(|| line.clone())?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
