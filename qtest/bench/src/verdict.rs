// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether what was to be reached was: the one place that says so.

use std::fmt;

use bench_report::Target;

/// A target, and what was found.
pub struct Verdict {
    what: String,
    target: Target,
    /// A figure for each case that there is; one that needs no name.
    found: Vec<(String, f64)>,
    digits: usize,
}

impl Verdict {
    /// A verdict on one figure, shown with so many digits.
    pub fn new(what: String, target: Target, found: Option<f64>, digits: usize) -> Self {
        let found = found.map(|found| (String::new(), found));
        Self {
            what,
            target,
            found: Vec::from_iter(found),
            digits,
        }
    }

    /// One on several cases together.
    pub fn on_all(
        what: String,
        target: Target,
        found: impl IntoIterator<Item = (String, f64)>,
        digits: usize,
    ) -> Self {
        Self {
            what,
            target,
            found: Vec::from_iter(found),
            digits,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            target,
            found,
            digits,
        } = self;
        let short: Vec<_> = found
            .iter()
            .filter(|(_, figure)| !target.is_met_by(*figure))
            .collect();
        let verdict = match (found.len(), short.len()) {
            (0, _) => "not measured",
            (_, 0) => "MET",
            _ => "NOT MET",
        };
        write!(f, "- {verdict}: {what}, {target}")?;
        match (found.as_slice(), short.len()) {
            ([], _) => Ok(()),
            ([(name, figure)], _) if name.is_empty() => write!(f, ": {figure:.digits$}"),
            (all, 0) => write!(f, ": all {} cases", all.len()),
            (all, count) => {
                write!(f, ": {count} of {} cases fall short", all.len())?;
                for (name, figure) in short {
                    write!(f, "\n  - {name}: {figure:.digits$}")?;
                }
                Ok(())
            }
        }
    }
}

/// All of them, a line each.
pub fn list(verdicts: &[Verdict]) -> String {
    verdicts
        .iter()
        .map(|verdict| format!("{verdict}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Target::{AtLeast, AtMost};

    #[test]
    fn what_falls_short_is_named() {
        let one = |found| Verdict::new("speed".into(), AtLeast(0.9), found, 2).to_string();
        assert_eq!(one(Some(0.9)), "- MET: speed, at least 0.9: 0.90");
        assert_eq!(one(Some(0.5)), "- NOT MET: speed, at least 0.9: 0.50");
        assert_eq!(one(None), "- not measured: speed, at least 0.9");
        let several = |found: &[(&str, f64)]| {
            let found = found
                .iter()
                .map(|(name, figure)| (name.to_string(), *figure));
            Verdict::on_all("time".into(), AtMost(15.0), found, 1).to_string()
        };
        assert_eq!(
            several(&[("a", 1.0), ("b", 2.0)]),
            "- MET: time, at most 15: all 2 cases"
        );
        assert_eq!(
            several(&[("a", 1.0), ("b", 20.0)]),
            "- NOT MET: time, at most 15: 1 of 2 cases fall short\n  - b: 20.0"
        );
    }
}
