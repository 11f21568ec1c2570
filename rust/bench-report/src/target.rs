// SPDX-License-Identifier: GPL-2.0-or-later
//! What is to be reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A bound for a figure. Its text is "at least 0.9" or "at most 20".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
}

impl Target {
    /// Whether a figure reaches it. One that isn't a number doesn't.
    pub fn is_met_by(self, found: f64) -> bool {
        match self {
            Self::AtLeast(bound) => found >= bound,
            Self::AtMost(bound) => found <= bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bound = |bound: &str| bound.parse().map_err(|e| format!("target {text:?}: {e}"));
        match (
            text.strip_prefix("at least "),
            text.strip_prefix("at most "),
        ) {
            (Some(least), _) => bound(least).map(Self::AtLeast),
            (_, Some(most)) => bound(most).map(Self::AtMost),
            _ => Err(format!("target {text:?} is neither at least nor at most")),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::Target::{AtLeast, AtMost};

    #[test]
    fn bounds_are_inclusive_and_no_number_is_none() {
        assert!(AtLeast(0.9).is_met_by(0.9) && !AtLeast(0.9).is_met_by(0.89));
        assert!(AtMost(15.0).is_met_by(15.0) && !AtMost(15.0).is_met_by(15.1));
        assert!(!AtLeast(0.0).is_met_by(f64::NAN) && !AtMost(9.0).is_met_by(f64::NAN));
    }

    #[test]
    fn texts_are_read_back() {
        for target in [AtLeast(0.9), AtMost(500.0)] {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert!("about 7".parse::<super::Target>().is_err());
        assert!("at most many".parse::<super::Target>().is_err());
    }
}
