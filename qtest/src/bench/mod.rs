// SPDX-License-Identifier: GPL-2.0-or-later
//! What the benches share: the machine's description, and statistics.

mod machine;
mod spread;

pub use machine::Machine;
pub use spread::{quotient, shown, Spread};
