// SPDX-License-Identifier: GPL-2.0-or-later
//! For tests: whether what is installed beside a program fits it, its manual page and its systemd
//! units. What doesn't makes a function panic.

mod manual;
mod units;

pub use manual::check_manual;
pub use units::Units;
