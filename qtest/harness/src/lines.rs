// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines from a socket, each with the time it came, for one who waits.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::error::{MachineFailure, TimedOut};

/// A line, without its end.
#[derive(Clone, Debug)]
pub struct Line {
    /// When its last byte was read.
    pub at: Instant,
    /// The text; what isn't UTF-8 is replaced.
    pub text: String,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    closed: bool,
}

/// All lines read so far; a thread of its own reads on until the end.
pub struct Lines {
    name: String,
    shared: Arc<Shared>,
}

impl Lines {
    /// Begins to read. `name` is what the source is called in errors.
    pub fn read_from(source: impl Read + Send + 'static, name: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            while matches!(source.read_until(b'\n', &mut bytes), Ok(1..)) {
                let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                writer.state().lines.push(Line {
                    at: Instant::now(),
                    text,
                });
                writer.news.notify_all();
                bytes.clear();
            }
            writer.state().closed = true;
            writer.news.notify_all();
        });
        Self {
            name: name.into(),
            shared,
        }
    }

    /// How many lines have come: the place to wait from for later ones.
    pub fn count(&self) -> usize {
        self.shared.state().lines.len()
    }

    /// What `pick` makes of the first line, from number `from` on, that it
    /// makes something of. Waits at most `limit`; `what` completes "waited for".
    pub fn wait<T>(
        &self,
        from: usize,
        what: &str,
        limit: Duration,
        mut pick: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        let mut seen = from;
        let mut state = self.shared.state();
        loop {
            while let Some(line) = state.lines.get(seen) {
                if let Some(value) = pick(line) {
                    return Ok(value);
                }
                seen += 1;
            }
            if state.closed {
                return Err(MachineFailure(format!(
                    "{} closed while waiting for {what}: QEMU ended",
                    self.name
                ))
                .into());
            }
            let waited = start.elapsed();
            let Some(left) = limit.checked_sub(waited) else {
                return Err(TimedOut {
                    what: format!("{what} on {}", self.name),
                    waited,
                }
                .into());
            };
            state = self
                .shared
                .news
                .wait_timeout(state, left)
                .expect("readers don't panic")
                .0;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.lines.lock().expect("readers don't panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn waits_from_a_place_on() {
        let (mut end, source) = UnixStream::pair().unwrap();
        let lines = Lines::read_from(source, "port");
        end.write_all(b"one\r\ntwo\n").unwrap();
        let text = |line: &Line| Some(line.text.clone());
        assert_eq!(lines.wait(0, "a line", SOON, text).unwrap(), "one");
        assert_eq!(lines.wait(1, "a line", SOON, text).unwrap(), "two");
        let error = lines.wait(2, "a third line", SOON, text).unwrap_err();
        assert!(error
            .downcast::<TimedOut>()
            .unwrap()
            .what
            .contains("a third line on port"));
    }

    #[test]
    fn the_end_is_the_machines_failure() {
        let (end, source) = UnixStream::pair().unwrap();
        let lines = Lines::read_from(source, "port");
        drop(end);
        let error = lines
            .wait(0, "x", Duration::from_secs(60), |_| Some(()))
            .unwrap_err();
        assert!(error.is::<MachineFailure>());
    }
}
