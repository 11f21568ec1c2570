// SPDX-License-Identifier: GPL-2.0-or-later
//! Which tests `make check` leaves to `make check-all`: those that
//! scripts/only-in-check-all lists, each with its reason.

use std::fs;

use anyhow::{Context, Result};

use crate::files::top;

/// `all` runs everything.
const VARIABLE: &str = "ANNEX_TIER";

/// The tests of one program that are left out, by patterns of their names.
pub struct Tier {
    entries: Vec<Entry>,
}

struct Entry {
    pattern: String,
    reason: String,
}

impl Tier {
    /// The lines of the list that begin with `program`.
    pub fn of(program: &str) -> Result<Self> {
        let path = top().join("scripts/only-in-check-all");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text, program)
    }

    fn parse(text: &str, program: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, rest) = line.split_once(' ').context("no pattern")?;
            let (pattern, reason) = rest.split_once(": ").context("no reason")?;
            if name == program {
                let (pattern, reason) = (pattern.trim().into(), reason.trim().into());
                entries.push(Entry { pattern, reason });
            }
        }
        Ok(Self { entries })
    }

    /// Why `make check` doesn't run the test `name`.
    pub fn reason(&self, name: &str) -> Option<&str> {
        let entry = self
            .entries
            .iter()
            .find(|entry| matches(&entry.pattern, name))?;
        Some(&entry.reason)
    }

    /// Patterns that are none of `names`.
    pub fn unmatched(&self, names: &[&str]) -> Vec<&str> {
        let stale = |entry: &&Entry| !names.iter().any(|name| matches(&entry.pattern, name));
        self.entries
            .iter()
            .filter(stale)
            .map(|entry| entry.pattern.as_str())
            .collect()
    }
}

/// Whether everything is to be run.
pub fn all() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|tier| tier == "all")
}

/// Whether `name` is `pattern`, in which each `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|&at| rest.is_char_boundary(at))
                .any(|at| matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# A comment.\n\n\
                        isolation fs/*: somebody else's\n\
                        tape on/*/blocks: the same code\n\
                        tape crash: it takes long: an hour\n";

    #[test]
    fn a_test_is_left_out_by_its_programs_lines_only() {
        let tape = Tier::parse(LIST, "tape").unwrap();
        assert_eq!(tape.reason("on/usb/blocks"), Some("the same code"));
        assert_eq!(tape.reason("crash"), Some("it takes long: an hour"));
        for name in ["fs/plain", "on/usb/blocks-2", "on/usb", "crashes", ""] {
            assert_eq!(tape.reason(name), None, "{name}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_named() {
        let tape = Tier::parse(LIST, "tape").unwrap();
        assert_eq!(tape.unmatched(&["on/usb/blocks"]), ["crash"]);
        assert!(tape.unmatched(&["crash", "on/x/blocks"]).is_empty());
    }

    #[test]
    fn a_line_without_a_reason_is_an_error() {
        assert!(Tier::parse("tape crash\n", "tape").is_err());
        assert!(Tier::parse("tape\n", "guest").is_err());
    }

    #[test]
    fn the_list_can_be_read() {
        Tier::of("guest").unwrap();
    }
}
