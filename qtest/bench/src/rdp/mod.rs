// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's screen by annex-rdp, beside QEMU's own VNC server.
//!
//! Both clients, and what they measure, are a program of daemons/rdp/trials: IronRDP's crates
//! want a newer Rust than this program.

mod cases;
mod page;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use annex_qtest::files::top;
use anyhow::{bail, ensure, Context, Result};
use strum::VariantArray;

use crate::about::About;
use crate::bench::Size;
use crate::chart::Chart;
use crate::progress::Progress;
use crate::results::Results;
use crate::single::{Kind, ResultsOf, Single};
use crate::verdict::Verdict;
use cases::{Case, Figures, Mode};

/// The bench of annex-rdp's screen.
pub type Rdp = Single<OfRdp>;

/// What tells it from other benches.
pub enum OfRdp {}

impl Kind for OfRdp {
    const FILE: &'static str = "rdp";
    const COLUMNS: &'static [&'static str] = &[
        "case",
        "mode",
        "run",
        "count",
        "seconds",
        "bytes",
        "cpu_seconds",
        "median_ms",
        "centile99_ms",
    ];
    type Case = Case;
    type Mode = Mode;
    type Figures = Figures;

    fn cases(_: Size) -> Vec<Self::Case> {
        Case::all()
    }

    fn measure(size: Size, _: &mut About) -> Result<ResultsOf<Self>> {
        let mut cases = Case::all();
        if size == Size::Row {
            cases.truncate(1);
        }
        let (runs, count) = size.pick((3, 24), (1, 2));
        // The programs that were built as this one was.
        let mut program = Program::start(std::env::current_exe()?.with_file_name("rdp-bench"))?;
        let mut results = Results::new(cases);
        let turns = (runs + 1) * Mode::VARIANTS.len();
        let mut progress = Progress::new("rdp", results.cases.len(), turns);
        for case in results.cases.clone() {
            results.rounds(case, Mode::VARIANTS, runs, &progress, |case, mode| {
                program.ask(case, mode, count)
            })?;
            progress.case(page::line(&results, case));
        }
        Ok(results)
    }

    fn page(bench: &Rdp) -> String {
        page::text(bench)
    }

    fn chart(results: &ResultsOf<Self>) -> Chart {
        page::chart(results)
    }

    fn verdicts(bench: &Rdp) -> Vec<Verdict> {
        page::verdicts(&bench.results)
    }
}

/// rdp-bench: a line for each question, and for each answer.
struct Program {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    fn start(path: PathBuf) -> Result<Self> {
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
        let questions = process.stdin.take().context("its input")?;
        let answers = process.stdout.take().context("its output")?;
        Ok(Self {
            process,
            questions,
            answers: BufReader::new(answers),
        })
    }

    fn ask(&mut self, case: Case, mode: Mode, count: usize) -> Result<Figures> {
        writeln!(self.questions, "{} {mode} {count}", case.0)?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("rdp-bench has ended: {}", self.process.wait()?);
        }
        serde_json::from_str(&answer).with_context(|| answer.clone())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself. Its guests end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
