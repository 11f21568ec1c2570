// SPDX-License-Identifier: GPL-2.0-or-later
//! Makes tests of functions: registered beside their bodies, named by path,
//! run by libtest-mimic.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::error::{MachineFailure, Skip, TimedOut};
use crate::files::Dir;
use crate::tier::{self, Tier};

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

/// The test program's main function. What scripts/only-in-check-all lists is
/// ignored, with its reason, unless it is asked for: by `ANNEX_TIER=all`, by
/// `--include-ignored`, or by its name with `--exact`.
pub fn main() -> ExitCode {
    let arguments = Arguments::from_iter(std::env::args_os().map(spell_out));
    let tier = match Tier::of(&program()) {
        Ok(tier) => tier,
        Err(error) => {
            eprintln!("scripts/only-in-check-all: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let wanted = tier::all() || arguments.include_ignored || arguments.exact;
    let mut trials = Vec::new();
    for family in inventory::iter::<Family> {
        (family.0)(&mut |name, body| {
            let reason = tier.reason(&name).map(str::to_owned);
            let kind = if reason.is_some() { CHECK_ALL } else { "" };
            let test = name.clone();
            let trial = Trial::ignorable_test(name, move || match reason {
                Some(reason) if !wanted => Ok(Completion::ignored_with(reason)),
                _ => timed(&test, body),
            });
            trials.push(trial.with_kind(kind));
        });
    }
    // Registration has no order; reports should.
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    let names: Vec<_> = trials.iter().map(Trial::name).collect();
    let stale = tier.unmatched(&names).join(", ");
    if !stale.is_empty() {
        eprintln!("scripts/only-in-check-all lists what there isn't: {stale}");
        return ExitCode::FAILURE;
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        print_slowest();
    }
    conclusion.exit_code()
}

/// How a list marks a test that `make check` leaves out.
const CHECK_ALL: &str = "check-all";

/// The name of the test program, without the hash that Cargo adds.
fn program() -> String {
    let path = std::env::args_os()
        .next()
        .map(PathBuf::from)
        .unwrap_or_default();
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => name.into(),
        _ => stem,
    }
}

/// What each test took, in seconds.
static TIMES: Mutex<Vec<(f64, String)>> = Mutex::new(Vec::new());

fn timed(name: &str, body: Body) -> Result<Completion, Failed> {
    let start = Instant::now();
    let result = run(name, body);
    let took = start.elapsed().as_secs_f64();
    TIMES
        .lock()
        .expect("nothing panics while it holds them")
        .push((took, name.into()));
    result
}

/// Names the tests that took longest: scripts/check shows them.
fn print_slowest() {
    let mut times = TIMES.lock().expect("nothing panics while it holds them");
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (seconds, name) in times.iter().take(10) {
        println!("slow: {seconds:.1} s: {name}");
    }
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
