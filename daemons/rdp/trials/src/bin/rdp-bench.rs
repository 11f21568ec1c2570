// SPDX-License-Identifier: GPL-2.0-or-later
//! What `make bench-rdp` asks for figures: a line on standard input says `CASE MODE COUNT`, and
//! a line of JSON answers it. The argument is a folder for logs.
//!
//! | cases | modes | |
//! |---|---|---|
//! | a scene's name, `keys` | `rdp`, `vnc-raw`, `vnc-zrle`, `vnc-tight` | [`rdp_trials::measure`]; a QEMU of its own for each line |
//! | `usb-control`, `usb-read`, `usb-write` | `rdp`, `socket` | [`rdp_trials::usb_measure`]; one guest for all lines |

use std::io::{BufRead, Write};
use std::path::PathBuf;

use annex_qtest::files::Dir;
use anyhow::{bail, Context, Result};
use rdp_trials::gallery::Scene;
use rdp_trials::vnc::Encoding;
use rdp_trials::{measure, usb_measure};
use serde_json::Value;

struct Bench {
    dir: Dir,
    /// The guest with sticks, once it was asked for.
    usb: Option<usb_measure::Rig>,
}

impl Bench {
    fn answer(&mut self, line: &str) -> Result<Value> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [case, mode, count] = words[..] else {
            bail!("CASE MODE COUNT is expected, not {line:?}");
        };
        let count = count.parse()?;
        match case.strip_prefix("usb-") {
            Some(work) => self.usb(work, mode, count),
            None => self.screen(case, mode, count),
        }
    }

    fn screen(&self, case: &str, mode: &str, count: usize) -> Result<Value> {
        use measure::{Rig, Way};
        let way = match mode {
            "rdp" => Way::Rdp,
            "vnc-raw" => Way::Vnc(Encoding::Raw),
            "vnc-zrle" => Way::Vnc(Encoding::Zrle),
            "vnc-tight" => Way::Vnc(Encoding::Tight),
            other => bail!("there is no mode {other:?}"),
        };
        let mut rig = Rig::start(&self.dir, way)?;
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
        Ok(figures.json())
    }

    fn usb(&mut self, work: &str, mode: &str, count: usize) -> Result<Value> {
        use usb_measure::{Rig, Way, Work};
        let way = match mode {
            "rdp" => Way::Rdp,
            "socket" => Way::Socket,
            other => bail!("there is no mode {other:?} of USB"),
        };
        let named = |it: &Work| it.name() == work;
        let work = Work::ALL
            .into_iter()
            .find(named)
            .with_context(|| format!("there is no case {work:?} of USB"))?;
        let rig = match &self.usb {
            Some(rig) => rig,
            None => self.usb.insert(Rig::start(&self.dir)?),
        };
        Ok(rig.run(way, work, count)?.json())
    }
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("a folder for logs")?;
    let dir = Dir::at(PathBuf::from(folder))?;
    let mut bench = Bench { dir, usb: None };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = bench.answer(&line).with_context(|| line.clone())?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
