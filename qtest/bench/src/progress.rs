// SPDX-License-Identifier: GPL-2.0-or-later
//! How far a bench is: a bar on a terminal, lines elsewhere.

use std::fmt;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of so many turns.
pub struct Progress {
    bar: ProgressBar,
    cases: usize,
    case: usize,
}

impl Progress {
    /// None of `cases` is done, each of which takes so many turns.
    pub fn new(what: &str, cases: usize, turns: usize) -> Self {
        let bar = ProgressBar::new((cases * turns) as u64);
        let style = "{bar:24} {pos} of {len} turns, {eta} to go: {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a template"));
        let progress = Self {
            bar,
            cases,
            case: 0,
        };
        progress.say(format!("{what}: {cases} cases, {turns} turns each"));
        progress
    }

    /// A turn begins.
    pub fn turn(&self, what: impl fmt::Display) {
        self.bar.set_message(what.to_string());
        self.bar.inc(1);
    }

    /// A case is done, with this result.
    pub fn case(&mut self, result: impl fmt::Display) {
        self.case += 1;
        self.say(format!("[{}/{}] {result}", self.case, self.cases));
    }

    /// A line for who watches.
    pub fn say(&self, line: impl fmt::Display) {
        self.bar.suspend(|| println!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
