// SPDX-License-Identifier: GPL-2.0-or-later
//! Makes tests of functions: registered beside their bodies, named by path,
//! run by libtest-mimic.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::error::{MachineFailure, Skip, TimedOut};
use crate::files::Dir;

/// Adds tests, one or one per parameter. Put one beside its tests' bodies:
///
/// ```ignore
/// inventory::submit! { Family(|add| {
///     for backing in Backing::ALL {
///         add(format!("boot/{backing}"), Box::new(move |dir| boot(dir, backing)));
///     }
/// }) }
/// ```
pub struct Family(pub fn(&mut dyn FnMut(String, Body)));

/// A test: gets a directory of its own, passes if it returns `Ok`.
pub type Body = Box<dyn FnOnce(&Dir) -> Result<()> + Send>;

inventory::collect!(Family);

/// The test program's main function.
pub fn main() -> ExitCode {
    let arguments = Arguments::from_iter(std::env::args_os().map(spell_out));
    let mut trials = Vec::new();
    for family in inventory::iter::<Family> {
        (family.0)(&mut |name, body| {
            let test = name.clone();
            trials.push(Trial::ignorable_test(name, move || run(&test, body)));
        });
    }
    // Registration has no order; reports should.
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `-jN` is short for `--test-threads=N`.
fn spell_out(argument: OsString) -> OsString {
    match argument.to_str().and_then(|text| text.strip_prefix("-j")) {
        Some("") => "--test-threads".into(),
        Some(threads) => format!("--test-threads={threads}").into(),
        None => argument,
    }
}

fn run(name: &str, body: Body) -> Result<Completion, Failed> {
    let dir = Dir::for_test(name).map_err(|error| format!("{error:#}"))?;
    let error = match body(&dir) {
        Ok(()) => {
            dir.keep_only_logs();
            return Ok(Completion::Completed);
        }
        Err(error) => error,
    };
    if let Some(Skip(reason)) = error.downcast_ref() {
        dir.log(format!("skipped: {reason}"));
        return Ok(Completion::ignored_with(reason));
    }
    let report = format!("{}: {error:#}", verdict(&error));
    dir.log(&report);
    Err(format!("{report}\n{}", dir.log_tails()).into())
}

/// What failed: the thing under test, or the means of testing it.
fn verdict(error: &anyhow::Error) -> &'static str {
    if error.is::<MachineFailure>() {
        "MACHINE FAILED"
    } else if error.is::<TimedOut>() {
        "OUT OF TIME"
    } else {
        "TEST FAILED"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{anyhow, Context};

    #[test]
    fn a_skip_is_no_pass() {
        let skip = |_: &Dir| Err(Skip("no such hardware".into()).into());
        let Ok(Completion::Ignored { reason }) = run("unit/skip", Box::new(skip)) else {
            panic!("not ignored");
        };
        assert_eq!(reason.as_deref(), Some("no such hardware"));
    }

    #[test]
    fn a_failed_machine_is_told_from_a_failed_test_under_any_context() {
        let dead: Result<()> = Err(MachineFailure("died".into()).into());
        assert_eq!(
            verdict(&dead.context("loading").unwrap_err()),
            "MACHINE FAILED"
        );
        assert_eq!(verdict(&anyhow!("wrong digest")), "TEST FAILED");
    }

    #[test]
    fn a_failure_shows_the_logs() {
        let fail = |dir: &Dir| {
            dir.log("half way");
            Err(anyhow!("wrong"))
        };
        let failed = run("unit/fail", Box::new(fail)).err().expect("a failure");
        let message = failed.message().unwrap();
        assert!(message.starts_with("TEST FAILED: wrong") && message.contains("half way"));
    }

    #[test]
    fn j_is_spelt_out() {
        assert_eq!(spell_out("-j2".into()), "--test-threads=2");
        assert_eq!(spell_out("-j".into()), "--test-threads");
        assert_eq!(spell_out("--list".into()), "--list");
    }
}
