// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's first serial port: kernel messages and the agent's ticks.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lines::Lines;

/// A sign of life, as guest/agent.c prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When it was read here.
    pub at: Instant,
    /// Counts on as long as the guest lives.
    pub number: u64,
    /// Drawn once per boot.
    pub nonce: String,
}

/// What the guest prints. QEMU writes it to the console's log as well.
pub struct Console {
    lines: Lines,
}

impl Console {
    /// Listens from now on.
    pub fn over(stream: UnixStream) -> Self {
        Self {
            lines: Lines::read_from(stream, "the console"),
        }
    }

    /// A place in the output, to wait from.
    pub fn now(&self) -> usize {
        self.lines.count()
    }

    /// Waits until a guest that boots after `from` (see [`Console::now`]) is in user space
    /// with its agent listening, which says so once.
    pub fn wait_ready(&self, from: usize, limit: Duration) -> Result<()> {
        self.lines.wait(from, "\"agent: ready\"", limit, |line| {
            line.text.ends_with("agent: ready").then_some(())
        })
    }

    /// The first whole tick, since `from` (see [`Console::now`]), that comes
    /// after tick number `after`.
    pub fn wait_tick(&self, from: usize, after: u64, limit: Duration) -> Result<Tick> {
        self.lines.wait(
            from,
            &format!("a tick after number {after}"),
            limit,
            |line| {
                let (number, nonce) = parse_tick(&line.text)?;
                (number > after).then_some(Tick {
                    at: line.at,
                    number,
                    nonce,
                })
            },
        )
    }
}

/// "agent: tick N nonce X". A line cut off by a save isn't one.
fn parse_tick(text: &str) -> Option<(u64, String)> {
    let (number, nonce) = text.strip_prefix("agent: tick ")?.split_once(" nonce ")?;
    (nonce.len() == 16).then_some((number.parse().ok()?, nonce.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_tick_is_none() {
        let nonce = "0123456789abcdef";
        let whole = format!("agent: tick 7 nonce {nonce}");
        assert_eq!(parse_tick(&whole), Some((7, nonce.to_owned())));
        assert_eq!(parse_tick("ent: tick 7 nonce 0123456789abcdef"), None);
        assert_eq!(parse_tick("agent: tick 7 nonce 01234"), None);
    }
}
