// SPDX-License-Identifier: GPL-2.0-or-later
//! The hostile back-end of this package, as a process.

use std::path::PathBuf;
use std::process::Command;

pub use annex_peers::backend::{image, socket, Backend};
use annex_qtest::files::Dir;
use anyhow::Result;

/// Back-ends that are the hostile one.
pub trait Hostile: Sized {
    /// The hostile one, with an attack and more options.
    fn hostile(dir: &Dir, name: &str, attack: &str, options: &[&str]) -> Result<Self> {
        Self::hostile_at(dir, name, attack, options, socket(dir, name)?)
    }

    /// The same, on another's socket.
    fn hostile_at(
        dir: &Dir,
        name: &str,
        attack: &str,
        options: &[&str],
        socket: PathBuf,
    ) -> Result<Self>;
}

impl Hostile for Backend {
    fn hostile_at(
        dir: &Dir,
        name: &str,
        attack: &str,
        options: &[&str],
        socket: PathBuf,
    ) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostile-backend"));
        command
            .arg("--socket")
            .arg(&socket)
            .args(["--attack", attack])
            .args(options);
        Self::start(command, dir, name, socket)
    }
}
