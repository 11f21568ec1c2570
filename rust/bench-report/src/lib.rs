// SPDX-License-Identifier: GPL-2.0-or-later
//! What benches have in common: medians and how far runs are apart, targets, and the figures of a
//! crate's bench, to people on standard output and to programs in a CSV file.

mod figure;
mod report;
mod spread;
mod target;

pub use figure::Figure;
pub use report::{Args, Report, Rounds, Times};
pub use spread::{quantile, Spread};
pub use target::Target;
