// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's second serial port: commands to guest/agent.c.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::lines::Lines;

/// Half a GiB takes SHA-256 20 s under TCG; a host with more to do than CPUs
/// may take many times that.
const LONG: Duration = Duration::from_secs(600);

/// The agent of a guest that is up, or that a snapshot will bring.
pub struct Agent {
    lines: Lines,
    writer: UnixStream,
}

impl Agent {
    /// Listens from now on.
    pub fn over(stream: UnixStream) -> Result<Self> {
        let lines = Lines::read_from(stream.try_clone()?, "the agent's port");
        Ok(Self { lines, writer: stream })
    }

    /// Gives a command (see guest/agent.c); the answer without its "ok".
    pub fn ask(&self, command: &str) -> Result<String> {
        self.ask_within(command, LONG)
    }

    /// The same with a limit of one's own.
    pub fn ask_within(&self, command: &str, limit: Duration) -> Result<String> {
        let from = self.lines.count();
        // If QEMU is gone, the wait below says so.
        let _ = writeln!(&self.writer, "{command}");
        let what = format!("the answer to \"{command}\"");
        let answer = self.lines.wait(from, &what, limit, |line| Some(line.text.clone()))?;
        match answer.strip_prefix("ok") {
            Some(result) => Ok(result.trim().to_owned()),
            None => bail!("the guest's answer to \"{command}\": {answer}"),
        }
    }

    /// The number drawn at boot.
    pub fn nonce(&self) -> Result<String> {
        self.ask("nonce")
    }

    /// Ticks since boot.
    pub fn counter(&self) -> Result<u64> {
        number(&self.ask("counter")?)
    }

    /// Fills `mib` MiB of the guest's tmpfs with stream(`seed`).
    pub fn fill(&self, seed: u64, mib: u64) -> Result<()> {
        self.ask_within(&format!("fill {seed} {mib}"), LONG).map(drop)
    }

    /// Has every word that [`Agent::fill`] wrote compared with the stream.
    pub fn verify(&self, seed: u64) -> Result<()> {
        self.ask_within(&format!("verify {seed}"), LONG).map(drop)
    }

    /// SHA-256 of the filled file, computed by the guest's busybox.
    pub fn sha256(&self) -> Result<String> {
        self.ask("sha256")
    }

    /// Rounds of the churn so far; an error if it ever found a page wrong.
    pub fn churned(&self) -> Result<u64> {
        let answer = self.ask("churned")?;
        let (rounds, bad) = answer.split_once(' ').context("two numbers")?;
        if number(bad)? != 0 {
            bail!("{bad} pages of the churn were wrong in {rounds} rounds");
        }
        number(rounds)
    }

    /// KiB of RAM that the guest could still use.
    pub fn available_kib(&self) -> Result<u64> {
        number(&self.ask("available")?)
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("not a number from the guest: {text:?}"))
}
