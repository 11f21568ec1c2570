// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: guests and modes.

use annex_qtest::kept::Fill;
use annex_qtest::snapshot::Mode;

use crate::THREADS;

/// A guest to be saved once and loaded often.
#[derive(Debug, PartialEq)]
pub struct Guest {
    /// As it appears in the table.
    pub name: &'static str,
    /// MiB of RAM.
    pub mib: u64,
    /// What is in it.
    pub fill: Fill,
}

impl Guest {
    /// Whether RAM is full of incompressible data.
    pub fn is_full(&self) -> bool {
        matches!(self.fill, Fill::Full)
    }

    /// Its name without blanks.
    pub fn file_name(&self) -> String {
        self.name.replace([' ', ','], "-")
    }
}

/// The sizes that the project's targets are about.
pub const FULL: [Guest; 4] = [
    Guest {
        name: "1 GiB",
        mib: 1024,
        fill: Fill::Full,
    },
    Guest {
        name: "4 GiB",
        mib: 4096,
        fill: Fill::Full,
    },
    Guest {
        name: "8 GiB",
        mib: 8192,
        fill: Fill::Full,
    },
    Guest {
        name: "4 GiB mostly empty",
        mib: 4096,
        fill: Fill::Mib(0),
    },
];

/// Enough to see that it works.
pub const SMOKE: [Guest; 2] = [
    Guest {
        name: "0.5 GiB",
        mib: 512,
        fill: Fill::Full,
    },
    Guest {
        name: "1 GiB mostly empty",
        mib: 1024,
        fill: Fill::Mib(0),
    },
];

/// The rivals.
pub const MODES: [Mode; 3] = [Mode::Eager, Mode::Multifd(THREADS), Mode::OnDemand];
