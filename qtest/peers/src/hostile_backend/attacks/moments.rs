// SPDX-License-Identifier: GPL-2.0-or-later
//! Too early, too late, too often, never again.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use rustix::process::{getpid, kill_process, Signal};

use super::{Attack, Hit, Strike, Then};
use crate::hostile_backend::report::say;
use crate::hostile_backend::session::Session;
use crate::vhost_user::wire::{packet, to_qemu, Code, Message, VERSION};
use crate::vhost_user::Memory;

pub const ALL: &[Attack] = &[
    Attack::new(
        "stall",
        "nothing comes back any more",
        Strike::Request(stall),
    ),
    Attack::new(
        "keep",
        "a request that comes back when its queue has been stopped and started",
        Strike::Request(keep),
    ),
    Attack::new(
        "mute",
        "no answer when a queue is stopped",
        Strike::Message(Code::GET_VRING_BASE, mute),
    ),
    Attack::new(
        "call-storm",
        "calls, for seconds, without a pause",
        Strike::Request(call_storm),
    ),
    Attack::new(
        "config-storm",
        "says its configuration changed, 5000 times",
        Strike::Request(config_storm),
    ),
    Attack::new(
        "die",
        "killed with a request in flight",
        Strike::Request(die),
    ),
    Attack::new(
        "close",
        "hangs up with a request in flight",
        Strike::Request(close),
    ),
    Attack::new(
        "unasked",
        "garbage on the socket that nobody asked for",
        Strike::Request(unasked),
    ),
];

/// How long a storm lasts.
const STORM: Duration = Duration::from_secs(5);

fn stall(session: &mut Session, _: &Hit, _: &Memory) -> Result<Then> {
    session.stalled = true;
    Ok(Then::Nothing)
}

fn keep(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    session.kept = Some((hit.queue, hit.chain.head, hit.len));
    Ok(Then::Nothing)
}

fn mute(_: &mut Session, _: &Message) -> Result<()> {
    loop {
        thread::park();
    }
}

fn call_storm(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    let call = session.rings[hit.queue]
        .call
        .as_ref()
        .context("a ring without calls")?;
    let mut call = call.try_clone()?;
    thread::spawn(move || {
        let start = Instant::now();
        let mut count = 0u64;
        while start.elapsed() < STORM && call.write_all(&1u64.to_ne_bytes()).is_ok() {
            count += 1;
        }
        say(format!("called {count}"));
    });
    Ok(Then::Give(hit.len))
}

fn config_storm(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    const COUNT: u64 = 5000;
    let mut back = session
        .back
        .take()
        .context("no connection for requests of its own")?;
    thread::spawn(move || {
        let message = packet(to_qemu::CONFIG_CHANGE, VERSION, &[]);
        let sent = (0..COUNT)
            .take_while(|_| back.raw(&message, &[]).is_ok())
            .count();
        say(format!("stormed {sent}"));
        // Hanging up would end what isn't read yet.
        thread::park();
    });
    Ok(Then::Give(hit.len))
}

fn die(_: &mut Session, _: &Hit, _: &Memory) -> Result<Then> {
    kill_process(getpid(), Signal::KILL)?;
    bail!("alive")
}

fn close(session: &mut Session, _: &Hit, _: &Memory) -> Result<Then> {
    session.wire.hang_up()?;
    bail!("hung up")
}

fn unasked(session: &mut Session, hit: &Hit, _: &Memory) -> Result<Then> {
    session
        .wire
        .raw(&annex_qtest::stream::bytes(session.plan.seed, 0, 4096), &[])?;
    Ok(Then::Give(hit.len))
}
