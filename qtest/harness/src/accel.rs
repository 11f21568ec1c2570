// SPDX-License-Identifier: GPL-2.0-or-later
//! What executes a guest's code.

use std::fmt;

/// What executes the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// QEMU's own translator: works everywhere, and alike.
    Tcg,
    /// The host kernel's.
    Kvm,
    /// Nothing: a test does the CPU's I/O.
    None,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
            Self::None => "qtest",
        })
    }
}
