// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's second serial port: commands to guest/agent.c.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

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
        Ok(Self {
            lines,
            writer: stream,
        })
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
        let answer = self
            .lines
            .wait(from, &what, limit, |line| Some(line.text.clone()))?;
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
        self.ask_within(&format!("fill {seed} {mib}"), LONG)
            .map(drop)
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

    /// Has the guest's shell run `command`; its exit status and all it wrote.
    pub fn run(&self, command: &str) -> Result<(i32, String)> {
        self.run_within(command, LONG)
    }

    /// The same with a limit of one's own.
    pub fn run_within(&self, command: &str, limit: Duration) -> Result<(i32, String)> {
        ensure!(!command.contains('\n'), "a command is a line: {command:?}");
        let answer = self.ask_within(&format!("run {command}"), limit)?;
        let (status, text) = answer.split_once(' ').unwrap_or((&answer, ""));
        Ok((status.parse().context("an exit status")?, unescape(text)))
    }

    /// Has the guest's shell run `command`, which must succeed; what it wrote,
    /// without the last newline.
    pub fn sh(&self, command: &str) -> Result<String> {
        let (status, text) = self.run(command)?;
        ensure!(
            status == 0,
            "in the guest, \"{command}\" ended with {status}: {text}"
        );
        Ok(text.trim_end().to_owned())
    }

    /// The guest's CLOCK_REALTIME in ns, or what a PTP device of its says. No
    /// process has to start for it.
    pub fn time(&self, ptp: Option<&str>) -> Result<u64> {
        let command = ptp.map_or("time".into(), |device| format!("time {device}"));
        number(&self.ask(&command)?)
    }

    /// KiB of RAM that the guest could still use.
    pub fn available_kib(&self) -> Result<u64> {
        number(&self.ask("available")?)
    }
}

/// Undoes what guest/agent.c does to the output of a command.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' if chars.next() == Some('n') => '\n',
            other => other,
        });
    }
    plain
}

fn number(text: &str) -> Result<u64> {
    text.parse()
        .with_context(|| format!("not a number from the guest: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn lines_come_back() {
        assert_eq!(unescape(r"a\nb\\n\\\n"), "a\nb\\n\\\n");
    }
}
