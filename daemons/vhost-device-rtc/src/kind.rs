// SPDX-License-Identifier: GPL-2.0-or-later
//! The kinds of clocks that a device can have, with their numbers in CLOCK_CAP and their names on
//! the command line.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How a smeared clock gets over a leap second (VIRTIO 1.4, "Smearing Variants").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smearing {
    /// Not said to the driver. It is done from noon to noon.
    Unspecified,
    /// Evenly from the noon before to the noon after.
    NoonLinear,
    /// Evenly in the last 1000 seconds of the day.
    UtcSls,
}

/// A kind of clock (VIRTIO 1.4, "Clock Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTC; it steps at a leap second.
    Utc,
    /// TAI.
    Tai,
    /// The time since the host started.
    Monotonic,
    /// UTC that never steps at a leap second.
    Smeared(Smearing),
    /// UTC as the host has it, and no promise about leap seconds.
    MaybeSmeared,
}

const NAMES: [(&str, Kind); 8] = [
    ("utc", Kind::Utc),
    ("tai", Kind::Tai),
    ("monotonic", Kind::Monotonic),
    ("smeared", Kind::Smeared(Smearing::NoonLinear)),
    ("smeared=noon-linear", Kind::Smeared(Smearing::NoonLinear)),
    ("smeared=utc-sls", Kind::Smeared(Smearing::UtcSls)),
    ("smeared=unspecified", Kind::Smeared(Smearing::Unspecified)),
    ("maybe-smeared", Kind::MaybeSmeared),
];

/// No kind of clock has this name.
#[derive(Debug, Error)]
#[error("there is no clock {0:?}; there are {names}", names = names())]
pub struct UnknownClock(String);

fn names() -> String {
    NAMES.map(|(name, _)| name).join(", ")
}

impl FromStr for Kind {
    type Err = UnknownClock;

    fn from_str(text: &str) -> Result<Kind, UnknownClock> {
        NAMES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|&(_, kind)| kind)
            .ok_or_else(|| UnknownClock(text.into()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last of its names is the one that says all.
        let name = NAMES
            .iter()
            .rev()
            .find(|(_, kind)| kind == self)
            .map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

impl Kind {
    /// CLOCK_CAP's `type`.
    pub fn number(self) -> u8 {
        match self {
            Kind::Utc => 0,
            Kind::Tai => 1,
            Kind::Monotonic => 2,
            Kind::Smeared(_) => 3,
            Kind::MaybeSmeared => 4,
        }
    }

    /// CLOCK_CAP's `leap_second_smearing`.
    pub fn smearing(self) -> u8 {
        match self {
            Kind::Smeared(Smearing::NoonLinear) => 1,
            Kind::Smeared(Smearing::UtcSls) => 2,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back() {
        for (name, kind) in NAMES {
            assert_eq!(name.parse::<Kind>().unwrap(), kind);
            assert_eq!(kind.to_string().parse::<Kind>().unwrap(), kind);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "UTC", "smeared=", "smeared=linear", "utc=sls"] {
            assert!(
                name.parse::<Kind>()
                    .unwrap_err()
                    .to_string()
                    .contains("utc-sls"),
                "{name}"
            );
        }
    }

    #[test]
    fn numbers_are_the_specifications() {
        let numbers = NAMES.map(|(_, kind)| (kind.number(), kind.smearing()));
        assert_eq!(
            numbers,
            [
                (0, 0),
                (1, 0),
                (2, 0),
                (3, 1),
                (3, 1),
                (3, 2),
                (3, 0),
                (4, 0)
            ]
        );
    }
}
