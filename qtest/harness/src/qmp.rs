// SPDX-License-Identifier: GPL-2.0-or-later
//! A QMP client: commands answered in turn, events kept with their times.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{json, Value};

use crate::error::QmpError;
use crate::lines::{Line, Lines};

/// How long QEMU may take to answer: an eager load holds up its main loop.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A connection past its greeting.
pub struct Qmp {
    lines: Lines,
    /// Held from a command to its answer.
    writer: Mutex<UnixStream>,
    commands: AtomicU64,
}

/// An event of QEMU's.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was read here.
    pub at: Instant,
    /// Its data, or null.
    pub data: Value,
}

impl Qmp {
    /// Takes the greeting, and QEMU out of negotiation mode.
    pub fn over(stream: UnixStream) -> Result<Self> {
        let lines = Lines::read_from(stream.try_clone()?, "QMP");
        lines.wait(0, "the greeting", ANSWER_LIMIT, |line| {
            parse(line).get("QMP").cloned()
        })?;
        let qmp = Self {
            lines,
            writer: Mutex::new(stream),
            commands: AtomicU64::new(0),
        };
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command; its return value, or a [`QmpError`].
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value> {
        self.execute_within(ANSWER_LIMIT, command, arguments)
    }

    /// The same with a limit of one's own.
    pub fn execute_within(
        &self,
        limit: Duration,
        command: &str,
        arguments: Value,
    ) -> Result<Value> {
        let mut writer = self.writer.lock().expect("commands don't panic");
        let from = self.lines.count();
        // An answer that came too late for one command isn't the next one's.
        let id = self.commands.fetch_add(1, Relaxed);
        let request = json!({ "execute": command, "arguments": arguments, "id": id });
        // If QEMU is gone, the wait below says so, and better.
        let _ = writeln!(writer, "{request}");
        let what = format!("the answer to {command}");
        let answer = self.lines.wait(from, &what, limit, |line| {
            let message = parse(line);
            (message["id"] == id).then_some(message)
        })?;
        match answer.get("error") {
            None => Ok(answer["return"].clone()),
            Some(error) => Err(QmpError {
                command: command.into(),
                description: error["desc"].as_str().unwrap_or_default().into(),
            }
            .into()),
        }
    }

    /// Runs a command of the human monitor; what it printed.
    pub fn human(&self, line: &str) -> Result<String> {
        let output = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(output
            .as_str()
            .context("a human monitor prints text")?
            .to_owned())
    }

    /// A place in the stream of events, to wait from.
    pub fn now(&self) -> usize {
        self.lines.count()
    }

    /// What `pick` makes of the first event since `from` (see [`Qmp::now`])
    /// that it makes something of, given its name. `what` completes "waited for".
    pub fn wait<T>(
        &self,
        from: usize,
        what: &str,
        limit: Duration,
        mut pick: impl FnMut(&str, Event) -> Option<T>,
    ) -> Result<T> {
        self.lines.wait(from, what, limit, |line| {
            let mut message = parse(line);
            let data = message["data"].take();
            pick(message["event"].as_str()?, Event { at: line.at, data })
        })
    }

    /// The first event `name` since `from`.
    pub fn wait_event(&self, from: usize, name: &str, limit: Duration) -> Result<Event> {
        self.wait(from, &format!("event {name}"), limit, |seen, event| {
            (seen == name).then_some(event)
        })
    }
}

/// What isn't JSON becomes null, and is waited past.
fn parse(line: &Line) -> Value {
    serde_json::from_str(&line.text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A QEMU that greets, agrees to everything but "bad", and tells of it.
    fn fake_qemu(mut end: UnixStream) {
        let requests = Lines::read_from(end.try_clone().unwrap(), "client");
        writeln!(end, "{}", json!({ "QMP": { "version": {} } })).unwrap();
        for number in 0.. {
            let limit = Duration::from_secs(5);
            let Ok(request) = requests.wait(number, "a request", limit, |l| Some(parse(l))) else {
                return;
            };
            writeln!(
                end,
                "{}",
                json!({ "event": "SEEN", "data": request["execute"] })
            )
            .unwrap();
            let id = &request["id"];
            let answer = match request["execute"] == "bad" {
                true => json!({ "error": { "desc": "because" }, "id": id }),
                false => json!({ "return": number, "id": id }),
            };
            writeln!(end, "{answer}").unwrap();
        }
    }

    #[test]
    fn answers_errors_and_events_are_told_apart() {
        let (client, end) = UnixStream::pair().unwrap();
        thread::spawn(|| fake_qemu(end));
        let qmp = Qmp::over(client).unwrap();
        assert_eq!(qmp.execute("good", json!({})).unwrap(), 1);
        let error = qmp
            .execute("bad", json!({}))
            .unwrap_err()
            .downcast::<QmpError>()
            .unwrap();
        assert_eq!(error.to_string(), "bad: because");
        let limit = Duration::from_secs(5);
        let seen = qmp.wait(0, "event SEEN of bad", limit, |name, event| {
            (name == "SEEN" && event.data == "bad").then_some(event)
        });
        seen.unwrap();
    }
}
