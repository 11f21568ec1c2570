// SPDX-License-Identifier: GPL-2.0-or-later
//! As much of QMP as hands a socket over to QEMU: `getfd` and `add_client`.

use std::io::{BufRead, BufReader, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{sendmsg, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::{json, Value};
use thiserror::Error;

/// The name that QEMU has the descriptor by, for the moment between the two commands.
const NAME: &str = "annex-rdp";
/// How long an answer may take. QEMU answers at once; a monitor that somebody else has open
/// accepts no second one and says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer or event.
const MAX_LINE: u64 = 1 << 20;

/// Why QEMU wasn't given the socket.
#[derive(Debug, Error)]
pub enum QmpError {
    /// The socket broke, or QEMU said nothing.
    #[error("QMP: {0}")]
    Io(#[from] std::io::Error),
    /// What was read isn't QMP.
    #[error("QMP: what was read is no answer: {0}")]
    Json(#[from] serde_json::Error),
    /// QEMU closed the socket.
    #[error("QMP: QEMU closed the monitor")]
    Closed,
    /// QEMU refused a command.
    #[error("QMP: {0}: {1}")]
    Refused(&'static str, String),
}

/// Asks the QEMU behind a QMP socket to serve its D-Bus display on a socket, and lets go of QMP.
pub fn add_display_client(path: &Path, client: OwnedFd) -> Result<(), QmpError> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    read(&mut reader)?; // the greeting
    let mut execute = |command, arguments, descriptor: Option<BorrowedFd<'_>>| {
        send(&stream, command, arguments, descriptor)?;
        answer(&mut reader, command)
    };
    execute("qmp_capabilities", json!({}), None)?;
    execute("getfd", json!({"fdname": NAME}), Some(client.as_fd()))?;
    execute(
        "add_client",
        json!({"protocol": "@dbus-display", "fdname": NAME}),
        None,
    )
}

fn send(
    stream: &UnixStream,
    command: &str,
    arguments: Value,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), QmpError> {
    let line = format!("{}\n", json!({"execute": command, "arguments": arguments}));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    // A line is far smaller than a socket's buffer, which is empty: it is sent as a whole.
    let sent = sendmsg(
        stream,
        &[IoSlice::new(line.as_bytes())],
        &mut control,
        SendFlags::NOSIGNAL,
    )
    .map_err(std::io::Error::from)?;
    if sent != line.len() {
        return Err(QmpError::Closed);
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> Result<Value, QmpError> {
    let mut line = Vec::new();
    if reader.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Err(QmpError::Closed);
    }
    Ok(serde_json::from_slice(&line)?)
}

/// The answer to a command; events come in between.
fn answer(reader: &mut impl BufRead, command: &'static str) -> Result<(), QmpError> {
    loop {
        let value = read(reader)?;
        if let Some(error) = value.get("error") {
            let words = error
                .get("desc")
                .and_then(Value::as_str)
                .unwrap_or("no reason given");
            return Err(QmpError::Refused(command, words.to_owned()));
        }
        if value.get("return").is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {}, "capabilities": []}}"#;
    const DONE: &str = r#"{"return": {}}"#;

    /// A monitor that greets, and answers each command with the next lines.
    fn monitor(answers: &'static [&'static str]) -> (Result<(), QmpError>, Vec<Value>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            writeln!(stream, "{GREETING}").unwrap();
            let mut commands = Vec::new();
            for answer in answers {
                let Some(Ok(line)) = lines.next() else { break };
                commands.push(serde_json::from_str(&line).unwrap());
                writeln!(stream, "{answer}").unwrap();
            }
            commands
        });
        let (_mine, yours) = UnixStream::pair().unwrap();
        let result = add_display_client(&path, yours.into());
        (result, server.join().unwrap())
    }

    #[test]
    fn three_commands_and_events_between() {
        let event = "{\"event\": \"RESUME\", \"timestamp\": {}}\n{\"return\": {}}";
        let answers: &'static [&str] = Box::leak(Box::new([DONE, event, DONE]));
        let (result, commands) = monitor(answers);
        result.unwrap();
        let names: Vec<_> = commands
            .iter()
            .map(|c| c["execute"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["qmp_capabilities", "getfd", "add_client"]);
        assert_eq!(commands[2]["arguments"]["protocol"], "@dbus-display");
    }

    #[test]
    fn a_refusal_says_which_command_and_why() {
        let refusal = r#"{"error": {"class": "GenericError", "desc": "no such display"}}"#;
        let answers: &'static [&str] = Box::leak(Box::new([DONE, DONE, refusal]));
        let (result, _) = monitor(answers);
        assert_eq!(
            result.unwrap_err().to_string(),
            "QMP: add_client: no such display"
        );
    }

    #[test]
    fn a_monitor_that_ends_or_babbles() {
        let answers: &'static [&str] = Box::leak(Box::new([DONE]));
        assert!(matches!(
            monitor(answers).0,
            Err(QmpError::Closed | QmpError::Io(_))
        ));
        let answers: &'static [&str] = Box::leak(Box::new([DONE, "babble"]));
        assert!(matches!(monitor(answers).0, Err(QmpError::Json(_))));
    }
}
