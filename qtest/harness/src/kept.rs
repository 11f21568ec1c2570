// SPDX-License-Identifier: GPL-2.0-or-later
//! Snapshots that are kept between runs: what the demo and the bench load.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::console::Tick;
use crate::error::MachineFailure;
use crate::files::{self, Dir};
use crate::qemu::Config;
use crate::{snapshot, stream};

/// The seed of the data in every kept snapshot.
pub const SEED: u64 = 11;

/// How much of the guest's memory is made incompressible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// As good as all.
    Full,
    /// This many MiB.
    Mib(u64),
}

/// A snapshot of a guest that ran.
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// Its directory, also for the logs of those who load it.
    pub dir: Dir,
    /// The machine it was saved from.
    pub config: Config,
    /// The guest's nonce.
    pub nonce: String,
    /// The guest's counter before the save.
    pub counter: u64,
}

impl Kept {
    /// The snapshot build/`place`/snapshot, made if it isn't there or was made
    /// from something else. `say` is told of each step before it is taken.
    pub fn get(place: &str, mib: u64, fill: Fill, say: &dyn Fn(&str)) -> Result<Self> {
        let config = Config::new(mib)?;
        let dir = Dir::at(files::top().join("build").join(place))?;
        let path = dir.file("snapshot");
        let notes = dir.file("notes.json");
        let made_from = format!(
            "{config:?} {fill:?} {} {}",
            stream::sha256_of(&config.guest.kernel)?,
            stream::sha256_of(&config.guest.initramfs)?
        );
        if let Ok(text) = fs::read_to_string(&notes) {
            let known: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if known["made-from"] == made_from.as_str() && path.exists() {
                say("kept from an earlier run");
                let nonce = known["nonce"]
                    .as_str()
                    .context("notes.json has a nonce")?
                    .to_owned();
                let counter = known["counter"]
                    .as_u64()
                    .context("notes.json has a counter")?;
                return Ok(Self {
                    path,
                    dir,
                    config,
                    nonce,
                    counter,
                });
            }
            fs::remove_file(&notes)?;
        }
        let _ = fs::remove_file(&path);
        needs_room(&dir, mib)?;

        let start = Instant::now();
        say(&format!("booting a guest with {mib} MiB of RAM ..."));
        let vm = config.boot("source", &dir)?;
        let fill_mib = match fill {
            // The kernel keeps a reserve, and tmpfs has its own limit.
            Fill::Full => vm.agent.available_kib()? / 1024 * 93 / 100,
            Fill::Mib(mib) => mib,
        };
        if fill_mib > 0 {
            say(&format!(
                "filling {fill_mib} MiB of it with data that doesn't compress ..."
            ));
            vm.agent.fill(SEED, fill_mib)?;
            // A tick then tells that the guest works with what it has in memory.
            vm.agent.ask(&format!("roam {SEED}"))?;
        }
        // Fine ticks: they tell when the guest first shows life.
        vm.agent.ask("tick 5")?;
        let (nonce, counter) = (vm.agent.nonce()?, vm.agent.counter()?);
        say("saving it while it runs ...");
        snapshot::save(&vm, &path)?;
        vm.quit()?;
        say(&format!("made in {:.0} s", start.elapsed().as_secs_f64()));
        let text = json!({ "made-from": made_from, "nonce": nonce, "counter": counter });
        fs::write(notes, format!("{text:#}\n"))?;
        Ok(Self {
            path,
            dir,
            config,
            nonce,
            counter,
        })
    }
}

impl Kept {
    /// Checks that a tick is of the guest that was saved, going on.
    pub fn check(&self, tick: &Tick) -> Result<()> {
        ensure!(
            tick.nonce == self.nonce,
            "this isn't the guest that was saved: {tick:?}"
        );
        ensure!(
            tick.number > self.counter,
            "the guest's counter went back: {tick:?}"
        );
        Ok(())
    }
}

/// The file has no more than the guest's RAM; half a GiB stays free.
fn needs_room(dir: &Dir, mib: u64) -> Result<()> {
    let disk = rustix::fs::statvfs(dir.path())?;
    let free_mib = (disk.f_bavail * disk.f_frsize) >> 20;
    ensure!(
        free_mib >= mib + 512,
        MachineFailure(format!(
            "{} has {free_mib} MiB free, a snapshot takes up to {mib}: free some",
            dir.path().display()
        ))
    );
    Ok(())
}
