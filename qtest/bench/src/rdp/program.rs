// SPDX-License-Identifier: GPL-2.0-or-later
//! rdp-bench, the program of daemons/rdp/trials that has guests, servers and clients.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use annex_qtest::files::top;
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};
use serde::de::DeserializeOwned;

/// For its guests and servers to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// It, while it runs: a line for each question, and for each answer.
pub struct Program {
    process: Child,
    /// Until there are no more.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Program {
    /// Starts the one that was built as this program was. Its logs are in build/bench/rdp.
    pub fn start() -> Result<Self> {
        let path = std::env::current_exe()?.with_file_name("rdp-bench");
        ensure!(
            path.exists(),
            "{} is missing: scripts/bench rdp builds it",
            path.display()
        );
        let mut command = Command::new(&path);
        command
            .arg(top().join("build/bench/rdp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .with_context(|| path.display().to_string())?;
        let questions = process.stdin.take();
        let answers = process.stdout.take().context("its output")?;
        Ok(Self {
            process,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// The figures of doing something so often. What is done, and in which way, is called as
    /// rdp-bench calls it.
    pub fn ask<F: DeserializeOwned>(
        &mut self,
        case: impl fmt::Display,
        mode: impl fmt::Display,
        count: usize,
    ) -> Result<F> {
        let questions = self.questions.as_mut().context("its input")?;
        writeln!(questions, "{case} {mode} {count}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("rdp-bench has ended: {}", self.process.wait()?);
        }
        serde_json::from_str(&answer).with_context(|| answer.clone())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // At the end of its input it ends what it has started. Killed, it would leave an annex-rdp
        // behind, which joins the next run's QEMU.
        drop(self.questions.take());
        let ended = wait::until("rdp-bench to end", PATIENCE, || {
            Ok(self.process.try_wait()?)
        });
        if ended.is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
