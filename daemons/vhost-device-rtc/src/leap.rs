// SPDX-License-Identifier: GPL-2.0-or-later
//! Leap seconds, and the file that lists them: `leap-seconds.list`, as IERS publishes it and
//! Debian's tzdata installs it. A line of it is
//!
//! ```text
//! 3692217600   37     # 1 Jan 2017     TAI-UTC from then on; seconds since 1900
//! #@           3991593600              the file says nothing about what comes after
//! ```

use thiserror::Error;

use crate::host::SECOND;

/// Seconds from 1900, where the file's times begin, to 1970.
const NTP: u64 = 2_208_988_800;
/// A list of leap seconds is some 6 KiB.
pub const MAX_FILE: u64 = 1 << 20;
/// Nanoseconds in a day without a leap second.
pub const DAY: u64 = 86_400 * SECOND;

/// A leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leap {
    /// The midnight behind it: UTC, ns since 1970.
    pub midnight: u64,
    /// Whether a second is inserted; if not, one is left out.
    pub inserted: bool,
}

/// What is wrong with a list.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ListError {
    /// A line that isn't as it should be, by its number.
    #[error("line {0} isn't a time and an offset")]
    Line(usize),
    /// Times or offsets that can't follow each other.
    #[error("line {0} doesn't follow from the one before")]
    Order(usize),
    /// It doesn't say until when it is right.
    #[error("no line says when it expires")]
    NoExpiry,
    /// There is nothing in it.
    #[error("it lists nothing")]
    Empty,
}

/// The file's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// From when on, in seconds since 1970, which offset holds.
    entries: Vec<(u64, i32)>,
    /// Until when it is right, in seconds since 1970.
    expires: u64,
}

impl List {
    /// Read the file's text.
    pub fn parse(text: &str) -> Result<List, ListError> {
        let (mut entries, mut expires) = (Vec::<(u64, i32)>::new(), None);
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            let since_1970 = |word: Option<&str>| {
                word.and_then(|word| word.parse::<u64>().ok())
                    .and_then(|seconds| seconds.checked_sub(NTP))
                    .filter(|seconds| *seconds < u64::MAX / SECOND)
                    .ok_or(ListError::Line(number))
            };
            if let Some(rest) = line.strip_prefix("#@") {
                expires = Some(since_1970(rest.split_whitespace().next())?);
                continue;
            }
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let Some(first) = words.next() else { continue };
            let from = since_1970(Some(first))?;
            let offset = words
                .next()
                .and_then(|word| word.parse::<i32>().ok())
                .ok_or(ListError::Line(number))?;
            match entries.last() {
                Some(&(before, was)) if from <= before || (offset - was).abs() != 1 => {
                    return Err(ListError::Order(number))
                }
                _ => entries.push((from, offset)),
            }
        }
        if entries.is_empty() {
            return Err(ListError::Empty);
        }
        Ok(List {
            entries,
            expires: expires.ok_or(ListError::NoExpiry)?,
        })
    }

    /// TAI-UTC in seconds at a UTC time in ns; None where the list doesn't know.
    pub fn offset(&self, utc: u64) -> Option<i32> {
        let seconds = utc / SECOND;
        let known = self.entries.iter().rev().find(|(from, _)| *from <= seconds);
        known
            .filter(|_| seconds < self.expires)
            .map(|&(_, offset)| offset)
    }

    /// The leap second nearest to a UTC time in ns, if one is within a day of it.
    pub fn near(&self, utc: u64) -> Option<Leap> {
        self.entries
            .windows(2)
            .map(|pair| Leap {
                midnight: pair[1].0 * SECOND,
                inserted: pair[1].1 > pair[0].1,
            })
            .find(|leap| leap.midnight.abs_diff(utc) < DAY)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 2017-01-01, the last one so far.
    pub(crate) const Y2017: u64 = 1_483_228_800;

    pub(crate) fn list() -> List {
        List::parse(
            "# comment\n#$\t 3676924800\n#@\t4000000000\n2272060800 10 # 1 Jan 1972\n\
             2287785600\t11\t# 1 Jul 1972\n\n3692217600 12\n3723753600 11 # never was\n",
        )
        .unwrap()
    }

    #[test]
    fn offsets() {
        let list = list();
        assert_eq!(list.offset(0), None, "before 1972");
        assert_eq!(list.offset((2272060800 - NTP) * SECOND), Some(10));
        assert_eq!(list.offset(Y2017 * SECOND - 1), Some(11));
        assert_eq!(list.offset(Y2017 * SECOND), Some(12));
        assert_eq!(list.offset((4000000000 - NTP) * SECOND - 1), Some(11));
        assert_eq!(list.offset((4000000000 - NTP) * SECOND), None, "expired");
    }

    #[test]
    fn leaps_near() {
        let list = list();
        let midnight = Y2017 * SECOND;
        let leap = Leap {
            midnight,
            inserted: true,
        };
        assert_eq!(list.near(midnight - DAY), None);
        assert_eq!(list.near(midnight - DAY + 1), Some(leap));
        assert_eq!(list.near(midnight + DAY - 1), Some(leap));
        let midnight = (3723753600 - NTP) * SECOND;
        assert_eq!(
            list.near(midnight),
            Some(Leap {
                midnight,
                inserted: false
            })
        );
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(List::parse(""), Err(ListError::Empty));
        assert_eq!(List::parse("2272060800 10"), Err(ListError::NoExpiry));
        assert_eq!(List::parse("#@ x"), Err(ListError::Line(1)));
        assert_eq!(List::parse("#@ 4000000000\n10 10"), Err(ListError::Line(2)));
        assert_eq!(
            List::parse("#@ 4000000000\n2272060800"),
            Err(ListError::Line(2))
        );
        let order = "#@ 4000000000\n2272060800 10\n2272060800 11";
        assert_eq!(List::parse(order), Err(ListError::Order(3)));
        let jump = "#@ 4000000000\n2272060800 10\n2287785600 12";
        assert_eq!(List::parse(jump), Err(ListError::Order(3)));
    }

    #[test]
    fn the_systems_own_is_read() {
        let Ok(text) = std::fs::read_to_string("/usr/share/zoneinfo/leap-seconds.list") else {
            eprintln!("skipped: this system has no leap-seconds.list");
            return;
        };
        assert_eq!(List::parse(&text).unwrap().offset(Y2017 * SECOND), Some(37));
    }
}
